"""Liveness and readiness, for Cloud Run and for `make run`."""

from datetime import timedelta

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from approvals.models import Delivery

# A backlog older than this means that no worker runs.
STALE = timedelta(minutes=5)


@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """The process is alive. Asks nothing of anybody."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(_request: HttpRequest) -> JsonResponse:
    """Database reachable, migrations applied, deliveries moving: 200, or 503 with the reason."""
    problems = {}
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            problems["migrations"] = "Run manage.py migrate."
        elif Delivery.objects.due(timezone.now() - STALE).exists():
            problems["deliveries"] = "Nothing was delivered for five minutes: is a worker running?"
    except DatabaseError:
        problems["database"] = "The database does not answer."
    return JsonResponse(
        {"ready": not problems, "problems": problems}, status=503 if problems else 200
    )

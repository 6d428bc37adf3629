"""Liveness, readiness and metrics: for Cloud Run, for load balancers and for Prometheus.

Whoever asks may be anybody: there are sentences here, and no names, addresses or versions.
"""

import os
import shutil
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client.exposition import choose_encoder

from approvals import attention, metrics
from approvals.google.tokens import token_source
from approvals.models import Delivery
from approvals.reasons import Kind

# An answer that has been due for longer means that no worker gets on.
STALE = timedelta(minutes=5)
# With less on the disk of an SQLite database the next decision may not fit.
LEAST_FREE = 64 * 1024 * 1024  # bytes

Found = dict[str, str]


@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """The process is alive. Asks nothing of anybody."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(_request: HttpRequest) -> JsonResponse:
    """Whether this instance can serve, as 200 or 503; what else is wrong, as warnings.

    Only what this instance needs to show pages and to keep decisions is a 503. An answer that
    is decided and not delivered is safe, and to take the pages away as well would help nobody.
    """
    problems: Found = {}
    warnings: Found = {}
    try:
        problems = unable()
        if not problems:
            warnings = not_moving(timezone.now())
    except Error:
        problems = {"database": "The database does not answer."}
    if trouble := token_source.trouble():
        warnings["token"] = trouble
    answer = {"ready": not problems, "problems": problems, "warnings": warnings}
    return JsonResponse(answer, status=503 if problems else 200)


@require_safe
def prometheus(request: HttpRequest) -> HttpResponse:
    """Metrics, for whoever has `METRICS_TOKEN`; for anybody while one develops, else nowhere."""
    if settings.METRICS_TOKEN:
        wanted = f"Bearer {settings.METRICS_TOKEN}"
        if not constant_time_compare(request.headers.get("Authorization", ""), wanted):
            refusal = HttpResponse("Send the metrics token.\n", "text/plain", status=401)
            refusal["WWW-Authenticate"] = "Bearer"
            return refusal
    elif not settings.DEBUG:
        raise Http404
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(metrics.registry), content_type)


def unable() -> Found:
    """Why this instance cannot serve. Raises `django.db.Error` where the database is away."""
    applied = MigrationRecorder(connection).applied_migrations()
    if not known_migrations() <= applied.keys():
        return {"migrations": "The tables are those of an earlier version: run manage.py migrate."}
    if not _can_write():
        return {"database": "The database takes no writing."}
    if (free := _free_bytes()) is not None and free < LEAST_FREE:
        return {"disk": "The disk of the database is full, or nearly so."}
    return {}


def not_moving(now: datetime) -> Found:
    """What is left undone that a worker should have done."""
    found = {}
    due = Delivery.objects.due(now - STALE).order_by("next_attempt_at")
    if (oldest := due.values_list("next_attempt_at", flat=True).first()) is not None:
        minutes = int((now - oldest).total_seconds() // 60)
        found["deliveries"] = f"An answer has been due for {minutes} minutes."
    undone = [each.reason for each in attention.conditions() if each.kind == Kind.WORKER]
    if undone:
        found["worker"] = undone[0]
    return found


@cache
def known_migrations() -> frozenset[tuple[str, str]]:
    """Those that this version comes with; read from its files once."""
    return frozenset(MigrationLoader(None).disk_migrations)


def _database_file() -> Path | None:
    """The file of an SQLite database."""
    name = connection.settings_dict["NAME"]
    here = connection.vendor == "sqlite" and os.path.exists(name)  # noqa: PTH110 - or a URI
    return Path(name) if here else None


def _can_write() -> bool:
    """Whether it takes writing, as far as that is known without writing."""
    if connection.vendor == "sqlite":
        path = _database_file()
        return path is None or os.access(path, os.W_OK)
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")  # on: a standby, after a failover
        return bool(cursor.fetchone() == ("off",))


def _free_bytes() -> int | None:
    """What is left on the disk of an SQLite database; None where that is not ours to know."""
    path = _database_file()
    return None if path is None else shutil.disk_usage(path.parent).free

"""Requests to a real gunicorn: registering, the inbox with 1,000 approvals, beside `/healthz`.

    python -m benchmarks bench_http

One client, one request after another over a connection that is kept, on SQLite. The floor is what
HTTP, gunicorn and Django's middleware cost without any work: `/healthz` of the same server.
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

import django
from django.core.management import call_command

from benchmarks.measure import Job, Operation, measure, report
from config import local
from config.processes import ROOT
from tests.services import free_port

ROUNDS, IN_THE_INBOX = 15, 1000


def main() -> None:
    """Fill a database, start gunicorn on it, measure, write the table."""
    place = ROOT / "build"
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=place) as folder:
        plan = local.Plan(free_port(), free_port(), Path(folder), "demo")
        given = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        os.environ.clear()
        os.environ.update(local.environment(plan, given, "only-for-the-benchmark"))
        django.setup()
        call_command("collectstatic", interactive=False, verbosity=0)
        key, cookie, bodies = _fill()
        with (Path(folder) / "log").open("wb") as log:
            server = subprocess.Popen(
                [sys.executable, *local.gunicorn(plan)], cwd=ROOT, stdout=log, stderr=log
            )
        try:
            _wait(plan.port)
            sys.stdout.write(_measure(plan.port, key, cookie, bodies) + "\n")
        finally:
            server.terminate()
            server.wait(20)


def _fill() -> tuple[str, str, Callable[[], bytes]]:
    """Approvals for Ana; an API key, her session cookie, and a maker of new registrations."""
    call_command("migrate", verbosity=0)

    from django.conf import settings  # noqa: PLC0415 - after setup
    from django.db import connections  # noqa: PLC0415 - after setup
    from django.test import Client  # noqa: PLC0415 - after setup

    from approvals.models import ApiKey  # noqa: PLC0415 - after setup
    from tests.factories import (  # noqa: PLC0415 - after setup
        make_approval,
        make_caller,
        make_group,
        make_request,
        make_user,
    )

    ana = make_user("ana@example.com")
    make_group("managers", ana)
    make_group("others", make_user("ben@example.com"))  # so that Ana's inbox stays as it is
    caller = make_caller()
    for _ in range(IN_THE_INBOX):
        make_approval(caller=caller)
    _, key = ApiKey.objects.issue(caller)
    client = Client()
    client.force_login(ana)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    connections.close_all()
    return (
        key,
        f"{settings.SESSION_COOKIE_NAME}={cookie}",
        lambda: json.dumps(make_request(approvers=["group:others"])).encode(),
    )


def _measure(port: int, key: str, cookie: str, body: Callable[[], bytes]) -> str:
    def batch(method: str, path: str, headers: dict[str, str], expected: int) -> Job:
        def prepare(count: int) -> Iterable[Operation]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            bodies = [body() if method == "POST" else None for _ in range(count)]
            return [partial(ask, connection, each) for each in bodies]

        def ask(connection: http.client.HTTPConnection, data: bytes | None) -> None:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != expected:
                raise SystemExit(f"{method} {path}: {answer.status}")

        return Job(names[path], counts[path], prepare)

    names = {
        "/api/v1/approvals": "POST /api/v1/approvals (API key)",
        "/": f"GET / (inbox of {IN_THE_INBOX:,})",
        "/healthz": "GET /healthz (the floor)",
    }
    counts = {"/api/v1/approvals": 60, "/": 20, "/healthz": 150}
    bearer = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    jobs = [
        batch("POST", "/api/v1/approvals", bearer, 201),
        batch("GET", "/", {"Cookie": cookie}, 200),
        batch("GET", "/healthz", {}, 200),
    ]
    return report("Requests, gunicorn and SQLite", measure(jobs, ROUNDS), names["/healthz"])


def _wait(port: int) -> None:
    """Until the server answers, half a minute at most."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise SystemExit("gunicorn did not start")


if __name__ == "__main__":
    main()

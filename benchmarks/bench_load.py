"""An inbox of years at work: 100,000 approvals, 20 people, 50 registrations a second.

    python -m benchmarks bench_load

BENCH_APPROVALS, BENCH_PEOPLE and BENCH_SECONDS change the sizes. The database is the one that the
environment names, and must be empty; gunicorn serves as `make run` starts it, and a decision goes
out to a server in Google's place within the click, as always. Each person opens the inbox,
opens an approval, answers it, and thinks between two clicks. The floor is `/healthz` of the same
server, asked meanwhile.
"""

import http.client
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any
from urllib.parse import urlencode

import django
from django.core.management import call_command

from benchmarks.google import Google, callback_url
from config import local
from config.processes import ROOT
from tests.services import free_port

APPROVALS = int(os.environ.get("BENCH_APPROVALS", "100000"))
PEOPLE = int(os.environ.get("BENCH_PEOPLE", "20"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "60"))
# Seconds between two clicks of one person; registrations a second, of so many callers: each of
# them may ask 20 a second.
THINKING, REGISTRATIONS, CALLERS = 2.0, 50, 5
# Of a hundred approvals so many still wait for somebody.
WAITING = 2
FLOOR = "GET /healthz (the floor)"


def main() -> None:
    """Fill a database, start gunicorn on it, let people work, write the table."""
    place = ROOT / "build"
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=place) as home:
        folder = Path(home)
        with Google(folder, ()) as google:
            plan = local.Plan(free_port(), google.plain_port, folder, "demo")
            given = dict(os.environ)
            os.environ.update(local.environment(plan, given, "only-for-the-benchmark", grpc=False))
            django.setup()
            call_command("collectstatic", interactive=False, verbosity=0)
            world, seconds = _fill(plan.emulator)
            with (folder / "log").open("wb") as log:
                command = [sys.executable, *local.gunicorn(plan)]
                server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
            try:
                _wait(plan.port)
                _load(plan.port, world)
            finally:
                server.terminate()
                server.wait(20)
            sys.stdout.write(world.report(seconds) + "\n")


@dataclass
class World:
    """Who works here, and what was seen: name -> seconds of each, and what went wrong."""

    database: str
    cookies: list[str]
    keys: list[str]
    body: Callable[[], bytes]
    seen: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)

    def report(self, filling: float) -> str:
        """A Markdown table; the ratios are of medians to the floor's."""
        base = quantiles(self.seen[FLOOR], n=20)[9]
        wrong = f"{len(self.errors)} errors{_some(self.errors)}"
        lines = [
            f"### {PEOPLE} people and {APPROVALS:,} approvals, {self.database}",
            "",
            f"{SECONDS:.0f} s; {wrong}. The database was filled in {filling:.0f} s.",
            "",
            "| what | number | p50, ms | p95, ms | times the floor (p50) |",
            "| --- | --- | --- | --- | --- |",
        ]
        for name, times in self.seen.items():
            cuts = quantiles(times, n=20)
            ratio = "floor" if name == FLOOR else f"{cuts[9] / base:.1f}"
            middle, high = (f"{cuts[n] * 1000:.0f}" for n in (9, 18))
            lines.append(f"| {name} | {len(times)} | {middle} | {high} | {ratio} |")
        return "\n".join([*lines, ""])


def _some(errors: list[str]) -> str:
    return f" ({'; '.join(sorted(set(errors))[:3])})" if errors else ""


def _fill(origin: str) -> tuple[World, float]:
    """Approvals in the groups of `PEOPLE` people, nearly all decided long ago; and how long it
    took, in seconds."""
    call_command("migrate", verbosity=0)

    from django.conf import settings  # noqa: PLC0415 - after setup
    from django.db import connection, connections  # noqa: PLC0415 - after setup
    from django.test import Client  # noqa: PLC0415 - after setup
    from django.utils import timezone  # noqa: PLC0415 - after setup

    from approvals.models import ApiKey, Approval, Delivery  # noqa: PLC0415 - after setup
    from benchmarks.many import Copy, multiply  # noqa: PLC0415 - after setup
    from tests.factories import (  # noqa: PLC0415 - after setup
        make_approval,
        make_caller,
        make_group,
        make_request,
        make_user,
    )

    def url(workflow: str) -> str:
        return callback_url(origin, workflow, f"e{random.getrandbits(64):x}")

    def copies(each: int, days: float) -> list[Copy]:
        now = timezone.now()
        return [
            Copy(url("expense"), now - timedelta(days=days * number / each, seconds=60))
            for number in range(each)
        ]

    start = time.monotonic()
    callers = [make_caller(f"workflow{n}@emulator.invalid") for n in range(CALLERS)]
    cookies = []
    for number in range(PEOPLE):
        person = make_user(f"person{number}@example.com")
        make_group(f"group{number}", person)
        asked: dict[str, Any] = {
            "caller": callers[number % CALLERS],
            "approvers": [f"group:group{number}"],
        }
        waiting = make_approval(**asked, callback_url=url("expense"))
        done = make_approval(**asked, callback_url=url("expense"))
        done.decide("approved", by=person, revision=1)
        Delivery.confirm(done.pk, actor="system")
        each = APPROVALS // PEOPLE
        multiply(waiting, copies(each * WAITING // 100, 5))
        multiply(done, copies(each - each * WAITING // 100, 700))
        client = Client()
        client.force_login(person)
        cookies.append(client.cookies[settings.SESSION_COOKIE_NAME].value)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    assert Approval.objects.count() >= APPROVALS
    keys = [ApiKey.objects.issue(caller)[1] for caller in callers]
    name = connection.display_name
    connections.close_all()

    def body() -> bytes:
        group = f"group:group{random.randrange(PEOPLE)}"  # noqa: S311 - no secret
        return json.dumps(make_request(approvers=[group], callback_url=url("expense"))).encode()

    session = settings.SESSION_COOKIE_NAME
    cookies = [f"{session}={value}" for value in cookies]
    return World(name, cookies, keys, body), time.monotonic() - start


@dataclass
class Visitor:
    """A connection that is kept, and the time that each answer takes."""

    world: World
    port: int
    headers: dict[str, str]

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(
        self, name: str, method: str, path: str, body: bytes | None = None, expected: int = 200
    ) -> str:
        """The body of the answer, or nothing where it is not as expected, which is noted."""
        start = time.perf_counter()
        try:
            self.connection.request(method, path, body, self.headers)
            answer = self.connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            self.world.errors.append(f"{name}: {type(error).__name__}")
            return ""
        self.world.seen[name].append(time.perf_counter() - start)
        if answer.status != expected:
            self.world.errors.append(f"{name}: {answer.status}")
            return ""
        for cookie in answer.msg.get_all("Set-Cookie", []):
            pair = cookie.partition(";")[0]
            if pair.startswith("csrf=") and pair not in self.headers["Cookie"]:
                self.headers["Cookie"] += f"; {pair}"
        return text


def _load(port: int, world: World) -> None:
    """Everybody at once, until the time is over."""
    over = threading.Event()
    visitors = [Visitor(world, port, {"Cookie": cookie}) for cookie in world.cookies]
    doing = [_every(THINKING, _person(visitor), over) for visitor in visitors]
    for key in world.keys:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        program = Visitor(world, port, headers)
        doing.append(_every(CALLERS / REGISTRATIONS, _registration(program, world), over))
    healthy = Visitor(world, port, {})
    doing.append(_every(0.2, lambda: healthy.ask(FLOOR, "GET", "/healthz"), over))
    threads = [threading.Thread(target=each) for each in doing]
    for thread in threads:
        thread.start()
    over.wait(SECONDS)
    over.set()
    for thread in threads:
        thread.join()


def _every(pause: float, act: Callable[[], object], over: threading.Event) -> Callable[[], None]:
    """Act again and again, each time so long after the last beginning, or at once if later."""

    def loop() -> None:
        due = time.monotonic() + random.random() * pause  # noqa: S311 - no secret
        while not over.wait(max(0.0, due - time.monotonic())):
            act()
            due = max(due + pause, time.monotonic() - 1)

    return loop


def _registration(program: Visitor, world: World) -> Callable[[], object]:
    name, path = "register (API)", "/api/v1/approvals"
    return lambda: program.ask(name, "POST", path, world.body(), expected=201)


def _person(visitor: Visitor) -> Callable[[], object]:
    """One click after another: the inbox, an approval of it, the answer."""
    clicks = _clicks(visitor)
    return lambda: next(clicks)


def _clicks(visitor: Visitor) -> Iterator[None]:
    while True:
        inbox = visitor.ask("the inbox", "GET", "/")
        yield
        listed = re.findall(r'href="(/approvals/[0-9a-f-]{36}/)"', inbox)
        if not listed:
            continue
        path = random.choice(listed)  # noqa: S311 - no secret
        page = visitor.ask("an approval", "GET", path)
        yield
        if token := re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page):
            form = {"outcome": "approved", "revision": 1, "csrfmiddlewaretoken": token[1]}
            visitor.headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form).encode()
            visitor.ask("answering", "POST", f"{path}decide/", body, expected=303)
            yield


def _wait(port: int) -> None:
    """Until the server answers, two minutes at most."""
    deadline = time.monotonic() + 120
    while not local.answers(f"http://127.0.0.1:{port}/healthz"):
        if time.monotonic() > deadline:
            raise SystemExit("gunicorn did not start")
        time.sleep(0.1)


if __name__ == "__main__":
    main()

"""Delivery in bad times: a callback host that never answers, and a whole service that was away.

    python -m benchmarks bench_delivery

Real workers (`manage.py deliver`, with the settings that they have by themselves) deliver to a
server in Google's place, over TLS, on SQLite. The sizes: BENCH_ROUNDS of BENCH_SECONDS each for
the poisoned host, BENCH_QUEUED decisions and BENCH_WORKERS for the outage.
"""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median, quantiles
from uuid import uuid4

import django
from django.core.management import call_command

from benchmarks.google import Google, Request, callback_url
from benchmarks.measure import spread
from config.processes import ROOT

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "4"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "10"))
QUEUED = int(os.environ.get("BENCH_QUEUED", "5000"))
WORKERS = int(os.environ.get("BENCH_WORKERS", "4"))
GOOD = 100
# Decisions a second, all to good ones; and how many wait for the poisoned one from the beginning.
DECISIONS, POISON = 5, 200
# Seconds for which connections are refused, and then for which each answer is a 503.
REFUSED, BUSY = 10.0, 10.0
MAIN = "workflowexecutions.googleapis.com"
REGIONS = tuple(f"workflowexecutions.region-{n}.rep.googleapis.com" for n in range(GOOD))
POISONED = "workflowexecutions.poisoned.rep.googleapis.com"


def main() -> None:
    """Each experiment on a database of its own."""
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "build") as folder:
        home = Path(folder)
        os.environ["DATABASE_URL"] = f"sqlite:///{home / 'inbox.sqlite3'}"
        django.setup()
        call_command("migrate", verbosity=0)
        with Google(home, (MAIN, POISONED, *REGIONS)) as google:
            queue = Queue(google)
            sys.stdout.write(poisoning(queue) + "\n")
            sys.stdout.write(outage(queue) + "\n")


class Queue:
    """Decisions that wait to be delivered, and workers that do it."""

    def __init__(self, google: Google) -> None:
        from approvals.models import Approval  # noqa: PLC0415 - after setup
        from tests.factories import make_approval, make_group, make_user  # noqa: PLC0415

        self.google = google
        ana = make_user("ana@example.com")
        make_group("managers", ana)
        self.template: Approval = make_approval(callback_url=fresh(MAIN, "template"))
        self.template.decide("approved", by=ana, revision=1)

    def add(self, urls: Iterable[str], *, ago: float = 0.0) -> None:
        """Decisions for these callbacks, taken so many seconds ago."""
        from django.utils import timezone  # noqa: PLC0415 - after setup

        from benchmarks.many import Copy, multiply  # noqa: PLC0415 - after setup

        at = timezone.now() - timedelta(seconds=ago)
        multiply(self.template, [Copy(url, at) for url in urls])

    def forget(self) -> None:
        """Nothing is due any more, and the template will not be for a while."""
        from django.utils import timezone  # noqa: PLC0415 - after setup

        from approvals.models import Delivery  # noqa: PLC0415 - after setup

        own = Delivery.objects.filter(approval=self.template)
        Delivery.objects.exclude(pk__in=own).update(state="confirmed", next_attempt_at=None)
        own.update(state="queued", next_attempt_at=timezone.now() + timedelta(minutes=14))

    def took(self, urls: Iterable[str]) -> list[float]:
        """Seconds from each decision to its arrival, of those that have arrived."""
        from approvals.models import Delivery  # noqa: PLC0415 - after setup

        arrived = {f"https://{each.host}{each.path}": each.at for each in self.google.posts}
        decided = Delivery.objects.filter(approval__callback_url__in=list(urls))
        return [
            arrived[url] - at.timestamp()
            for url, at in decided.values_list("approval__callback_url", "created_at")
            if url in arrived
        ]

    @contextmanager
    def workers(self, count: int) -> Iterator[None]:
        """So many workers, which are at work when the block begins."""
        home = self.google.home
        here = f"127.0.0.1:{self.google.plain_port}"
        env = os.environ | {
            "BENCH_GOOGLE_PORT": str(self.google.port),
            "BENCH_AUTHORITY": str(self.google.authority),
            "GCE_METADATA_HOST": here,
            "GCE_METADATA_IP": here,
            "CLOUDSDK_CONFIG": str(home / "no-gcloud-login"),
            "LOG_FORMAT": "text",
        }
        command = [sys.executable, "-m", "benchmarks.worker", "--no-notices"]
        with (home / "worker.log").open("ab") as log:
            running = [
                subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
                for _ in range(count)
            ]
        try:
            self._until_at_work(count)
            yield
        finally:
            for process in running:
                process.send_signal(signal.SIGTERM)
            for process in running:
                process.wait(20)

    def _until_at_work(self, count: int) -> None:
        """Each says that it is there; and one has delivered something, so tokens are at hand."""
        from approvals.models import Worker  # noqa: PLC0415 - after setup

        self.google.silent, self.google.status = lambda _: False, 200
        first = fresh(MAIN, "first")
        self.add([first])
        alive = Worker.objects.alive()
        until(lambda: bool(self.took([first])) and alive.count() == count, 60)


def fresh(host: str, workflow: str) -> str:
    """A callback that nobody has used."""
    return callback_url(host, workflow, str(uuid4()))


def until(happened: Callable[[], bool], seconds: float) -> None:
    """Look again and again."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {seconds:.0f} s in vain")
        time.sleep(0.05)


# --- one that never answers ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Poison:
    """What stalls among a hundred that do not."""

    name: str
    good: tuple[tuple[str, str], ...]
    bad: tuple[str, str]

    def is_bad(self, request: Request) -> bool:
        host, workflow = self.bad
        return request.host == host and f"/workflows/{workflow}/" in request.path


CASES = (
    Poison("a host", tuple((host, "expense") for host in REGIONS), (POISONED, "expense")),
    Poison("a workflow", tuple((MAIN, f"good-{n}") for n in range(GOOD)), (MAIN, "stuck")),
)


def poisoning(queue: Queue) -> str:
    """A table: how long the good ones wait, beside what never answers and without it."""
    title = (
        f"{POISON} decisions wait for what never answers, {DECISIONS} a second for {GOOD} others"
    )
    lines = [
        f"### {title}",
        "",
        "| what never answers | median, s | 95th, s | arrived | times without (median) |",
        "| --- | --- | --- | --- | --- |",
    ]
    for case in CASES:
        # In turns, so that a busy moment of the machine meets both.
        without: list[list[float]] = []
        beside: list[list[float]] = []
        for number in range(ROUNDS):
            poisoned = number % 2 > 0
            (beside if poisoned else without).append(_round(queue, case, poisoned=poisoned))
        lines.append(_row("nothing", without, without))
        lines.append(_row(f"{case.name} of {GOOD + 1}", beside, without))
    lines.append(f"| the floor: a bare POST, TLS | {_bare(queue.google):.4f} | | | |")
    return "\n".join([*lines, ""])


def _row(name: str, rounds: list[list[float]], floor: list[list[float]]) -> str:
    base = median(median(times) for times in floor)
    middles = [median(times) for times in rounds]
    highs = [quantiles(times, n=20)[18] for times in rounds]
    ratio = spread([middle / base for middle in middles], ".2f")
    arrived = sum(len(times) for times in rounds)
    sent = len(rounds) * int(SECONDS * DECISIONS)
    return (
        f"| {name} | {spread(middles, '.2f')} | {spread(highs, '.2f')} | {arrived} of {sent}"
        f" | {ratio} |"
    )


def _round(queue: Queue, case: Poison, *, poisoned: bool) -> list[float]:
    """Seconds from decision to arrival of the good ones, with a worker that has just begun."""
    queue.forget()
    good: list[str] = []
    with queue.workers(1):
        queue.google.silent = case.is_bad
        if poisoned:
            queue.add([fresh(*case.bad) for _ in range(POISON)], ago=60)
        begin = time.monotonic()
        for number in range(int(SECONDS * DECISIONS)):
            time.sleep(max(0.0, begin + number / DECISIONS - time.monotonic()))
            good.append(fresh(*case.good[number % GOOD]))
            queue.add(good[-1:])
        until(lambda: len(queue.took(good)) == len(good), 60)
        queue.google.silent = lambda _: False  # so that the worker's last rounds end
        return queue.took(good)


def _bare(google: Google) -> float:
    """Seconds for one POST to the server over a connection that is kept, the mean of 300."""
    context = ssl.create_default_context(cafile=google.authority)
    connection = http.client.HTTPConnection(MAIN)
    plain = socket.create_connection(("127.0.0.1", google.port))
    connection.sock = context.wrap_socket(plain, server_hostname=MAIN)
    start = time.perf_counter()
    for _ in range(300):
        connection.request("POST", "/v1/x/callbacks/one", b"{}")
        connection.getresponse().read()
    took = (time.perf_counter() - start) / 300
    connection.close()
    google.posts.clear()
    return took


# --- a service that was away --------------------------------------------------------------------


def outage(queue: Queue) -> str:
    """A table: what becomes of many decisions while the service is away, and when it is back."""
    google = queue.google
    queue.forget()
    urls = [fresh(MAIN, f"workflow-{number % 20}") for number in range(QUEUED)]
    with queue.workers(WORKERS):
        google.posts.clear()
        google.go_away()
        google.status = 503
        queue.add(urls)
        time.sleep(REFUSED)
        google.come_back()
        time.sleep(BUSY)
        google.status = 200
        back = time.time()
        until(lambda: len(google.posts) >= QUEUED and len(queue.took(urls)) == QUEUED, 900)
        until(lambda: sum(_times_stored(google, urls)) >= QUEUED, 900)
    stored = _times_stored(google, urls)
    after = [each.at for each in google.posts if each.at >= back]
    before = [each.at for each in google.posts if each.at < back]
    rate, drained = _rate(), max(after) - back
    floor = QUEUED / (rate * WORKERS)
    lines = [
        f"### {QUEUED:,} decisions and an outage of {REFUSED + BUSY:.0f} s; {WORKERS} workers",
        "",
        "| what | figure |",
        "| --- | --- |",
        f"| arrived | {sum(1 for times in stored if times)} of {QUEUED} |",
        f"| arrived twice | {sum(1 for times in stored if times > 1)} |",
        f"| requests a second at the service, at most: while it answers 503 | {_most(before)} |",
        f"| requests a second at the service, at most: when it is back | {_most(after)} |",
        f"| … allowed: DELIVERY_RATE x {WORKERS} workers | {rate * WORKERS} |",
        f"| first arrival after it is back, s | {min(after) - back:.1f} |",
        f"| the last, s | {drained:.1f} |",
        f"| the floor: {QUEUED:,} / ({rate} x {WORKERS}), s | {floor:.1f} |",
        f"| times the floor | {drained / floor:.2f} |",
        f"| bare POSTs one after the other, s | {QUEUED * _bare(google):.1f} |",
    ]
    return "\n".join([*lines, ""])


def _times_stored(google: Google, urls: Iterable[str]) -> list[int]:
    return [google.stored[url.partition(MAIN)[2]] for url in urls]


def _most(times: Iterable[float]) -> int:
    """The most in any second of the clock."""
    return max(Counter(int(at) for at in times).values(), default=0)


def _rate() -> int:
    from django.conf import settings  # noqa: PLC0415 - after setup

    rate: int = settings.DELIVERY_RATE
    return rate


if __name__ == "__main__":
    main()

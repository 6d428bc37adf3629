"""Executions of the emulator, over HTTP and durable: rates, latency, steps, restart, memory.

    python -m benchmarks bench_emulator

An execution is started, waits for its callback, is sent it, and ends. Floors, in the same run:
`GET /healthz` of the same server, a durable commit on the same file system, an empty loop in
Python, and an emulator with nothing in its data file.
"""

import http.client
import json
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.measure import Job, Operation, again, measure, once, report, spread
from emulator.interpreter import Run
from emulator.parser import parse
from tests.emulators import LOCATION, PROJECT, ROOT, EmulatorProcess

ROUNDS, CLIENTS, WAITING, RESTARTS = 9, 8, 10_000, 5

WAIT = """
- create: {call: events.create_callback_endpoint, result: callback}
- wait: {call: events.await_callback, args: {callback: "${callback}", timeout: 86400}, result: got}
- done: {return: "${got.http_request.body}"}
"""
RETURN = "- done: {return: 1}\n"
LOOP = """
- begin: {assign: [{n: 0}]}
- more: {assign: [{n: "${n + 1}"}]}
- again: {switch: [{condition: "${n < 500}", next: more}]}
"""
ONE_CLIENT = "start, wait, callback, end; 1 client"
MANY_CLIENTS = f"start, wait, callback, end; {CLIENTS} clients"
START, CALLBACK = "POST executions", "POST to a callback that is waited for"
HEALTH, COMMIT = "GET /healthz", "one durable INSERT"
STEPS, EMPTY, ROUND_TRIP = "1,000 steps", "1,000 rounds of an empty loop", "1,000 JSON round trips"


@dataclass
class Client:
    """Speaks to an emulator; every thread over a connection of its own, which is kept."""

    port: int
    parent: str = f"/v1/projects/{PROJECT}/locations/{LOCATION}/workflows"
    _own: threading.local = field(default_factory=threading.local)

    def send(self, method: str, path: str, body: object = None) -> bytes:
        """What answers a request, which must succeed."""
        if not hasattr(self._own, "connection"):
            self._own.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {} if body is None else {"Content-Type": "application/json"}
        text = None if body is None else json.dumps(body)
        self._own.connection.request(method, path, text, headers)
        answer = self._own.connection.getresponse()
        read: bytes = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{method} {path}: {answer.status} {read.decode()}")
        return read

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of a request."""
        return json.loads(self.send(method, path, body))

    def deploy(self, workflow: str, source: str) -> None:
        """A new workflow."""
        self.ask("POST", f"{self.parent}?workflowId={workflow}", {"sourceContents": source})

    def start(self, workflow: str) -> str:
        """Start an execution; its path."""
        created = self.ask("POST", f"{self.parent}/{workflow}/executions", {})
        return f"{self.parent}/{workflow}/executions/{created['name'].rpartition('/')[2]}"

    def callback(self, execution: str) -> str:
        """The path of its callback, once a step waits for it."""
        while True:
            for shown in self.ask("GET", f"{execution}/callbacks").get("callbacks", []):
                if shown.get("waiters"):
                    return f"{execution}/callbacks/{shown['name'].rpartition('/')[2]}"

    def whole(self) -> None:
        """An execution from its start to its end."""
        execution = self.start("wait")
        self.ask("POST", self.callback(execution), {"decision": "approved"})
        while self.ask("GET", execution)["state"] == "ACTIVE":
            pass


def main() -> None:
    """Measure all and write the tables."""
    place = ROOT / "build"
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=place) as folder:
        with EmulatorProcess(Path(folder) / "data.sqlite3", auth="off") as emulator:
            client = Client(emulator.port)
            client.deploy("wait", WAIT)
            client.deploy("return", RETURN)
            _over_http(client, Path(folder))
            _latency(client)
        _steps()
        _waiting(Path(folder))


def _over_http(client: Client, folder: Path) -> None:
    """Rates, beside what HTTP alone and what a commit alone costs."""

    def callbacks(number: int) -> Iterable[Operation]:
        ready = [client.callback(client.start("wait")) for _ in range(number)]
        return [partial(client.ask, "POST", each, {"decision": "approved"}) for each in ready]

    with closing(_durable(folder / "floor.sqlite3")) as connection:
        jobs = [
            Job(ONE_CLIENT, 40, again(client.whole)),
            Job(MANY_CLIENTS, 120, again(client.whole), together=CLIENTS),
            Job(START, 60, again(partial(client.start, "return"))),
            Job(CALLBACK, 40, callbacks),
            Job(HEALTH, 200, again(partial(client.send, "GET", "/healthz"))),
            Job(COMMIT, 200, again(partial(_commit, connection))),
        ]
        found = measure(jobs, ROUNDS)
    _say(report("Executions over HTTP", found, HEALTH))


def _durable(path: Path) -> sqlite3.Connection:
    """A data file that is synced as the emulator's."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT)")
    return connection


def _commit(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO t (text) VALUES ('as long as the reply to a request')").close()


def _latency(client: Client) -> None:
    """How long the sender of a callback waits, alone and among others."""
    lines = [
        "### Answering a callback",
        "",
        "| senders | p50, ms | p95, ms |",
        "| --- | --- | --- |",
    ]
    for senders in (1, CLIENTS):
        times: list[float] = []
        ready = [client.callback(client.start("wait")) for _ in range(400)]

        once([partial(_send, client, each, times) for each in ready], senders)
        cuts = quantiles(times, n=20)
        lines.append(f"| {senders} | {median(times):.1f} | {cuts[18]:.1f} |")
    _say("\n".join([*lines, ""]))


def _send(client: Client, callback: str, times: list[float]) -> None:
    begin = time.perf_counter()
    client.ask("POST", callback, {"decision": "approved"})
    times.append((time.perf_counter() - begin) * 1000)


def _steps() -> None:
    """Steps of a run in memory, beside what Python needs for nothing at all."""
    workflow = parse(LOOP)
    reply = {"body": {"decision": "approved", "n": 1}, "code": 200, "headers": {"a": "b"}}

    def steps() -> None:
        run = Run(workflow, None, {})
        while run.advance(1000):
            pass

    def empty() -> None:
        for _ in range(1000):
            pass

    def round_trips() -> None:
        for _ in range(1000):
            json.loads(json.dumps(reply))

    jobs = [
        Job(STEPS, 10, again(steps)),
        Job(ROUND_TRIP, 10, again(round_trips)),
        Job(EMPTY, 100, again(empty)),
    ]
    _say(report("Steps", measure(jobs, ROUNDS), EMPTY))


def _waiting(folder: Path) -> None:
    """Restart and memory with many executions that wait, beside none."""
    empty, full = folder / "empty.sqlite3", folder / "full.sqlite3"
    with EmulatorProcess(full, auth="off") as emulator:
        client = Client(emulator.port)
        client.deploy("wait", WAIT)
        paths: list[str] = []
        seconds = once([lambda: paths.append(client.start("wait"))] * WAITING, CLIENTS)
        Client(emulator.port).callback(paths[-1])  # the first connection has been idle for long
        after = _memory(emulator)
    rows = {"none": _restarts(empty, None), f"{WAITING:,}": _restarts(full, paths)}
    _say(f"### Restart with {WAITING:,} executions that wait\n")
    _say(f"Started at {1 / seconds:.0f} a second, {CLIENTS} clients; {after:.0f} MB then.\n")
    _say("| waiting | ready after, s | first callback answered after, s | memory, MB |")
    _say("| --- | --- | --- | --- |")
    for name, found in rows.items():
        _say(
            f"| {name} | "
            + " | ".join(spread(list(each), ".2f") for each in zip(*found, strict=True))
            + " |"
        )
    _say("")


def _restarts(data: Path, paths: list[str] | None) -> list[tuple[float, float, float]]:
    """Seconds until it is ready, until a callback is answered, and its memory then."""
    found = []
    for number in range(RESTARTS):
        begin = time.perf_counter()
        with EmulatorProcess(data, auth="off") as emulator:
            ready = time.perf_counter() - begin
            client = Client(emulator.port)
            if paths is None:
                client.send("GET", "/healthz")
            else:
                client.ask("POST", client.callback(paths[number * 7]), {})
            found.append((ready, time.perf_counter() - begin, _memory(emulator)))
    return found


def _memory(emulator: EmulatorProcess) -> float:
    """Resident memory of the process in MB."""
    status = Path(f"/proc/{emulator.process_id}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1000


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

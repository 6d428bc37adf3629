"""The database dies while people decide: PostgreSQL ends at once, or all is killed over SQLite.

    python -m tests.soak.database --decisions 3000 --stops 10               PostgreSQL
    python -m tests.soak.database --decisions 1000 --kills 50               SQLite

Real gunicorn, a real worker and clients by API and by page, which send again what was not answered.
It prints what it saw as one line of JSON; the exit code is 1 where a promise was broken.
"""

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests

from tests.emulators import ROOT, eventually
from tests.services import Cluster, free_port
from tests.soak.deciding import Crowd, Page, Program
from tests.soak.google import google
from tests.soak.processes import Release

UNDER_WAY = {"queued", "sending", "unknown"}  # deliveries
CLIENTS = 3  # of each kind, for each person, and no more than there are decisions for


def environment(database: str, google_at: str, port: int) -> dict[str, str]:
    """What web, worker and the process that makes the rows are told."""
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": "only-for-the-soak",
        "DEBUG": "1",
        "ALLOWED_HOSTS": "127.0.0.1",
        "BASE_URL": f"http://127.0.0.1:{port}",
        "DATABASE_URL": database,
        "WORKFLOWS_EMULATOR_HOST": f"http://{google_at}",
        "GCE_METADATA_HOST": google_at,
        "GCE_METADATA_IP": google_at,
        "LOG_FORMAT": "json",
        "DELIVERY_LEASE": "5",
        "WEB_CONCURRENCY": "2",
        "API_RATE": "1000000/min",
        "API_FAILURE_RATE": "1000000/min",
    }


def rows(call: str) -> Any:
    """What a function of `tests.soak.rows` prints, asked until the database is there."""

    def ask() -> Any:
        code = f"from tests.soak import rows; rows.{call}"
        command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    return eventually(ask, call, 600)


class Inbox:
    """The web server and the worker, which survive the database, or die with it."""

    def __init__(self, home: Path, release: Release, port: int) -> None:
        self.home, self.release, self.port = home, release, port
        self.running: list[int] = []

    def start(self) -> None:
        bind = f"--bind=127.0.0.1:{self.port}"
        web = ("-c", "config/gunicorn.py", bind)
        worker = ("deliver", "--idle", "0.5")
        self.running = [
            self.release.fork("gunicorn", web, self.home / "web.log"),
            self.release.fork("manage.py", worker, self.home / "worker.log"),
        ]
        eventually(self.healthy, "the web server", 60)

    def healthy(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/healthz", timeout=5).ok
        except requests.RequestException:
            return False

    def alive(self) -> bool:
        """Whether both that were started still run: nobody started them again."""
        return all(Path(f"/proc/{each}").exists() for each in self.running)

    def kill(self) -> None:
        """`kill -9` of web server, its processes, and worker."""
        for each in self.running:
            with suppress(ProcessLookupError):
                os.killpg(each, signal.SIGKILL)


def trouble_for(crowd: Crowd, decisions: int, times: int, strike: Callable[[], None]) -> int:
    """Strike so many times, evenly over the decisions; how often it was while clients were busy."""
    struck = 0
    for number in range(times):
        share = (number + 0.5) / times * decisions
        while crowd.at_work and crowd.saved < share:
            time.sleep(0.01)
        struck += crowd.at_work
        strike()
    return struck


def broken_promises(crowd: Crowd, found: dict[str, Any]) -> list[str]:
    """What was told against what is there."""
    ledger, status = crowd.ledger, found["status"]
    tried = {each.approval: each.outcome for each in ledger.answers}
    wrong = [*ledger.wrong, *found["broken"]]
    wrong += [
        f"told {each.outcome}, but it is {status[each.approval]}: {each.approval}"
        for each in ledger.saved()
        if status[each.approval] != each.outcome
    ]
    for approval, outcome in status.items():
        there = [found[what].get(approval, 0) for what in ("votes", "deliveries", "ends")]
        if there != [int(outcome != "pending")] * 3:
            wrong.append(f"{outcome} with {there} votes, deliveries and lines: {approval}")
        if outcome not in {"pending", tried.get(approval)}:
            wrong.append(f"nobody decided {outcome}: {approval}")
    return wrong


def besiege(
    home: Path, database: str, decisions: int, times: int, strike: Callable[[Inbox], None]
) -> dict[str, Any]:
    """Let people decide under `times` strikes, wait until all is delivered; the figures."""
    port = free_port()
    with google() as there:
        os.environ.update(environment(database, there.address, port))
        made = rows(f"make({decisions}, 'http://{there.address}')")
        there.wait_at(made["callbacks"])
        with Release() as release:
            inbox = Inbox(home, release, port)
            try:
                inbox.start()
                base, tokens = f"http://127.0.0.1:{port}", made["tokens"]
                many = range(min(CLIENTS, decisions // 40))
                programs = [Program(base, *each) for each in tokens.items() for _ in many]
                browsers = [Page(base, email) for email in tokens for _ in many]
                began = time.monotonic()
                with Crowd([*programs, *browsers], made["approvals"]) as crowd:
                    struck = trouble_for(crowd, decisions, times, lambda: strike(inbox))
                seconds = time.monotonic() - began
                stayed = inbox.alive()
                found = rows("read(120)")
            finally:
                inbox.kill()
    wrong = broken_promises(crowd, found)
    if not stayed:
        wrong.append("web server or worker ended")
    if left := UNDER_WAY & found["states"].keys():
        wrong.append(f"deliveries are left: {left}")
    return {
        "decisions": decisions,
        "strikes while deciding": struck,
        "seconds": round(seconds, 1),
        "answers": dict(sorted(crowd.ledger.statuses.items())),
        "never told": len(crowd.ledger.ambiguous()),
        "decided": sum(found["votes"].values()),
        "deliveries": found["states"],
        "sent twice": sum(len(bodies) > 1 for bodies in there.posted.values()),
        "broken promises": len(wrong),
        "first of them": wrong[:5],
    }


def over_postgres(home: Path, decisions: int, stops: int) -> dict[str, Any]:
    """PostgreSQL ends without a word and starts again, `stops` times; nothing else does."""
    cluster = Cluster.create()
    try:

        def strike(_: Inbox) -> None:
            cluster.crash()
            time.sleep(0.5)  # as long as people see that it is away
            cluster.run()

        return besiege(home, cluster.start(), decisions, stops, strike)
    finally:
        cluster.remove()


def over_sqlite(home: Path, decisions: int, kills: int) -> dict[str, Any]:
    """Web server and worker are killed together, `kills` times; the file is whole each time."""
    file = home / "inbox.sqlite3"
    broken: list[str] = []

    def strike(inbox: Inbox) -> None:
        inbox.kill()
        with sqlite3.connect(file) as opened:
            checked = opened.execute("PRAGMA integrity_check").fetchall()
            broken.extend(str(row) for row in checked if row != ("ok",))
            broken.extend(map(str, opened.execute("PRAGMA foreign_key_check").fetchall()))
        opened.close()
        inbox.start()

    figures = besiege(home, f"sqlite:///{file}", decisions, kills, strike)
    figures["broken promises"] += len(broken)
    return figures | {"broken in the file": broken[:5]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=3000)
    parser.add_argument("--stops", type=int, default=0, help="of PostgreSQL, while they decide")
    parser.add_argument("--kills", type=int, default=0, help="of web and worker, over SQLite")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="countersign-siege-") as name:
        if asked.kills:
            figures = over_sqlite(Path(name), asked.decisions, asked.kills)
        else:
            figures = over_postgres(Path(name), asked.decisions, asked.stops)
    sys.stdout.write(json.dumps(figures) + "\n")
    return int(figures["broken promises"] > 0)


if __name__ == "__main__":
    sys.exit(main())

"""The disk fills up while people decide over SQLite, and is emptied again: root alone can mount it.

    python -m tests.soak.disk --decisions 300

It prints what it saw as one line of JSON; the exit code is 1 where a promise was broken.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.services import free_port
from tests.soak.database import Inbox, environment, rows
from tests.soak.deciding import Program
from tests.soak.google import google
from tests.soak.processes import Release

SIZE = "16m"


@contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of 16 MiB."""
    with tempfile.TemporaryDirectory(prefix="countersign-disk-") as name:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", name],
            check=True,
        )
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "-l", name], check=True)


def fill(ballast: Path) -> None:
    """Take every byte that is left."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


def decide_until_full(disk: Path, logs: Path, decisions: int) -> dict[str, Any]:
    """Decide, with and without room on the disk; the figures."""
    port = free_port()
    with google() as there:
        there_at = there.address
        os.environ.update(environment(f"sqlite:///{disk / 'inbox.sqlite3'}", there_at, port))
        made = rows(f"make({decisions}, 'http://{there_at}')")
        there.wait_at(made["callbacks"])
        email, token = next(iter(made["tokens"].items()))
        base = f"http://127.0.0.1:{port}"
        person = Program(base, email, token)
        with Release() as release:
            inbox = Inbox(logs, release, port)
            try:
                inbox.start()
                before = 5  # then connections are open, as they are in an inbox that is used
                told = {}
                for number, each in enumerate(made["approvals"]):
                    if number == before:
                        fill(disk / "ballast")
                    told[each] = person.send(each, "approved")
                url = f"{base}/api/v1/approvals/{made['approvals'][-1]}/vote"
                read = [person.session.get(url, timeout=30).status_code]
                read.append(requests.get(f"{base}/healthz", timeout=30).status_code)
                full = rows("read(0)")
                (disk / "ballast").unlink()
                again = [each for each, answer in told.items() if answer.status_code != 200]
                later = Counter(person.send(each, "approved").status_code for each in again)
                stayed, found = inbox.alive(), rows("read(120)")
            finally:
                inbox.kill()
    saved = sum(answer.status_code == 200 for answer in told.values())
    wrong = [*full["broken"], *found["broken"]]
    for what in ("votes", "deliveries", "ends"):
        if not saved <= sum(full[what].values()) == sum(full["votes"].values()):
            wrong.append(f"{saved} told, but {sum(full[what].values())} {what}")
        if sum(found[what].values()) != decisions:
            wrong.append(f"{sum(found[what].values())} {what} in the end")
    if read != [200, 200] or not stayed or not again or set(later) != {200}:
        wrong.append(f"reading {read}, stayed {stayed}, refused {len(again)}, then {dict(later)}")
    return {
        "decisions": decisions,
        "while it filled up": dict(Counter(each.status_code for each in told.values())),
        "then decided": sum(full["votes"].values()),
        "with room again": dict(later),
        "decided in the end": sum(found["votes"].values()),
        "broken promises": wrong,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=300)
    with small_disk() as disk, tempfile.TemporaryDirectory() as logs:
        figures = decide_until_full(disk, Path(logs), parser.parse_args().decisions)
    sys.stdout.write(json.dumps(figures) + "\n")
    return int(bool(figures["broken promises"]))


if __name__ == "__main__":
    sys.exit(main())

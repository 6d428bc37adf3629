"""`make soak`: what takes too long for `make test`, one part after the other, with its time.

    python -m tests.soak [PART …] [--approvals 10000] [--seed N] [--database sqlite|postgres]

Everything real: processes that are killed, databases that are stopped, an emulator with faults.
Each part stops by itself. Exit code 1 if one found a problem or could not run.
"""

import argparse
import contextlib
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.emulators import ROOT
from tests.services import Unavailable, ensure_postgres
from tests.soak.telling import say

SQLITE, POSTGRES = "sqlite", "postgres"
BOTH = (SQLITE, POSTGRES)
NONE = ("",)
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "3600")


@dataclass(frozen=True, slots=True)
class Part:
    """One part: what it is called, what is run, and on which databases; `minutes` it may take."""

    name: str
    what: str
    command: tuple[str, ...]
    databases: tuple[str, ...] = NONE
    minutes: float = 30.0
    environment: dict[str, str] = field(default_factory=dict)


def parts(options: argparse.Namespace) -> Iterator[Part]:
    """All of them, with their full sizes."""
    seed, minutes = str(options.seed), str(options.minutes)
    siege = ("-m", "tests.soak.siege", "--seed", seed, "--minutes", minutes)
    yield Part(
        "siege",
        "two web servers, two workers and the emulator are killed while callbacks fail",
        (*siege, "--approvals", str(options.approvals)),
        BOTH,
        options.minutes + 10,
    )
    if commit := options.from_commit or before_the_last_migration():
        yield Part(
            "upgrade",
            f"the same, and a new release comes in meanwhile; before it {commit[:12]}",
            (*siege, "--approvals", "500", "--from-commit", commit),
            BOTH,
            options.minutes + 10,
        )
    yield Part(
        "stops",
        "PostgreSQL is stopped at once, again and again, while people decide",
        ("-m", "tests.soak.database", "--decisions", "3000", "--stops", "10"),
        (POSTGRES,),
    )
    yield Part(
        "kills",
        "everything over SQLite is killed, again and again, while people decide",
        ("-m", "tests.soak.database", "--decisions", "1000", "--kills", "50"),
        (SQLITE,),
    )
    yield Part(
        "signals",
        "a worker is told to end, or frozen, in five ways, 25 times each",
        (*PYTEST, "tests/round_trip/test_signals.py"),
        BOTH,
        90,
        {"SIGNAL_ROUNDS": "25"},
    )
    yield Part(
        "disk",
        "the disk of SQLite is full, and has room again (only root can mount one)",
        ("-m", "tests.soak.disk"),
        (SQLITE,),
    )
    yield Part(
        "races",
        "fifty processes decide the same approvals, a thousand pairs of each kind",
        (*PYTEST, "tests/approvals/test_races_figures.py"),
        BOTH,
        90,
        {"RACES": "full"},
    )
    yield Part(
        "machine",
        "1,000 random histories of approvals beside a model of them",
        (*PYTEST, "tests/approvals/test_machine.py"),
        BOTH,
        60,
        {"MACHINE_RUNS": "1000"},
    )
    yield Part(
        "hostile",
        "20,000 mutated bodies and tokens, and 500 requests to each call of the API",
        (*PYTEST, "tests/approvals/test_hostile.py", "tests/approvals/test_openapi.py"),
        BOTH,
        60,
        {"HOSTILE_CASES": "20000", "API_CASES": "500"},
    )
    yield Part(
        "emulator",
        "the emulator alone, full of executions, is killed a thousand times",
        ("-m", "tests.emulator.kills", "--rounds", "1000", "--seed", seed),
    )
    yield Part(
        "sabotage", "every guard is switched off, and a test must notice", ("-m", "tests.sabotage")
    )


def before_the_last_migration() -> str:
    """The commit before the newest migration was added: the release that is upgraded from."""
    migrations = "approvals/migrations/0*.py"
    asked = ["git", "log", "-1", "--format=%P", "--diff-filter=A", "--", migrations]
    try:
        found = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return found.stdout.split()[0] if found.stdout.split() else ""


def main() -> int:
    """Run what is named, or all; 1 if anything went wrong."""
    options = options_of(sys.argv[1:])
    say(f"seed {options.seed}, {os.cpu_count()} cores")
    known = list(parts(options))
    names = [part.name for part in known]
    if unknown := set(options.part) - set(names):
        say(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(names)}")
        return 2
    told: list[str] = []
    failed = False
    for part in known:
        if options.part and part.name not in options.part:
            continue
        for database in part.databases:
            if database and options.database not in ("", database):
                continue
            fine, line = run(part, database)
            failed |= not fine
            told.append(line)
    if "upgrade" not in names:
        told.append("NOT RUN: upgrade: there is no history to take the release before from")
    say("\n" + "\n".join(told))
    return int(failed)


def options_of(arguments: list[str]) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    named = (
        "siege, upgrade, stops, kills, signals, disk, races, machine, hostile, emulator, sabotage"
    )
    parser.add_argument("part", nargs="*", help=f"only these of {named}")
    parser.add_argument("--approvals", type=int, default=10_000, help="of the siege")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--database", default="", choices=("", *BOTH), help="only this one")
    parser.add_argument("--minutes", type=float, default=40.0, help="after which a siege gives up")
    parser.add_argument("--from-commit", default="", help="the release that is upgraded from")
    return parser.parse_args(arguments)


def run(part: Part, database: str) -> tuple[bool, str]:
    """One part to its end: whether all was well, and the line for the summary."""
    title = " on ".join(filter(None, (part.name, database)))
    say(f"\n{title}: {part.what}\n  python {shlex.join(part.command)}")
    environment = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"} | part.environment
    begin = time.monotonic()
    try:
        if database == POSTGRES:
            environment["DATABASE_URL"] = ensure_postgres()
        code = _in_time([sys.executable, *part.command], environment, part.minutes * 60)
        fine, how = code == 0, "well" if code == 0 else "PROBLEMS, see above"
    except Unavailable as error:
        fine, how = False, f"NOT RUN: {error}"
    except subprocess.TimeoutExpired:
        fine, how = False, f"HANGS: not done after {part.minutes:g} minutes"
    return fine, f"{title:20} {time.monotonic() - begin:5.0f} s  {how}"


def _in_time(command: list[str], environment: dict[str, str], seconds: float) -> int:
    """The exit code of a part. Raises `subprocess.TimeoutExpired` when its time is over.

    It is interrupted then, as by Ctrl-C: what it has started it ends itself.
    """
    with subprocess.Popen(command, cwd=ROOT, env=environment) as running:
        try:
            return running.wait(seconds)
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(60)
            running.kill()
            raise


if __name__ == "__main__":
    sys.exit(main())

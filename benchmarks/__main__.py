"""`make bench`: every benchmark, each in a process of its own, with what it ran on.

    python -m benchmarks [bench_decide | bench_http | bench_delivery | …]

runs those that are named.
"""

import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import django
import psycopg

from tests.services import Cluster, Unavailable

ROOT = Path(__file__).resolve().parent.parent
DATABASE = "countersign_bench"
ALL = (
    *("bench_decide", "bench_http", "bench_emulator", "bench_delivery", "bench_load"),
    *("bench_inbox", "bench_insights", "bench_pages"),
)
# Those that are measured on both databases.
ON_BOTH = ("bench_decide", "bench_load", "bench_inbox", "bench_insights")


class Durable(Cluster):
    """The tests' PostgreSQL server, but one that syncs to disk as servers do."""

    def _call(self, program: str, *arguments: str) -> "subprocess.Popen[bytes]":
        synced = ("fsync=on" if each == "fsync=off" else each for each in arguments)
        return super()._call(program, *synced)


def main() -> int:
    """Run what is named, or all; 1 if PostgreSQL could not be had, which is said."""
    start = time.monotonic()
    named = sys.argv[1:] or ALL
    if unknown := set(named) - set(ALL):
        say(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
        return 2
    say(f"## {time.strftime('%Y-%m-%d')}\n\n{machine()}\n")
    for name in ALL:
        if name in named and name not in ON_BOTH:
            run(name)
    without = on_both([name for name in ON_BOTH if name in named])
    if without is not None:
        say(f"NOT RUN: {', '.join(ON_BOTH)} on PostgreSQL: {without}")
    say(f"{time.monotonic() - start:.0f} seconds in all.")
    return int(without is not None)


def on_both(modules: list[str]) -> Unavailable | None:
    """On SQLite and PostgreSQL; why not on PostgreSQL, if it could not be had."""
    (ROOT / "build").mkdir(exist_ok=True)
    for module in modules:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "build") as folder:
            run(module, DATA_DIR=folder, DATABASE_URL=f"sqlite:///{folder}/inbox.sqlite3")
    try:
        on_postgres(modules)
    except Unavailable as error:
        return error
    return None


def on_postgres(modules: list[str]) -> None:
    """On TEST_POSTGRES_URL, or on a server of our own."""
    if not modules:
        return
    if given := os.environ.get("TEST_POSTGRES_URL"):
        in_databases_of(given, modules)
        return
    cluster = Durable.create()
    try:
        in_databases_of(cluster.start(), modules)
    finally:
        cluster.remove()


def in_databases_of(server: str, modules: list[str]) -> None:
    """Each in a database that is made for it and dropped after."""
    with psycopg.connect(server, autocommit=True) as connection:
        fsync = connection.execute("SHOW fsync").fetchone()
        say(f"PostgreSQL {connection.info.server_version // 10000}, fsync {(fsync or '?')[0]}.\n")
        for module in modules:
            connection.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
            connection.execute(f"CREATE DATABASE {DATABASE}")
            try:
                run(module, DATABASE_URL=f"{server.rpartition('/')[0]}/{DATABASE}")
            finally:
                connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def run(module: str, **env: str) -> None:
    """One benchmark to its end; its table goes straight to our output."""
    ours = {"DJANGO_SETTINGS_MODULE": "config.settings", "SECRET_KEY": "only-for-the-benchmark"}
    kept = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "DEBUG"}}
    subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}"],
        cwd=ROOT,
        env=kept | ours | env,
        check=True,
    )


def machine() -> str:
    """What the figures depend on."""
    return (
        f"{os.cpu_count()} cores ({processor()}), Python {platform.python_version()},"
        f" Django {django.get_version()}, SQLite {sqlite3.sqlite_version}, {platform.system()}"
        f" {platform.machine()}."
    )


def processor() -> str:
    """Its name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "?")


def say(text: str) -> None:
    """A line, in order with those of the benchmarks."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

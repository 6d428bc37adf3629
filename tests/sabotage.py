"""Sabotage: each guard of the product is switched off once, and a test has to turn red.

    python -m tests.sabotage [WORDS …]      those whose names have one of these, or all

A copy of the tree is changed, never the tree itself. First the tests that are to fail must pass as
things are: a test that is red anyway guards nothing. Exit code 1 if any guard is missed by nobody.
"""

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.guards_off import ALL, POSTGRES, SQLITE, Guard
from tests.services import Unavailable, ensure_postgres

ROOT = Path(__file__).resolve().parent.parent
AT_ONCE = 2
LONGEST = 600.0
"""Seconds; a guard whose absence hangs the tests is missed by them too."""
RED, GREEN = 1, 0
HANGS = f"not done after {LONGEST:.0f} s"
_NOT_COPIED = shutil.ignore_patterns(
    *(".venv", ".git", "__pycache__", ".*_cache", ".hypothesis", "build", "staticfiles", "var")
)


class Rotten(Exception):
    """A text that a guard should stand in is not there, or stands there twice."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the named tests came out without a guard."""

    guard: Guard
    code: int
    seconds: float
    output: str

    @property
    def is_noticed(self) -> bool:
        """A test failed, or hung; that everything breaks before any test begins is no proof."""
        return self.code == RED and (HANGS in self.output or "\nFAILED " in self.output)


def changed(text: str, old: str, new: str, where: str) -> str:
    """The text with the one change. Raises `Rotten`."""
    if text.count(old) != 1:
        raise Rotten(f"{where} holds {text.count(old)} times: {old!r}")
    return text.replace(old, new)


def switch_off(guard: Guard, tree: Path) -> None:
    """Take a guard out of a tree. Raises `Rotten`."""
    for file, old, new in guard.changes:
        path = tree / file
        path.write_text(changed(path.read_text(encoding="utf-8"), old, new, file), encoding="utf-8")


def main() -> int:
    """All that are asked for; 1 if any was not noticed."""
    words = sys.argv[1:] or [""]
    guards = [guard for guard in ALL if any(each in guard.name for each in words)]
    try:
        servers = {SQLITE: "", POSTGRES: ensure_postgres()}
    except Unavailable as error:
        say(f"NOT RUN: sabotage, {error}")
        return 1
    begin = time.monotonic()
    with TemporaryDirectory(prefix="countersign-sabotage-") as folder:
        before = Path(folder) / "before"
        shutil.copytree(ROOT, before, ignore=_NOT_COPIED)
        if not all(all_green(guards, database, before, servers) for database in servers):
            return 1
        with ThreadPoolExecutor(AT_ONCE) as pool:
            verdicts = []
            for verdict in pool.map(lambda guard: without(guard, before, servers), guards):
                verdicts.append(verdict)
                tell(verdict)
    missed = [each for each in verdicts if not each.is_noticed]
    say(
        f"{len(verdicts) - len(missed)} of {len(verdicts)} guards are noticed when they are off,"
        f" {time.monotonic() - begin:.0f} s"
    )
    return bool(missed)


def all_green(guards: list[Guard], database: str, tree: Path, servers: dict[str, str]) -> bool:
    """Whether all tests that are to fail pass as things are."""
    tests = sorted({test for each in guards if each.database == database for test in each.tests})
    if not tests:
        return True
    code, output = run(tests, tree, servers[database], stop_early=False)
    if code != GREEN:
        say(f"On {database} these do not pass even with every guard in place:\n{output[-4000:]}")
    return code == GREEN


def without(guard: Guard, before: Path, servers: dict[str, str]) -> Verdict:
    """Run a guard's tests in a tree that has all guards but this one."""
    begin = time.monotonic()
    with TemporaryDirectory(prefix="countersign-sabotaged-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(before, tree)
        switch_off(guard, tree)
        code, output = run(list(guard.tests), tree, servers[guard.database])
    return Verdict(guard, code, time.monotonic() - begin, output)


def run(tests: list[str], tree: Path, database: str, *, stop_early: bool = True) -> tuple[int, str]:
    """pytest's exit code and what it wrote. A run that hangs is red."""
    kept = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment = {**kept, "PYTHONDONTWRITEBYTECODE": "1"}
    if database:
        environment["DATABASE_URL"] = database_of(database, tree)
    options = ["-q", "-p", "no:cacheprovider", *(["-x"] if stop_early else [])]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return RED, HANGS
    return done.returncode, done.stdout + done.stderr


def database_of(server: str, tree: Path) -> str:
    """A database whose test database is of this tree alone: several run at once."""
    return f"{server.rpartition('/')[0]}/{tree.parent.name.replace('-', '_')}"


def tell(verdict: Verdict) -> None:
    """A line for each; and what the tests said where nobody noticed."""
    mark = "red" if verdict.is_noticed else f"NOT NOTICED ({verdict.code})"
    failed = next((x for x in verdict.output.splitlines() if x.startswith("FAILED")), "")
    say(f"{mark:4} {verdict.seconds:4.0f} s  without “{verdict.guard.name}”  {failed[7:140]}")
    if not verdict.is_noticed:
        say(verdict.output[-2000:])


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""`make test`: every test on SQLite, then those that lean on the database again on PostgreSQL."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from tests.services import NO_GCLOUD, Unavailable, ensure_chromium, ensure_postgres

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "build" / "tests"
ON_POSTGRES = ("tests/approvals", "tests/round_trip")


def main() -> int:
    """Run all passes, name what could not run in the last lines; 0 if all is well."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    missing: list[str] = []
    red: list[str] = []
    for name, ensure in (("CHROMIUM", ensure_chromium), ("TEST_POSTGRES_URL", ensure_postgres)):
        try:
            environment[name] = str(ensure())
        except Unavailable as error:
            missing.append(f"what needs {name}: {error}")
    failed = run_pytest("SQLite", environment, ("tests",))
    missing += left_out("SQLite")
    red += broken("SQLite")
    if server := environment.get("TEST_POSTGRES_URL"):
        failed |= run_pytest("PostgreSQL", environment | {"DATABASE_URL": server}, ON_POSTGRES)
        missing += left_out("PostgreSQL")
        red += broken("PostgreSQL")
    else:
        missing.append(f"{' and '.join(ON_POSTGRES)} on PostgreSQL")
    for line in missing:
        say(f"NOT RUN: {line}")
    for line in red:
        say(f"FAILED: {line}")
    if failed:
        say("Tests failed, or were left out in CI: see above.")
    elif not missing:
        say("Everything ran, and everything passed.")
    required = [line for line in missing if NO_GCLOUD not in line]
    return int(failed or (bool(required) and os.environ.get("CI") == "true"))


def run_pytest(database: str, environment: dict[str, str], paths: tuple[str, ...]) -> bool:
    """Run the tests below the paths; True if any failed."""
    say(f"\nTests on {database}: {' '.join(paths)}\n")
    report(database).unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", f"--junitxml={report(database)}", *paths]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode != 0


def report(database: str) -> Path:
    return REPORTS / f"{database.lower()}.xml"


def left_out(database: str) -> list[str]:
    """The tests of that pass which did not run, with the reason."""
    return told(database, "skipped")


def broken(database: str) -> list[str]:
    """The tests of that pass which failed, with the first line of why: the last lines are read."""
    return told(database, "failure") + told(database, "error")


def told(database: str, result: str) -> list[str]:
    """Each test of that pass with that result in pytest's report, with the reason's first line."""
    if not report(database).exists():  # pytest did not get as far as a test, and said so
        return []
    return [
        f"{case.get('classname')}.{case.get('name')} on {database}: {first_line(found)}"
        for case in ElementTree.parse(report(database)).iter("testcase")
        for found in case.iter(result)
    ]


def first_line(found: ElementTree.Element) -> str:
    return (found.get("message") or "").partition("\n")[0][:300]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

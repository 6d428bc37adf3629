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
    for name, ensure in (("CHROMIUM", ensure_chromium), ("TEST_POSTGRES_URL", ensure_postgres)):
        try:
            environment[name] = str(ensure())
        except Unavailable as error:
            missing.append(f"what needs {name}: {error}")
    failed = run_pytest("SQLite", environment, ("tests",))
    missing += left_out("SQLite")
    if server := environment.get("TEST_POSTGRES_URL"):
        failed |= run_pytest("PostgreSQL", environment | {"DATABASE_URL": server}, ON_POSTGRES)
        missing += left_out("PostgreSQL")
    else:
        missing.append(f"{' and '.join(ON_POSTGRES)} on PostgreSQL")
    for line in missing:
        say(f"NOT RUN: {line}")
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
    if not report(database).exists():  # pytest did not get as far as a test, and said so
        return []
    cases = ElementTree.parse(report(database)).iter("testcase")
    return [
        f"{case.get('classname')}.{case.get('name')} on {database}: {skipped.get('message')}"
        for case in cases
        for skipped in case.iter("skipped")
    ]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""`python -m tests.soak.siege --approvals 1000 --seed 7`: one siege, on one database.

The database is one of its own on the PostgreSQL server of DATABASE_URL, or else a file of SQLite.
Exit code 1 if anything is lost, doubled, stuck or unexplained.
"""

import argparse
import atexit
import importlib
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

import django

from tests.emulators import ROOT
from tests.round_trip.system import database
from tests.soak.processes import Ports


def main() -> int:
    """Set everything up for Django, and begin."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--approvals", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--minutes", type=float, default=20.0, help="after which it gives up")
    parser.add_argument("--from-commit", help="whose release runs first, and is upgraded")
    options = vars(parser.parse_args())
    before = checked_out(options.pop("from_commit"))
    home, ports = Path(mkdtemp(prefix="countersign-soak-")), Ports()
    os.environ.update(ports.environment(database(home)))
    django.setup()
    besieged = importlib.import_module("tests.soak.besieged")  # it needs the settings
    fine = besieged.besiege(home, besieged.Plan(**options), ports, before)
    if fine:
        shutil.rmtree(home)
    else:
        sys.stdout.write(f"  The logs and the emulator's data are kept in {home}\n")
    return not fine


def checked_out(commit: str | None) -> Path | None:
    """The tree of a commit, in a directory that is removed at the end; None of none."""
    if not commit:
        return None
    tree = Path(mkdtemp(prefix="countersign-before-"))
    atexit.register(shutil.rmtree, tree)
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "x", "-C", str(tree)], input=archive.stdout, check=True)
    return tree


if __name__ == "__main__":
    sys.exit(main())

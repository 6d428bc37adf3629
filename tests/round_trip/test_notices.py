"""The worker as a process that tells people: killed while it sends, stopped while it waits."""

import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from tests.approvals.mailbox import mail_server
from tests.emulators import ROOT, eventually
from tests.round_trip.system import Process

PEOPLE = 4
SEED = f"""
from tests.factories import make_approval, make_group, make_user
make_group("managers", *(make_user(f"person{{n}}@example.com") for n in range({PEOPLE})))
make_approval(title="Pay ACME")
"""


@pytest.fixture
def post():
    with mail_server() as post:
        yield post
        post.free.set()


@pytest.fixture
def database(tmp_path):
    return tmp_path / "countersign.sqlite3"


@pytest.fixture
def worker(post, database, tmp_path):
    """A worker, not started yet, and one request whose four approvers are to be told."""
    env = os.environ | {
        "DATABASE_URL": f"sqlite:///{database}",
        "EMAIL_URL": f"smtp://127.0.0.1:{post.port}",
        "LOG_FORMAT": "text",
    }
    for arguments in (("migrate", "-v0"), ("shell", "-v0", "-c", SEED)):
        manage = [sys.executable, "manage.py", *arguments]
        subprocess.run(manage, cwd=ROOT, env=env, check=True, capture_output=True)
    process = Process(("manage.py", "deliver", "--idle", "0.1"), env, tmp_path / "worker.log")
    yield process
    process.kill()


def states(database):
    """How many notices are in which state."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT state, count(*) FROM approvals_notice GROUP BY state")
        return dict(rows.fetchall())


def end_leases(database):
    """Time passes: what a dead worker had is due again."""
    with sqlite3.connect(database, timeout=20) as connection:
        connection.execute(
            "UPDATE approvals_notice SET next_attempt_at = '2020-01-01 00:00:00'"
            " WHERE state = 'sending'"
        )


class TestKill:
    def test_a_mail_that_left_before_its_worker_died_comes_again_under_its_name(
        self, worker, post, database
    ):
        post.free.clear()
        worker.start()
        eventually(lambda: post.arrived, "the first mail")
        worker.kill()
        assert states(database) == {"sending": 1, "queued": PEOPLE - 1}

        post.free.set()
        end_leases(database)
        worker.start()
        eventually(lambda: states(database) == {"sent": PEOPLE}, "everybody is told")

        names = [each["Message-ID"] for each in post.arrived]
        assert len(names) == PEOPLE + 1
        assert len(set(names)) == PEOPLE
        assert len({each["To"] for each in post.arrived}) == PEOPLE


class TestStop:
    def test_it_ends_in_time_though_the_mail_server_hangs(self, worker, post, database):
        post.free.clear()
        worker.start()
        eventually(lambda: post.arrived, "the first mail")

        assert worker.end(signal.SIGTERM) == 0

        assert sum(states(database).values()) == PEOPLE
        assert "sent" not in states(database)

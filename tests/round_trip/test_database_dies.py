"""The database, or all over it, dies while people decide: small here, full in `make soak`."""

import json
import os
import subprocess
import sys

import pytest

from tests.emulators import ROOT


def besiege(*arguments):
    """The figures of `tests.soak.database`, in a process of its own for its settings."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak.database", *arguments],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "CACHE_URL"}},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def assert_kept(figures, decisions):
    """Everybody who was told so has their answer, nobody another, and the server never broke."""
    assert figures["broken promises"] == 0, figures
    assert figures["decided"] + figures["never told"] >= decisions
    assert sum(figures["deliveries"].values()) == figures["decided"]


@pytest.mark.postgres
class TestPostgres:
    def test_it_stops_at_once_and_starts_while_people_decide_and_nothing_is_lost(self):
        figures = besiege("--decisions", "40", "--stops", "2")

        assert_kept(figures, 40)
        assert figures["strikes while deciding"] == 2
        assert figures["answers"]["503"] > 0, "nobody saw that it was away"


class TestSqlite:
    def test_everything_is_killed_while_people_decide_and_the_file_is_whole(self):
        figures = besiege("--decisions", "40", "--kills", "3")

        assert_kept(figures, 40)
        assert figures["strikes while deciding"] == 3
        assert figures["broken in the file"] == []

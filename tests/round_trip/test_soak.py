"""The small version of `make soak`, and what its checker finds."""

import dataclasses
import re
import subprocess
import sys
from collections import Counter

import pytest

from tests.emulators import ROOT
from tests.soak.check import NOT_KNOWN, Ran, Recorded, compare
from tests.soak.ledger import Answer, Ledger

APPROVALS, SEED, MINUTES = 150, 20, 8
AT_LEAST = 10  # kills, however slow or fast the machine is

ANA, BEN = "ana@example.com", "ben@example.com"
TOLD = Answer("a1", ANA, "approved", 200, "approved")
APPROVAL = Recorded(
    id="a1",
    execution="e1",
    status="approved",
    votes_needed=1,
    votes=((ANA, "approved"),),
    events=Counter(registered=1, voted=1, decided=1, stored=1, confirmed=1),
    decision="d1",
    delivery="confirmed",
    attempts=("stored",),
)
RESULT = {"approval": "a1", "decision": "d1", "outcome": "approved"}
EXECUTION = Ran("e1", "simple", "SUCCEEDED", RESULT, ("d1",), ("d1",))


def told(*answers, wrong=()):
    return Ledger(list(answers or [TOLD]), wrong=list(wrong))


def changed(thing, **changes):
    return dataclasses.replace(thing, **changes)


@pytest.mark.timeout((MINUTES + 1) * 60)
def test_no_kill_and_no_fault_loses_doubles_or_mistakes_a_decision():
    arguments = ("--approvals", APPROVALS, "--seed", SEED, "--minutes", MINUTES)
    siege = subprocess.run(
        [sys.executable, "-m", "tests.soak.siege", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert siege.returncode == 0, siege.stdout + siege.stderr
    assert int(re.search(r"(\d+) kills", siege.stdout.split("settled")[1])[1]) >= AT_LEAST


class TestChecker:
    def test_all_is_well_where_all_sides_agree(self):
        assert not compare(told(), [APPROVAL], [EXECUTION]).problems

    @pytest.mark.parametrize(
        ("kind", "approval", "execution"),
        [
            ("lost acknowledgements", {"votes": ((BEN, "approved"),)}, {}),
            ("lost acknowledgements", {"votes": ((ANA, "rejected"),)}, {}),
            ("votes of nobody", {"votes": ((ANA, "approved"), (BEN, "approved"))}, {}),
            ("double decisions", {"votes": ((ANA, "approved"), (BEN, "rejected"))}, {}),
            ("double decisions", {"events": Counter(voted=1, decided=2)}, {}),
            ("double decisions", {"events": Counter(voted=1, decided=1, withdrawn=1)}, {}),
            ("wrong outcomes", {"status": "rejected"}, {}),
            ("wrong outcomes", {}, {"result": {**RESULT, "outcome": "rejected"}}),
            ("wrong outcomes", {}, {"result": {**RESULT, "decision": "d2"}}),
            ("wrong outcomes", {}, {"received": ("d1", "d2")}),
            ("undelivered", {}, {"state": "ACTIVE", "result": None}),
            ("undelivered", {}, {"state": "FAILED", "result": None}),
            ("undelivered", {}, {"consumed": ()}),
            ("consumed twice", {}, {"consumed": ("d1", "d1")}),
            ("halves", {"decision": ""}, {}),
            ("halves", {"events": Counter(decided=1)}, {}),
            ("halves", {"events": Counter(voted=1)}, {}),
            ("undecided", {"status": "pending"}, {}),
            ("unexplained deliveries", {"delivery": "stored"}, {}),
            ("unexplained deliveries", {"delivery": "blocked"}, {}),
            (
                "unexplained deliveries",
                {"delivery": "missed", "reason": "It had finished before."},
                {},
            ),
            ("registered twice or never", {"execution": "e2"}, {}),
            ("of no execution", {"execution": "e2"}, {}),
        ],
    )
    def test_it_finds(self, kind, approval, execution):
        found = compare(told(), [changed(APPROVAL, **approval)], [changed(EXECUTION, **execution)])

        assert kind in found.problems

    def test_a_vote_that_was_never_answered_may_be_saved_or_not(self):
        lost = changed(TOLD, told=0, status="")

        saved = compare(told(lost), [APPROVAL], [EXECUTION])
        gone = compare(told(TOLD, changed(lost, person=BEN)), [APPROVAL], [EXECUTION])

        assert not saved.problems
        assert not gone.problems
        assert (saved.ambiguous, saved.ambiguous_saved) == (1, 1)
        assert (gone.ambiguous, gone.ambiguous_saved) == (1, 0)

    def test_a_delivery_of_which_nobody_can_be_sure_is_explained(self):
        doubtful = changed(APPROVAL, delivery="missed", reason=NOT_KNOWN)

        assert compare(told(), [doubtful], [EXECUTION]).missed_in_doubt == 1
        assert not compare(told(), [doubtful], [EXECUTION]).problems

    def test_an_error_of_the_server_is_a_problem_whoever_saw_it(self):
        ledger = told()
        ledger.saw("POST /vote", 500, "Sorry")

        assert compare(ledger, [APPROVAL], [EXECUTION]).problems["wrong answers"]

    def test_a_request_to_try_again_is_none(self):
        ledger = told()
        ledger.saw("POST /vote", 503)

        assert not compare(ledger, [APPROVAL], [EXECUTION]).problems

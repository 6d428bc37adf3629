"""Anything that may happen to an approval, in any order: what is stored is what a small model says.

Hypothesis plays people, the workflow, the worker and Google, crashes in between included.
`MACHINE_RUNS` says how many runs of 50 steps are played, and makes them different ones each time.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
import time_machine
from django.conf import settings
from hypothesis import HealthCheck, Phase
from hypothesis import settings as rules
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from approvals.delivery import deliver
from approvals.google import callbacks
from approvals.google.callbacks import Answer, Reply, Sight, Trace
from approvals.models import AlreadyClosed, ApprovalError, Delivery, NotYours, TooLate
from approvals.models.outbox import FINAL
from tests.approvals.racing import assert_whole, fresh
from tests.factories import make_approval, make_group, make_type, make_user

RUNS = int(os.environ.get("MACHINE_RUNS", "0"))
STEPS = 50
UNDO = 60  # seconds
EXPIRES = 3600
DEADLINE = EXPIRES - 72  # what is left after the margin of 2 %


class Killed(BaseException):
    """The process dies here: nothing after this is done by it."""


@dataclass
class Google:
    """One callback endpoint, its slot, and what goes wrong with the next POST to it."""

    kept: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    state: str = "ACTIVE"
    fault: str = ""

    def post(self, url: str, body: str) -> Reply:
        fault, self.fault = self.fault, ""
        if fault == "killed before":
            raise Killed
        if fault == "busy":
            return Reply(Answer.RETRY, 503, answered=False)
        if fault == "lost before":
            return Reply(Answer.UNKNOWN, answered=False)
        if self.state != "ACTIVE":
            return Reply(Answer.GONE, 404, answered=True)
        if self.kept:
            return Reply(Answer.FULL, 429, answered=True)
        self.kept.append(body)
        if fault == "killed after":
            raise Killed
        if fault == "lost after":
            return Reply(Answer.UNKNOWN, answered=False)
        return Reply(Answer.STORED, 200, answered=True)

    def look(self, url: str) -> Sight:
        return Sight(self.state, waiters=int(not self.kept), payloads=tuple(self.kept))

    def trace(self, url: str) -> Trace:
        return Trace.HEARD if self.read else Trace.UNSURE


FAULTS = ("", "busy", "lost before", "lost after", "killed before", "killed after")


@dataclass
class Model:
    """What is true of the approval. `votes`: who has answered what, oldest first."""

    needed: int
    undo: bool
    votes: dict[str, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=lambda: {"ana", "ben", "cleo"})
    status: str = "pending"
    settles_as: str = ""
    settles_at: float = 0.0
    reported: bool = False
    settled: bool = False

    def tally(self, now: float) -> None:
        """The votes settle it: at once, or when the time to take them back is over."""
        if self.status != "pending" or self.settles_as:
            return
        given = list(self.votes.values())
        outcome = "rejected" if "rejected" in given else "approved"
        if "rejected" in given or given.count("approved") >= self.needed:
            if self.undo:
                self.settles_as, self.settles_at = outcome, now + UNDO
            else:
                self.status = outcome


class Life(RuleBasedStateMachine):
    """One approval from its registration on, and its delivery."""

    people: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.began = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # summer time begins in Europe
        self.clock = time_machine.travel(self.began, tick=False)
        self.traveller = self.clock.start()
        self.now = 0.0
        self.google = Google()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(callbacks, "post", self.google.post)
        self.patch.setattr(callbacks, "look", self.google.look)
        self.patch.setattr(callbacks, "trace", self.google.trace)
        self.body = ""

    def teardown(self) -> None:
        self.patch.undo()
        self.clock.stop()

    @initialize(needed=st.sampled_from([1, 2]), undo=st.booleans())
    def register(self, needed: int, undo: bool) -> None:
        self.model = Model(needed, undo)
        kind = f"{'undo' if undo else 'final'}{needed}"
        self.approval = make_approval(type=kind, approvers=[], expires_in=EXPIRES)

    # People

    @rule(
        who=st.sampled_from(["ana", "ben", "cleo", "dora"]),
        outcome=st.sampled_from(["approved", "rejected"]),
    )
    def answer(self, who: str, outcome: str) -> None:
        model, person = self.model, self.people[who]

        def vote() -> None:
            fresh(self.approval).decide(outcome, by=person, revision=1, comment="So")

        if model.votes.get(who) == outcome:
            vote()  # once more is as good as once
        elif self.is_open and who in model.asked and who not in model.votes:
            vote()
            model.votes[who] = outcome
            model.tally(self.now)
        else:
            self.refused(vote, AlreadyClosed, NotYours)

    @rule(who=st.sampled_from(["ana", "ben", "cleo"]))
    def take_back(self, who: str) -> None:
        model, person = self.model, self.people[who]
        in_time = not model.settles_as or self.now < model.settles_at

        def undo() -> None:
            fresh(self.approval).take_back(by=person)

        if not (model.undo and model.status == "pending" and in_time):
            self.refused(undo, TooLate)
        elif who not in model.votes:
            self.outcome_of(undo, NotYours)
        elif self.outcome_of(undo, TooLate):
            del model.votes[who]
            model.settles_as, model.settles_at = "", 0.0
            model.tally(self.now)

    @rule(giver=st.sampled_from(["ana", "ben"]), taker=st.sampled_from(["cleo", "dora"]))
    def hand_over(self, giver: str, taker: str) -> None:
        one, other = self.people[giver], self.people[taker]

        def give() -> None:
            fresh(self.approval).hand_over(by=one, to=other, reason="Away")

        if self.outcome_of(give, ApprovalError):
            asked = fresh(self.approval).able().values_list("email", flat=True)
            self.model.asked = {email.partition("@")[0] for email in asked}
            self.model.tally(self.now)

    # The workflow

    @rule()
    def withdraw(self) -> None:
        def act() -> None:
            fresh(self.approval).withdraw("", actor="caller:x")

        if self.model.status in ("pending", "withdrawn"):
            act()
            self.close("withdrawn")
        else:
            self.refused(act, AlreadyClosed)

    @rule(timed_out=st.booleans())
    def settle(self, timed_out: bool) -> None:
        if timed_out:
            self.close(self.model.settles_as or "expired")
        told = fresh(self.approval).settle(timed_out=timed_out, actor="caller:x")
        assert (told["outcome"] if told else "pending") == self.model.status
        self.model.settled = self.model.settled or told is not None

    @rule()
    def report(self) -> None:
        def act() -> None:
            fresh(self.approval).report("ok", "Paid", "", actor="caller:x")

        if self.model.status == "pending":
            self.refused(act, AlreadyClosed)
        else:
            act()
            self.model.reported = True

    @precondition(lambda self: self.google.kept)
    @rule()
    def read_the_callback(self) -> None:
        self.google.read.append(self.google.kept.pop())

    @rule()
    def end(self) -> None:
        self.google.state = "SUCCEEDED" if self.google.read else "FAILED"

    # The worker

    @rule(fault=st.sampled_from(FAULTS))
    def deliver(self, fault: str) -> None:
        """A round, in which the process may die: then nothing of it is left but the database."""
        claimed = Delivery.objects.filter(approval=self.approval.pk).claim_next()
        if claimed is None:
            return
        self.google.fault = fault
        self.outcome_of(lambda: deliver(claimed), Killed)
        self.google.fault = ""

    @rule()
    def claim_and_die(self) -> None:
        Delivery.objects.filter(approval=self.approval.pk).claim_next()

    @rule()
    def look_after_the_time(self) -> None:
        """What the worker closes because time has passed."""
        over = self.now >= DEADLINE
        conclude = self.model.settles_as and self.now >= self.model.settles_at
        assert fresh(self.approval).conclude() == bool(conclude and self.is_pending)
        if conclude:
            self.close(self.model.settles_as)
        assert fresh(self.approval).expire() == (over and self.is_pending)
        if over:
            self.close(self.model.settles_as or "expired")

    @rule(seconds=st.sampled_from([1, UNDO - 1, UNDO, settings.DELIVERY_LEASE, DEADLINE]))
    def tick(self, seconds: int) -> None:
        self.now += seconds
        self.traveller.shift(timedelta(seconds=seconds))

    # What the model knows

    @property
    def is_pending(self) -> bool:
        return self.model.status == "pending"

    @property
    def is_open(self) -> bool:
        return self.is_pending and not self.model.settles_as and self.now < DEADLINE

    def close(self, outcome: str) -> None:
        if self.is_pending:
            self.model.status = outcome
            self.model.settles_as, self.model.settles_at = "", 0.0

    def refused(self, act: Callable[[], object], *kinds: type[ApprovalError]) -> None:
        with pytest.raises(kinds):
            act()

    def outcome_of(self, act: Callable[[], object], *kinds: type[BaseException]) -> bool:
        """Whether it was done, and not refused in one of these ways."""
        try:
            act()
        except kinds:
            return False
        return True

    @invariant()
    def the_database_is_what_the_model_says(self) -> None:
        row, model = fresh(self.approval), self.model
        assert row.status == model.status
        assert row.settles_as == model.settles_as
        standing = {
            vote.user.email.partition("@")[0]: vote.outcome for vote in row.standing_votes()
        }
        assert standing == model.votes
        assert bool(row.result) == model.reported

    @invariant()
    def it_is_whole_and_its_outcome_never_changes(self) -> None:
        row = assert_whole(self.approval)
        if row.status == "pending":
            assert not self.google.kept
            assert not self.google.read
            return
        sent = row.outgoing
        assert sent.body == (self.body or sent.body)
        self.body = sent.body
        assert set(self.google.kept + self.google.read) <= {self.body}
        assert len(self.google.kept + self.google.read) <= 1 or "doubt" in self.doubts(sent)
        if self.model.settled:
            assert sent.state == "confirmed"
        assert (sent.next_attempt_at is None) == (sent.state in FINAL)

    def doubts(self, sent: Delivery) -> str:
        """A second copy is sent in doubt alone: a try whose answer nobody heard."""
        lost = [attempt for attempt in sent.attempts.all() if attempt.result != "stored"]
        return "doubt" if lost else ""


@pytest.fixture
def people(db):
    found = {name: make_user(f"{name}@example.com") for name in ("ana", "ben", "cleo", "dora")}
    make_group("managers", *(found[name] for name in ("ana", "ben", "cleo")))
    for needed in (1, 2):
        for kind, undo in (("undo", UNDO), ("final", 0)):
            make_type(f"{kind}{needed}", "group:managers", votes_needed=needed, undo=undo)
    return found


@pytest.mark.timeout(7200 if RUNS else 600)
def test_the_database_is_what_the_model_says_after_every_step(people, monkeypatch):
    monkeypatch.setattr(Life, "people", people)
    run_state_machine_as_test(
        Life,
        settings=rules(
            max_examples=RUNS or 10,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not RUNS,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )

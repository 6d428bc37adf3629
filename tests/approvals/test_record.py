"""Whatever happens to an approval is one line of its record, in the same transaction."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone

from approvals.models import Approval, ApprovalError, Delivery, Event, Timer
from approvals.models.attending import put_delivery_aside
from approvals.models.outbox import State
from approvals.origin import Origin, coming_from
from approvals.retention import remove_contents
from approvals.verification import verify
from countersign.terms import TermsRefused
from tests.factories import (
    make_approval,
    make_callback_url,
    make_caller,
    make_group,
    make_type,
    make_user,
)

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Case:
    """What is there before, what is done then, and the lines that this adds."""

    before: Callable[["World"], Approval | None]
    act: Callable[["World", Approval], Any]
    adds: tuple[str, ...]
    actor: str = ""
    states: tuple[str, str] = ("pending", "pending")


class World:
    """People, a type with everything, and short ways to the states of an approval."""

    def __init__(self):
        self.ana, self.ben, self.cleo, self.olga = (
            make_user(f"{name}@example.com") for name in ("ana", "ben", "cleo", "olga")
        )
        make_group("managers", self.ana, self.ben)
        make_group("board", self.cleo)
        self.url = make_callback_url(execution="e1")

    def asked(self, **fields):
        return fresh(make_approval(callback_url=self.url, key="e1/ask", **fields))

    def typed(self, **terms):
        make_type("expense", "group:managers", **terms)
        return self.asked(type="expense", approvers=[])

    def timed(self):
        return self.typed(escalate_after=60, escalate_to="group:board", remind_after=[30])

    def staged(self):
        return self.asked(
            approvers=[],
            stages=[{"approvers": ["group:managers"]}, {"approvers": ["group:board"]}],
        )

    def answered(self, approval, outcome="approved"):
        approval.decide(outcome, by=self.ana, revision=1, comment="So")
        return fresh(approval)

    def decided(self):
        return self.answered(self.asked())

    def waiting(self, *, over=False):
        """Answered, and it can still be taken back, or no longer."""
        approval = self.answered(self.typed(undo=60))
        if over:
            Approval.objects.update(settles_at=timezone.now())
        return fresh(approval)

    def settled(self):
        approval = self.decided()
        approval.settle(timed_out=False, actor="caller:x")
        return fresh(approval)

    def blocked(self):
        approval = self.decided()
        Delivery.objects.update(state=State.BLOCKED)
        return approval

    def overdue(self):
        approval = self.asked()
        Approval.objects.update(expires_at=timezone.now())
        return approval


def fresh(approval):
    return Approval.objects.get(pk=approval.pk)


def moved(state):
    return lambda w, a: Delivery.objects.get().move(
        state,
        "A reason.",
        next_attempt_at=None if state in ("confirmed", "missed") else timezone.now(),
    )


ANA, SYSTEM, OLGA, CALLER = "user:ana@example.com", "system", "user:olga@example.com", "caller:x"
WORKFLOW = "caller:workflow@emulator.invalid"
P, A = "pending", "approved"
CASES = {
    "register": Case(lambda w: None, lambda w, a: w.asked(), ("registered",), WORKFLOW),
    "rearm": Case(
        lambda w: w.asked(),
        lambda w, a: make_approval(callback_url=make_callback_url(execution="e1"), key="e1/ask"),
        ("rearmed",),
        WORKFLOW,
    ),
    "supersede": Case(
        lambda w: w.asked(),
        lambda w, a: make_approval(supersedes=str(a.pk)),
        ("withdrawn",),
        WORKFLOW,
        (P, "withdrawn"),
    ),
    "vote": Case(lambda w: w.asked(votes_needed=2), lambda w, a: w.answered(a), ("voted",), ANA),
    "vote that can be taken back": Case(
        lambda w: w.typed(undo=60), lambda w, a: w.answered(a), ("voted",), ANA
    ),
    "vote that decides": Case(
        lambda w: w.asked(), lambda w, a: w.answered(a), ("voted", "decided"), ANA, (P, A)
    ),
    "vote that ends a stage": Case(
        lambda w: w.staged(), lambda w, a: w.answered(a), ("voted", "stage"), ANA
    ),
    "take back": Case(
        lambda w: w.waiting(), lambda w, a: a.take_back(by=w.ana), ("taken_back",), ANA
    ),
    "conclude": Case(
        lambda w: w.waiting(over=True), lambda w, a: a.conclude(), ("decided",), ANA, (P, A)
    ),
    "expire": Case(
        lambda w: w.overdue(), lambda w, a: a.expire(), ("expired",), SYSTEM, (P, "expired")
    ),
    "withdraw": Case(
        lambda w: w.asked(),
        lambda w, a: a.withdraw("Why", actor=CALLER),
        ("withdrawn",),
        CALLER,
        (P, "withdrawn"),
    ),
    "close as the workflow has ended": Case(
        lambda w: w.asked(),
        lambda w, a: a.abandon("Why"),
        ("withdrawn",),
        SYSTEM,
        (P, "withdrawn"),
    ),
    "note the workflow's end": Case(
        lambda w: w.settled(), lambda w, a: a.note_end("SUCCEEDED"), ("ended",), SYSTEM, (A, A)
    ),
    "settle after a timeout": Case(
        lambda w: w.asked(),
        lambda w, a: a.settle(timed_out=True, actor=CALLER),
        ("expired", "confirmed"),
        CALLER,
        ("expired", "expired"),
    ),
    "settle": Case(
        lambda w: w.decided(),
        lambda w, a: a.settle(timed_out=False, actor=CALLER),
        ("confirmed",),
        CALLER,
        (A, A),
    ),
    "report": Case(
        lambda w: w.decided(),
        lambda w, a: a.report("succeeded", "Paid", "", actor=CALLER),
        ("outcome",),
        CALLER,
        (A, A),
    ),
    "hand over": Case(
        lambda w: w.asked(),
        lambda w, a: a.hand_over(by=w.ana, to=w.cleo, reason="Away"),
        ("handed_over",),
        ANA,
    ),
    "reassign": Case(
        lambda w: w.asked(),
        lambda w, a: a.reassign(a.approvers.order_by("pk")[0], to=w.cleo, by=w.olga, reason="Left"),
        ("handed_over",),
        OLGA,
    ),
    "remind": Case(
        lambda w: w.timed(),
        lambda w, a: Timer.objects.get(kind="remind").ring(),
        ("reminded",),
        SYSTEM,
    ),
    "escalate": Case(
        lambda w: w.timed(),
        lambda w, a: Timer.objects.get(kind="escalate").ring(),
        ("escalated",),
        SYSTEM,
    ),
    "ask back": Case(lambda w: w.asked(), lambda w, a: a.say("Why?", by=w.ana), ("question",), ANA),
    "answer": Case(
        lambda w: w.asked(requested_by="cleo@example.com"),
        lambda w, a: a.say("So", by=w.cleo),
        ("answer",),
        "user:cleo@example.com",
    ),
    "deliver again": Case(
        lambda w: w.decided(),
        lambda w, a: Delivery.objects.get().requeue(actor=OLGA),
        ("requeued",),
        OLGA,
        (A, A),
    ),
    "put aside": Case(
        lambda w: w.blocked(),
        lambda w, a: put_delivery_aside(Delivery.objects.get(), "Why", actor=OLGA),
        ("attended",),
        OLGA,
        (A, A),
    ),
    "remove": Case(
        lambda w: w.settled(), lambda w, a: remove_contents(a), ("removed",), SYSTEM, (A, A)
    ),
    **{
        f"delivery {state}": Case(lambda w: w.decided(), moved(state), (state,), SYSTEM, (A, A))
        for state in ("stored", "confirmed", "blocked", "missed")
    },
}
OFTEN = {"requeued", "rearmed"}
every = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.fixture
def world():
    return World()


def lines():
    return list(Event.objects.filter(approval=Approval.objects.order_by("created_at")[0]))


def everything():
    """All rows of our tables."""
    models = apps.get_app_config("approvals").get_models()
    return {
        model.__name__: sorted(map(str, model._default_manager.values_list())) for model in models
    }


class TestTransitions:
    @every
    def test_each_is_told_in_its_own_words_and_the_record_holds(self, world, case):
        approval = case.before(world)
        before = len(lines()) if approval else 0
        deadline = Approval.objects.values_list("expires_at", flat=True).first()

        with coming_from(Origin(client="192.0.2.7", request="r-1")):
            case.act(world, approval)

        added = lines()[before:]
        assert [line.kind for line in added] == list(case.adds)
        last = added[-1]
        assert (last.actor, last.old_status, last.new_status) == (case.actor, *case.states)
        assert {(line.client, line.request) for line in added} == {("192.0.2.7", "r-1")}
        if deadline is None:  # which a case has moved
            assert verify(last.approval) == ""

    @every
    def test_without_its_line_nothing_has_happened(self, world, case, monkeypatch):
        approval = case.before(world)
        if approval is not None:
            approval = fresh(approval)
        make_caller()
        before = everything()

        def fail(*args, **kwargs):
            raise RuntimeError("the disk is full")

        monkeypatch.setattr(Event, "append", fail)
        with pytest.raises(RuntimeError):
            case.act(world, approval)

        assert everything() == before

    @every
    def test_a_second_time_adds_nothing(self, world, case):
        """What is done again is refused, or was done already; some things can be done often."""
        approval = case.before(world)
        case.act(world, approval)
        before = len(lines())

        with suppress(ApprovalError, TermsRefused):
            case.act(world, fresh(approval) if approval else approval)

        assert len(lines()) - before == len(OFTEN & set(case.adds))


class TestKinds:
    def test_every_kind_of_line_is_written_by_one_of_these(self):
        assert {kind for case in CASES.values() for kind in case.adds} == set(Event.Kind.values)

    def test_every_state_of_a_delivery_that_people_should_know_of_is_a_kind(self):
        silent = {State.QUEUED, State.SENDING, State.UNKNOWN}

        assert set(State.values) - silent <= set(Event.Kind.values)

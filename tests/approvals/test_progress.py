"""How far an answer has come, in the words of its page, and how long that page looks again."""

from datetime import timedelta
from typing import ClassVar

import pytest
from django.urls import reverse
from django.utils import timezone

from approvals.models import Approval, Attempt, Delivery, Event, Execution, Worker
from approvals.progress import look_again, said_of, steps
from approvals.verdicts import ENDS, UNDELIVERED
from tests.approvals.reading import as_person, text_of
from tests.factories import make_staff

JUST_NOW, MINUTE_AGO, HOUR_AGO = timedelta(0), timedelta(minutes=1), timedelta(hours=1)
READ = {
    "state": "confirmed",
    "next_attempt_at": None,
    "stored_at": JUST_NOW,
    "confirmed_at": JUST_NOW,
}
MISSED = {"state": "missed", "next_attempt_at": None, "trouble": "missed"}


@pytest.fixture
def decided(approval, ana):
    approval.decide("approved", by=ana, revision=1)
    return approval


def now(approval, run=None, **changes):
    """The approval as it is read again, its delivery and its run as given; times are ages."""
    given = {
        name: timezone.now() - value if isinstance(value, timedelta) else value
        for name, value in changes.items()
    }
    Delivery.objects.filter(approval=approval).update(**given)
    if run is not None:
        Execution.objects.update_or_create(name=approval.execution, defaults={"state": run})
    return Approval.objects.get(pk=approval.pk)


def told(approval):
    return [(step.label, str(step.stage)) for step in steps(approval)]


class TestSteps:
    def test_an_undecided_one_has_none(self, approval):
        assert steps(approval) == []

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({}, [("Sending", "now"), ("The workflow has it", "todo")]),
            (
                {"state": "unknown"},
                [("It may have arrived", "now"), ("The workflow has it", "todo")],
            ),
            (
                {"state": "blocked", "trouble": "role"},
                [("Google does not have it yet", "trouble"), ("The workflow has it", "todo")],
            ),
            (
                {"state": "stored", "stored_at": JUST_NOW},
                [("Google has it", "done"), ("The workflow has not read it yet", "now")],
            ),
            (
                {"state": "stored", "stored_at": JUST_NOW, "trouble": "not_listening"},
                [("Google has it", "done"), ("The workflow has not read it yet", "trouble")],
            ),
            (
                READ | {"trouble": "foreign"},
                [
                    ("Google has it", "done"),
                    ("The workflow has it", "trouble"),
                    ("The result", "todo"),
                ],
            ),
            (
                READ | {"stored_at": None},
                [("The workflow has it", "done"), ("The result", "todo")],
            ),
            (
                MISSED,
                [("The workflow had ended", "trouble")],
            ),
        ],
        ids=str,
    )
    def test_each_state_says_where_the_answer_is(self, decided, changes, expected):
        assert told(now(decided, **changes)) == [("Approved", "done"), *expected]

    @pytest.mark.parametrize(
        ("result", "said"),
        [
            (Attempt.Result.STARTED, "It may have arrived"),
            (Attempt.Result.UNKNOWN, "It may have arrived"),
            (Attempt.Result.FULL, "Sending"),  # a look has told that nothing is there
        ],
    )
    def test_a_doubt_stays_one_when_a_later_try_fails_for_sure(self, decided, result, said):
        for number, came in enumerate((result, Attempt.Result.RETRY), 1):
            Attempt.objects.create(delivery=decided.outgoing, number=number, result=came)

        assert told(now(decided, state="queued"))[1] == (said, "now")

    @pytest.mark.parametrize(
        ("run", "last"),
        [
            ("ACTIVE", ("The result", "todo")),
            ("SUCCEEDED", ("The workflow finished", "done")),
            ("FAILED", ("The workflow failed", "failed")),
            ("CANCELLED", ("The workflow was cancelled", "failed")),
            ("GONE", ("Google does not know the workflow's execution any more", "done")),
        ],
    )
    def test_what_the_run_came_to_stands_last(self, decided, run, last):
        assert told(now(decided, run, **READ))[2:] == [("The workflow has it", "done"), last]

    def test_what_the_workflow_reported_says_more_than_that_it_finished(self, decided):
        decided.report("succeeded", "Paid in May", "", actor="caller:x")

        assert told(now(decided, "SUCCEEDED", **READ))[-1] == (
            "The workflow reported: done",
            "done",
        )
        assert told(now(decided, "FAILED", **READ))[-1] == ("The workflow failed", "failed")

    def test_of_an_old_one_nothing_is_waited_for(self, decided):
        Execution.objects.filter(name=decided.execution).delete()

        assert told(now(decided, **READ | {"confirmed_at": HOUR_AGO}))[-1] == (
            "The workflow has it",
            "done",
        )


class TestMissed:
    def page(self, approval, person):
        return text_of(as_person(person).get(reverse("approvals:receipt", args=[approval.pk])))

    def test_who_was_too_late_reads_what_to_do_next(self, decided, ana):
        now(decided, **MISSED, reason="The workflow was cancelled before the answer …")

        assert "the workflow has to be started again. It then asks again." in self.page(
            decided, ana
        )

    @pytest.mark.parametrize("result", ["stored", "unknown", "started"])
    def test_where_it_may_have_been_read_nothing_should_be_done_twice(self, decided, ana, result):
        decided.delivery.attempts.create(number=1, result=result)
        now(decided, **MISSED)

        said = self.page(decided, ana)
        assert "Ask whoever runs the workflow whether it acted on the answer" in said
        assert "has to be started again" not in said

    def test_a_run_that_ended_after_nobody_answered_asks_nothing_of_anybody(self, decided, ana):
        Approval.objects.update(decided_by=None)
        changes = MISSED | {"trouble": "", "reason": UNDELIVERED % {"how": ENDS["CANCELLED"]}}

        [_, step] = steps(now(decided, **changes))

        assert (step.label, step.stage, step.advice) == ("The workflow had ended", "done", "")
        assert "before the answer could be delivered" not in self.page(decided, ana)


class TestWhoReads:
    """The same trouble, for somebody who cannot mend it and for an operator."""

    ROLE = "An operator has to grant its service account the role."
    BLOCKED: ClassVar = {"state": "blocked", "trouble": "role", "reason": ROLE}

    @pytest.mark.parametrize("name", ["receipt", "detail"])
    def test_who_decided_need_do_nothing(self, decided, ana, name):
        now(decided, **self.BLOCKED, next_attempt_at=timezone.now() + MINUTE_AGO)
        Event.append(decided.pk, Event.Kind.BLOCKED, "system", data={"reason": self.ROLE})

        said = text_of(as_person(ana).get(reverse(f"approvals:{name}", args=[decided.pk])))

        assert (
            "It has not arrived yet. The operators have been told, and it is tried again"
            " automatically. You do not need to do anything, and can close this page." in said
        )
        assert "Google does not have it yet Needs attention" in said
        assert "Since " in said
        assert self.ROLE not in said

    def test_operators_read_what_to_mend(self, decided):
        now(decided, **self.BLOCKED)
        olga = make_staff()

        said = text_of(as_person(olga).get(decided.get_absolute_url()))

        assert self.ROLE in said

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            (
                {"state": "unknown", "trouble": "role"},
                "It is not known yet whether it has arrived.",
            ),
            (
                {"state": "stored", "stored_at": HOUR_AGO, "trouble": "not_listening"},
                "The workflow has not read it yet. The operators",
            ),
            (
                READ | {"trouble": "foreign"},
                "The workflow took the answer. You do not need to do anything.",
            ),
            ({"created_at": HOUR_AGO}, "It has not arrived yet. The operators"),
        ],
    )
    def test_nothing_is_claimed_that_is_not_known(self, decided, changes, said):
        beat()

        assert said_of(now(decided, **changes)).startswith(said)


class TestWhoSends:
    def test_without_a_worker_nobody_is_said_to_try(self, decided, ana):
        why = {"reason": "Trying again.", "next_attempt_at": MINUTE_AGO}
        approval = now(decided, **why)

        said = text_of(as_person(ana).get(reverse("approvals:receipt", args=[decided.pk])))
        assert "the service that sends it is not running. The operators can see this." in said
        assert "Trying again" not in said
        beat()
        assert said_of(approval) == "Trying again."

    def test_before_it_is_due_nobody_is_missed(self, decided):
        approval = now(decided, reason="Trying again.", next_attempt_at=-MINUTE_AGO)

        assert said_of(approval) == "Trying again."

    def test_while_the_first_try_is_under_way_it_says_so(self, decided, ana):
        Delivery.objects.update(next_attempt_at=timezone.now())
        claimed = Delivery.objects.claim_next()
        assert claimed.begin_attempt()

        said = text_of(as_person(ana).get(reverse("approvals:receipt", args=[decided.pk])))

        assert "Sending to Google." in said
        assert "Sending to Google…" in said
        assert "Waiting for its turn" not in said


def beat():
    """A worker is there."""
    Worker.objects.beat(Worker(name="here"))


class TestLookAgain:
    @pytest.mark.parametrize(
        ("run", "changes", "seconds"),
        [
            ("", {}, 2),
            ("", {"created_at": HOUR_AGO}, 15),
            ("", {"state": "stored", "stored_at": HOUR_AGO, "created_at": HOUR_AGO}, 15),
            ("ACTIVE", READ, 2),
            ("ACTIVE", READ | {"confirmed_at": MINUTE_AGO}, 10),
            ("SUCCEEDED", READ, None),
            ("ACTIVE", READ | {"confirmed_at": HOUR_AGO}, None),
            ("FAILED", {"state": "missed", "next_attempt_at": None}, None),
        ],
        ids=str,
    )
    def test_a_page_looks_as_long_as_something_may_come(self, decided, run, changes, seconds):
        assert look_again(now(decided, run, **changes)) == seconds

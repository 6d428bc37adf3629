"""How far an answer has come, in the words of its page, and how long that page looks again."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from approvals.models import Approval, Attempt, Delivery, Execution
from approvals.progress import look_again, steps
from tests.approvals.reading import as_person, text_of

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
                    ("What it came to", "todo"),
                ],
            ),
            (
                READ | {"stored_at": None},
                [("The workflow has it", "done"), ("What it came to", "todo")],
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

    @pytest.mark.parametrize("result", Attempt.DOUBTFUL)
    def test_a_doubt_stays_one_when_a_later_try_fails_for_sure(self, decided, result):
        for number, came in enumerate((result, Attempt.Result.RETRY), 1):
            Attempt.objects.create(delivery=decided.outgoing, number=number, result=came)

        assert told(now(decided, state="queued"))[1] == ("It may have arrived", "now")

    @pytest.mark.parametrize(
        ("run", "last"),
        [
            ("ACTIVE", ("What it came to", "todo")),
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

        assert "Then the workflow has to be started again, and asks anew." in self.page(
            decided, ana
        )

    @pytest.mark.parametrize("result", ["stored", "unknown", "started"])
    def test_where_it_may_have_been_read_nothing_should_be_done_twice(self, decided, ana, result):
        decided.delivery.attempts.create(number=1, result=result)
        now(decided, **MISSED)

        said = self.page(decided, ana)
        assert "Ask whoever runs the workflow whether it acted on the answer" in said
        assert "has to be started again" not in said

    def test_a_run_that_ended_after_nobody_answered_asks_nothing_of_anybody(self, decided):
        Approval.objects.update(decided_by=None)

        [_, step] = steps(now(decided, **MISSED | {"trouble": ""}))

        assert (step.label, step.stage, step.advice) == ("The workflow had ended", "done", "")


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

"""Votes of several people, stages, stand-ins, forms, and taking an answer back."""

from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.management.commands.deliver import work
from approvals.models import (
    AlreadyClosed,
    Approval,
    Event,
    FormInvalid,
    NotYours,
    StandIn,
    TooLate,
    WasChanged,
)
from approvals.verification import verify
from countersign.questionnaire import filled_in
from countersign.terms import TermsRefused
from tests.factories import make_approval, make_group, make_type, make_user
from tests.guards import unguarded

pytestmark = pytest.mark.django_db

ANSWERS = [
    {"value": "approved", "label": "Approve"},
    {"value": "rejected", "label": "Reject"},
    {"value": "changes_requested", "label": "Send back"},
]

FORM = {
    "type": "object",
    "properties": {
        "amount": {"type": "number", "minimum": 0, "maximum": 100},
        "again": {"type": "boolean"},
        "on": {"type": "string", "format": "date"},
    },
    "required": ["amount"],
}


def answer(approval, person, outcome="approved", comment="because", **more):
    approval = Approval.objects.get(pk=approval.pk)
    approval.decide(outcome, by=person, revision=approval.revision, comment=comment, **more)
    return Approval.objects.get(pk=approval.pk)


def stand_in(user, colleague, *, begins=-1, ends=1):
    now = timezone.now()
    return StandIn.objects.create(
        user=user,
        colleague=colleague,
        starts_at=now + timedelta(days=begins),
        ends_at=now + timedelta(days=ends),
        created_by=user.actor,
    )


def kinds(approval):
    return [event.kind for event in approval.events.all()]


class TestVotesOfSeveral:
    def test_the_outcome_comes_with_the_last_vote_that_is_needed(self, people, finance):
        approval = make_approval(approvers=["group:finance"], votes_needed=2)

        one = answer(approval, people[0])
        two = answer(approval, people[1])

        assert (one.status, two.status) == ("pending", "approved")
        assert [vote["email"] for vote in two.delivery.payload["votes"]] == [
            "ana@example.com",
            "ben@example.com",
        ]
        assert two.decided_by == people[1]
        assert kinds(two) == ["registered", "voted", "voted", "decided"]
        assert verify(two) == ""

    def test_everyone_is_everybody_who_is_there_now_but_the_requester(self, people, finance):
        approval = make_approval(
            approvers=["group:finance"], votes_needed="everyone", requested_by="ben@example.com"
        )

        assert answer(approval, people[0]).status == "pending"
        assert answer(approval, people[2]).status == "approved"

    def test_who_has_left_is_not_waited_for(self, people, finance):
        approval = make_approval(approvers=["group:finance"], votes_needed="everyone")
        answer(approval, people[0])
        people[1].is_active = False
        people[1].save()

        assert answer(approval, people[2]).status == "approved"

    def test_when_the_last_who_was_waited_for_leaves_the_others_have_decided(self, people, finance):
        approval = make_approval(approvers=["group:finance"], votes_needed="everyone")
        answer(approval, people[0])
        answer(approval, people[1])
        assert not work()
        people[2].is_active = False
        people[2].save()

        assert work()

        closed = Approval.objects.get(pk=approval.pk)
        assert (closed.status, closed.decided_by) == ("approved", people[1])
        assert not closed.settle_left()
        assert verify(closed) == ""

    def test_a_stand_in_is_one_of_everyone_in_place_of_their_colleague(self, people, finance):
        approval = make_approval(
            approvers=["user:ana@example.com", "user:ben@example.com"], votes_needed="everyone"
        )
        stand_in(people[0], people[2])
        answer(approval, people[2])

        assert answer(approval, people[1]).status == "approved"

    def test_the_requester_is_none_of_them_whatever_tag_is_in_the_address(self, people, finance):
        finance.user_set.add(make_user("eva+work@example.com"))
        approval = make_approval(
            approvers=["group:finance"], votes_needed="everyone", requested_by="Eva+x@example.com"
        )

        for person in people:
            approval = answer(approval, person)

        assert approval.status == "approved"

    def test_a_person_in_two_groups_has_one_vote(self, people, finance):
        make_group("board", people[0])
        approval = make_approval(approvers=["group:finance", "group:board"], votes_needed=2)
        answer(approval, people[0])

        with pytest.raises(AlreadyClosed, match="answered this request already"):
            answer(approval, people[0], "rejected")

        assert Approval.objects.get(pk=approval.pk).votes.count() == 1

    @pytest.mark.parametrize("again", [{"comment": "more"}, {"form": {"amount": 99}}])
    def test_the_same_answer_with_other_words_is_not_taken_for_saved(self, people, finance, again):
        approval = make_approval(approvers=["group:finance"], votes_needed=2, form=FORM)
        first = {"comment": "because", "form": {"amount": 10}}
        answer(approval, people[0], **first)

        answer(approval, people[0], **first)
        with pytest.raises(AlreadyClosed, match="answered this request already"):
            answer(approval, people[0], **{**first, **again})

        vote = approval.votes.get()
        assert (vote.comment, vote.form) == ("because", {"amount": 10})

    def test_a_rejection_settles(self, people, finance):
        approval = make_approval(approvers=["group:finance"], votes_needed=3)
        answer(approval, people[0])

        assert answer(approval, people[1], "rejected").status == "rejected"


class TestStages:
    def test_they_are_asked_in_order(self, people):
        ana, ben, _ = people
        approval = make_approval(
            approvers=[],
            stages=[
                {"approvers": ["user:ana@example.com"], "name": "Line"},
                {"approvers": ["user:ben@example.com"], "name": "Finance"},
            ],
        )

        with pytest.raises(NotYours):
            answer(approval, ben)
        after_one = answer(approval, ana)
        after_two = answer(approval, ben)

        assert (after_one.status, after_one.stage) == ("pending", 1)
        assert after_two.status == "approved"
        assert kinds(after_two) == ["registered", "voted", "stage", "voted", "decided"]

    def test_an_answer_that_is_sent_twice_is_none_to_the_next_stage(self, people, finance):
        stages = [{"approvers": ["user:ana@example.com"]}, {"approvers": ["group:finance"]}]
        approval = make_approval(approvers=[], stages=stages)

        for _ in range(2):
            fresh = Approval.objects.get()
            fresh.decide("approved", by=people[0], revision=approval.revision)

        assert (fresh.status, fresh.stage, fresh.votes.count()) == ("pending", 1, 1)
        with pytest.raises(WasChanged):
            fresh.decide("rejected", by=people[0], revision=approval.revision, comment="no")
        assert answer(approval, people[0]).status == "approved"
        assert verify(approval) == ""

    def test_a_rejection_in_the_first_ends_all(self, people):
        stages = [{"approvers": [f"user:{who.email}"]} for who in people]
        approval = make_approval(approvers=[], stages=stages)

        assert answer(approval, people[0], "rejected").status == "rejected"


class TestStandIns:
    def test_a_colleague_answers_in_the_right_of_the_absent(self, people):
        ana, ben, _ = people
        approval = make_approval(approvers=["user:ana@example.com"])
        stand_in(ana, ben)

        closed = answer(approval, ben)

        assert closed.delivery.payload["decided_by"] == {
            "email": "ben@example.com",
            "name": "Ben",
            "on_behalf_of": "ana@example.com",
        }

    def test_before_and_after_nobody_stands_in(self, people):
        ana, ben, cleo = people
        approval = make_approval(approvers=["user:ana@example.com"])
        stand_in(ana, ben, begins=1, ends=2)
        stand_in(ana, cleo, begins=-2, ends=-1)

        for person in (ben, cleo):
            with pytest.raises(NotYours):
                answer(approval, person)

    def test_it_is_not_passed_on(self, people):
        ana, ben, cleo = people
        approval = make_approval(approvers=["user:ana@example.com"])
        stand_in(ana, ben)
        stand_in(ben, cleo)

        with pytest.raises(NotYours):
            answer(approval, cleo)

    def test_nobody_stands_in_for_the_requester(self, people):
        ana, ben, _ = people
        make_group("finance", ana)
        approval = make_approval(approvers=["group:finance"], requested_by="ana@example.com")
        stand_in(ana, ben)

        with pytest.raises(NotYours):
            answer(approval, ben)

    def test_two_rights_are_still_one_person(self, people, finance):
        ana, ben, _ = people
        approval = make_approval(approvers=["group:finance"], votes_needed=2)
        stand_in(ana, ben)
        answer(approval, ben)

        with pytest.raises(AlreadyClosed):
            answer(approval, ben, "rejected")

    def test_who_has_answered_one_stage_answers_no_other_for_somebody_else(self, people):
        ana, ben, cleo = people
        names = ("ana", "ben")
        stages = [{"approvers": [f"user:{name}@example.com"]} for name in names]
        approval = make_approval(approvers=[], stages=stages)
        stand_in(ben, ana)
        stand_in(ben, cleo)
        approval = answer(approval, ana)

        assert not approval.may_be_decided_by(ana)
        assert approval.principal_for(ana) is None
        with pytest.raises(AlreadyClosed, match="You have answered this request already"):
            answer(approval, ana)
        assert answer(approval, cleo).status == "approved"

    def test_who_has_stood_in_is_still_asked_in_their_own_right(self, people):
        ana, ben, _ = people
        stages = [{"approvers": [f"user:{name}@example.com"]} for name in ("ana", "ben")]
        approval = make_approval(approvers=[], stages=stages)
        stand_in(ana, ben)
        approval = answer(approval, ben)

        assert approval.principal_for(ben) == ben
        assert answer(approval, ben).status == "approved"


class TestNarrowing:
    def test_a_request_makes_everyone_no_fewer(self, people):
        everyone = {"votes_needed": "everyone"}
        asked = ["user:ana@example.com", "user:ben@example.com"]
        make_type("release", *asked, **everyone)

        with pytest.raises(TermsRefused, match="must agree"):
            make_approval(type="release", approvers=asked[:1])
        assert make_approval(type="release", approvers=asked).votes_needed is None


class TestUndo:
    @pytest.fixture
    def approval(self, people, finance):
        make_type("expense", "group:finance", undo=10)
        return make_approval(type="expense", approvers=[])

    def test_an_answer_is_on_its_way_only_when_nobody_took_it_back(self, approval, people):
        waiting = answer(approval, people[0])
        assert (waiting.status, waiting.settles_as) == ("pending", "approved")
        assert not waiting.conclude() if waiting.settles_at > timezone.now() else True

        Approval.objects.update(settles_at=timezone.now())
        assert waiting.conclude()

        assert Approval.objects.get().status == "approved"
        assert not waiting.conclude()

    def test_taken_back_it_is_open_again_and_can_be_answered_anew(self, approval, people):
        waiting = answer(approval, people[0])

        waiting.take_back(by=people[0])
        again = answer(approval, people[0], "rejected")

        assert again.settles_as == "rejected"
        assert kinds(again) == ["registered", "voted", "taken_back", "voted"]
        assert verify(again) == ""

    def test_too_late_is_too_late(self, approval, people):
        waiting = answer(approval, people[0])
        Approval.objects.update(settles_at=timezone.now())

        with pytest.raises(TooLate):
            waiting.take_back(by=people[0])

    def test_in_the_next_stage_it_is_too_late_for_an_answer_in_the_first(self, people):
        make_type(
            "staged",
            stages=[
                {"approvers": ["user:ana@example.com"]},
                {"approvers": ["user:ben@example.com"]},
            ],
            undo=20,
        )
        waiting = answer(make_approval(type="staged", approvers=[]), people[0])
        Approval.objects.update(settles_at=timezone.now())
        assert waiting.conclude()

        with pytest.raises(TooLate, match="the next stage has begun"):
            waiting.take_back(by=people[0])

    def test_while_it_can_be_taken_back_nobody_else_answers(self, approval, people):
        answer(approval, people[0])

        with pytest.raises(AlreadyClosed):
            answer(approval, people[1])

    def test_time_running_out_keeps_the_answer(self, approval, people):
        waiting = answer(approval, people[0])

        body = waiting.settle(timed_out=True, actor="caller:x")

        assert body is not None
        assert body["outcome"] == "approved"


class TestForms:
    def test_types_are_kept_in_the_callback(self, people, finance):
        approval = make_approval(approvers=["group:finance"], form=FORM)

        closed = answer(approval, people[0], form={"amount": 12.5, "again": True})

        assert closed.delivery.payload["form"] == {"amount": 12.5, "again": True}

    @pytest.mark.parametrize(
        ("values", "named"),
        [
            ({}, "amount"),
            ({"amount": 101}, "amount"),
            ({"amount": "5"}, "amount"),
            ({"amount": 5, "on": "tomorrow"}, "on"),
            ({"amount": 5, "other": 1}, "form"),
        ],
    )
    def test_a_wrong_value_is_named_and_nothing_is_saved(self, people, finance, values, named):
        approval = make_approval(approvers=["group:finance"], form=FORM)

        with pytest.raises(FormInvalid) as refused:
            answer(approval, people[0], form=values)

        assert set(refused.value.errors) == {named}
        assert not approval.votes.exists()

    @pytest.mark.parametrize(
        ("step", "whole", "broken"),
        [
            (0.01, [19.99, 0.07, 1.1, 4.35, -0.29, 8, 0], [19.995, 0.001]),
            (0.1, [0.3, 1e22, 1.0], [0.35, 1e-7]),
            (5, [10, 10.0, 2**53 - 2], [9, 12.5]),
            (1e-300, [1e300, 5], [1e-301]),
            (1e300, [0, 3e300], [5, 1e-300, 10**5000 + 1]),
        ],
    )
    def test_steps_are_counted_in_numbers_as_people_write_them(self, step, whole, broken):
        form = {"type": "object", "properties": {"sum": {"type": "number", "multipleOf": step}}}

        for number in whole:
            assert filled_in(form, {"sum": number}, negative=False) == {"sum": number}
        for number in [*broken, float("inf"), float("nan")]:
            with pytest.raises(FormInvalid) as refused:
                filled_in(form, {"sum": number}, negative=False)
            assert refused.value.errors == {"sum": f"In steps of {step}."}

    def test_a_rejection_needs_no_form(self, people, finance):
        approval = make_approval(approvers=["group:finance"], form=FORM)

        assert answer(approval, people[0], "rejected").status == "rejected"


class TestRecord:
    def test_a_changed_line_is_found(self, people, finance):
        approval = make_approval(approvers=["group:finance"])
        closed = answer(approval, people[0])
        assert verify(closed) == ""

        with unguarded():
            Event.objects.filter(number=2).update(actor="user:mallory@example.com")

        assert verify(closed) == "Line 2 was changed."

    def test_a_missing_end_is_found(self, people, finance):
        approval = make_approval(approvers=["group:finance"])
        closed = answer(approval, people[0])
        with unguarded():
            Event.objects.filter(number=3).delete()

        assert verify(closed) == "Lines after 2 are missing."

"""Who is told of what: every event, on the rows that are written for it."""

import pytest

from approvals.audience import STEPS, Circle, Matter, told
from approvals.mails import mail_of
from approvals.models import Delivery, Event, Notice, Preference
from approvals.models.outbox import State
from approvals.models.timer import Timer
from tests.approvals.reading import decide
from tests.approvals.telling import forget, stand_in, written
from tests.factories import make_approval, make_caller, make_group, make_staff, make_user

ANA, BEN, EVA = "ana@example.com", "ben@example.com", "eva@example.com"


@pytest.fixture(autouse=True)
def _mail(settings):
    settings.TELL_BY_MAIL = True


def new(approval):
    """What the last event of the approval told."""
    return written(event=approval.events.latest("number"))


PEOPLE = {
    Circle.ASKED: ["a", "b"],
    Circle.NEW: ["c"],
    Circle.REQUESTER: ["r"],
    Circle.VOTERS: ["v", "w"],
    Circle.ACTORS: ["v"],
    Circle.ASKERS: ["a"],
    Circle.OPERATORS: ["o"],
}


class TestTold:
    """The table by itself, without a database."""

    def told(self, kind, data=None, **people):
        there = PEOPLE | people
        return [(each.matter, each.address) for each in told(kind, data or {}, there.__getitem__)]

    def test_every_kind_of_event_is_known_to_the_record(self):
        assert set(STEPS) <= set(Event.Kind.values)

    def test_nobody_is_told_of_the_same_event_twice(self):
        for kind in STEPS:
            addresses = [address for _, address in self.told(kind)]
            assert len(addresses) == len(set(addresses)), kind

    def test_who_gave_the_deciding_answer_is_told_by_the_receipt_alone(self):
        assert self.told("decided") == [("result", "r"), ("result", "w")]

    def test_where_nobody_can_answer_operators_are_told(self):
        found = self.told("registered", **{Circle.ASKED: []})

        assert found == [("attention", "o")]

    def test_who_asks_anew_is_not_told_that_the_old_request_is_closed(self):
        found = self.told("withdrawn", {"superseded_by": "x"})

        assert ("result", "r") not in found
        assert ("closed", "a") in found

    def test_success_is_told_to_who_asked_and_failure_to_who_answered_too(self):
        assert self.told("outcome", {"result": "succeeded"}) == [("report", "r")]
        assert [a for _, a in self.told("outcome", {"result": "failed"})] == ["r", "v", "w"]

    def test_circles_that_do_not_matter_are_not_looked_up(self):
        asked = []

        told("voted", {}, lambda circle: asked.append(circle) or [])

        assert set(asked) == {Circle.ACTORS}


class TestAsked:
    def test_all_members_of_a_group_are_asked(self, approval):
        assert new(approval) == [("asked", ANA), ("asked", BEN)]

    def test_the_requester_is_never_asked_nor_who_has_left(self, ana, ben, eva):
        gone = make_user(is_active=False)
        make_group("all", ana, eva, gone, make_user("eva+home@example.com"))

        assert new(make_approval(approvers=["group:all"])) == [("asked", ANA)]

    def test_who_joins_later_is_told_by_the_reminder(self, approval, managers):
        managers.user_set.add(make_user("carl@example.com"))
        Timer.objects.create(
            approval=approval, kind="remind", due_at=approval.created_at, after="1 day"
        ).ring()

        assert ("reminder", "carl@example.com") in new(approval)

    def test_a_stand_in_is_asked_too(self, ana, eva):
        carl = make_user("carl@example.com")
        stand_in(ana, carl)

        found = new(make_approval(approvers=["user:ana@example.com"]))

        assert found == [("asked", ANA), ("asked", "carl@example.com")]

    def test_the_requester_is_not_asked_as_somebodys_stand_in(self, ana, eva):
        stand_in(ana, eva)

        assert new(make_approval(approvers=["user:ana@example.com"])) == [("asked", ANA)]

    def test_one_person_in_two_groups_is_asked_once(self, ana, managers):
        make_group("board", ana)

        found = new(make_approval(approvers=["group:managers", "group:board"]))

        assert [address for _, address in found].count(ANA) == 1

    def test_reminders_spare_who_has_answered(self, managers, ana, ben):
        approval = make_approval(votes_needed=2)
        decide(approval, ana)
        Timer.objects.create(
            approval=approval, kind="remind", due_at=approval.created_at, after="1 day"
        ).ring()

        assert new(approval) == [("reminder", BEN)]

    def test_the_next_stage_is_asked_when_the_one_before_agrees(self, ana, ben):
        stages = [{"approvers": [f"user:{ANA}"]}, {"approvers": [f"user:{BEN}"]}]
        approval = make_approval(approvers=[], stages=stages)
        assert new(approval) == [("asked", ANA)]

        decide(approval, ana)

        assert new(approval) == [("asked", BEN)]

    def test_who_is_asked_by_escalation_is_told(self, approval):
        make_group("heads", make_user("hans@example.com"))

        approval.escalate("group:heads", after="2 days")

        assert new(approval) == [("escalated", "hans@example.com")]

    @pytest.mark.parametrize("name", ["group:cost center: 7", "user: Hans@Example.com"])
    def test_names_are_read_as_in_a_request(self, approval, name):
        make_group("cost center: 7", make_user("hans@example.com"))

        approval.escalate(name, after="2 days")

        assert new(approval) == [("escalated", "hans@example.com")]

    def test_who_it_is_handed_to_is_told(self, approval, ana):
        carl = make_user("carl@example.com")

        approval.hand_over(by=ana, to=carl, reason="You know the place")

        assert new(approval) == [("handed_over", "carl@example.com")]


class TestAnswered:
    def test_who_answered_has_a_receipt_and_the_requester_the_result(self, approval, ana):
        forget(approval)
        decide(approval, ana)

        assert written(state="queued") == [("receipt", ANA), ("result", EVA)]

    def test_of_two_the_first_hears_the_result_and_the_last_has_it_on_the_receipt(
        self, managers, ana, ben
    ):
        approval = make_approval(votes_needed=2)
        forget(approval)
        decide(approval, ana)
        decide(approval, ben)

        assert written(state="queued") == [
            ("receipt", ANA),
            ("receipt", BEN),
            ("result", ANA),
            ("result", EVA),
        ]

    def test_whose_right_a_stand_in_used_is_told_too(self, ana, eva):
        carl = make_user("carl@example.com")
        stand_in(ana, carl)
        approval = make_approval(approvers=[f"user:{ANA}"])
        forget(approval)

        decide(approval, carl)

        assert written(state="queued", matter="receipt") == [
            ("receipt", ANA),
            ("receipt", "carl@example.com"),
        ]

    def test_an_answer_that_does_not_count_tells_nobody(self, approval, ana, ben):
        decide(approval, ana)
        before = written()
        with pytest.raises(Exception, match="answered"):
            decide(approval, ben, outcome="rejected")

        assert written() == before

    def test_a_requester_without_account_hears_the_result(self, managers, ana):
        approval = make_approval(requested_by="guest@example.org")
        decide(approval, ana)

        (notice,) = Notice.objects.filter(matter="result")
        assert (notice.address, notice.user) == ("guest@example.org", None)

    def test_a_request_of_nobody_has_nobody_to_tell_the_result(self, managers, ana):
        decide(make_approval(requested_by=""), ana)

        assert written(matter="result") == []


class TestClosed:
    def test_withdrawing_tells_who_was_asked_and_who_asked(self, approval):
        approval.withdraw("Paid by card", actor="caller:x")

        assert new(approval) == [("closed", ANA), ("closed", BEN), ("result", EVA)]

    def test_asking_anew_tells_who_was_asked_that_the_old_one_is_closed(self, approval, managers):
        anew = make_approval(caller=make_caller(), supersedes=str(approval.pk))

        assert new(approval) == [("closed", ANA), ("closed", BEN)]
        assert new(anew) == [("asked", ANA), ("asked", BEN)]

    def test_questions_go_to_the_requester_and_answers_to_who_decides(self, approval, ana, eva):
        approval.say("Which hotel?", by=ana)
        assert new(approval) == [("question", EVA)]

        approval.say("The Ritz", by=eva)
        assert new(approval) == [("answer", ANA), ("answer", BEN)]

    def test_the_report_of_the_workflow_is_told(self, approval, ana):
        decide(approval, ana)
        approval.report("failed", "no money", "", actor="caller:x")

        assert new(approval) == [("report", ANA), ("report", EVA)]

    def test_operators_hear_of_an_answer_that_does_not_get_through(self, approval, ana):
        make_staff()
        decide(approval, ana)
        Event.append(approval.pk, Event.Kind.BLOCKED, "system", data={"reason": "403"})

        assert ("attention", "olga@example.com") in new(approval)

    def test_who_decided_and_who_asked_hear_once_that_it_has_not_arrived(self, approval, ana):
        make_staff()
        decide(approval, ana)
        Event.append(approval.pk, Event.Kind.BLOCKED, "system", data={"reason": "403"})
        assert new(approval) == [
            ("result", ANA),
            ("result", EVA),
            ("attention", "olga@example.com"),
        ]

        Event.append(approval.pk, Event.Kind.BLOCKED, "system", data={"reason": "401"})
        assert new(approval) == [("attention", "olga@example.com")]

    def test_who_decided_and_who_asked_hear_that_it_came_too_late(self, approval, ana, eva):
        Preference.objects.create(user=eva, results=False)
        decide(approval, ana)
        claimed = Delivery.objects.claim_next()
        why = "The workflow was cancelled before the answer could be delivered."
        assert claimed.move(State.MISSED, why, next_attempt_at=None, trouble="missed")

        assert new(approval) == [("result", ANA), ("result", EVA)]

    def test_of_what_nobody_decided_people_hear_nothing_more(self, approval):
        make_staff()
        approval.withdraw("Paid by card", actor="caller:x")
        Event.append(approval.pk, Event.Kind.BLOCKED, "system", data={"reason": "403"})
        assert new(approval) == [("attention", "olga@example.com")]

        Event.append(approval.pk, Event.Kind.MISSED, "system", data={"reason": "Too late."})
        assert new(approval) == []

    def test_operators_hear_of_an_escalation_that_reached_nobody(self, approval):
        make_staff()
        approval.escalate("group:renamed", after="2 days")

        assert new(approval) == [("attention", "olga@example.com")]
        said = mail_of(Notice.objects.get(matter="attention")).text
        assert "Nobody was asked in time: Nobody here is called group:renamed" in said

    def test_operators_hear_of_a_request_that_nobody_can_answer(self, eva):
        make_staff()
        make_group("empty")

        found = new(make_approval(approvers=["group:empty"]))

        assert found == [("attention", "olga@example.com")]


class TestWanted:
    def test_without_a_mail_server_nothing_waits_for_one(self, settings, managers):
        settings.TELL_BY_MAIL = False
        make_approval()

        assert written() == []

    def test_who_wants_nothing_is_told_nothing(self, managers, ana, ben):
        Preference.objects.create(user=ana, pace="none")

        assert new(make_approval()) == [("asked", BEN)]

    def test_receipts_and_results_can_be_left_out(self, managers, ana, eva):
        Preference.objects.create(user=ana, receipts=False)
        Preference.objects.create(user=eva, results=False)
        approval = make_approval()
        forget(approval)

        decide(approval, ana)

        assert written(state="queued") == []

    def test_each_matter_of_the_audience_has_a_label(self):
        assert all(Notice(matter=matter).get_matter_display() != matter for matter in Matter)


class TestCost:
    def test_many_people_take_no_more_queries_than_few(self, db, django_assert_max_num_queries):
        make_group("few", make_user())
        make_group("many", *(make_user() for _ in range(40)))
        for group in ("few", "many"):
            make_approval(approvers=[f"group:{group}"])  # caches are warm
            with django_assert_max_num_queries(30):
                make_approval(approvers=[f"group:{group}"])

        assert Notice.objects.count() == 82

    def test_events_that_nobody_is_told_of_ask_the_database_nothing(
        self, approval, django_assert_num_queries
    ):
        with django_assert_num_queries(6):  # as many as the record itself takes
            Event.append(approval.pk, Event.Kind.STORED, "system")

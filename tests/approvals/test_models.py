"""The promises of the aggregate: one outcome, with its vote, event and delivery, or nothing."""

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from approvals.models import (
    AlreadyClosed,
    AlreadyRegistered,
    Approval,
    CommentRequired,
    Delivery,
    Event,
    NotYours,
    UnknownApprover,
    UnknownOption,
    Vote,
    WasChanged,
)
from approvals.models.content import inbox_deadline
from approvals.models.user import mailbox
from tests.factories import (
    make_approval,
    make_callback_url,
    make_caller,
    make_group,
    make_staff,
    make_user,
)


class TestRegister:
    def test_a_question_is_stored_with_its_approvers_and_first_event(self, approval):
        assert approval.status == "pending"
        assert approval.fields == [["Amount", "1240 EUR"], ["Purpose", "Hotel in Lisbon"]]
        assert [str(a) for a in approval.approvers.all()] == ["group:managers"]
        assert approval.events.get().kind == Event.Kind.REGISTERED

    def test_the_same_content_again_is_the_same_approval(self, managers):
        url = make_callback_url()
        first = make_approval(callback_url=url, key="run/1")

        assert make_approval(callback_url=url, key="run/1") == first
        assert make_approval(callback_url=url) == first
        assert Approval.objects.count() == Event.objects.count() == 1

    def test_other_content_under_the_same_address_or_key_is_refused(self, managers):
        url = make_callback_url()
        make_approval(callback_url=url, key="run/1")

        with pytest.raises(AlreadyRegistered):
            make_approval(callback_url=url, title="Something else")
        with pytest.raises(AlreadyRegistered):
            make_approval(key="run/1", title="Something else")
        assert Approval.objects.count() == 1

    def test_another_callers_callback_is_not_revealed(self, managers):
        url = make_callback_url()
        make_approval(callback_url=url)

        with pytest.raises(AlreadyRegistered):
            make_approval(callback_url=url, caller=make_caller("other@example.com"))

    def test_the_same_key_with_a_new_address_of_the_execution_rearms_it(self, managers):
        old, new = (make_callback_url(execution="e1") for _ in range(2))
        first = make_approval(callback_url=old, key="e1/ask")

        again = make_approval(callback_url=new, key="e1/ask")

        assert (again, again.callback_url) == (first, new)
        assert make_approval(callback_url=old, key="e1/ask").callback_url == new
        assert [e.kind for e in first.events.all()] == ["registered", "rearmed"]
        with pytest.raises(AlreadyRegistered):
            make_approval(callback_url=old, title="The old address stays taken")

    def test_the_same_key_of_another_execution_is_refused(self, managers):
        make_approval(key="not unique")

        with pytest.raises(AlreadyRegistered):
            make_approval(key="not unique")

    def test_one_approver_in_two_spellings_is_one(self, managers):
        names = [
            "user:ana@example.com",
            "user:ANA@example.com",
            "group:managers",
            "group: managers",
        ]

        assert make_approval(approvers=names).approvers.count() == 2

    def test_an_address_and_a_key_of_two_questions_are_refused(self, managers):
        url = make_callback_url()
        make_approval(callback_url=url, key="one")
        make_approval(key="two")

        with pytest.raises(AlreadyRegistered):
            make_approval(callback_url=url, key="two")

    def test_unknown_approvers_are_named_and_nothing_is_stored(self, managers):
        make_user("gone@example.com", is_active=False)
        names = ["group:managers", "group:nobody", "user:x@example.com", "user:gone@example.com"]

        with pytest.raises(UnknownApprover) as refusal:
            make_approval(approvers=names)

        assert all(name in str(refusal.value) for name in names[1:])
        assert Approval.objects.count() == 0

    def test_the_deadline_is_a_duration_less_a_margin(self):
        now = timezone.now()

        assert inbox_deadline(now, None) is None
        assert inbox_deadline(now, 86400) == now + timedelta(seconds=86400 * 0.98)
        assert inbox_deadline(now, 600) == now + timedelta(seconds=570)
        assert inbox_deadline(now, 10) == now + timedelta(seconds=5)


class TestDecide:
    def test_outcome_vote_event_and_delivery_are_written_together(self, approval, ana):
        approval.decide("approved", by=ana, revision=1, comment=" Fine. ")

        assert (approval.status, approval.decided_by) == ("approved", ana)
        vote = Vote.objects.get()
        assert (vote.user, vote.comment, vote.content_sha256) == (
            ana,
            "Fine.",
            approval.content_sha256,
        )
        body = Delivery.objects.get().payload
        assert body["decision_id"] == str(approval.delivery.pk)
        assert body["decided_by"] == {
            "email": "ana@example.com",
            "name": "Ana Almeida",
            "on_behalf_of": None,
        }
        assert body["votes"] == [
            {
                "email": "ana@example.com",
                "on_behalf_of": None,
                "outcome": "approved",
                "comment": "Fine.",
                "at": body["decided_at"],
            }
        ]
        assert body["decided_at"].endswith("Z")
        event = approval.events.last()
        assert (event.kind, event.actor) == (Event.Kind.DECIDED, "user:ana@example.com")

    def test_the_first_decision_wins_and_the_second_reads_who_and_when(self, approval, ana, ben):
        stale = Approval.objects.get(pk=approval.pk)
        approval.decide("approved", by=ana, revision=1)

        with pytest.raises(AlreadyClosed) as refusal:
            stale.decide("rejected", by=ben, revision=1, comment="No")

        assert "Ana Almeida answered “Approved” on" in str(refusal.value)
        assert Vote.objects.count() == Delivery.objects.count() == 1

    def test_repeating_ones_own_answer_is_no_error_and_changes_nothing(self, approval, ana):
        approval.decide("approved", by=ana, revision=1)
        Approval.objects.get(pk=approval.pk).decide("approved", by=ana, revision=1)

        assert Vote.objects.count() == Delivery.objects.count() == 1
        with pytest.raises(AlreadyClosed):
            approval.decide("rejected", by=ana, revision=1, comment="No, wait")

    def test_strangers_and_operators_have_no_vote(self, approval):
        for person in (make_user("stranger@example.com"), make_staff()):
            with pytest.raises(NotYours):
                approval.decide("approved", by=person, revision=1)
        assert Delivery.objects.count() == 0

    @pytest.mark.parametrize(
        "spelling", ["ana@example.com", "ANA@Example.com", "ana+x@example.com"]
    )
    def test_the_requester_cannot_decide_their_own(self, managers, ana, ben, spelling):
        approval = make_approval(requested_by=spelling, approvers=["group:managers"])

        with pytest.raises(NotYours):
            approval.decide("approved", by=ana, revision=1)
        approval.decide("approved", by=ben, revision=1)

    def test_a_right_that_was_lost_meanwhile_is_lost(self, approval, ana, managers):
        managers.user_set.remove(ana)

        with pytest.raises(NotYours):
            approval.decide("approved", by=ana, revision=1)

    def test_a_deactivated_person_sees_and_decides_nothing(self, approval, ana):
        type(ana).objects.update(is_active=False)

        with pytest.raises(NotYours):
            approval.decide("approved", by=ana, revision=1)  # with the right of a moment ago
        ana.refresh_from_db()
        assert not Approval.objects.visible_to(ana).exists()

    def test_rejecting_needs_a_comment(self, approval, ana):
        with pytest.raises(CommentRequired):
            approval.decide("rejected", by=ana, revision=1, comment="  ")
        assert Approval.objects.get().status == "pending"

    def test_the_comment_rule_of_the_request_holds(self, managers, ana):
        always = make_approval(comment="always")
        optional = make_approval(comment="optional")

        with pytest.raises(CommentRequired):
            always.decide("approved", by=ana, revision=1)
        optional.decide("rejected", by=ana, revision=1)

    def test_only_declared_options_are_answers(self, managers, ana):
        options = [{"value": "ship", "label": "Ship it"}, {"value": "hold", "label": "Hold"}]
        approval = make_approval(options=options)

        with pytest.raises(UnknownOption):
            approval.decide("approved", by=ana, revision=1)
        approval.decide("ship", by=ana, revision=1)
        assert approval.status_label == "Ship it"

    def test_the_outcome_is_called_by_the_word_of_its_button(self, managers, ana):
        options = [{"value": "rejected", "label": "Stop this release"}]
        approval = make_approval(options=options)
        assert approval.status_label == "Waiting"

        approval.decide("rejected", by=ana, revision=1, comment="Too early.")

        assert approval.status_label == "Stop this release"
        assert "answered “Stop this release”" in approval.how_it_closed()
        assert make_approval(options=[{"value": "x", "label": "Y"}]).status_label == "Waiting"

    def test_a_page_of_another_revision_is_refused(self, approval, ana):
        Approval.objects.update(revision=2)

        with pytest.raises(WasChanged):
            approval.decide("approved", by=ana, revision=1)

    def test_after_the_deadline_nothing_is_accepted(self, approval, ana):
        Approval.objects.update(expires_at=timezone.now())

        with pytest.raises(AlreadyClosed):
            approval.decide("approved", by=ana, revision=1)

    def test_a_failure_in_the_middle_leaves_nothing(self, approval, ana, monkeypatch):
        def fail(*args, **kwargs):
            raise RuntimeError("the disk is full")

        monkeypatch.setattr(Event, "append", fail)
        with pytest.raises(RuntimeError):
            approval.decide("approved", by=ana, revision=1)

        assert Approval.objects.get().status == "pending"
        assert Vote.objects.count() == Delivery.objects.count() == 0


class TestExpire:
    def test_an_overdue_approval_is_closed_and_the_workflow_is_told(self, managers):
        approval = make_approval(expires_in=60, on_expiry="rejected")
        assert not approval.expire()

        Approval.objects.update(expires_at=timezone.now())
        assert approval.expire()
        assert not approval.expire()

        assert approval.status == "rejected"
        assert approval.delivery.payload["decided_by"] is None
        assert approval.events.last().kind == Event.Kind.EXPIRED


class TestSettle:
    def test_woken_is_told_pending_until_there_is_an_outcome(self, approval, ana):
        assert approval.settle(timed_out=False, actor="caller:x") is None
        approval.decide("approved", by=ana, revision=1)

        first = approval.settle(timed_out=False, actor="caller:x")
        second = approval.settle(timed_out=True, actor="caller:x")

        assert first == second == approval.delivery.payload
        assert approval.delivery.state == "confirmed"
        assert [e.kind for e in approval.events.all()].count("confirmed") == 1

    def test_a_timeout_closes_it_and_that_is_the_answer_ever_after(self, approval, ana):
        answer = approval.settle(timed_out=True, actor="caller:x")

        assert answer["outcome"] == "expired"
        with pytest.raises(AlreadyClosed):
            approval.decide("approved", by=ana, revision=1)
        assert approval.settle(timed_out=False, actor="caller:x") == answer
        assert Delivery.objects.due().count() == 0


class TestWithdraw:
    def test_the_workflow_may_take_it_back_while_it_is_pending(self, approval, ana):
        approval.withdraw("Not needed", actor="caller:x")
        approval.withdraw("Not needed", actor="caller:x")

        assert approval.status == "withdrawn"
        with pytest.raises(AlreadyClosed):
            approval.decide("approved", by=ana, revision=1)

    def test_a_decision_is_not_undone_by_it(self, approval, ana):
        approval.decide("approved", by=ana, revision=1)

        with pytest.raises(AlreadyClosed):
            approval.withdraw("Too late", actor="caller:x")


class TestReport:
    def test_what_the_workflow_did_is_kept_once(self, approval, ana):
        with pytest.raises(AlreadyClosed):
            approval.report("succeeded", "Paid", "", actor="caller:x")
        approval.decide("approved", by=ana, revision=1)

        for _ in range(2):
            approval.report("succeeded", "Paid 1240 EUR", "", actor="caller:x")

        assert (approval.result, approval.result_message) == ("succeeded", "Paid 1240 EUR")
        assert approval.events.filter(kind=Event.Kind.OUTCOME).count() == 1


class TestConstraints:
    def test_a_person_has_one_vote(self, approval, ana):
        approval.decide("approved", by=ana, revision=1)

        with pytest.raises(IntegrityError), transaction.atomic():
            Vote.objects.create(
                approval=approval, user=ana, outcome="x", revision=1, content_sha256="x"
            )

    def test_an_outcome_has_one_delivery(self, approval, ana):
        approval.decide("approved", by=ana, revision=1)

        with pytest.raises(IntegrityError), transaction.atomic():
            Delivery.objects.create(approval=approval, body="{}")

    @pytest.mark.parametrize("change", [{"status": "approved"}, {"decided_at": timezone.now()}])
    def test_pending_and_decided_exclude_each_other(self, approval, change):
        with pytest.raises(IntegrityError), transaction.atomic():
            Approval.objects.update(**change)

    @pytest.mark.parametrize("change", [{"state": "lost"}, {"next_attempt_at": None}])
    def test_a_delivery_is_final_or_scheduled(self, approval, ana, change):
        approval.decide("approved", by=ana, revision=1)

        with pytest.raises(IntegrityError), transaction.atomic():
            Delivery.objects.update(**change)

    def test_what_was_decided_cannot_be_deleted_with_its_people(self, approval, ana):
        approval.decide("approved", by=ana, revision=1)

        with pytest.raises(ProtectedError):
            ana.delete()

    def test_addresses_are_unique_whatever_their_case(self, ana):
        with pytest.raises(IntegrityError), transaction.atomic():
            make_user("ANA@example.com")


class TestMailbox:
    @pytest.mark.parametrize(
        "text", ["ana@example.com", " Ana@Example.COM ", "ana+expenses@example.com"]
    )
    def test_spellings_of_one_mailbox_are_one_person(self, text):
        assert mailbox(text) == "ana@example.com"

    def test_nobody_is_nobody(self):
        assert mailbox("") == ""


@pytest.mark.django_db(transaction=True)
class TestConcurrency:
    """Real threads with real connections, on whichever database the run uses."""

    def race(self, count, act):
        barrier, outcomes = threading.Barrier(count), []

        def run(number):
            barrier.wait()
            try:
                outcomes.append(act(number) or "won")
            except Exception as error:
                outcomes.append(type(error).__name__)
            finally:
                connection.close()

        threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(outcomes)

    def test_of_fifty_simultaneous_clicks_one_wins_and_the_others_read_who(self):
        people = [make_user(f"p{n}@example.com") for n in range(50)]
        make_group("managers", *people)
        approval = make_approval()

        def click(number):
            choice = "approved" if number % 2 else "rejected"
            mine = Approval.objects.get(pk=approval.pk)
            mine.decide(choice, by=people[number], revision=1, comment="Because.")

        assert self.race(50, click) == ["AlreadyClosed"] * 49 + ["won"]
        assert Vote.objects.count() == Delivery.objects.count() == 1
        assert Vote.objects.get().outcome == Approval.objects.get().status

    def test_decision_against_timeout_has_one_judge(self):
        ana = make_user("ana@example.com")
        make_group("managers", ana)
        for _ in range(10):
            approval = make_approval()

            def act(number, approval=approval):
                mine = Approval.objects.get(pk=approval.pk)
                if number:
                    mine.decide("approved", by=ana, revision=1)
                else:
                    mine.settle(timed_out=True, actor="caller:x")

            assert self.race(2, act) in (["AlreadyClosed", "won"], ["won", "won"])
            approval.refresh_from_db()
            assert Delivery.objects.filter(approval=approval).count() == 1
            assert approval.delivery.payload["outcome"] == approval.status
            assert approval.delivery.state == "confirmed"

    def test_fifty_equal_registrations_make_one_approval(self):
        make_group("managers", make_user("ana@example.com"))
        make_caller()
        url = make_callback_url()

        outcomes = self.race(50, lambda _: str(make_approval(callback_url=url, key="k").pk))

        assert outcomes == [str(Approval.objects.get().pk)] * 50

    def test_of_many_workers_one_gets_the_row(self):
        ana = make_user("ana@example.com")
        make_group("managers", ana)
        make_approval().decide("approved", by=ana, revision=1)

        outcomes = self.race(12, lambda _: "took" if Delivery.objects.claim_next() else "none")

        assert outcomes == ["none"] * 11 + ["took"]

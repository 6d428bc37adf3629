"""What has ended is closed, and what it came to is told."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.delivery import deliver
from approvals.models import Approval, Delivery, Event, Execution, Workflow
from approvals.models.execution import EVERY, SOON
from approvals.reconciliation import (
    LONG,
    pause,
)
from approvals.timeline import lines
from approvals.verification import verify
from tests.approvals.racing import fresh, kinds
from tests.approvals.reading import as_person
from tests.approvals.reconciliation.flows import STATES, WORDS, another, end, kept, let_pass, work
from tests.emulators import eventually
from tests.factories import make_approval, make_type


class TestEnds:
    @pytest.mark.parametrize("state", STATES)
    def test_a_request_whose_workflow_has_ended_is_closed_and_says_why(self, flow, ana, state):
        execution, approval = flow.asked()
        end(execution, state)

        let_pass(EVERY)
        work()

        approval = fresh(approval)
        assert (approval.status, approval.decided_by) == ("withdrawn", None)
        closing = Event.objects.get(approval=approval, kind="withdrawn")
        assert (closing.actor, closing.data["reason"]) == ("system", WORDS[state])
        assert verify(approval) == ""
        assert (kept(execution).state, kept(execution).look_at) == (state, None)
        page = as_person(ana).get(approval.get_absolute_url())
        assert "without an answer: its workflow had ended" in page.content.decode()
        assert WORDS[state] in page.content.decode()

    def test_its_delivery_ends_without_anybodys_attention(self, flow):
        execution, approval = flow.asked()
        end(execution, "FAILED")
        let_pass(EVERY)
        work()
        delivery = Delivery.objects.get(approval=approval)
        assert Delivery.objects.claim(delivery)

        deliver(delivery)

        delivery.refresh_from_db()
        assert (delivery.state, delivery.trouble) == ("missed", "")
        assert not delivery.needs_attention
        assert verify(fresh(approval)) == ""

    def test_one_that_goes_on_stays_open(self, flow):
        _, approval = flow.asked()

        for _ in range(3):
            let_pass(EVERY)
            work()

        assert fresh(approval).status == "pending"

    def test_an_answer_that_can_still_be_taken_back_counts(self, flow, ana):
        make_type("slow", "group:managers", undo=60)
        execution, approval = flow.asked(type="slow", approvers=[])
        approval.decide("approved", by=ana, revision=1)
        end(execution, "FAILED")
        let_pass(EVERY)

        work()
        assert fresh(approval).status == "pending"
        Approval.objects.update(settles_at=timezone.now())
        assert fresh(approval).conclude()
        let_pass(EVERY)
        work()

        assert fresh(approval).status == "approved"
        assert kinds(approval)[-2:] == ["decided", "ended"]
        assert kept(execution).look_at is None

    def test_one_that_was_taken_back_after_the_end_is_closed(self, flow, ana):
        make_type("slow", "group:managers", undo=60)
        execution, approval = flow.asked(type="slow", approvers=[])
        approval.decide("approved", by=ana, revision=1)
        end(execution, "FAILED")
        let_pass(EVERY)
        work()
        fresh(approval).take_back(by=ana)

        let_pass(EVERY)
        work()

        assert fresh(approval).status == "withdrawn"

    def test_one_that_google_does_not_know_is_asked_for_twice(self, flow):
        execution = f"{flow.name}/executions/{uuid.uuid4()}"
        url = f"{flow.emulator.url}/v1/{execution}/callbacks/abc"
        approval = make_approval(callback_url=url)

        let_pass(EVERY)
        work()
        assert fresh(approval).status == "pending"
        assert Execution.objects.get().state == "MISSING"
        work()  # at once again: it is not due
        assert fresh(approval).status == "pending"
        let_pass(timedelta(minutes=3))
        work()

        assert fresh(approval).status == "withdrawn"
        reason = Event.objects.get(approval=approval, kind="withdrawn").data["reason"]
        assert reason == "Google does not know the workflow's execution any more."
        assert Execution.objects.get().state == "GONE"

    def test_what_a_whole_list_does_not_show_is_asked_for_at_once(self, flow):
        execution, approval = flow.asked()
        let_pass(EVERY)
        work()
        end(execution, "FAILED")
        let_pass(EVERY * 0.3)
        assert kept(execution).look_at > timezone.now() + EVERY * 0.5
        Workflow.objects.update(list_at=timezone.now())

        work()

        assert fresh(approval).status == "withdrawn"

    def test_requests_of_a_workflow_that_was_deleted_are_closed(self, flow):
        _, approval = flow.asked()
        let_pass(EVERY)
        work()
        let_pass(EVERY * 0.5)  # seen a short time ago
        flow.emulator.ask("DELETE", flow.name)
        Workflow.objects.update(list_at=timezone.now())

        for _ in range(3):
            work()
            let_pass(timedelta(minutes=3))

        assert fresh(approval).status == "withdrawn"
        assert Workflow.objects.get().trouble == ""

    def test_one_that_is_found_after_all_goes_on(self, flow):
        execution, approval = flow.asked()
        Execution.objects.update(look_at=timezone.now())
        flow.fault("status", statuses=[404], of=f"executions/{execution.id}")
        work()
        assert kept(execution).state in {"MISSING", "ACTIVE"}

        let_pass(EVERY)
        work()

        assert (kept(execution).state, fresh(approval).status) == ("ACTIVE", "pending")

    def test_a_request_of_one_that_has_ended_long_ago_is_closed_too(self, flow):
        execution, first = flow.asked()
        url = execution.callback_url()
        end(execution, "CANCELLED")
        let_pass(EVERY)
        work()
        assert kept(execution).look_at is None

        late = make_approval(callback_url=f"{url}x")  # its endpoint was made before
        let_pass(EVERY)
        work()

        assert (fresh(first).status, fresh(late).status) == ("withdrawn", "withdrawn")

    def test_requests_of_versions_that_kept_no_executions_are_looked_after(self, flow, ana):
        execution, approval = flow.asked()
        Execution.objects.all().delete()
        assert as_person(ana).get(approval.get_absolute_url()).status_code == 200
        end(execution, "FAILED")

        work()
        let_pass(EVERY)
        work()

        assert fresh(approval).status == "withdrawn"


class TestWhatItCameTo:
    @pytest.mark.parametrize("state", STATES)
    def test_it_is_kept_once_for_each_decision(self, flow, ana, state):
        execution, approval = flow.asked()
        approval.decide("approved", by=ana, revision=1)
        end(execution, state)

        for _ in range(2):
            let_pass(SOON)
            work()
            Execution.objects.update(look_at=timezone.now())  # again, for whatever reason

        ended = Event.objects.filter(approval=approval, kind="ended")
        assert [event.data for event in ended] == [{"state": state}]
        assert kept(execution).state == state
        assert verify(fresh(approval)) == ""

    def test_the_page_says_it_in_words(self, flow, ana):
        execution, approval = flow.asked()
        approval.decide("approved", by=ana, revision=1)
        end(execution, "FAILED")
        let_pass(SOON)
        work()

        last = lines(approval, approval.events.order_by("number"), {})[-1]

        assert (last.text, last.trouble) == ("The workflow failed", True)

    def test_a_decision_hurries_it(self, flow, ana):
        execution, approval = flow.asked()
        assert kept(execution).look_at > timezone.now() + SOON

        approval.decide("approved", by=ana, revision=1)

        assert kept(execution).look_at <= timezone.now() + SOON

    def test_every_request_of_a_run_learns_of_its_end(self, flow, ana):
        execution, first = flow.asked()
        first.decide("rejected", by=ana, revision=1, comment="No")
        asked_again = execution.send({"again": 1})
        assert asked_again.status_code == 200
        second_url = eventually(lambda: another(execution, first.callback_url))
        second = make_approval(callback_url=second_url)
        third = make_approval(callback_url=f"{second_url}x")
        second.withdraw("Not needed", actor="caller:x")
        execution.send({"fine": 1}, url=second_url)
        execution.wait()

        let_pass(EVERY)
        work()

        assert kinds(first)[-1] == "ended"
        assert kinds(second)[-1] == "withdrawn"  # it had said so itself
        assert kinds(third)[-1] == "withdrawn"
        assert fresh(third).reason_withdrawn == WORDS["SUCCEEDED"]

    def test_a_run_that_goes_on_is_looked_at_ever_more_rarely(self, flow, ana, asked):
        execution, approval = flow.asked()
        approval.decide("approved", by=ana, revision=1)
        waits = []
        for _ in range(4):
            let_pass(timedelta(hours=7))
            Workflow.objects.update(list_at=None)
            Execution.objects.update(looked_at=None)
            work()
            waits.append(kept(execution).look_at - timezone.now())

        assert waits == sorted(waits)
        assert waits[-1] > 4 * waits[0]
        assert pause(1000) <= timedelta(hours=7)
        assert sum((pause(looks) for looks in range(LONG)), timedelta()) < timedelta(minutes=3)

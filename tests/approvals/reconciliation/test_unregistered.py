"""Executions that wait at a callback which nobody registered."""

from datetime import timedelta

import pytest

from approvals import reconciliation
from approvals.models import Execution, Workflow
from approvals.models.execution import EVERY
from approvals.reconciliation import (
    LONG,
)
from tests.approvals.racing import fresh
from tests.approvals.reconciliation.flows import another, end, kept, let_pass, work
from tests.emulators import PROJECT, eventually
from tests.factories import make_approval


class TestUnregistered:
    @pytest.fixture(autouse=True)
    def _at_once(self, monkeypatch):
        """What has begun a moment ago counts as two minutes old."""
        monkeypatch.setattr(reconciliation, "YOUNG", timedelta(seconds=-60))

    @pytest.fixture
    def deployed(self, settings, flow):
        """The inbox knows the project of the workflows, and no approval of this one."""
        settings.GOOGLE_CLOUD_PROJECT = PROJECT
        return flow

    def told(self, caplog):
        what = "execution waits at a callback that nobody registered"
        return [line.execution for line in caplog.records if line.message == what]

    def test_one_that_waits_for_nobody_is_listed_and_told_once(self, flow, caplog):
        flow.asked()
        stranger = flow.run()
        stranger.callback_url()

        for _ in range(3):
            let_pass(EVERY)
            work()

        assert [each.name for each in Execution.objects.needing_attention()] == [stranger.name]
        assert self.told(caplog) == [stranger.name]
        assert [line.levelname for line in caplog.records if line.message.startswith("execution w")]

    def test_a_workflow_that_never_came_through_is_found_where_ours_are_deployed(
        self, deployed, asked
    ):
        stranger = deployed.run()
        stranger.callback_url()

        work()

        assert stranger.name in {each.name for each in Execution.objects.needing_attention()}
        by_id = f"projects/{PROJECT}/locations/us-central1/workflows/{deployed.id}"
        assert Workflow.objects.get(pk=by_id).list_at is None  # it is listed by its number
        assert Workflow.objects.get(pk=deployed.name).listed_at is not None

    def test_one_that_registers_in_time_is_none_of_them(self, flow, monkeypatch, asked):
        monkeypatch.setattr(reconciliation, "YOUNG", timedelta(minutes=2))
        flow.asked()
        flow.run().callback_url()

        let_pass(EVERY)
        work()

        assert not Execution.objects.needing_attention().exists()
        assert asked.kinds["callbacks"] == 0

    def test_one_that_asks_again_without_registering_is_found(self, flow, ana):
        """What it came to is followed; so is what it waits for next."""
        execution, approval = flow.asked()
        approval.decide("approved", by=ana, revision=1)
        execution.send({"again": 1})
        eventually(lambda: another(execution, approval.callback_url))

        for _ in range(LONG + 1):
            let_pass(timedelta(minutes=4))
            work()

        assert [each.name for each in Execution.objects.needing_attention()] == [execution.name]

    def test_it_leaves_when_it_waits_no_longer(self, flow):
        flow.asked()
        stranger = flow.run()
        stranger.callback_url()
        let_pass(EVERY)
        work()
        assert kept(stranger).unregistered_since is not None
        stranger.send({"work": 1})
        eventually(lambda: not any("waiters" in each for each in stranger.callbacks()))

        let_pass(timedelta(hours=7))
        work()

        assert (kept(stranger).state, kept(stranger).unregistered_since) == ("ACTIVE", None)

    def test_it_leaves_when_it_is_registered(self, flow):
        flow.asked()
        stranger = flow.run()
        url = stranger.callback_url()
        let_pass(EVERY)
        work()
        assert Execution.objects.needing_attention().exists()

        make_approval(callback_url=url)

        assert not Execution.objects.needing_attention().exists()

    def test_it_is_forgotten_when_it_ends(self, flow):
        flow.asked()
        stranger = flow.run()
        let_pass(EVERY)
        work()
        assert Execution.objects.filter(pk=stranger.name).exists()
        end(stranger, "SUCCEEDED")

        let_pass(timedelta(hours=7))
        work()

        assert not Execution.objects.filter(pk=stranger.name).exists()

    def test_one_that_was_dismissed_stays_quiet(self, flow, caplog):
        flow.asked()
        stranger, other = flow.run(), flow.run()
        for each in (stranger, other):
            each.callback_url()
        let_pass(EVERY)
        work()
        assert kept(stranger).dismiss()
        assert not kept(stranger).dismiss()

        let_pass(timedelta(hours=7))
        work()

        assert [each.name for each in Execution.objects.needing_attention()] == [other.name]
        assert sorted(self.told(caplog)) == sorted([stranger.name, other.name])

    def test_a_workflow_that_was_dismissed_can_be_listened_to_again(self, flow):
        flow.asked()
        stranger = flow.run()
        stranger.callback_url()
        let_pass(EVERY)
        work()
        assert kept(stranger).dismiss_workflow()
        later = flow.run()
        later.callback_url()

        assert Workflow.objects.filter(name=flow.name).listen() == 1
        let_pass(timedelta(hours=7))
        work()

        assert [each.name for each in Execution.objects.needing_attention()] == [later.name]

    def test_a_whole_workflow_can_be_dismissed(self, flow, caplog, asked):
        _, approval = flow.asked()
        known = flow.run()
        known.callback_url()
        let_pass(EVERY)
        work()
        assert kept(known).dismiss_workflow()
        assert not kept(known).dismiss_workflow()
        later = flow.run()
        later.callback_url()

        let_pass(timedelta(hours=7))
        work()

        assert not Execution.objects.needing_attention().exists()
        assert not Execution.objects.filter(pk=later.name).exists()
        assert self.told(caplog) == [known.name]
        assert fresh(approval).status == "pending"

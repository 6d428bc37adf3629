"""Nothing is concluded from silence."""

from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.google import executions
from approvals.models import Execution, Workflow
from approvals.models.execution import ENDED, EVERY
from approvals.reconciliation import SILENCES, Reconciler
from tests.approvals.racing import fresh
from tests.approvals.reconciliation.flows import end, kept, let_pass, whole, work


class TestDoubt:
    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "status", "statuses": [503]},
            {"kind": "status", "statuses": [403]},
            {"kind": "status", "statuses": [429]},
            {"kind": "reset"},
            {"kind": "cut"},
            {"kind": "wrong-body"},
            {"kind": "wrong-body", "body": "[]"},
            {"kind": "wrong-body", "body": "{}"},
            {"kind": "wrong-body", "body": '{"state": "EATEN"}'},
        ],
        ids=lambda fault: "-".join(str(value) for value in fault.values()),
    )
    def test_from_a_failed_look_nothing_is_concluded(self, flow, fault):
        execution, approval = flow.asked()
        end(execution, "FAILED")
        flow.fault(**fault, of=f"executions/{execution.id}", times=0)
        let_pass(EVERY)

        work()
        assert fresh(approval).status == "pending"
        assert (kept(execution).state, kept(execution).look_at > timezone.now()) == ("", True)
        whole(flow.emulator)
        let_pass(EVERY * 1.2)
        work()

        assert fresh(approval).status == "withdrawn"

    def test_from_a_list_that_breaks_off_nothing_is_concluded(self, flow, monkeypatch, asked):
        monkeypatch.setattr(executions, "PAGE", 2)
        found = [flow.asked() for _ in range(5)]
        work()  # the workflow is known when one of them is looked at
        let_pass(EVERY)

        class Breaking(Reconciler):
            def _wait(self):
                """Before the second page the service breaks down."""
                if asked.kinds["executions"] == 1:
                    flow.fault("status", statuses=[503], times=0)
                super()._wait()

        work(Breaking(rate=1000))

        assert {fresh(approval).status for _, approval in found} == {"pending"}
        assert asked.kinds["executions"] == 2
        assert Workflow.objects.get().trouble == "HTTP 503"
        assert not Execution.objects.filter(state__in=ENDED).exists()

    def test_where_lists_are_forbidden_executions_are_looked_at_one_by_one(
        self, flow, asked, caplog
    ):
        (execution, closed), (_, going_on) = flow.asked(), flow.asked()
        flow.fault("status", statuses=[403], times=0)
        end(execution, "FAILED")

        for _ in range(3):
            let_pass(EVERY * 1.2)
            work()

        assert (fresh(closed).status, fresh(going_on).status) == ("withdrawn", "pending")
        told = [line for line in caplog.records if line.message == "executions cannot be listed"]
        assert [(line.levelname, line.why) for line in told] == [("WARNING", "HTTP 403")]

    def test_without_google_it_rests(self, flow, monkeypatch, asked):
        for _ in range(SILENCES):
            flow.asked()
        let_pass(EVERY)
        monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:1")  # no token, so nothing is sent
        reconciler = Reconciler(rate=1000)
        work(reconciler)
        before = len(asked.urls)

        let_pass(EVERY)

        assert reconciler() is False
        assert len(asked.urls) == before

    def test_one_of_which_google_says_nothing_holds_up_no_other(self, flow):
        silent, _ = flow.asked()
        others = [flow.asked() for _ in range(3)]
        flow.fault("status", of=f"executions/{silent.id}", statuses=[503], times=0)
        for execution, _ in others:
            end(execution, "FAILED")
        Execution.objects.update(look_at=timezone.now())
        Execution.objects.filter(name=silent.name).update(look_at=timezone.now() - EVERY)

        work()

        assert {fresh(approval).status for _, approval in others} == {"withdrawn"}

    def test_a_row_that_cannot_be_looked_at_holds_up_no_other(self, flow, caplog):
        execution, approval = flow.asked()
        end(execution, "FAILED")
        Execution.objects.create(name="nonsense", awaited=True, look_at=timezone.now() - EVERY * 3)
        let_pass(EVERY)

        for _ in range(3):
            work()
            let_pass(timedelta(minutes=1))

        assert fresh(approval).status == "withdrawn"

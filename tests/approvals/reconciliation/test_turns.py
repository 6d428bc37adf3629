"""Whose turn it is, how often, gently, and beside other workers."""

from datetime import timedelta

import pytest
import requests
from django.utils import timezone

from approvals import reconciliation
from approvals.models import Approval, Delivery, Execution, Workflow
from approvals.models.execution import EVERY, SOON
from approvals.reconciliation import (
    LONG,
    LOOKS,
    OTHERS,
    RAREST,
    Reconciler,
    whose_turn,
)
from approvals.verification import verify
from tests.approvals.racing import at_once, fresh, kinds, queued
from tests.approvals.reconciliation.flows import WAITS, Flow, end, kept, let_pass, like_it, work


class TestTurns:
    """Whose state is asked for in a round, of rows alone."""

    def rows(self, kind, count, overdue, **given):
        given = {"look_at": timezone.now() - overdue, **given}
        return Execution.objects.bulk_create(
            Execution(name=f"projects/p/locations/l/workflows/{kind}/executions/{n}", **given)
            for n in range(count)
        )

    @pytest.mark.parametrize("given", [{"awaited": True, "looks": LONG}, {"looks": 0}], ids=str)
    def test_nobody_who_is_asked_for_stands_behind_thousands_of_others(self, db, given):
        self.rows("stranger", 50, timedelta(hours=1), looks=LONG)
        (urgent,) = self.rows("urgent", 1, timedelta(seconds=1), **given)

        turn = whose_turn()

        assert (turn[0], len(turn)) == (urgent, LOOKS)

    def test_the_others_have_their_turn_all_the_same(self, db):
        self.rows("urgent", 50, timedelta(hours=1), awaited=True)
        strangers = self.rows("stranger", 50, timedelta(seconds=1), looks=LONG)

        turn = whose_turn()

        assert (sum(each in strangers for each in turn), len(turn)) == (OTHERS, LOOKS)

    def test_what_was_put_off_before_the_clock_was_set_back_is_due(self, db):
        soon, far = timezone.now() + RAREST, timezone.now() + timedelta(days=30)
        execution = Execution.objects.create(name="x", look_at=far)
        Execution.objects.create(name="y", look_at=soon)
        workflow = Workflow.objects.create(name="x", list_at=far)
        Workflow.objects.create(name="y", list_at=soon)

        assert list(Execution.objects.to_look_at()) == [execution]
        assert list(Workflow.objects.to_list()) == [workflow]

    def test_what_a_list_said_before_the_clock_was_set_back_is_no_news(self, db):
        now = timezone.now()
        given = {"look_at": now, "looked_at": now + timedelta(days=30), "state": "ACTIVE"}
        seen = Execution.objects.create(name="w/executions/1", awaited=True, **given)

        assert Execution.objects.put_off() == 0
        Execution.objects.filter(pk=seen.pk).update(look_at=now + timedelta(minutes=8))
        Execution.objects.bring_forward("w", now)

        assert Execution.objects.get().look_at == now


@pytest.fixture(scope="module")
def thousand(emulator):
    """A workflow, and the names of the executions of it that wait. No transaction waits for it."""
    many = Flow(emulator, "many")
    emulator.deploy(many.id, WAITS)
    url = f"{emulator.url}/v1/{many.name}/executions"
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {emulator.token()}"
        started = [session.post(url, json={}, timeout=20).json() for _ in range(1000)]
    return many, [each["name"] for each in started]


class TestGentle:
    def test_a_thousand_that_wait_cost_a_list_and_not_a_thousand_looks(
        self, thousand, google, managers, asked
    ):
        flow, names = thousand
        _, one = flow.asked()
        like_it(one, names)
        Execution.objects.follow(names)
        let_pass(EVERY)
        work()  # the first ones make the workflow known
        first = asked.kinds
        asked.urls.clear()

        for _ in range(3):
            let_pass(EVERY)
            work()

        assert (first["one"], first["executions"]) == (reconciliation.LOOKS, 2)  # of two pages
        assert asked.kinds == {"one": 0, "executions": 3 * 2, "callbacks": 0, "workflows": 0}
        for name in names[:3]:
            flow.emulator.ask("POST", f"{name}:cancel", json={})
        asked.urls.clear()
        let_pass(EVERY)
        work()
        assert asked.kinds == {"one": 3, "executions": 1, "callbacks": 0, "workflows": 0}
        closed = Approval.objects.filter(status="withdrawn").values_list("execution", flat=True)
        assert sorted(closed) == sorted(names[:3])

    def test_a_registration_takes_one_statement_more_and_a_decision_one(
        self, flow, ana, django_assert_max_num_queries
    ):
        execution, _ = flow.asked()
        with django_assert_max_num_queries(1):
            Execution.objects.follow([execution.name])
        with django_assert_max_num_queries(1):
            Execution.objects.hurry(execution.name)

    def test_it_keeps_to_its_pace(self, flow, asked):
        taken = []

        class Watched(Reconciler):
            def _wait(self):
                super()._wait()
                taken.append(timezone.now())

        for _ in range(5):
            flow.asked()
        let_pass(EVERY)
        Workflow.objects.update(list_at=None)

        work(Watched(rate=2))

        pairs = zip(taken, taken[2:], strict=False)
        assert all(later - first >= timedelta(seconds=0.9) for first, later in pairs)
        assert len(taken) >= len(asked.urls)


@pytest.mark.django_db(transaction=True)
class TestTogether:
    def test_two_workers_ask_for_no_execution_twice(self, flow, asked):
        Workflow.objects.create(name=flow.name, list_at=None)
        names = [flow.asked()[0].id for _ in range(30)]
        let_pass(EVERY)

        at_once(work, work, work)

        assert sorted(url.rpartition("/")[2] for url in asked.urls) == sorted(names)

    @pytest.mark.parametrize("first", ["vote", "end"])
    def test_a_vote_at_the_moment_of_the_end_wins_or_loses_whole(self, flow, ana, first):
        execution, approval = flow.asked()
        end(execution, "FAILED")
        Execution.objects.update(look_at=timezone.now())
        row = kept(execution)
        assert row.claim(timezone.now() + EVERY)

        def vote():
            fresh(approval).decide("approved", by=ana, revision=1)

        acts = {"vote": vote, "end": lambda: reconciliation._end(row, "FAILED")}
        second = "end" if first == "vote" else "vote"
        queued(approval, acts[first], acts[second])
        let_pass(SOON)
        work()

        approval = fresh(approval)
        assert verify(approval) == ""
        assert Delivery.objects.filter(approval=approval).count() == 1
        told = kinds(approval)
        if approval.status == "approved":
            assert told[1:] == ["voted", "decided", "ended"]
        else:
            assert (approval.status, told[1:]) == ("withdrawn", ["withdrawn"])
        assert (kept(execution).state, kept(execution).look_at) == ("FAILED", None)

    def test_two_who_see_the_same_end_write_it_once(self, flow, ana):
        _, approval = flow.asked()
        approval.decide("approved", by=ana, revision=1)

        came = at_once(*[lambda: fresh(approval).note_end("FAILED") for _ in range(5)])

        assert sorted(came) == [False] * 4 + [True]
        assert kinds(approval)[-2:] == ["decided", "ended"]
        assert verify(fresh(approval)) == ""

    def test_a_decision_during_a_look_is_not_put_off_by_it(self, flow, ana):
        execution, approval = flow.asked()
        Execution.objects.update(look_at=timezone.now(), state="ACTIVE", looked_at=timezone.now())
        row = kept(execution)
        assert row.claim(timezone.now() + EVERY)

        approval.decide("approved", by=ana, revision=1)

        assert not row.saw("ACTIVE", timezone.now() + EVERY)
        assert Execution.objects.put_off() == 0
        assert kept(execution).look_at <= timezone.now() + SOON

"""Executions are looked after: nothing hangs for ever, nothing is concluded from silence."""

import itertools
import uuid
from collections import Counter
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import requests
from django.db.models import F
from django.utils import timezone
from google.auth.compute_engine import _metadata

from approvals import reconciliation
from approvals.delivery import deliver
from approvals.google import executions, wire
from approvals.models import Approval, Delivery, Event, Execution, Workflow
from approvals.models.execution import ENDED, EVERY, SOON
from approvals.reconciliation import (
    LONG,
    LOOKS,
    OTHERS,
    RAREST,
    SILENCES,
    Reconciler,
    pause,
    whose_turn,
)
from approvals.timeline import lines
from approvals.verification import verify
from tests.approvals.racing import at_once, fresh, kinds, queued
from tests.approvals.reading import as_person
from tests.emulators import NUMBER, PROJECT, EmulatorProcess, eventually
from tests.factories import make_approval, make_type

WAITS = """
main:
  params: [argument]
  steps:
    - ask:
        call: events.create_callback_endpoint
        args: {http_callback_method: POST}
        result: asked
    - wait:
        call: events.await_callback
        args: {callback: "${asked}", timeout: 86400}
        result: answer
    - decide:
        switch:
          - condition: ${"fail" in answer.http_request.body}
            raise: It is broken
          - condition: ${"again" in answer.http_request.body}
            next: ask
          - condition: ${"work" in answer.http_request.body}
            next: work
        next: end
    - work:
        call: sys.sleep
        args: {seconds: 86400}
"""
_number = itertools.count(1)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "data.sqlite3") as process:
        yield process


@pytest.fixture
def google(emulator, settings, monkeypatch):
    """The emulator in Google's place, without faults."""
    settings.GOOGLE_CLOUD_PROJECT = ""  # what other tests have deployed is not looked at
    settings.WORKFLOWS_EMULATOR_HOST = emulator.url
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    # google-auth reads its variables when it is imported.
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", f"127.0.0.1:{emulator.port}")
    monkeypatch.setattr(wire, "_credentials", None)
    wire._local.__dict__.pop("session", None)
    yield emulator
    whole(emulator)
    wire._local.__dict__.pop("session", None)


def whole(emulator):
    """Take all faults back."""
    requests.delete(f"{emulator.url}/emulator/faults", timeout=10).raise_for_status()


@dataclass
class Flow:
    """A workflow of this test alone."""

    emulator: EmulatorProcess
    id: str

    @property
    def name(self):
        return f"projects/{NUMBER}/locations/us-central1/workflows/{self.id}"

    def run(self):
        return self.emulator.execute(self.id)

    def asked(self, **fields):
        """An execution that waits, and the approval that it has registered."""
        execution = self.run()
        approval = make_approval(callback_url=execution.callback_url(), **fields)
        return execution, approval

    def fault(self, kind, *, of="executions", **more):
        """Order a fault of lists (`of`), or of one execution (its id)."""
        path = f"/v1/*/workflows/{self.id}/{of}"
        body = {"kind": kind, "path": path, "method": "GET", **more}
        url = f"{self.emulator.url}/emulator/faults"
        requests.post(url, json=body, timeout=10).raise_for_status()


@pytest.fixture
def flow(google, managers, eva):
    found = Flow(google, f"flow-{next(_number)}")
    google.deploy(found.id, WAITS)
    return found


@dataclass
class Asked:
    """What was asked of Google, in order; everything is let through."""

    urls: list[str] = field(default_factory=list)

    @property
    def kinds(self):
        """How many lists, looks at one, and lists of callbacks."""
        last = Counter(url.rpartition("/")[2] for url in self.urls)
        named = {name: last.pop(name, 0) for name in ("executions", "callbacks", "workflows")}
        return {"one": last.total(), **named}


@pytest.fixture
def asked(monkeypatch):
    found, get = Asked(), wire.get

    def spy(url, **query):
        found.urls.append(url)
        return get(url, **query)

    for module in (executions, wire):
        monkeypatch.setattr(module, "get", spy)
    return found


def work(reconciler=None):
    """Rounds until there is nothing to do."""
    reconciler = reconciler or Reconciler(rate=1000)
    for _ in range(500):
        if not reconciler():
            return
    raise AssertionError("it never comes to rest")


def let_pass(time):
    """As if everything had been done so much earlier."""
    for model, columns in (
        (Execution, ("look_at", "looked_at", "unregistered_since")),
        (Workflow, ("list_at", "listed_at")),
    ):
        model.objects.update(**{name: F(name) - time for name in columns})


def end(execution, state):
    """Bring it to its end, in this state."""
    if state == "CANCELLED":
        execution.emulator.ask("POST", f"{execution.name}:cancel", json={})
    else:
        execution.send({"fail": 1} if state == "FAILED" else {"fine": 1})
    assert execution.wait()["state"] == state


def kept(execution):
    return Execution.objects.get(pk=execution.name)


STATES = ("SUCCEEDED", "FAILED", "CANCELLED")
WORDS = {
    "SUCCEEDED": "The workflow finished without waiting for the answer.",
    "FAILED": "The workflow failed before the request was answered.",
    "CANCELLED": "The workflow was cancelled before the request was answered.",
}


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


def another(execution, url):
    """The URL of the callback it waits at, if that is not this one."""
    found = execution.callback_url()
    return found if found != url else None


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


def like_it(approval, names):
    """The same request, of each of these executions."""
    rows = []
    for name in names:
        row = copy(approval)
        row.pk, row.execution, row.callback_url = uuid.uuid4(), name, f"{name}/callbacks/a"
        rows.append(row)
    Approval.objects.bulk_create(rows)


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

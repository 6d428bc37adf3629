"""The commands: the worker's units of work, keys, demo people, and what they refuse."""

import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from approvals.breaker import FAILURES
from approvals.dispatch import Dispatcher
from approvals.management.commands import deliver
from approvals.models import ApiKey, Approval, Caller, Delivery, Policy, StandIn, User, Worker
from tests.factories import make_approval, make_callback_url, make_caller


def printed(*arguments, **options):
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


def make_decided(google, ana, workflow="expense"):
    """A decision of Ana's that is still to be sent."""
    url = make_callback_url(workflow=workflow)
    url = url.replace("https://workflowexecutions.googleapis.com", google.origin)
    make_approval(callback_url=url).decide("approved", by=ana, revision=1)
    return Delivery.objects.latest("created_at")


@pytest.fixture
def no_looks_at_executions(monkeypatch):
    """Nothing is asked of Google but what a delivery asks."""
    monkeypatch.setattr(deliver, "Reconciler", lambda: lambda: False)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("no_looks_at_executions")
class TestDeliver:
    def test_once_delivers_all_that_is_due_and_ends(self, google, managers, ana):
        for _ in range(3):
            make_decided(google, ana)

        call_command("deliver", once=True)

        assert set(Delivery.objects.values_list("state", flat=True)) == {"stored"}
        assert len(google.seen) == 3

    def test_once_closes_what_nobody_answered_and_tells_the_workflow(self, google, managers):
        url = make_callback_url().replace(
            "https://workflowexecutions.googleapis.com", google.origin
        )
        approval = make_approval(callback_url=url, expires_in=60)
        Approval.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

        call_command("deliver", once=True)

        approval.refresh_from_db()
        assert approval.status == "expired"
        assert b'"outcome": "expired"' in google.seen[0].body

    def test_one_that_cannot_be_delivered_never_holds_up_the_next(self, google, managers, ana):
        for _ in range(2):
            make_decided(google, ana)
        google.answer(403).answer(200)

        call_command("deliver", once=True)

        assert sorted(Delivery.objects.values_list("state", flat=True)) == ["blocked", "stored"]

    def test_a_row_that_breaks_never_stops_the_worker(self, google, managers, ana, monkeypatch):
        for _ in range(2):
            make_decided(google, ana)
        overdue = make_approval(expires_in=60)
        Approval.objects.filter(pk=overdue.pk).update(expires_at=timezone.now())

        poison = Delivery.objects.earliest("next_attempt_at").pk
        begin = Delivery.begin_attempt

        def broken(row):
            if isinstance(row, Approval) or row.pk == poison:
                raise RuntimeError("it cannot be done")
            return begin(row)

        monkeypatch.setattr(Approval, "expire", broken)
        monkeypatch.setattr(Delivery, "begin_attempt", broken)
        call_command("deliver", once=True)

        assert sorted(Delivery.objects.values_list("state", flat=True)) == ["queued", "stored"]

    def test_once_leaves_what_falls_due_later_to_the_next_run(self, google, managers, ana):
        make_decided(google, ana)
        google.answer(503)

        call_command("deliver", once=True)

        assert len(google.seen) == 1
        assert Delivery.objects.get().state == "queued"

    def test_once_leaves_a_host_that_does_not_answer_after_a_few_tries(self, managers, ana, google):
        for number in range(12):
            make_decided(google, ana, workflow=f"w{number}")
        for _ in range(12):
            google.answer(500)

        call_command("deliver", once=True)

        assert FAILURES <= len(google.seen) < 12
        assert Delivery.objects.filter(tries=0).count() == 12 - len(google.seen)

    def test_a_worker_says_that_it_is_there_and_goodbye(self, db):
        Worker.objects.create(name="old", seen_at=timezone.now() - timedelta(days=2))

        call_command("deliver", once=True)

        worker = Worker.objects.get()
        assert worker.name != "old"
        assert worker.stopped_at is not None

    def test_an_error_of_the_program_ends_the_worker_so_that_it_is_started_anew(
        self, db, monkeypatch
    ):
        def broken(dispatcher, until=None):
            raise RuntimeError("it cannot be done")

        monkeypatch.setattr(Dispatcher, "fill", broken)

        with pytest.raises(CommandError, match="in the log"):
            call_command("deliver")

    def test_rows_with_which_something_is_wrong_keep_no_other_from_its_turn(
        self, ana, caplog, monkeypatch
    ):
        monkeypatch.setattr(deliver, "BATCH", 2)
        asked = ["user:ana@example.com"]
        made = [make_approval(expires_in=60, title=name, approvers=asked) for name in "abcde"]
        for number, approval in enumerate(made):
            late = timezone.now() - timedelta(minutes=10 - number)
            approval.rows().update(expires_at=late)
        usual = Approval.expire

        def expire(approval):
            if approval.title != "e":
                raise RuntimeError("it cannot be read")
            return usual(approval)

        monkeypatch.setattr(Approval, "expire", expire)

        assert deliver.work()
        assert not deliver.work()

        assert Approval.objects.get(title="e").status == "expired"
        assert Approval.objects.filter(status="pending").count() == 4
        assert caplog.text.count("row left for later") == 4 + 4

    def test_the_worker_outlives_a_database_that_is_away(self, db, monkeypatch):
        stop, answers = threading.Event(), [OperationalError("away"), None]

        def work():
            if answer := answers.pop(0):
                raise answer
            stop.set()
            return False

        monkeypatch.setattr(deliver, "work", work)
        monkeypatch.setattr(deliver, "close_old_connections", lambda: None)
        deliver.loop(deliver.work, stop, idle=0)

        assert answers == []


class TestCreateApiKey:
    def test_the_key_is_printed_once_and_only_its_hash_is_kept(self, db):
        make_caller("x@example.com", name="Releases")

        text = printed("create_api_key", "Releases", label="laptop").strip()

        assert text.startswith("csk_")
        assert ApiKey.objects.get().label == "laptop"
        assert text not in str(ApiKey.objects.values())

    def test_an_unknown_caller_is_named_with_those_there_are(self, db):
        make_caller("x@example.com", name="Releases")

        with pytest.raises(CommandError, match="Releases"):
            printed("create_api_key", "Relases")


class TestSeedDemo:
    def test_twice_is_as_good_as_once(self, db, settings):
        settings.WORKFLOWS_EMULATOR_HOST = "http://127.0.0.1:8787"
        for _ in range(2):
            printed("seed_demo")

        assert User.objects.count() == 5
        assert Caller.objects.get().owns("123456789012")
        assert StandIn.objects.count() == 1
        assert {policy.name: policy.versions.count() for policy in Policy.objects.all()} == {
            "expense": 1,
            "supplier-payment": 1,
        }

    def test_a_stand_in_that_was_ended_and_a_type_that_was_changed_stay_so(self, db, settings):
        settings.WORKFLOWS_EMULATOR_HOST = "http://127.0.0.1:8787"
        printed("seed_demo")
        StandIn.objects.get().end()
        Policy.objects.get(name="expense").revise("user:olga@example.com", undo=60)

        printed("seed_demo")

        assert StandIn.objects.get().ended_at is not None
        assert Policy.objects.current("expense").undo == 60

    def test_people_with_known_passwords_are_made_for_the_emulator_only(self, db, settings):
        settings.WORKFLOWS_EMULATOR_HOST = ""

        with pytest.raises(CommandError):
            printed("seed_demo")
        assert not User.objects.exists()


class TestDeployWorkflows:
    def test_without_a_project_it_says_what_to_set(self, settings):
        settings.GOOGLE_CLOUD_PROJECT = ""

        with pytest.raises(CommandError, match="GOOGLE_CLOUD_PROJECT"):
            printed("deploy_workflows")

    @pytest.mark.parametrize("pair", ["FOO", "=1", ""])
    def test_a_variable_without_a_value_says_how_to_give_one(self, settings, pair):
        settings.GOOGLE_CLOUD_PROJECT = "example"

        with pytest.raises(CommandError, match=f"--env {pair}: give it as NAME=VALUE"):
            printed("deploy_workflows", f"--env={pair}")

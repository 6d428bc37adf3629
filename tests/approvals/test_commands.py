"""The commands: the worker's units of work, keys, demo people, and what they refuse."""

import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from approvals.management.commands import deliver
from approvals.models import ApiKey, Approval, Caller, Delivery, Policy, StandIn, User
from tests.factories import make_approval, make_callback_url, make_caller


def printed(*arguments, **options):
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


class TestDeliver:
    def test_once_delivers_all_that_is_due_and_ends(self, google, managers, ana):
        for _ in range(3):
            url = make_callback_url().replace(
                "https://workflowexecutions.googleapis.com", google.origin
            )
            make_approval(callback_url=url).decide("approved", by=ana, revision=1)

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
            url = make_callback_url().replace(
                "https://workflowexecutions.googleapis.com", google.origin
            )
            make_approval(callback_url=url).decide("approved", by=ana, revision=1)
        google.answer(403).answer(200)

        call_command("deliver", once=True)

        assert sorted(Delivery.objects.values_list("state", flat=True)) == ["blocked", "stored"]

    def test_a_row_that_breaks_never_stops_the_worker(self, google, managers, ana, monkeypatch):
        for _ in range(2):
            url = make_callback_url().replace(
                "https://workflowexecutions.googleapis.com", google.origin
            )
            make_approval(callback_url=url).decide("approved", by=ana, revision=1)
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

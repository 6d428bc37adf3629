"""What surrounds pages and API: health, system checks, headers, 503."""

from datetime import timedelta

import pytest
from django.core.checks import run_checks
from django.db import OperationalError
from django.utils import timezone

from approvals.checks import addresses_are_exact, emulator_and_credentials_agree, fit_for_cloud_run
from approvals.models import Approval, Delivery
from tests.factories import make_approval, make_group, make_user


def ids(found):
    return {message.id for message in found}


class TestHealth:
    def test_alive_asks_nothing(self, client, django_assert_num_queries, db):
        with django_assert_num_queries(0):
            assert client.get("/healthz").content == b"ok\n"

    def test_ready_when_database_and_deliveries_are_well(self, client, db):
        answer = client.get("/readyz")

        assert (answer.status_code, answer.json()) == (200, {"ready": True, "problems": {}})

    def test_not_ready_while_nothing_is_delivered(self, client, db):
        ana = make_user("ana@example.com")
        make_group("managers", ana)
        make_approval().decide("approved", by=ana, revision=1)
        Delivery.objects.update(next_attempt_at=timezone.now() - timedelta(minutes=6))

        answer = client.get("/readyz")

        assert answer.status_code == 503
        assert "worker" in answer.json()["problems"]["deliveries"]


class TestChecks:
    def test_the_emulator_with_credentials_from_elsewhere_is_an_error(self, settings, monkeypatch):
        settings.WORKFLOWS_EMULATOR_HOST = "http://127.0.0.1:8787"
        monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:8787")
        monkeypatch.delenv("GCE_METADATA_IP", raising=False)
        assert ids(emulator_and_credentials_agree(None)) == {"approvals.E001"}

        monkeypatch.setenv("GCE_METADATA_IP", "127.0.0.1:8787")
        assert emulator_and_credentials_agree(None) == []

    def test_what_loses_decisions_on_cloud_run_is_an_error(self, settings, monkeypatch):
        monkeypatch.setenv("K_SERVICE", "inbox")
        settings.WORKFLOWS_EMULATOR_HOST = "http://127.0.0.1:8787"
        settings.DATABASES["default"]["ENGINE"] = "django.db.backends.sqlite3"
        settings.BASE_URL = "http://inbox.example.com"
        settings.ALLOWED_HOSTS = ["*"]

        assert ids(fit_for_cloud_run(None)) == {"approvals.E002", "approvals.E003"}
        assert ids(addresses_are_exact(None)) == {"approvals.W001", "approvals.W002"}

    def test_they_are_registered(self, settings, monkeypatch):
        settings.WORKFLOWS_EMULATOR_HOST = "http://127.0.0.1:8787"
        monkeypatch.delenv("GCE_METADATA_HOST", raising=False)

        assert "approvals.E001" in ids(run_checks())


class TestHeaders:
    @pytest.mark.parametrize(
        "path", ["/", "/sign-in/", "/api/v1/approvals", "/nowhere", "/healthz"]
    )
    def test_every_answer_is_guarded(self, client, db, path):
        answer = client.get(path)

        assert answer["Cache-Control"]
        assert "no-store" in answer["Cache-Control"]
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["X-Content-Type-Options"] == "nosniff"
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


class TestDatabaseTrouble:
    def test_a_page_says_that_nothing_was_saved_and_keeps_what_was_typed(
        self, client, db, monkeypatch
    ):
        ana = make_user("ana@example.com")
        make_group("managers", ana)
        approval = make_approval()
        client.force_login(ana)

        def broken(*args, **kwargs):
            raise OperationalError("database is locked")

        monkeypatch.setattr(Approval, "decide", broken)
        form = {"outcome": "rejected", "comment": "A long thought", "revision": 1}
        answer = client.post(f"/approvals/{approval.pk}/decide/", form)

        assert answer.status_code == 503
        assert answer["Retry-After"]
        assert "A long thought" in answer.content.decode()

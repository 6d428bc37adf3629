"""What surrounds pages and API: health, system checks, headers, 503."""

import runpy
from datetime import timedelta
from threading import Event
from types import SimpleNamespace

import pytest
from django.core.checks import run_checks
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from google.auth.exceptions import DefaultCredentialsError, RefreshError

from approvals import health
from approvals.checks import (
    OF_DELIVERIES,
    addresses_are_exact,
    deliveries_can_leave,
    emulator_and_credentials_agree,
    fit_for_cloud_run,
)
from approvals.google import tokens, wire
from approvals.google.tokens import TokenSource
from approvals.models import Delivery, Worker
from approvals.trouble import unavailable
from tests.approvals.conftest import Tokens
from tests.emulators import ROOT, eventually
from tests.factories import make_approval, make_group, make_user


def ids(found):
    return {message.id for message in found}


class TestAlive:
    def test_it_asks_nothing(self, client, django_assert_num_queries, db):
        with django_assert_num_queries(0):
            assert client.get("/healthz").content == b"ok\n"


class TestUnavailable:
    def test_its_link_leads_to_no_other_host(self, rf):
        request = rf.get("/", PATH_INFO="//evil.example/x")
        request.resolver_match = None

        page = unavailable(request).content.decode()

        assert 'href="/%2Fevil.example/x"' in page


@pytest.fixture
def overdue(db):
    """A decision that a worker should have delivered six minutes ago."""
    ana = make_user("ana@example.com")
    make_group("managers", ana)
    make_approval().decide("approved", by=ana, revision=1)
    Delivery.objects.update(next_attempt_at=timezone.now() - timedelta(minutes=6))


def ready(client):
    """Status, problems and warnings."""
    answer = client.get("/readyz")
    told = answer.json()
    assert told["ready"] == (answer.status_code == 200) == (not told["problems"])
    for sentence in (*told["problems"].values(), *told["warnings"].values()):
        assert sentence.endswith(".")
    return answer.status_code, told["problems"], told["warnings"]


class TestReady:
    def test_it_is_when_all_is_well(self, client, db):
        assert ready(client) == (200, {}, {})

    def test_few_queries_say_so(self, client, db, django_assert_max_num_queries):
        ready(client)
        with django_assert_max_num_queries(7):
            ready(client)

    def test_pages_stay_up_while_no_worker_runs(self, client, overdue):
        status, problems, warnings = ready(client)

        assert (status, problems) == (200, {})
        assert warnings["deliveries"] == "An answer has been due for 6 minutes."
        assert warnings["worker"].startswith("No worker is running.")

    def test_a_worker_that_does_not_get_on_is_told_from_none(self, client, overdue):
        Worker.objects.create(name="here")

        assert ready(client)[2] == {"deliveries": "An answer has been due for 6 minutes."}

    def test_tables_of_an_earlier_version_are_a_problem(self, client, db):
        MigrationRecorder(connection).record_unapplied("approvals", "0003_delivery_truth")

        status, problems, _ = ready(client)

        assert (status, list(problems)) == (503, ["migrations"])

    def test_a_database_that_is_away_is_a_problem(self, client, db):
        def away(execute, sql, params, many, context):
            raise OperationalError("connection to 10.1.2.3 refused")

        with connection.execute_wrapper(away):
            status, problems, _ = ready(client)

        assert (status, problems) == (503, {"database": "The database does not answer."})

    def test_a_database_that_takes_no_writing_is_a_problem(self, client, db, monkeypatch):
        if connection.vendor == "sqlite":
            monkeypatch.setattr("os.access", lambda path, mode: False)
        else:
            connection.cursor().execute("SET TRANSACTION READ ONLY")

        assert ready(client)[:2] == (503, {"database": "The database takes no writing."})

    @pytest.mark.parametrize(("free", "status"), [(64 * 2**20 - 1, 503), (64 * 2**20, 200)])
    def test_a_disk_that_is_nearly_full_is_a_problem_for_sqlite(
        self, client, db, monkeypatch, free, status
    ):
        monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))

        answered, problems, _ = ready(client)

        if connection.vendor == "sqlite":
            assert (answered, list(problems)) == (status, ["disk"] if status == 503 else [])
        else:  # its disk is elsewhere
            assert (answered, problems) == (200, {})

    def test_no_token_of_googles_is_a_warning(self, client, db, monkeypatch):
        monkeypatch.setattr(health, "token_source", TokenSource(no_credentials))

        status, _, warnings = ready(client)

        assert status == 200
        assert "no credentials" in warnings["token"]


def no_credentials():
    raise DefaultCredentialsError("looked at /home/olga/.config and 169.254.169.254")


class TestTokenSource:
    def test_it_is_asked_once_in_a_while(self):
        asked = []
        source = TokenSource(lambda: asked.append(1))

        assert [source.trouble() for _ in range(5)] == [""] * 5
        assert asked == [1]

    @pytest.mark.parametrize(
        ("error", "says"),
        [
            (DefaultCredentialsError("secret-path"), "This process has no credentials"),
            (RefreshError("ya29.secret"), "Google gives this process no access token"),
            (ConnectionError("secret-host"), "Google gives this process no access token"),
            (KeyError("secret"), "could not be found out"),
        ],
    )
    def test_trouble_is_said_without_its_text(self, error, says):
        def ask():
            raise error

        said = TokenSource(ask).trouble()

        assert says in said
        assert "secret" not in said

    def test_trouble_is_looked_into_again_sooner(self, monkeypatch):
        monkeypatch.setattr(tokens, "AGAIN", 0.0)
        answers = [True, False]

        def ask():
            if answers.pop(0):
                no_credentials()

        source = TokenSource(ask)

        assert source.trouble()
        eventually(lambda: not source.trouble())
        assert answers == []

    def test_nobody_waits_for_a_google_that_hangs(self, monkeypatch):
        monkeypatch.setattr(tokens, "PATIENCE", 0.01)
        hangs = Event()

        def ask() -> None:
            hangs.wait()

        source = TokenSource(ask)

        assert "not known yet" in source.trouble()
        hangs.set()
        eventually(lambda: not source.trouble())

    def test_it_asks_with_the_credentials_that_deliver(self, google):
        found = wire.credentials()
        assert isinstance(found, Tokens)

        tokens.fetch()
        assert found.refreshes == 0
        found.token = None
        tokens.fetch()
        assert found.refreshes == 1


class TestChecks:
    def test_the_emulator_with_credentials_from_elsewhere_is_an_error(self, settings, monkeypatch):
        settings.WORKFLOWS_EMULATOR_HOST = "http://127.0.0.1:8787"
        monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:8787")
        monkeypatch.delenv("GCE_METADATA_IP", raising=False)
        assert ids(emulator_and_credentials_agree(None)) == {"approvals.E001"}

        monkeypatch.setenv("GCE_METADATA_IP", "127.0.0.1:8787")
        assert emulator_and_credentials_agree(None) == []

    @pytest.mark.parametrize("written", ["http://127.0.0.1:8787/", "127.0.0.1:8787"])
    def test_the_emulator_is_named_with_its_scheme_or_without(self, monkeypatch, written):
        monkeypatch.setenv("WORKFLOWS_EMULATOR_HOST", written)

        read = runpy.run_path(str(ROOT / "config" / "settings.py"))

        assert read["WORKFLOWS_EMULATOR_HOST"] == "http://127.0.0.1:8787"

    def test_what_loses_decisions_on_cloud_run_is_an_error(self, settings, monkeypatch):
        monkeypatch.setenv("K_SERVICE", "inbox")
        settings.WORKFLOWS_EMULATOR_HOST = "http://127.0.0.1:8787"
        settings.DATABASES["default"]["ENGINE"] = "django.db.backends.sqlite3"
        settings.BASE_URL = "http://inbox.example.com"
        settings.ALLOWED_HOSTS = ["*"]

        assert ids(fit_for_cloud_run(None)) == {"approvals.E002", "approvals.E003"}
        assert ids(addresses_are_exact(None)) == {"approvals.W001", "approvals.W002"}

    @pytest.mark.parametrize("name", OF_DELIVERIES)
    def test_a_worker_that_would_deliver_nothing_does_not_start(self, settings, name):
        assert deliveries_can_leave(None) == []
        setattr(settings, name, 0)

        (error,) = [each for each in run_checks() if each.id == "approvals.E005"]

        assert error.msg == f"{name} would let no answer leave."

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

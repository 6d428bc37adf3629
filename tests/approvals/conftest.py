"""People, one request, and servers in the place of Google and of the mail."""

import pytest
from google.auth.credentials import Credentials

from approvals import health, identity
from approvals.google import wire
from approvals.google.tokens import TokenSource
from approvals.identity import Keys
from tests.approvals.calling import Api
from tests.approvals.drawings import nobody_is_asked
from tests.approvals.mailbox import mail_server
from tests.approvals.scripted import scripted_server
from tests.approvals.tokens import ACCOUNT, certificates, id_token
from tests.approvals.troubles import one_of_each
from tests.factories import (
    make_approval,
    make_callback_url,
    make_caller,
    make_group,
    make_staff,
    make_user,
)

TOKEN = "canary-token-that-must-not-leave"


class Tokens(Credentials):
    """Credentials that need nobody: `TOKEN` first, and a new one at each refresh."""

    def __init__(self):
        super().__init__()
        self.token, self.refreshes = TOKEN, 0

    def refresh(self, request):
        self.refreshes += 1
        self.token = f"{TOKEN}-{self.refreshes}"


@pytest.fixture(autouse=True)
def _tokens_can_be_had(monkeypatch):
    """Nobody looks for Google's metadata server on this machine."""
    monkeypatch.setattr(health, "token_source", TokenSource(lambda: None))


@pytest.fixture(autouse=True)
def _drawings_ask_nobody(monkeypatch):
    """What happens after each answer is not asked of Google from here."""
    monkeypatch.setattr("approvals.runs.execution_seen", nobody_is_asked)


@pytest.fixture
def ana(db):
    return make_user("ana@example.com", first="Ana", last="Almeida")


@pytest.fixture
def ben(db):
    return make_user("ben@example.com", first="Ben", last="Okafor")


@pytest.fixture
def eva(db):
    return make_user("eva@example.com", first="Eva", last="Lind")


@pytest.fixture
def olga(db):
    return make_staff()


@pytest.fixture
def people(db):
    """Ana, Ben and Cleo, of whom no more is known than their addresses."""
    return [make_user(f"{name}@example.com") for name in ("ana", "ben", "cleo")]


@pytest.fixture
def finance(people):
    return make_group("finance", *people)


@pytest.fixture
def managers(ana, ben):
    return make_group("managers", ana, ben)


@pytest.fixture
def approval(managers, eva):
    """Eva asks the managers, Ana and Ben."""
    return make_approval()


@pytest.fixture
def google(settings, monkeypatch):
    """A server in Google's place, and credentials that give `TOKEN`."""
    with scripted_server() as script:
        settings.WORKFLOWS_EMULATOR_HOST = script.origin
        monkeypatch.setenv("GCE_METADATA_HOST", script.origin.removeprefix("http://"))
        monkeypatch.setattr(wire, "_credentials", Tokens())
        wire._local.__dict__.pop("session", None)
        yield script
        wire._local.__dict__.pop("session", None)


@pytest.fixture
def delivery(ana, managers, google):
    """A decided approval whose outcome is still to be sent."""
    url = make_callback_url().replace("https://workflowexecutions.googleapis.com", google.origin)
    approval = make_approval(callback_url=url)
    approval.decide("approved", by=ana, revision=1, comment="Fine.")
    return approval.delivery


@pytest.fixture
def rows(managers, ana):
    """A row of every kind of trouble, by its kind."""
    make_group("nobody")
    return one_of_each(ana)


@pytest.fixture
def decide(google, managers, ana):
    """Decides a new approval of a workflow; its delivery, which is due."""

    def make(workflow="expense"):
        url = make_callback_url(workflow=workflow)
        url = url.replace("https://workflowexecutions.googleapis.com", google.origin)
        approval = make_approval(callback_url=url)
        approval.decide("approved", by=ana, revision=1)
        return approval.outgoing

    return make


@pytest.fixture
def post(settings):
    """A mail server, and an inbox that uses it."""
    with mail_server() as post:
        settings.TELL_BY_MAIL = True
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", post.port
        settings.EMAIL_TIMEOUT = 2
        yield post


@pytest.fixture
def google_keys(monkeypatch):
    """Google's signing keys are the tests' own."""
    monkeypatch.setattr(identity, "google_keys", Keys(certificates))


@pytest.fixture
def caller(managers, google_keys):
    return make_caller(ACCOUNT, name="Expenses")


@pytest.fixture
def api(client, caller):
    """The API, called with an ID token of a known account."""
    return Api(client, id_token(), caller)

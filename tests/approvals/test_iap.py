"""Behind Identity-Aware Proxy: who comes in, who is told why not, and what trouble looks like."""

import time
from uuid import uuid4

import pytest
from django.contrib.auth import SESSION_KEY
from django.db import InterfaceError, OperationalError

from approvals import identity
from approvals.google.certificates import CannotFetch
from approvals.iap import IapMiddleware
from approvals.identity import Keys
from approvals.models import Approval, User
from tests.approvals.reading import is_whole, text_of
from tests.approvals.tokens import certificates, elliptic, id_token
from tests.factories import make_user

AUDIENCE = "/projects/1/locations/europe-west1/services/inbox"
FORMS = ("/sign-in/", "/admin/login/")


@pytest.fixture(autouse=True)
def behind_proxy(settings, monkeypatch):
    """Identity-Aware Proxy in front, with keys of the tests' own."""
    monkeypatch.setattr(identity, "iap_keys", Keys(certificates))
    settings.IAP_AUDIENCE = AUDIENCE
    middleware = list(settings.MIDDLEWARE)
    place = middleware.index("django.contrib.auth.middleware.AuthenticationMiddleware") + 1
    settings.MIDDLEWARE = [
        *middleware[:place],
        f"{IapMiddleware.__module__}.{IapMiddleware.__name__}",
        *middleware[place:],
    ]


@pytest.fixture(params=["/", "approval", "/admin/"])
def page(request, approval):
    """The address of a page of each kind, which Olga may open."""
    return approval.get_absolute_url() if request.param == "approval" else request.param


@pytest.fixture
def no_keys(monkeypatch):
    """A key server that is down."""

    def fetch():
        raise CannotFetch("away")

    monkeypatch.setattr(identity, "iap_keys", Keys(fetch))


def assertion(email, **claims):
    body = {"iss": "https://cloud.google.com/iap", "aud": AUDIENCE, "exp": int(time.time()) + 600}
    return {"X-Goog-Iap-Jwt-Assertion": id_token(elliptic(), email=email, **body | claims)}


def broken(error):
    """Stands for a query on a bad day."""

    def ask(*args, **kwargs):
        raise error

    return ask


class TestComeIn:
    def test_the_person_of_the_assertion_is_signed_in(self, client, olga, page):
        answer = client.get(page, headers=assertion("Olga@example.com"))

        assert answer.status_code == 200
        assert answer.context["user"] == olga

    def test_another_assertion_ends_the_session_of_the_first(self, client, olga, ana, page):
        client.get(page, headers=assertion("ana@example.com"))

        answer = client.get(page, headers=assertion("olga@example.com"))

        assert answer.context["user"] == olga

    def test_programs_and_probes_come_in_by_their_own_doors(self, client, db):
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 200
        assert client.get("/api/v1/approvals").status_code == 401


class TestRefuse:
    @pytest.mark.parametrize("email", ["stranger@example.com", "gone@example.com"])
    def test_whoever_is_unknown_or_inactive_is_told_under_which_address(
        self, client, olga, page, email
    ):
        make_user("gone@example.com", is_active=False)

        answer = client.get(page, headers=assertion(email))

        assert answer.status_code == 403
        assert "We could not sign you in" in text_of(answer)
        assert f"You came in as {email}, but" in text_of(answer)
        assert 'type="password"' not in answer.content.decode()
        assert is_whole(answer)

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            assertion("olga@example.com", aud="/projects/2"),
            {"X-Goog-Iap-Jwt-Assertion": "garbage"},
            {"X-Goog-Authenticated-User-Email": "accounts.google.com:olga@example.com"},
        ],
        ids=["nothing", "another audience", "garbage", "an unsigned header"],
    )
    def test_what_proves_nothing_opens_nothing_and_ends_the_session(
        self, client, olga, page, headers
    ):
        client.force_login(olga)

        answer = client.get(page, headers=headers)

        assert answer.status_code == 403
        assert "could not tell who you are" in text_of(answer)
        assert is_whole(answer)
        assert SESSION_KEY not in client.session

    def test_what_a_stranger_tells_the_page_is_only_text(self, client, db):
        answer = client.get("/", headers=assertion("<b>\u202e@example.com"))

        assert "&lt;b&gt;⟨U+202E⟩@example.com" in answer.content.decode()

    def test_an_answer_that_was_typed_is_shown_to_be_sent_again(self, client, approval):
        form = {"outcome": "approved", "comment": "my long reasons", "revision": 1}
        headers = assertion("stranger@example.com")

        answer = client.post(f"/approvals/{approval.pk}/decide/", form, headers=headers)

        assert answer.status_code == 403
        assert "my long reasons" in text_of(answer)
        assert Approval.objects.get().status == "pending"

    def test_strangers_cannot_tell_what_exists(self, client, approval):
        headers = assertion("stranger@example.com")
        answers = [
            client.get(f"/approvals/{pk}/", headers=headers).content
            for pk in (approval.pk, uuid4())
        ]

        assert answers[0] == answers[1]


class TestPasswordForm:
    @pytest.mark.parametrize("path", FORMS)
    def test_it_is_not_offered_to_anybody(self, client, ana, olga, path):
        for email in ("ana@example.com", "olga@example.com", "stranger@example.com"):
            answer = client.get(path, headers=assertion(email))
            assert b"password" not in answer.content
        assert b"password" not in client.get(path).content

    @pytest.mark.parametrize("path", FORMS)
    def test_a_password_opens_nothing(self, client, olga, path):
        form = {"username": "olga@example.com", "password": "demo"}

        assert client.post(path, form).status_code == 403
        stranger = assertion("stranger@example.com")
        assert client.post(path, form, headers=stranger).status_code == 403
        assert SESSION_KEY not in client.session

    def test_both_lead_on_whoever_may_go_there(self, client, ana, olga):
        def lead(path, email):
            return client.get(path, headers=assertion(email))

        assert lead("/sign-in/?next=/sign-in/", "ana@example.com")["Location"] == "/"
        assert lead("/admin/login/", "olga@example.com")["Location"] == "/admin/"
        refusal = lead("/admin/login/?next=/admin/", "ana@example.com")
        assert refusal.status_code == 403
        assert "You do not have access to this page" in text_of(refusal)


class TestTrouble:
    @pytest.mark.usefixtures("no_keys")
    def test_without_keys_pages_are_a_503_and_nobody_is_signed_out(self, client, olga, page):
        client.force_login(olga)

        answer = client.get(page, headers=assertion("olga@example.com"))

        assert answer.status_code == 503
        assert answer["Retry-After"]
        assert "try again" in text_of(answer)
        assert is_whole(answer)
        assert client.session[SESSION_KEY] == str(olga.pk)

    @pytest.mark.parametrize("error", [OperationalError("away"), InterfaceError("closed")])
    def test_without_a_database_they_are_too(self, client, olga, page, monkeypatch, error):
        monkeypatch.setattr(User.objects, "filter", broken(error))
        client.raise_request_exception = False

        answer = client.get(page, headers=assertion("olga@example.com"))

        assert answer.status_code == 503
        assert answer["Retry-After"]

    def test_the_trouble_of_the_session_is_one_as_well(self, client, olga, page, monkeypatch):
        store = "django.contrib.sessions.backends.db.SessionStore.load"
        client.force_login(olga)
        monkeypatch.setattr(store, broken(OperationalError("away")))
        client.raise_request_exception = False

        answer = client.get(page, headers=assertion("olga@example.com"))

        assert answer.status_code == 503

"""Twelve planted secrets, the whole product at work on them, and where they turn up: nowhere.

Real requests through the real application, rounds of the real worker against a server that fails
in every way, and errors with secrets in their texts; all of it logged at the level DEBUG.
"""

import json
import logging
import re
from contextlib import contextmanager
from urllib.parse import quote

import pytest
import requests
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from google.auth.exceptions import RefreshError

from approvals.fields import PREFIX
from approvals.google import callbacks, wire
from approvals.models import ApiKey, Approval, Delivery, PersonalToken
from config.logs import GoogleFormatter, RequestFilter, TextFormatter
from tests.approvals.calling import URL, Api
from tests.approvals.conftest import TOKEN
from tests.approvals.tokens import id_token
from tests.factories import PROJECT, make_caller, make_request, make_user
from tests.watch import TRIED

SALARY, COMMENT, VALUE = "canary salary 51234", "canary-comment", "canary-value"
PASSWORD, SCRAPER, CALLBACK = "canary-password", "canary-metrics-token", "canary-callback_id-1"
FORM = {
    "type": "object",
    "properties": {"iban": {"type": "string", "maxLength": 40}, "n": {"type": "integer"}},
    "required": ["iban"],
}
# Table and column in which each of them may stand; all else may nowhere.
KEPT = {
    "salary": {"approvals_approval.fields"},
    "comment": {"approvals_vote.comment", "approvals_delivery.body", "approvals_event.data"},
    "form value": {"approvals_vote.form", "approvals_delivery.body", "approvals_event.data"},
    "callback id": {"approvals_approval.callback_url", "approvals_callback.url"},
    "session": {"django_session.session_key"},
}


class Told(logging.Handler):
    """All lines in both forms, the text before anything that looks like a secret is cut out."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.addFilter(RequestFilter())
        self.json, self.text, self.lines = GoogleFormatter("some-project"), TextFormatter(), []

    def emit(self, record):
        self.lines += [self.json.format(record), self.text.told(record)]


@contextmanager
def told():
    """What is logged inside the block, at DEBUG wherever our configuration leaves it open."""
    handler, before = Told(), {}
    for name in ("", "django", "django.request", "approvals", "approvals.access", "config"):
        logger = logging.getLogger(name)
        before[logger] = logger.level
        logger.setLevel(logging.DEBUG)
    for name in ("", "django"):
        logging.getLogger(name).addHandler(handler)
    try:
        yield handler.lines
    finally:
        for name in ("", "django"):
            logging.getLogger(name).removeHandler(handler)
        for logger, level in before.items():
            logger.setLevel(level)


class Product:
    """The product with its people, and every answer that was given to somebody else."""

    def __init__(self, google, monkeypatch):
        self.google, self.monkeypatch = google, monkeypatch
        self.ana = make_user("ana@example.com", first="Ana")
        self.ana.set_password(PASSWORD)
        self.ana.save()
        self.stranger = make_user("stranger@example.com")
        self.caller = make_caller("workflow@project.iam.gserviceaccount.example")
        self.others: list[str] = []
        self.url = (
            f"{google.origin}/v1/projects/{PROJECT}/locations/us-central1/workflows/pay"
            f"/executions/11111111-2222-4333-8444-555555555555/callbacks/{CALLBACK}"
        )
        _, self.key = ApiKey.objects.issue(self.caller)
        _, self.personal = PersonalToken.objects.issue(self.ana, "script")
        self.id_token = id_token()
        self.browser = Client(enforce_csrf_checks=True, raise_request_exception=False)
        self.client = Client(raise_request_exception=False)
        self.csrf = ""

    def secrets(self):
        """Each by its name, as it would turn up."""
        cookies = {name: morsel.value for name, morsel in self.browser.cookies.items()}
        return {
            "access token": TOKEN,
            "id token": self.id_token.split(".")[2],
            "API key": self.key.partition("_")[2][8:],
            "session": cookies["countersign"],
            "CSRF token": cookies["csrf"],
            "callback id": CALLBACK,
            "salary": SALARY,
            "comment": COMMENT,
            "form value": VALUE,
            "password": PASSWORD,
            "personal token": self.personal.partition("_")[2][8:],
            "metrics token": SCRAPER,
        }

    def post(self, path, **form):
        """Send a form as the page has it."""
        return self.browser.post(path, {"csrfmiddlewaretoken": self.csrf, **form})

    def sign_in(self):
        page = self.browser.get(f"/sign-in/?next=/?q={quote(SALARY)}").content.decode()
        self.csrf = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
        self.post("/sign-in/", username="ana@example.com", password=PASSWORD + "-wrong")
        answer = self.post("/sign-in/", username="ana@example.com", password=PASSWORD)
        assert answer.status_code == 302
        page = self.browser.get("/profile/").content.decode()
        self.csrf = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]

    def register(self):
        """By each kind of credentials, and wrong in every way first; the approval in the end."""
        body = make_request(
            callback_url=self.url,
            fields={"Salary": SALARY},
            form=FORM,
            approvers=["user:ana@example.com"],
        )
        for token in (self.id_token + "x", self.id_token[:-9], self.key + "x", self.personal, ""):
            api = Api(self.client, token)
            self.others.append(api.post(URL, body).content.decode())
        good = Api(self.client, self.id_token)
        for wrong in (
            {**body, "approvers": [f"user:{SALARY}"]},
            {**body, "fields": SALARY},
            {**body, "callback_url": f"{self.url}/{SALARY}"},
            json.dumps(body)[:-3],
        ):
            assert good.post(URL, wrong).status_code in {400, 422}
        assert good.post(URL, body).status_code == 201
        assert Api(self.client, self.key).post(URL, body).status_code == 200
        conflict = Api(self.client, self.stranger_key()).post(URL, body)
        self.others.append(conflict.content.decode())
        assert conflict.status_code in {403, 409}
        return Approval.objects.get()

    def stranger_key(self):
        return ApiKey.objects.issue(make_caller("other@example.com", projects=PROJECT))[1]

    def look_as_others(self, approval):
        """Nobody, and somebody who was not asked, at every address of the approval."""
        stranger = Client(raise_request_exception=False)
        stranger.force_login(self.stranger)
        path = approval.get_absolute_url()
        for client in (self.client, stranger):
            for address in (path, f"{path}receipt/", f"{path}receipt.json", f"{path}hand-over/"):
                self.others.append(client.get(address).content.decode())
            answer = client.post(f"{path}decide/", {"outcome": "approved", "revision": 1})
            self.others.append(answer.content.decode())
        for token in (self.stranger_key(), "", self.id_token + "x"):
            api = Api(self.client, token)
            self.others.append(api.get(f"{URL}/{approval.pk}").content.decode())
            self.others.append(api.post(f"{URL}/{approval.pk}/vote", {}).content.decode())

    def fail(self, approval):
        """A click while the code is broken, the database is away, and the form is wrong."""
        path = f"{approval.get_absolute_url()}decide/"
        form = {"outcome": "approved", "revision": 1, "comment": COMMENT, f"{PREFIX}iban": VALUE}
        errors = (
            RuntimeError(f"{COMMENT} {VALUE} {SALARY}"),
            ValueError(self.url),
            OperationalError("database is locked"),
        )
        for error in errors:
            with self.monkeypatch.context() as broken:
                broken.setattr(Approval, "decide", raising(error))
                answer = self.post(path, **form)
                assert answer.status_code in {500, 503}
                if answer.status_code == 500:
                    self.others.append(answer.content.decode())
                vote = {"outcome": "approved", "revision": 1, "form": {"iban": VALUE}}
                api = Api(self.client, self.personal)
                said = api.post(f"{URL}/{approval.pk}/vote", {**vote, "comment": COMMENT})
                assert said.status_code in {500, 503}
                self.others.append(said.content.decode())
        assert self.post(path, **{**form, f"{PREFIX}n": f"no {VALUE}"}).status_code == 422
        forged = self.browser.post(path, form)
        assert forged.status_code == 403

    def decide(self, approval):
        self.google.answer(503)
        path = f"{approval.get_absolute_url()}decide/"
        form = {"outcome": "approved", "revision": 1, "comment": COMMENT}
        assert self.post(path, **form, **{f"{PREFIX}iban": VALUE}).status_code == 303
        self.browser.get(approval.get_absolute_url())

    def deliver(self):
        """Rounds of the worker, each with another failure; the last one arrives."""
        for status in (503, 403, 401, 302, 400):
            self.round(status, status)  # a 401 is tried twice
        lost = requests.ConnectionError(f"{self.url} Authorization: Bearer {TOKEN}")
        for place, name, error in (
            (callbacks, "session", RefreshError(f"invalid_grant {TOKEN}")),
            (callbacks, "session", lost),
            (wire, "session", lost),
            (callbacks, "look", RuntimeError(f"{TOKEN} {COMMENT} {self.url}")),
        ):
            with self.monkeypatch.context() as broken:
                broken.setattr(place, name, raising(error))
                self.round()
        for status in (500, 429, 404):
            self.round(status)

    def round(self, *statuses):
        """One round of the worker, in which Google answers so."""
        self.google.answers.clear()
        for status in statuses:
            self.google.answer(status)
        changed = Delivery.objects.exclude(next_attempt_at=None)
        changed.update(next_attempt_at=timezone.now(), lease=None)
        call_command("deliver", once=True)

    def look_around(self, settings):
        """The addresses that machines ask, and one that there is not."""
        settings.METRICS_TOKEN = SCRAPER
        for token in (SCRAPER, SCRAPER + "x"):
            answer = self.client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
            self.others.append(answer.content.decode())
        assert "countersign_deliveries" in self.others[-2]
        for path in ("/readyz", f"/nowhere?token={self.personal}", "/healthz"):
            self.others.append(self.client.get(path).content.decode())


def raising(error):
    """Stands for whatever is broken."""

    def fail(*args, **kwargs):
        raise error

    return fail


@pytest.fixture
def played(google, google_keys, transactional_db, settings, monkeypatch):
    """Everything was done; the product, and the lines of its log."""
    connection.force_debug_cursor = True  # so that Django would log statements with their values
    product = Product(google, monkeypatch)
    google.answers.clear()
    try:
        with told() as lines:
            product.sign_in()
            approval = product.register()
            product.look_as_others(approval)
            product.fail(approval)
            product.decide(approval)
            product.look_as_others(approval)
            product.deliver()
            product.look_around(settings)
    finally:
        connection.force_debug_cursor = False
    return product, lines


def columns_with(secret):
    """Where in the database a text stands, as table.column."""
    found = set()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            columns = [each[0] for each in cursor.description]
            for row in cursor.fetchall():
                found |= {
                    f"{table}.{name}"
                    for name, value in zip(columns, row, strict=True)
                    if secret in str(value)
                }
    return found


class TestSecrets:
    def test_they_are_where_they_belong_and_nowhere_else(self, played):
        product, lines = played
        secrets = product.secrets()
        assert len(secrets) == 12
        assert all(len(secret) > 10 for secret in secrets.values())
        # The canaries have lived: what is looked for would have been found.
        assert f"Bearer {TOKEN}" in str([said.headers for said in product.google.seen])
        assert any(CALLBACK in said.path for said in product.google.seen)

        for name, secret in secrets.items():
            assert [line for line in lines if secret in line] == [], f"{name} is in the log"
            assert [text for text in product.others if secret in text] == [], f"others see {name}"
            places = columns_with(secret)
            assert places <= KEPT.get(name, set()), f"{name} is kept"
            assert places or name not in KEPT, f"{name} is not kept"

    def test_all_of_it_was_logged_one_event_in_a_line(self, played):
        _, lines = played
        events = [json.loads(line) for line in lines[::2]]
        messages = {event["message"] for event in events}

        assert {
            "registered",
            "delivery blocked",
            "row left for later",
        } <= messages
        assert {"token rejected", "database unavailable"} <= messages
        assert any(message.startswith("Internal Server Error") for message in messages)
        assert any(event["severity"] == "DEBUG" for event in events)
        assert not [line for line in lines[::2] if "\n" in line]
        assert all(event.get("request_id") for event in events if event["message"][:3] == "GET")


class TestHowItIsLookedFor:
    """A search that finds nothing anywhere would be satisfied with anything."""

    def test_a_secret_in_a_line_is_found_in_both_forms(self):
        with told() as lines:
            logging.getLogger(f"{TRIED}.any").debug("said", extra={"why": SALARY})

        assert [SALARY in line for line in lines] == [True, True]

    def test_a_secret_in_the_database_is_found(self, db):
        make_user("ana@example.com", first=COMMENT)

        assert columns_with(COMMENT) == {"approvals_user.first_name"}

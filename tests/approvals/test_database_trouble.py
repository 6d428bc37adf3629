"""Whatever is wrong with the database: a clear 503, nothing half done, what was typed is kept."""

import re
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from html import unescape

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.db import OperationalError, close_old_connections, connection
from django.test import Client
from django.urls import reverse

from approvals.management.commands.deliver import loop
from approvals.models import ApiKey, Approval, Delivery, Event, PersonalToken, Vote, Worker
from approvals.models.content import OUTCOME_LABELS
from approvals.models.outbox import DeliveryQuerySet
from approvals.trouble import TROUBLE
from tests.approvals.calling import URL, Api
from tests.approvals.racing import assert_whole
from tests.approvals.reading import is_whole, text_of
from tests.approvals.striking import (
    at_commit,
    other_session,
    struck,
    struck_at,
    terminate,
    terminate_after,
)
from tests.factories import make_approval, make_group, make_request, make_staff
from tests.factories import make_user as person

pytestmark = pytest.mark.django_db(transaction=True)

SQLITE = connection.vendor == "sqlite"
COMMENT = "A long thought,\nin two lines with <b> and “quotes”."
TYPED = {"outcome": "rejected", "comment": COMMENT, "revision": "1"}
HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')


@pytest.fixture(autouse=True)
def _the_worker_delivers(monkeypatch):
    """No thread of the web process has a hand in it."""
    monkeypatch.setattr(DeliveryQuerySet, "claim", lambda *_: False)


@pytest.fixture
def ana(transactional_db, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # signs in often
    return person("ana@example.com", password=make_password("demo"))


@pytest.fixture
def approval(ana):
    make_group("managers", ana, person("ben@example.com"))
    return make_approval()


@pytest.fixture
def browser(ana):
    """Ana's, which is shown a 500 as a browser is."""
    client = Client(raise_request_exception=False)
    client.force_login(ana)
    return client


def decide(browser, approval, form=TYPED):
    return browser.post(reverse("approvals:decide", args=[approval.pk]), form)


def offered(answer):
    """The form of a 503 page: where it goes, and its fields."""
    body = answer.content.decode()
    [address] = re.findall(r'<form method="post" action="([^"]*)">', body)
    fields = [(unescape(name), unescape(value)) for name, value in HIDDEN.findall(body)]
    return unescape(address), dict(fields)


def assert_503(answer):
    assert answer.status_code == 503, answer.content[:300]
    assert int(answer["Retry-After"]) > 0
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Frame-Options"] == "DENY"
    if answer["Content-Type"] == "application/json":
        assert "try again" in answer.json()["detail"]
    else:
        assert is_whole(answer)


def counts():
    closed = Approval.objects.exclude(status="pending").count()
    ends = Event.objects.filter(kind__in=("decided", "expired", "withdrawn")).count()
    assert closed == Delivery.objects.count() == ends
    return closed, Vote.objects.count()


PAGES = {
    "inbox": "/",
    "approval": "/approvals/{pk}/",
    "hand over": "/approvals/{pk}/hand-over/",
    "profile": "/profile/",
    "export": "/export/?",
    "export csv": "/export/approvals.csv",
    "export json": "/export/approvals.json",
    "admin": "/admin/",
    "admin's approvals": "/admin/approvals/approval/",
    "admin's approval": "/admin/approvals/approval/{pk}/change/",
}
FORMS = {
    "decide": ("/approvals/{pk}/decide/", TYPED),
    "several": ("/bulk/confirm/", {"outcome": "approved", "row": "{pk}:1"}),
    "ask": ("/approvals/{pk}/say/", {"text": COMMENT}),
    "hand over": ("/approvals/{pk}/hand-over/", {"to": "cleo@example.com", "reason": "Away"}),
    "telling": ("/profile/telling/", {"pace": "each", "hour": "8", "time_zone": "Europe/Lisbon"}),
    "sign in": ("/sign-in/", {"username": "ana@example.com", "password": "demo"}),
}
CALLS = {
    "register": ("POST", URL, None),
    "list": ("GET", URL, None),
    "read": ("GET", URL + "/{pk}", None),
    "settle": ("POST", URL + "/{pk}/settle", {"reason": "woken"}),
    "withdraw": ("POST", URL + "/{pk}/withdraw", {"reason": "Not needed"}),
    "ballot": ("GET", URL + "/{pk}/vote", None),
    "vote": ("POST", URL + "/{pk}/vote", {"outcome": "approved", "revision": 1}),
}


class TestEveryStatement:
    """Of each page, form and call, trouble comes before each statement in turn."""

    def walk(self, ask):
        """Until none is left, and it succeeds, whatever was saved before; how many there were."""
        for number in range(200):
            with struck(number) as fault:
                answer = ask()
                body = b"".join(answer) if answer.streaming else answer.content
            counts()
            if not fault.struck:
                assert answer.status_code < 400, body[:300]
                return number
            assert_503(answer)
        raise AssertionError("it never ends")

    @pytest.mark.parametrize("name", PAGES)
    def test_a_page_is_a_503(self, approval, name):
        olga = make_staff()
        olga.groups.add(Group.objects.get())
        browser = Client(raise_request_exception=False)
        browser.force_login(olga)

        asked = self.walk(lambda: browser.get(PAGES[name].format(pk=approval.pk)))

        assert asked >= 2  # the session and the person

    @pytest.mark.parametrize("name", FORMS)
    def test_a_form_is_a_503_until_it_is_done_once(self, approval, browser, name):
        person("cleo@example.com")
        path, fields = FORMS[name]
        fields = {key: value.format(pk=approval.pk) for key, value in fields.items()}
        if name == "sign in":
            browser = Client(raise_request_exception=False)

        assert self.walk(lambda: browser.post(path.format(pk=approval.pk), fields)) >= 4

        assert_whole(approval)
        told = [event.kind for event in approval.events.all()]
        assert len(told) == len(set(told))

    @pytest.mark.parametrize("name", CALLS)
    def test_a_call_is_a_503_until_it_is_done_once(self, approval, ana, name):
        method, path, body = CALLS[name]
        if "vote" in path:
            _, token = PersonalToken.objects.issue(ana, "cli")
        else:
            _, token = ApiKey.objects.issue(approval.caller)
        api = Api(Client(raise_request_exception=False), token)
        path, body = path.format(pk=approval.pk), body or make_request()

        assert self.walk(lambda: api.get(path) if method == "GET" else api.post(path, body)) >= 2

        assert_whole(approval)
        assert Approval.objects.count() == 1 + (name == "register")


class TestThePage:
    def test_it_keeps_everything_and_promises_nothing(self, approval, browser):
        with struck(3):
            answer = decide(browser, approval)

        assert_503(answer)
        said = text_of(answer)
        assert "We could not tell whether this was saved. Nothing is lost" in said
        assert "not saved" not in said.replace("not saved twice", "")
        assert unescape(said).count("A long thought") == 1
        assert offered(answer) == (reverse("approvals:decide", args=[approval.pk]), TYPED)

    @pytest.mark.parametrize("name", ["decide", "several"])
    def test_it_shows_words_and_no_codes(self, approval, browser, name):
        path, fields = FORMS[name]
        fields = {key: value.format(pk=approval.pk) for key, value in fields.items()}
        with struck(3):
            answer = browser.post(path.format(pk=approval.pk), fields)

        assert_503(answer)
        assert offered(answer)[1] == fields
        said = text_of(answer)
        assert not [code for code in (fields["outcome"], str(approval.pk)) if code in said]
        assert str(OUTCOME_LABELS[fields["outcome"]]) in said

    def test_one_click_sends_it_again(self, approval, browser):
        with struck(3):
            answer = decide(browser, approval)

        again = browser.post(*offered(answer))

        assert (again.status_code, again["Location"]) == (
            303,
            reverse("approvals:receipt", args=[approval.pk]),
        )
        vote = assert_whole(approval).votes.get()
        assert (vote.outcome, vote.comment) == ("rejected", COMMENT)

    def test_the_token_comes_along_and_somebody_elses_form_does_not_become_ours(
        self, approval, ana
    ):
        browser = Client(enforce_csrf_checks=True, raise_request_exception=False)
        browser.force_login(ana)
        page = browser.get(f"/approvals/{approval.pk}/").content.decode()
        [token] = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page))
        good, forged = ({**TYPED, "csrfmiddlewaretoken": each} for each in (token, "x" * 64))
        answers = []
        for form in (good, forged):
            with struck(0):
                answers.append(decide(browser, approval, form))

        assert browser.post(*offered(answers[0])).status_code == 303
        assert answers[1].status_code == 403  # looked at before the database is
        assert assert_whole(approval).votes.count() == 1

    def test_a_password_is_not_given_back(self, approval):
        browser = Client(raise_request_exception=False)
        with struck(0):
            answer = browser.post("/sign-in/", {"username": "ana@example.com", "password": "demo"})

        assert_503(answer)
        body = answer.content.decode()
        assert "demo" not in body
        assert "<form" not in body
        assert 'href="/sign-in/">Try again' in body

    def test_reading_again_is_a_link(self, approval, browser):
        with struck(0):
            answer = browser.get("/?tab=decided&q=a%26b")

        assert_503(answer)
        assert 'href="/?tab=decided&amp;q=a%26b">Try again' in answer.content.decode()
        assert "saved" not in text_of(answer)

    def test_signing_in_whose_session_cannot_be_kept_is_no_bad_request(self, ana, monkeypatch):
        """Django takes trouble in saving a session for a session that was deleted."""
        browser = Client(raise_request_exception=False)
        with struck_at('UPDATE "django_session"'):
            answer = browser.post("/sign-in/", {"username": "ana@example.com", "password": "demo"})

        assert_503(answer)

    def test_an_export_that_breaks_off_is_no_whole_file(self, approval, monkeypatch):
        monkeypatch.setattr("approvals.export.CHUNK", 1)
        for _ in range(4):
            make_approval()
        browser = Client()
        browser.force_login(make_staff())
        answer = browser.get("/export/approvals.json")

        assert answer.status_code == 200
        with pytest.raises(TROUBLE), struck(0):
            list(answer)


class TestCommit:
    """A commit whose answer is lost may have been made, or not."""

    def lost(self):
        raise OperationalError("server closed the connection unexpectedly")

    @pytest.mark.parametrize("made", [True, False])
    def test_it_is_a_503_and_sending_again_succeeds_either_way(self, approval, browser, made):
        with at_commit(self.lost, made=made):
            answer = decide(browser, approval)

        assert_503(answer)
        assert assert_whole(approval).votes.count() == int(made)
        assert browser.post(*offered(answer)).status_code == 303
        assert assert_whole(approval).votes.count() == 1

    @pytest.mark.parametrize("made", [True, False])
    def test_the_same_over_the_api(self, approval, ana, made):
        _, token = PersonalToken.objects.issue(ana, "cli")
        api = Api(Client(raise_request_exception=False), token)
        path, vote = f"{URL}/{approval.pk}/vote", {"outcome": "approved", "revision": 1}
        api.get(path)  # the token's use is noted
        with at_commit(self.lost, made=made):
            answer = api.post(path, vote)

        assert_503(answer)
        assert assert_whole(approval).votes.count() == int(made)
        again = api.post(path, vote)
        assert (again.status_code, again.json()["status"]) == (200, "approved")
        assert assert_whole(approval).votes.count() == 1


class TestLocked:
    """Somebody else holds what is to be written for longer than we wait."""

    WAIT = 0.3  # seconds

    @contextmanager
    def held(self, approval):
        """Another connection writes to this approval, and does not come to an end."""
        if SQLITE:
            with connection.cursor() as cursor:
                cursor.execute(f"PRAGMA busy_timeout = {self.WAIT * 1000:.0f}")
            with closing(sqlite3.connect(connection.settings_dict["NAME"])) as writer:
                writer.execute("BEGIN IMMEDIATE")
                yield
                writer.rollback()
            return
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {self.WAIT * 1000:.0f}")
        with other_session() as other, other.transaction():
            other.execute(
                "UPDATE approvals_approval SET title = title WHERE id = %s", [approval.pk]
            )
            yield
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")

    def test_answering_is_a_503_within_bounds_and_reading_goes_on(self, approval, browser):
        browser.get("/")
        with self.held(approval):
            began = time.monotonic()
            answer = decide(browser, approval)
            took = time.monotonic() - began
            read = browser.get(f"/approvals/{approval.pk}/")
            alive = browser.get("/healthz")

        assert_503(answer)
        assert self.WAIT <= took < self.WAIT + 5
        assert (read.status_code, alive.status_code) == (200, 200)
        assert counts() == (0, 0)
        assert browser.post(*offered(answer)).status_code == 303
        assert assert_whole(approval).status == "rejected"


class TestReadOnly:
    """A connection that was opened while nothing could be written stays so."""

    def become_stale(self):
        """Django's connection is such a one from here."""
        away = "PRAGMA query_only = ON" if SQLITE else "SET default_transaction_read_only = on"
        with connection.cursor() as cursor:
            cursor.execute(away)

    def test_the_next_request_has_another(self, approval, browser):
        self.become_stale()
        answer = decide(browser, approval)

        assert_503(answer)
        assert browser.post(*offered(answer)).status_code == 303
        assert assert_whole(approval).votes.count() == 1

    def test_so_has_the_next_round_of_the_worker(self):
        me, stop = Worker(name="host/1"), threading.Event()
        rounds = []

        def act():
            rounds.append("begun")
            if len(rounds) == 2:
                stop.set()
            Worker.objects.beat(me)
            return False

        self.become_stale()
        loop(act, stop, idle=0)

        assert Worker.objects.filter(name="host/1").exists()

    def test_in_other_trouble_it_stays(self, approval, browser):
        browser.get("/")
        own = connection.connection
        with struck(3):
            assert_503(decide(browser, approval))

        assert connection.connection is own


if SQLITE:

    class TestFull:
        """There is no room for another page of the file."""

        @contextmanager
        def full(self):
            with connection.cursor() as cursor:
                cursor.execute("VACUUM")  # what tests before have left free is room, too
                cursor.execute("PRAGMA page_count")
                pages = cursor.fetchone()[0]
                cursor.execute(f"PRAGMA max_page_count = {pages}")
                yield
                cursor.execute("PRAGMA max_page_count = 1073741823")

        def test_what_fits_is_whole_the_rest_a_503_and_it_recovers_by_itself(self, ana, browser):
            make_group("managers", ana)
            asked = [make_approval() for _ in range(40)]
            form = TYPED | {"comment": COMMENT * 20}
            with self.full():
                answers = [decide(browser, each, form) for each in asked]
                read = browser.get(f"/approvals/{asked[-1].pk}/")
                alive = browser.get("/healthz")

            saved = [answer.status_code for answer in answers].count(303)
            refused = [answer for answer in answers if answer.status_code != 303]
            assert refused
            for answer in refused:
                assert_503(answer)
            assert counts() == (saved, saved)
            assert (read.status_code, alive.status_code) == (200, 200)
            for answer in refused:
                assert browser.post(*offered(answer)).status_code == 303
            assert counts() == (40, 40)
            for each in asked:
                assert_whole(each)

else:

    class TestFailover:
        """PostgreSQL ends the connection, or takes no writes any more."""

        @contextmanager
        def no_writes(self):
            """On any connection that is opened meanwhile, as of a server that is a replica."""
            name = connection.ops.quote_name(connection.settings_dict["NAME"])
            with other_session() as other:
                other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
                connection.close()
                try:
                    yield
                finally:
                    other.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")

        def test_between_any_two_statements_nothing_is_lost_or_done_twice(self, approval, browser):
            for number in range(200):
                fresh = make_approval()
                with struck(number, terminate, once=True) as fault:
                    answer = decide(browser, fresh)
                if answer.status_code != 303:
                    assert_503(answer)
                    assert browser.post(*offered(answer)).status_code == 303
                assert assert_whole(fresh).votes.count() == 1
                if not fault.struck:
                    break
            assert number > 20

        def test_a_page_is_read_again_on_a_new_connection(self, approval, browser):
            for number in range(200):
                with struck(number, terminate, once=True) as fault:
                    answer = browser.get(f"/approvals/{approval.pk}/")
                assert answer.status_code == 200
                assert "Your answer" in text_of(answer)
                if not fault.struck:
                    break
            assert number > 5

        def test_what_may_be_done_once_alone_is_not_tried_again(self, ana):
            browser = Client(raise_request_exception=False)
            browser.force_login(ana)
            form = {"label": "laptop", "days": "30"}
            with struck_at('INSERT INTO "approvals_personaltoken"', terminate):
                answer = browser.post("/profile/tokens/", form)

            close_old_connections()  # as at the end of every request

            assert_503(answer)
            assert "first check whether it was saved" in text_of(answer)
            assert PersonalToken.objects.count() == 0

        @pytest.mark.parametrize("made", [True, False])
        def test_at_the_commit_the_same_request_finds_out(self, approval, browser, made):
            with at_commit(terminate_after if made else terminate, made=made):
                answer = decide(browser, approval)

            assert answer.status_code == 303
            assert assert_whole(approval).votes.count() == 1

        def test_the_next_request_of_a_thread_has_a_new_connection(self, approval, browser):
            browser.get("/")
            terminate()
            close_old_connections()  # as between any two requests

            assert browser.get("/").status_code == 200

        def test_a_server_that_takes_no_writes_is_read_from(self, approval, browser, ana):
            _, token = PersonalToken.objects.issue(ana, "cli")
            api = Api(Client(raise_request_exception=False), token)
            with self.no_writes():
                answer = decide(browser, approval)
                vote = {"outcome": "approved", "revision": 1}
                voted = api.post(f"{URL}/{approval.pk}/vote", vote)
                read = browser.get(f"/approvals/{approval.pk}/")
                ballot = api.get(f"{URL}/{approval.pk}/vote")

            assert_503(answer)
            assert_503(voted)
            assert (read.status_code, ballot.status_code) == (200, 200)
            assert_503(browser.post(*offered(answer)))  # by the connection that has read
            assert browser.post(*offered(answer)).status_code == 303
            assert assert_whole(approval).status == "rejected"

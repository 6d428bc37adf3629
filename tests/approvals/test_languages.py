"""In which language a page or a mail is written, and what stays English for everybody."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from django.conf import settings as django_settings
from django.urls import reverse
from django.utils import timezone, translation

from approvals.chats import message_of
from approvals.export import download
from approvals.languages import asked_for, language_of
from approvals.letters import letter_of
from approvals.mails import mail_of, summary_of
from approvals.models import Approval, Channel, Delivery, Event, Notice, Preference, StandIn, User
from approvals.models.content import button_of
from approvals.receipts import make_receipt
from approvals.retold import length_retold, retold
from approvals.times import exact
from approvals.verdicts import MAY_NOT_SEND, PERHAPS_READ, UNDELIVERED
from tests.approvals.calling import URL, problem
from tests.approvals.reading import as_person, decide, send, text_of
from tests.factories import make_approval, make_group, make_request
from tests.messages import kept

GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}
WINTER = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
SUMMER = datetime(2026, 7, 22, 12, 5, tzinfo=UTC)


@pytest.fixture
def german(ana):
    """Ana reads German, wherever she is."""
    Preference.objects.create(user=ana, language="de", time_zone="Europe/Berlin")
    ana.refresh_from_db()
    return ana


def language(response):
    return response.content.decode().partition('<html lang="')[2].partition('"')[0]


class TestBrowser:
    @pytest.mark.parametrize(
        ("asked", "given"),
        [
            ("", "en"),
            ("de", "de"),
            ("de-CH,fr;q=0.8", "de"),
            ("fr,de;q=0.4,en;q=0.3", "de"),
            ("en-GB,de;q=0.9", "en"),
            ("fr-FR", "en"),
            ("xx-not-a-language;;q=9, *", "en"),
        ],
    )
    def test_the_first_of_its_languages_that_there_is(self, client, db, asked, given):
        response = client.get("/sign-in/", headers={"Accept-Language": asked})

        assert language(response) == response["Content-Language"] == given
        assert ("Anmelden" in response.content.decode()) == (given == "de")

    def test_where_it_asks_for_none_of_ours_the_inbox_has_its_own(self, client, db, settings):
        settings.DEFAULT_LANGUAGE = "de"

        assert language(client.get("/sign-in/")) == "de"
        assert language(client.get("/sign-in/", headers={"Accept-Language": "fr"})) == "de"
        assert language(client.get("/sign-in/", headers={"Accept-Language": "en"})) == "en"

    def test_what_is_kept_on_the_way_is_kept_for_each_language(self, client, db):
        assert "Accept-Language" in client.get("/sign-in/")["Vary"]
        assert "Accept-Language" not in client.get("/healthz").get("Vary", "")

    def test_nothing_of_it_is_left_for_the_next_request(self, client, db):
        client.get("/sign-in/", headers=GERMAN)

        assert translation.get_language() == "en"
        assert language(client.get("/sign-in/")) == "en"

    @pytest.mark.parametrize(
        ("path", "status", "said"),
        [("/nowhere/", 404, "Hier ist nichts für Sie"), ("/sign-in/?x", 200, "Anmelden")],
    )
    def test_pages_of_nobody_follow_it_too(self, client, db, path, status, said):
        response = client.get(path, headers=GERMAN)

        assert response.status_code == status
        assert said in response.content.decode()

    def test_the_page_of_a_database_in_trouble_has_its_language(self, ana, monkeypatch):
        client = as_person(ana)
        monkeypatch.setattr(import_module("approvals.views.profile"), "colleagues", _broken)

        response = client.get("/profile/", headers=GERMAN)

        assert response.status_code == 503
        assert language(response) == "de"
        assert "Bitte versuchen Sie es gleich noch einmal" in text_of(response)


def _broken(*_, **__):
    from django.db import OperationalError  # noqa: PLC0415 - the trouble itself

    raise OperationalError("gone")


class TestPerson:
    def test_their_own_choice_comes_before_the_browsers(self, german):
        client = as_person(german)

        for header in ({}, GERMAN, {"Accept-Language": "en"}):
            response = client.get("/profile/", headers=header)
            assert language(response) == response["Content-Language"] == "de"
        assert "Wie Sie benachrichtigt werden" in text_of(response)

    def test_without_a_choice_the_browser_is_followed(self, ana, ben):
        Preference.objects.create(user=ben, language="")

        for person in (ana, ben):
            assert language(as_person(person).get("/profile/", headers=GERMAN)) == "de"
            assert language(as_person(person).get("/profile/")) == "en"

    def test_it_is_chosen_in_the_profile_and_holds_from_the_next_page_on(self, ana):
        client = as_person(ana)
        form = {"pace": "each", "hour": 8, "time_zone": "", "language": "de"}

        page = client.post("/profile/telling/", form, follow=True)

        assert language(page) == "de"
        assert "Gespeichert: So werden Sie von jetzt an benachrichtigt." in page.content.decode()
        assert '<option value="de" lang="de" selected>Deutsch</option>' in page.content.decode()
        back = client.post("/profile/telling/", {**form, "language": ""}, follow=True)
        assert language(back) == "en"
        assert "Saved. This applies from now on." in back.content.decode()

    def test_a_language_that_there_is_not_is_refused(self, ana):
        form = {"pace": "each", "hour": 8, "time_zone": "", "language": "tlh"}

        response = as_person(ana).post("/profile/telling/", form)

        assert response.status_code == 422
        assert not Preference.objects.filter(language="tlh").exists()

    def test_times_are_those_of_their_clock(self, german, managers):
        approval = decide(make_approval(), german)
        Approval.objects.filter(pk=approval.pk).update(decided_at=WINTER)

        page = text_of(as_person(german).get(approval.get_absolute_url()))

        assert "22. November 2026, 14:05 Uhr MEZ" in page

    def test_days_of_an_absence_are_those_of_their_calendar(self, german, ben):
        today = timezone.localdate()
        days = {"first": today.isoformat(), "last": (today + timedelta(days=1)).isoformat()}

        as_person(german).post(reverse("approvals:absence"), {**days, "colleague": ben.email})

        made = StandIn.objects.get()
        with timezone.override("Europe/Berlin"):
            assert timezone.localtime(made.starts_at).time().isoformat() == "00:00:00"

    def test_what_they_have_chosen_costs_no_query(self, german, django_assert_num_queries):
        client = as_person(german)
        client.get("/offline/")

        with django_assert_num_queries(2):  # the session, and the person with what they have chosen
            client.get("/offline/")


class TestProgram:
    def test_the_api_answers_in_english_whatever_is_asked_for(self, api, german, client):
        body = make_request(approvers=["user:nobody@example.com"])
        answers = [api.post(URL, body, **headers) for headers in ({}, {"Accept-Language": "de"})]

        assert [answer.status_code for answer in answers] == [422, 422]
        assert problem(answers[1]) == problem(answers[0])
        assert problem(answers[1])["approvers"].startswith("Nobody here is called")
        assert "Content-Language" not in answers[1]

    def test_a_sentence_that_pages_share_is_english_there(self, german, ben, managers):
        approval = decide(make_approval(), ben)
        browser = as_person(german)
        url = f"/api/v1/approvals/{approval.pk}/vote"
        body = {"outcome": "rejected", "comment": "zu spät", "revision": 1}

        answer = browser.post(
            url, json.dumps(body), content_type="application/json", headers=GERMAN
        )
        page = send(browser, approval, "rejected", comment="zu spät")

        assert "answered “Approved” on" in answer.json()["detail"]
        assert "mit „Genehmigt“ geantwortet" in text_of(page)


class TestRecord:
    def test_what_is_kept_is_the_same_whoever_acts(self, german, managers, ben):
        approval = make_approval()
        client = as_person(german)

        client.post(f"/approvals/{approval.pk}/hand-over/", {"to": ben.email, "reason": "Urlaub"})
        send(as_person(ben), approval, "approved")

        approval.refresh_from_db()
        whys = set(approval.approvers.values_list("why", flat=True))
        assert "Handed over by Ana Almeida: Urlaub" in whys
        delivery = Delivery.objects.get()
        assert delivery.reason.isascii()
        with translation.override("de"):
            receipt = json.dumps(make_receipt(approval))
            export = b"".join(download(Approval.objects.all(), "csv")).decode()
        assert "Genehmigt" not in receipt + export
        assert delivery.reason in receipt

    def test_what_was_kept_is_read_in_each_language(self):
        handed = "Handed over by Ana: no reason given"
        ended = UNDELIVERED % {"how": "was cancelled"}
        chosen = "Named in the type “Pay”, chosen by the request from group:cfo"
        escalated = "Not decided after 2\xa0days, 1\xa0hour"

        for text in (handed, ended, chosen, escalated, MAY_NOT_SEND):
            assert retold(text) == text
        with translation.override("de"):
            assert retold(handed) == "Übergeben von Ana: ohne Angabe eines Grundes"
            assert retold(ended) == (
                "Der Workflow wurde abgebrochen, bevor die Antwort zugestellt werden konnte."
            )
            assert retold(chosen) == (
                "Im Typ „Pay“ genannt, von der Anfrage aus group:cfo ausgewählt"
            )
            assert retold(escalated) == "Nach 2 Tagen, 1 Stunde war noch nicht entschieden"
            assert retold(MAY_NOT_SEND).startswith("Google lässt diesen Eingang")

    def test_the_web_service_knows_every_sentence_that_is_kept(self):
        """Those of the worker as well, of which it loads no other module."""
        load = "import django; django.setup(); import config.urls"
        tell = "from countersign.phrases import PHRASES; print(*map(ascii, PHRASES), sep=chr(10))"
        known = subprocess.run(
            [sys.executable, "-c", f"{load}; {tell}"],
            env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"},
            capture_output=True,
            check=True,
            text=True,
        )

        assert set(known.stdout.splitlines()) == {ascii(each) for each in kept()}

    def test_words_of_people_and_workflows_are_never_translated(self):
        with translation.override("de"):
            for text in ("", "The hotel is full.", "Handed", "%(why)s", "a\nb", "50 % off"):
                assert retold(text) == text
            said = PERHAPS_READ % {"how": "had (.*) [failed"}
            assert retold(said).startswith("Der Workflow had (.*) [failed;")


class TestWords:
    def test_the_usual_answers_are_translated_and_an_authors_are_not(self):
        usual = {"value": "approved", "label": "Approve"}
        own = {"value": "approved", "label": "Pay it"}
        other = {"value": "pay", "label": "Approve"}

        assert button_of(usual) == "Approve"
        with translation.override("de"):
            assert button_of(usual) == "Genehmigen"
            assert button_of(own) == "Pay it"
            assert button_of(other) == "Approve"

    @pytest.mark.parametrize(
        ("moment", "zone", "english", "german"),
        [
            (WINTER, "UTC", "22 November 2026, 13:05 UTC", "22. November 2026, 13:05 Uhr UTC"),
            (
                WINTER,
                "Europe/Vienna",
                "22 November 2026, 14:05 CET",
                "22. November 2026, 14:05 Uhr MEZ",
            ),
            (
                SUMMER,
                "Europe/Berlin",
                "22 July 2026, 14:05 CEST",
                "22. Juli 2026, 14:05 Uhr MESZ",
            ),
        ],
    )
    def test_times_are_written_as_the_language_writes_them(self, moment, zone, english, german):
        with timezone.override(zone):
            assert exact(moment) == english
            with translation.override("de"):
                assert exact(moment) == german

    @pytest.mark.parametrize(
        ("english", "german"),
        [
            ("1\xa0hour", "1 Stunde"),
            ("1 week, 2 days", "1 Woche, 2 Tagen"),
            ("3 months", "3 Monaten"),
            ("1 year, 11 months", "1 Jahr, 11 Monaten"),
            ("5 minutes", "5 Minuten"),
            ("a while", "a while"),
        ],
    )
    def test_lengths_of_time_have_the_form_of_their_number(self, english, german):
        with translation.override("de"):
            assert length_retold(english) == german

    def test_every_language_is_of_our_own(self):
        assert [code for code, _ in django_settings.LANGUAGES] == ["en", "de"]


@pytest.fixture
def mailed(settings):
    settings.TELL_BY_MAIL = True
    settings.BASE_URL = "https://inbox.example.com"


@pytest.mark.usefixtures("mailed")
class TestMail:
    def test_it_is_in_the_language_and_at_the_clock_of_who_reads_it(self, german, ben, eva):
        make_group("managers", german, ben)
        approval = make_approval(title="Hotel", expires_in=7200)
        Approval.objects.filter(pk=approval.pk).update(expires_at=WINTER.replace(year=2031))

        mine = mail_of(Notice.objects.get(address=german.email))
        other = mail_of(Notice.objects.get(address=ben.email))

        assert mine.subject.startswith("Genehmigen? Hotel, 1.240 EUR, fällig ")
        assert '<html lang="de">' in mine.html
        for said in (
            "Eva Lind bittet um eine Antwort.",
            "Was Sie antworten können" if "<" in mine.text else "* Genehmigen",
            "14:05 Uhr MEZ",
            "Danach wird die Anfrage als „Abgelaufen“ geschlossen.",
            "Warum Sie das erhalten:",
            "- In der Anfrage genannt.",
            "- Sie gehören zu managers.",
            "Das Öffnen der Seite entscheidet nichts.",
        ):
            assert said in mine.text, said
        assert other.subject.startswith("Approve? Hotel")
        assert "Named in the request" in other.text
        assert translation.get_language() == "en"

    def test_who_has_chosen_none_is_written_to_in_that_of_the_inbox(self, managers, settings):
        make_approval()
        settings.DEFAULT_LANGUAGE = "de"

        mail = mail_of(Notice.objects.get(address="ben@example.com"))

        assert mail.subject.startswith("Genehmigen?")

    def test_a_summary_counts_in_the_readers_language(self, german, eva):
        make_group("managers", german)
        Preference.objects.filter(user=german).update(pace="daily")
        make_approval(title="Eins")
        notices = list(Notice.objects.select_related("user", "approval", "event"))
        one = summary_of(notices)
        make_approval(title="Zwei")

        assert one.subject == "1 Anfrage wartet auf Sie"
        assert "gefragt von Eva Lind" in one.text
        assert summary_of(notices).subject == "2 Anfragen warten auf Sie"

    def test_a_result_and_its_reason_are_told_in_it(self, german, eva):
        make_group("managers", german)
        approval = make_approval()
        approval.abandon("The workflow failed before the request was answered.")

        mail = mail_of(Notice.objects.get(address=german.email, matter="closed"))

        assert mail.subject.startswith("Keine Antwort nötig")
        assert "Ihr Workflow war beendet." in mail.text
        assert "Der Workflow schlug fehl, bevor die Anfrage beantwortet war." in mail.text

    def test_a_room_is_told_in_the_language_of_the_inbox(self, managers, settings):
        channel = Channel.objects.create(name="Raum", url="json://localhost", matters=["asked"])
        make_approval(title="Hotel")
        notice = Notice.objects.get(channel=channel)

        assert message_of(notice)[0].startswith("Approve? Hotel")
        settings.DEFAULT_LANGUAGE = "de"
        assert message_of(notice)[0].startswith("Genehmigen? Hotel")

    def test_a_reminder_says_how_long_in_words(self, german, eva):
        make_group("managers", german)
        approval = make_approval()
        approval.remind(after="2\xa0days")
        notice = Notice.objects.get(address=german.email, matter="reminder")

        with translation.override("de"):
            assert letter_of(notice).lead == "Eva Lind wartet seit 2 Tagen auf eine Antwort."
        assert Event.objects.get(kind="reminded").data == {"after": "2\xa0days"}


class TestLanguageOf:
    def test_nobody_has_the_inboxs_own(self, db, settings):
        assert language_of(None) == "en"
        settings.DEFAULT_LANGUAGE = "de"
        assert language_of(None) == language_of(User(email="x@example.com")) == "de"

    def test_one_that_is_not_offered_any_more_counts_for_none(self, ana):
        Preference.objects.create(user=ana, language="fr")
        ana.refresh_from_db()

        assert language_of(ana) == "en"
        assert language(as_person(ana).get("/profile/", headers=GERMAN)) == "de"

    def test_a_browser_is_asked_in_its_own_order(self, rf):
        request = rf.get("/", headers={"Accept-Language": "en;q=0.2,de;q=0.8"})

        assert asked_for(request) == "de"

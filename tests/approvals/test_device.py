"""What a device keeps and tells: manifest, service worker, page for offline; the clock it shows."""

import json
import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest
import time_machine
from django.template.loader import render_to_string
from django.utils import timezone, translation

from approvals.models import Preference
from approvals.times import exact, fully
from approvals.trouble import UNANSWERED
from tests.approvals.reading import as_person
from tests.factories import make_approval

SUMMER, WINTER = datetime(2026, 7, 1, 12, tzinfo=UTC), datetime(2026, 12, 1, 12, tzinfo=UTC)


class TestManifest:
    def test_anybody_may_read_it_for_an_hour(self, client, db):
        response = client.get("/manifest.webmanifest")

        assert response["Content-Type"] == "application/manifest+json"
        assert response["Cache-Control"] == "max-age=3600"
        assert json.loads(response.content)["name"] == "Countersign"

    def test_it_is_in_the_language_of_the_browser(self, client, db):
        response = client.get("/manifest.webmanifest", headers={"Accept-Language": "de"})

        assert json.loads(response.content)["lang"] == "de"


class TestWorker:
    def test_it_has_every_page_in_its_scope_and_is_asked_for_anew(self, client, db):
        response = client.get("/sw.js")

        assert response["Content-Type"].startswith("text/javascript")
        assert response["Cache-Control"] == "no-cache"
        assert "worker-src 'self'" in response["Content-Security-Policy"]
        assert "manifest-src 'self'" in response["Content-Security-Policy"]

    def test_it_keeps_what_the_page_for_offline_loads_and_nothing_else(self, client, db):
        text = client.get("/sw.js").content.decode()
        kept = re.findall(r'"(/[^"]*)"', text)

        assert kept.pop(0) == "/offline/"
        page = client.get("/offline/").content.decode()
        assert kept
        assert all(path.startswith("/static/") and path in page for path in kept)

    def test_another_page_makes_another_version(self, client, db):
        english, german = (
            re.search(
                "countersign-([0-9a-f]{12})", client.get("/sw.js", headers=headers).content.decode()
            )
            for headers in ({}, {"Accept-Language": "de"})
        )

        assert (
            english[1]
            == re.search("countersign-([0-9a-f]{12})", client.get("/sw.js").content.decode())[1]
        )
        with translation.override("de"):
            differs = (
                render_to_string("approvals/offline.html")
                != client.get("/offline/").content.decode()
            )
        assert (english[1] != german[1]) == differs

    @pytest.mark.parametrize("query", ["", *(f"?unanswered={kind}" for kind in UNANSWERED)])
    def test_a_page_that_stands_in_is_about_nobody(self, ana, query):
        page = as_person(ana).get(f"/offline/{query}")

        assert page.status_code == 200  # of another no browser keeps a copy
        assert ("We could not tell" in page.content.decode()) == bool(query)
        assert "Ana" not in page.content.decode()
        assert "csrf" not in page.content.decode()
        assert "Set-Cookie" not in page

    def test_it_knows_the_pages_and_which_forms_may_be_repeated(self, client, db):
        text = client.get("/sw.js").content.decode()

        assert set(re.findall(r'unanswered\("(\w+)"\)', text)) == set(UNANSWERED)
        [paths] = re.findall(r'new RegExp\("(.*)"\)', text)
        one = f"/approvals/{uuid4()}/"
        assert all(
            re.search(paths, path)
            for path in ("/bulk/", "/bulk/confirm/", f"{one}decide/", f"{one}say/")
        )
        assert not any(
            re.search(paths, path)
            for path in ("/", "/profile/tokens/", f"{one}hand-over/", f"/x{one}say/", "/start/say/")
        )


@pytest.mark.usefixtures("managers")
class TestClock:
    @pytest.fixture
    def page(self, ana):
        """What Ana's browser shows of a request, with these cookies."""

        def open_it(**cookies):
            approval = make_approval(expires_in=86400)
            client = as_person(ana)
            for name, value in cookies.items():
                client.cookies[name] = value
            return client.get(approval.get_absolute_url()).content.decode()

        return open_it

    @pytest.mark.parametrize(
        ("moment", "zone", "shown"),
        [
            (SUMMER, "Europe/Lisbon", "WEST"),
            (WINTER, "Europe/Lisbon", "WET"),
            (SUMMER, "Asia/Kolkata", "IST"),
            (SUMMER, "America/Sao_Paulo", "UTC-03"),
            (SUMMER, "Asia/Kathmandu", "UTC+05:45"),
        ],
    )
    def test_times_are_those_of_the_browser_and_name_its_zone(self, page, moment, zone, shown):
        with time_machine.travel(moment, tick=False):
            found = re.findall(r"<time datetime=\"([^\"]+)\" title=\"([^\"]+)\">", page(zone=zone))

        assert found
        for exact_, title in found:
            assert datetime.fromisoformat(exact_).tzinfo is not None
            assert title.endswith(f" {shown} ({zone})")

    def test_what_a_person_has_chosen_goes_before(self, page, ana):
        Preference.objects.create(user=ana, time_zone="Asia/Tokyo")

        text = page(zone="Europe/Lisbon")

        assert "JST (Asia/Tokyo)" in text
        assert "Europe/Lisbon" not in text

    def test_who_has_chosen_other_things_keeps_the_browsers(self, page, ana):
        Preference.objects.create(user=ana, pace="daily")

        assert "JST (Asia/Tokyo)" in page(zone="Asia/Tokyo")

    @pytest.mark.parametrize(
        "value",
        ["", "Mars/Base", "../../etc/passwd", "Etc/Unknown", "UTC\r\nX: y", "a" * 5000, "Europe"],
    )
    def test_a_zone_that_is_none_is_not_taken(self, page, value):
        text = page(zone=value)

        assert "UTC (UTC)" in text
        assert "passwd" not in text

    def test_programs_read_the_zone_of_the_inbox(self, client, db):
        client.cookies["zone"] = "Asia/Tokyo"

        assert client.get("/api/v1/openapi.json").status_code == 200
        assert timezone.get_current_timezone_name() == "UTC"

    def test_the_hour_that_comes_twice_is_told_apart(self):
        with timezone.override("Europe/Berlin"):
            first, second = (exact(datetime(2026, 10, 25, hour, 30, tzinfo=UTC)) for hour in (0, 1))

        assert first == "25 October 2026, 02:30 CEST"
        assert second == "25 October 2026, 02:30 CET"

    def test_the_hour_that_is_left_out_is_never_shown(self):
        with timezone.override("Europe/Berlin"):
            shown = [exact(datetime(2026, 3, 29, 0, 59 + n, tzinfo=UTC)) for n in (0,)]
            shown += [exact(datetime(2026, 3, 29, 1, 0, tzinfo=UTC))]

        assert shown == ["29 March 2026, 01:59 CET", "29 March 2026, 03:00 CEST"]

    def test_on_hover_there_is_all_of_it(self):
        with timezone.override("Europe/Berlin"):
            shown = fully(datetime(2026, 10, 25, 1, 30, 9, tzinfo=UTC))

        assert shown == "Sunday, 25 October 2026, 02:30:09 CET (Europe/Berlin)"

"""The pages of the insights: what is chosen, what stands there, charts and files, for whom."""

import csv
import re
from collections import Counter
from datetime import date, timedelta
from html import unescape
from io import StringIO
from xml.etree import ElementTree as ET

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from approvals.charts import MOST_BARS, Look, outcomes, people, ticks, times, unit_of
from approvals.export import BOM
from approvals.insights import Pace, Selection
from approvals.insights_form import InsightsForm
from approvals.insights_words import share
from approvals.models import Approval, Event
from approvals.periods import Period
from approvals.spreads import Spread
from tests.approvals.closed import make_closed
from tests.approvals.reading import as_person, is_whole, text_of
from tests.factories import make_approval, make_group, make_type, make_user

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
PAGE = "/insights/"
CHARTS = ("outcomes", "types", "groups", "people")


@pytest.fixture
def rita(db):
    """May read every approval."""
    person = make_user("rita@example.com")
    person.user_permissions.add(Permission.objects.get(codename="view_approval"))
    return person


@pytest.fixture
def decided(managers, ana):
    """Three closed an hour ago, and one that waits."""
    now = timezone.now()
    make_type("trip", "group:managers")
    for hours in (1, 3):
        make_closed(now - HOUR, hours * HOUR, by=ana, type="trip", approvers=[])
    make_closed(now - HOUR, HOUR, by=None, status="expired", type="trip", approvers=[])
    return make_approval(title="A hotel", type="trip", approvers=[])


def chart(name, **query):
    return reverse("approvals:insights_chart", args=[name], query=query)


def file(name, **query):
    return reverse("approvals:insights_file", args=[name], query=query)


class TestPage:
    def test_it_says_what_waits_and_how_deciding_goes(self, decided, rita):
        response = as_person(rita).get(PAGE)

        assert is_whole(response)
        said = unescape(text_of(response))
        assert re.search(r"Waiting now 1 the oldest: A hotel, just now", said)
        assert "Executions waiting 1" in said
        assert "Answered 2 of 3 closed requests" in said
        assert "Time to decision 2 h" in said
        assert "Nobody answered in time 33 % 1 of 3 closed requests" in said
        assert "0 of 0 were followed by an answer within a day" in said
        assert "Trip 2 2 h 2 h 54 min 1" in said
        assert f'href="{decided.get_absolute_url()}"' in response.content.decode()

    def test_with_nothing_there_it_says_so(self, rita):
        said = text_of(as_person(rita).get(PAGE))

        assert "nothing waits for anybody" in said
        assert "No decisions in this period, and nothing is waiting." in said
        assert "no decisions in this period" in said

    def test_whose_figures_they_are_is_said(self, decided, ana, rita):
        assert "All requests." in text_of(as_person(rita).get(PAGE))
        assert "Requests that you can read." in text_of(as_person(ana).get(PAGE))

    def test_each_chart_says_its_main_figure_and_has_all_of_it_in_a_table(self, decided, rita):
        body = unescape(as_person(rita).get(PAGE).content.decode())

        assert 'alt="Outcomes over time. Total: Approved: 2, Nobody answered in time: 1."' in body
        assert 'alt="Time to decision by type. Trip: median 2 h."' in body
        assert 'alt="Time to decision by group. managers: median 2 h."' in body
        assert "Ana Almeida has the most: 1 request." in body
        assert body.count("<table") == 4
        assert body.count('<th scope="col"') > body.count("<table")

    def test_both_schemes_and_two_widths_have_a_picture(self, decided, rita):
        body = as_person(rita).get(f"{PAGE}?range=7&type=trip").content.decode()

        for extra in ("", "&amp;dark=1", "&amp;narrow=1", "&amp;dark=1&amp;narrow=1"):
            assert f'="{chart("outcomes")}?range=7&amp;type=trip{extra}"' in body

    def test_text_of_strangers_shows_what_it_hides(self, managers, ana, rita):
        make_closed(timezone.now(), HOUR, by=ana, type="a\u202eb<script>", title="x")
        make_approval(title="y\u202ez")

        body = as_person(rita).get(PAGE).content.decode()

        assert "\u202e" not in body
        assert "a⟨U+202E⟩b&lt;script&gt;" in body
        drawn = as_person(rita).get(chart("types")).content.decode()
        assert "\u202e" not in drawn
        assert "<script>" not in drawn

    @pytest.mark.parametrize("number", [2, 40])
    def test_it_asks_the_database_a_bounded_number_of_things(self, managers, ana, rita, number):
        for n in range(number):
            make_group(f"group {n}", ana)
            at = timezone.now()
            make_closed(at, HOUR, by=ana, type=f"type {n}", approvers=[f"group:group {n}"])
            reminded = make_approval(approvers=[f"group:group {n}"], type=f"type {n}")
            Event.append(reminded.pk, "reminded", "system")
        browser = as_person(rita)

        with CaptureQueriesContext(connection) as queries:
            browser.get(PAGE)

        assert len(queries) <= 22, [each["sql"][:100] for each in queries]


class TestChoose:
    @pytest.mark.parametrize(
        ("query", "days"),
        [({}, 30), ({"range": "7"}, 7), ({"range": "90"}, 90), ({"range": "year"}, 365)],
    )
    def test_a_range_ends_today(self, rita, query, days):
        form = InsightsForm(query, rita)

        assert form.is_valid()
        today = timezone.localdate()
        assert form.selection == Selection(today - timedelta(days=days - 1), today)

    def test_days_that_are_written_out_go_before_a_range(self, rita):
        query = {"range": "7", "since": "2026-01-05", "until": "2026-01-31"}
        form = InsightsForm(query, rita)

        assert form.is_valid()
        assert form.selection == Selection(date(2026, 1, 5), date(2026, 1, 31))
        assert form.chosen_range == ""

    @pytest.mark.parametrize(
        ("query", "says"),
        [
            ({"range": "8"}, "Choose one of 7, 30, 90 and year."),
            ({"since": "yesterday"}, "Enter a valid date."),
            ({"since": "0001-01-01"}, "Please check the year."),
            ({"until": "2026-01-01"}, "Please say from which day on."),
            ({"since": "2026-02-01", "until": "2026-01-31"}, "after the last one"),
            ({"since": "2020-01-01", "until": "2024-01-31"}, "two years at most"),
            ({"type": "no-such-type"}, "There is no such type."),
            ({"type": "\0"}, "Null characters are not allowed."),
            ({"group": "strangers"}, "There is no such group, or you are not in it."),
        ],
    )
    def test_what_cannot_be_is_said_beside_it_on_all_addresses(self, rita, query, says):
        browser = as_person(rita)

        for path in (PAGE, *map(chart, CHARTS), *map(file, CHARTS)):
            response = browser.get(path, query)
            assert response.status_code == 422, path
            assert says in text_of(response), path

    def test_groups_to_choose_are_those_one_may_read_of(self, managers, ana, rita):
        make_group("board", rita)

        assert InsightsForm({}, rita).groups == ["board", "managers"]
        assert InsightsForm({}, ana).groups == ["managers"]
        assert as_person(ana).get(PAGE, {"group": "board"}).status_code == 422

    def test_a_type_that_only_workflows_name_can_be_chosen(self, managers, ana, rita):
        make_approval(type="adhoc")

        assert as_person(rita).get(PAGE, {"type": "adhoc"}).status_code == 200
        stranger = make_user("carla@example.com")
        assert as_person(stranger).get(PAGE, {"type": "adhoc"}).status_code == 422


class TestChart:
    @pytest.mark.parametrize("name", CHARTS)
    @pytest.mark.parametrize("query", [{}, {"dark": "1", "narrow": "1"}])
    def test_it_is_a_picture_that_runs_and_loads_nothing(self, decided, rita, name, query):
        response = as_person(rita).get(chart(name, **query))

        assert response["Content-Type"] == "image/svg+xml"
        policy = response["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "style-src 'sha256-" in policy
        assert "script-src" not in policy
        drawn = ET.fromstring(response.content)
        tags = {each.tag.rpartition("}")[2] for each in drawn.iter()}
        assert "script" not in tags
        assert "image" not in tags
        references = [
            value
            for each in drawn.iter()
            for key, value in each.attrib.items()
            if key.endswith(("href", "src"))
        ]
        assert references == []

    def test_it_is_of_the_same_rights_as_the_page(self, decided):
        nobody = make_user("carla@example.com")

        drawn = as_person(nobody).get(chart("types")).content.decode()

        assert "Trip" not in drawn
        assert "Nothing in this period" in drawn

    def test_schemes_differ(self):
        periods = [Period(date(2026, 5, 1), date(2026, 5, 1), Counter(approved=2))]

        light, dark = (outcomes(periods, Look(dark=dark)).svg for dark in (False, True))

        assert "#ffffff" in light
        assert "#ffffff" not in dark
        assert "#191e28" in dark

    def test_more_bars_than_there_is_room_for_are_left_to_the_table(self):
        paces = [
            Pace(f"t{n}", f"Type {n}", 0, Spread(f"t{n}", 100 - n, 60.0, 120.0)) for n in range(30)
        ]

        drawn = times(paces, Look()).svg

        assert f"Type {MOST_BARS - 1}<" in drawn
        assert f"Type {MOST_BARS}<" not in drawn

    @pytest.mark.parametrize("name", CHARTS)
    def test_with_nothing_there_it_says_so(self, rita, name):
        drawn = as_person(rita).get(chart(name)).content.decode()

        assert "Nothing in this period" in drawn

    @pytest.mark.parametrize("number", [0, 1])
    def test_none_and_one_are_drawn(self, number):
        found = [("Ana", 3)] * number

        assert ("Ana" in people(found, Look()).svg) == bool(number)

    @pytest.mark.parametrize(
        ("largest", "expected"),
        [
            (0, [0, 1]),
            (1, [0, 1]),
            (3, [0, 1, 2, 3]),
            (7, [0, 2, 4, 6, 8]),
            (1240, [0, 500, 1000, 1500]),
        ],
    )
    def test_an_axis_has_round_whole_numbers(self, largest, expected):
        assert ticks(largest) == expected

    @pytest.mark.parametrize(
        ("seconds", "unit"), [([], 60), ([100], 60), ([7200, 60], 3600), ([2 * 86400], 86400)]
    )
    def test_a_unit_gives_numbers_above_two(self, seconds, unit):
        assert unit_of(seconds)[0] == unit


class TestFile:
    def table(self, response):
        text = response.content.decode()
        assert text.startswith(BOM)
        return list(csv.DictReader(StringIO(text.removeprefix(BOM), newline="")))

    def test_figures_of_the_page_are_in_it(self, decided, rita, ana):
        browser = as_person(rita)

        (pace,) = self.table(browser.get(file("types")))
        assert pace == {
            "type": "trip",
            "decided": "2",
            "median_seconds": "7200",
            "percentile_95_seconds": "10440",
            "waiting_now": "1",
        }
        periods = self.table(browser.get(file("outcomes", range="7")))
        assert len(periods) == 7
        assert sum(int(row["total"]) for row in periods) == 3
        assert sum(int(row["expired"]) for row in periods) == 1
        assert {"person": str(ana), "waiting_now": "1"} in self.table(browser.get(file("people")))
        assert self.table(browser.get(file("groups")))[0]["group"] == "managers"

    def test_no_cell_is_a_formula(self, managers, ana, rita):
        make_closed(timezone.now(), HOUR, by=ana, type="=1+1")

        (pace,) = self.table(as_person(rita).get(file("types")))

        assert pace["type"] == "'=1+1"

    def test_its_name_says_of_which_days(self, rita):
        query = {"since": "2026-01-05", "until": "2026-01-31"}

        response = as_person(rita).get(file("types", **query))

        name = 'attachment; filename="insights-types-20260105-20260131.csv"'
        assert response["Content-Disposition"] == name


class TestShare:
    @pytest.mark.parametrize(
        ("part", "whole", "said"),
        [(0, 5, "0 %"), (1, 3, "33 %"), (1, 1000, "under 1 %"), (5, 5, "100 %")],
    )
    def test_what_is_not_nothing_is_never_none(self, part, whole, said):
        assert share(part, whole) == said


def test_a_page_that_is_not_asked_for_by_get_changes_nothing(rita):
    assert as_person(rita).post(PAGE).status_code == 405
    assert not Approval.objects.exists()

"""The insights in a browser: charts that show, filters, on a phone, in the dark, without script."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from tests.approvals.closed import make_closed
from tests.factories import make_approval, make_staff, make_type

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 320, "height": 640}}


@pytest.fixture
def decided(approval, ana, ben):
    """Two weeks of decisions, of two types."""
    make_type("trip", "group:managers")
    make_type("expense", "group:managers")
    now = timezone.now()
    for day in range(14):
        at, took = now - timedelta(days=day), timedelta(hours=1 + day)
        make_closed(at, took, by=ana, type="trip", approvers=[])
        make_closed(at, took * 3, by=ben, status="rejected", type="expense")
    make_closed(now, timedelta(days=3), by=None, status="expired", type="expense")
    return make_approval(type="trip", approvers=[])


def shown(page):
    """The charts that the browser has drawn: the address and the width of each."""
    images = page.locator("img.chart")
    for image in images.all():
        image.scroll_into_view_if_needed()
    page.wait_for_function(
        "[...document.querySelectorAll('img.chart')].every(image => image.complete)"
    )
    found = "images => images.map(image => [image.currentSrc, image.naturalWidth])"
    return images.evaluate_all(found)


class TestCharts:
    def test_all_of_them_show_under_the_policy_of_the_page(self, signed_in, decided):
        page = signed_in(make_staff(), "/insights/")

        charts = shown(page)

        assert len(charts) == 4
        assert all(width > 0 for _, width in charts)
        expect(page.get_by_role("img", name="Time to decision by type.")).to_be_visible()

    def test_their_colours_are_those_of_the_page(self, signed_in, decided):
        page = signed_in(make_staff(), "/insights/outcomes.svg?dark=1")

        # Its own style applies: without it the chart would be black on nothing.
        fill = "getComputedStyle(document.querySelector('.plot > .background')).fill"
        assert page.evaluate(fill) == "rgb(25, 30, 40)"

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [320, 1080])
    def test_each_scheme_and_width_has_its_own(self, signed_in, decided, scheme, width):
        viewport = {"width": width, "height": 700}
        page = signed_in(make_staff(), "/insights/", viewport=viewport, color_scheme=scheme)

        for address, _ in shown(page):
            assert ("dark=1" in address) == (scheme == "dark")
            assert ("narrow=1" in address) == (width == 320)

    def test_nothing_moves_when_they_arrive(self, signed_in, decided):
        page = signed_in(make_staff(), "/insights/")
        before = page.locator("#insight-people").bounding_box()["y"]

        shown(page)

        page.evaluate("scrollTo(0, 0)")
        assert page.locator("#insight-people").bounding_box()["y"] == pytest.approx(before, abs=1)


class TestChoose:
    def test_days_and_a_type_narrow_the_page_and_stay_in_the_address(self, signed_in, decided):
        page = signed_in(make_staff(), "/insights/")
        page.get_by_role("link", name="7 days").click()
        page.get_by_text("Other dates, type or group").click()
        page.get_by_label("Type", exact=True).select_option("Trip")
        page.get_by_role("button", name="Show").click()

        expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "page")
        rows = page.locator("section:has(#insight-types) tbody tr")
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text("Trip")
        page.get_by_role("link", name="90 days").click()
        expect(rows).to_have_count(1)

    def test_what_cannot_be_is_said_and_what_was_typed_stays(self, signed_in, decided):
        page = signed_in(make_staff(), "/insights/?since=2026-03-01&until=2026-02-01")

        expect(page.get_by_text("The first day is after the last one.")).to_be_visible()
        expect(page.get_by_label("From")).to_have_value("2026-03-01")

    def test_a_file_is_saved(self, signed_in, decided):
        page = signed_in(make_staff(), "/insights/?range=7")

        with page.expect_download() as saving:
            page.get_by_role("link", name="Outcomes over time as CSV").click()

        assert saving.value.suggested_filename.startswith("insights-outcomes-")


class TestEverywhere:
    def test_a_phone_needs_no_sideways_scrolling(self, signed_in, decided):
        page = signed_in(make_staff(), "/insights/", **PHONE)

        shown(page)

        assert page.evaluate("document.documentElement.scrollWidth") <= 320

    def test_it_works_without_script_and_is_found_from_the_inbox(self, signed_in, ana, decided):
        page = signed_in(ana, "/", java_script_enabled=False)

        page.get_by_role("link", name="Insights").first.click()

        expect(page.get_by_role("heading", name="Insights")).to_be_visible()
        page.get_by_text("The figures").click()
        expect(page.get_by_role("columnheader", name="Nobody answered in time")).to_be_visible()

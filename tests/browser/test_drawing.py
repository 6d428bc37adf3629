"""In a real browser: the drawing in the page of the approval, by script and without, on a phone."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from approvals import way
from approvals.google.sources import Entry, Place, Seen, Source
from approvals.runs import Told
from tests.approvals.drawings import OURS

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def _google(monkeypatch):
    """What Google would say of the run; the server runs in this process."""
    entries = (
        Entry(Place("main", "describe"), "STATE_SUCCEEDED", ""),
        Entry(Place("main", "small_expenses_need_nobody"), "STATE_SUCCEEDED", ""),
        Entry(Place("main", "ask"), "STATE_IN_PROGRESS", ""),
    )
    source = Source(OURS["expense-approval"], "000001-a4d")
    told = Told(source, Seen("ACTIVE", "000001-a4d", ()), entries, "000001-a4d")
    monkeypatch.setattr(way, "asked", lambda name: told)


@pytest.fixture
def path(approval):
    return reverse("approvals:way", args=[approval.pk])


class TestDrawing:
    def test_it_comes_into_the_page_when_it_is_looked_at(self, signed_in, ana, approval):
        page = signed_in(ana, approval.get_absolute_url())
        title = page.title()

        page.get_by_role("heading", name="What happens if I click").scroll_into_view_if_needed()

        expect(page.get_by_role("img", name="The steps of the workflow")).to_be_visible()
        expect(page.locator("#way-here")).to_contain_text("waits here")
        expect(page.locator(".ways")).to_contain_text("pay")
        expect(page).to_have_title(title)

    def test_without_script_a_link_leads_to_it(self, signed_in, ana, approval, path):
        page = signed_in(ana, approval.get_absolute_url(), java_script_enabled=False)

        page.get_by_role("link", name="See what the workflow does after each answer").click()

        page.wait_for_url(f"**{path}")
        expect(page.get_by_role("img", name="The steps of the workflow")).to_be_visible()
        page.get_by_text("All steps in words").click()
        expect(page.locator(".way-items li").first).to_contain_text("describe")

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [320, 1080])
    def test_it_scrolls_in_its_own_box_and_can_be_read(self, signed_in, ana, path, width, scheme):
        size = {"width": width, "height": 800}
        page = signed_in(ana, path, viewport=size, color_scheme=scheme)

        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) == 0
        sizes = page.evaluate(
            "[...document.querySelectorAll('.drawing text')]"
            ".map((text) => parseFloat(getComputedStyle(text).fontSize))"
        )
        assert len(sizes) > 30
        assert min(sizes) >= 12
        spilt = page.evaluate(
            "[...document.querySelectorAll('.drawing .box')].filter((box) =>"
            " [...box.querySelectorAll('text')].some((text) =>"
            " text.getComputedTextLength() > box.querySelector('rect').width.baseVal.value))"
            ".map((box) => box.textContent)"
        )
        assert spilt == []

    def test_the_keyboard_reaches_the_picture_and_the_step_that_waits(self, signed_in, ana, path):
        page = signed_in(ana, path, viewport={"width": 320, "height": 600})

        page.get_by_role("link", name="ask", exact=True).focus()
        page.keyboard.press("Enter")

        expect(page.locator("#way-here")).to_be_in_viewport()
        page.locator(".way-scroll").focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator(".way-scroll")).to_be_focused()

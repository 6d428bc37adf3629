"""In a real browser: searching and filtering the inbox, saved views, new rows, several at once."""

import re

import pytest
from playwright.sync_api import expect

from approvals.models import Approval, SavedView, Vote
from tests.factories import make_approval, make_type

pytestmark = pytest.mark.browser

PHONES = [{"width": 320, "height": 700}, {"width": 390, "height": 780}]
LOOK = "htmx.trigger('#ask', 'refresh')"


def rows(page):
    """The titles in the list."""
    return page.locator(".row-title")


@pytest.fixture
def lunches(ana, ben, approval):
    """Three lunches beside the hotel, of which one is elsewhere."""
    make_type("lunch", "group:managers")
    return [
        make_approval(
            title=f"Lunch {number}",
            type="lunch",
            fields={"Amount": 10 * number, "Place": "Rome" if number == 3 else "Berlin"},
        )
        for number in (1, 2, 3)
    ]


class TestSearch:
    def test_words_and_filters_narrow_the_list_and_each_is_removed_alone(
        self, signed_in, ana, lunches
    ):
        page = signed_in(ana)
        page.get_by_role("searchbox").fill("berlin")
        page.get_by_role("button", name="Search").click()
        expect(rows(page)).to_have_count(3)

        page.get_by_text("Filter and sort").click()
        page.get_by_label("Type").select_option("Lunch")
        page.get_by_label("Order").select_option("Newest first")
        page.get_by_role("button", name="Show", exact=True).click()

        expect(rows(page)).to_have_text(["Lunch 2", "Lunch 1"])
        chips = page.get_by_role("list", name="Active filters")
        chips.get_by_role("link", name="Words: berlin").click()
        expect(rows(page)).to_have_text(["Lunch 3", "Lunch 2", "Lunch 1"])
        expect(page.get_by_text("3 found")).to_be_visible()
        page.get_by_role("link", name="Show all").click()
        expect(rows(page)).to_have_count(4)

    def test_where_nothing_fits_it_says_what_to_leave_out(self, signed_in, ana, lunches):
        page = signed_in(ana, "/?q=hotel&type=lunch")

        expect(page.get_by_role("heading", name="No requests match")).to_be_visible()
        page.get_by_role("link", name="Remove Type: Lunch").click()

        expect(rows(page)).to_have_text(["Hotel in Berlin, 2 nights"])

    @pytest.mark.parametrize("viewport", PHONES, ids=lambda size: str(size["width"]))
    def test_on_a_phone_the_filters_are_folded_and_nothing_is_cut_off(
        self, signed_in, ana, lunches, viewport
    ):
        page = signed_in(ana, viewport=viewport, color_scheme="dark")
        expect(page.get_by_label("Type")).to_be_hidden()

        page.get_by_text("Filter and sort").click()
        page.get_by_label("Type").select_option("Lunch")
        page.get_by_role("button", name="Show", exact=True).click()

        expect(rows(page)).to_have_count(3)
        page.get_by_text("Filter and sort").click()
        page.get_by_text("Save this search").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        for target in page.locator(".look .button, .off, .tab, summary").all():
            assert target.bounding_box()["height"] >= 24

    def test_without_script_it_is_the_same(self, signed_in, ana, lunches):
        page = signed_in(ana, java_script_enabled=False)
        page.get_by_text("Filter and sort").click()
        page.get_by_label("Type").select_option("Lunch")
        page.get_by_role("button", name="Show", exact=True).click()
        expect(rows(page)).to_have_count(3)

        page.get_by_text("Save this search").click()
        page.get_by_label("Name").fill("Lunches")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("“Lunches” is saved.")).to_be_visible()

        page.get_by_role("link", name="All 3 of Lunch").click()
        page.get_by_role("button", name="Approve").click()
        page.get_by_role("button", name="Approve 3").click()
        expect(page.get_by_role("heading", name="3 answered")).to_be_visible()


class TestViews:
    def test_a_view_is_saved_opened_by_default_shared_and_removed(
        self, signed_in, ana, ben, lunches
    ):
        page = signed_in(ana, "/?type=lunch")
        page.get_by_text("Save this search").click()
        page.get_by_label("Name").fill("Lunches")
        page.get_by_label("Share with").select_option("managers")
        page.get_by_label("Open the inbox with this view").check()
        page.get_by_role("button", name="Save", exact=True).click()

        views = page.get_by_role("navigation", name="Saved views")
        present = views.get_by_role("link", name="Lunches")
        expect(present).to_have_attribute("aria-current", "true")
        page.goto("/")
        expect(rows(page)).to_have_count(3)
        views.get_by_role("link", name="Show all").click()
        expect(rows(page)).to_have_count(4)

        hers = signed_in(ben)
        expect(rows(hers)).to_have_count(4)
        hers.get_by_role("link", name="Lunches").click()
        expect(rows(hers)).to_have_count(3)
        hers.goto("/views/")
        expect(hers.get_by_role("heading", name="Shared with you")).to_be_visible()
        expect(hers.get_by_role("button", name="Remove")).to_have_count(0)

        page.get_by_role("link", name="Manage views").click()
        page.locator("summary", has_text="Change").click()
        page.get_by_role("button", name="Remove").click()
        expect(page.get_by_text("“Lunches” is removed.")).to_be_visible()
        assert not SavedView.objects.exists()


class TestNews:
    def test_new_rows_are_told_of_and_come_when_asked_for(self, signed_in, ana, lunches):
        page = signed_in(ana)
        page.get_by_label("Select Lunch 2").check()
        before = page.locator(".rows").bounding_box()
        make_approval(title="Train to Porto")
        make_approval(title="Train to Faro")

        bar = page.get_by_role("status").get_by_role("link")
        expect(bar).to_have_text(re.compile("^2 new"))
        expect(page).to_have_title(re.compile(r"^\(6\)"))
        expect(page.locator("#tab-needs-me .count")).to_have_text("6")
        expect(rows(page)).to_have_count(4)
        assert page.locator(".rows").bounding_box() == before

        bar.click()
        expect(rows(page)).to_have_count(6)
        expect(page.get_by_label("Select Lunch 2")).to_be_checked()
        expect(page.get_by_role("list", name="Needs me")).to_be_focused()
        expect(bar).to_have_count(0)

    def test_what_a_colleague_decides_is_marked_and_stays_where_it_is(
        self, signed_in, ana, ben, lunches
    ):
        page = signed_in(ana)
        page.get_by_label("Select Lunch 1").check()
        page.get_by_label("Select Lunch 2").check()
        page.get_by_role("link", name="Lunch 1").focus()

        lunches[0].decide("approved", by=ben, revision=1)

        row = page.locator(f"#row-{lunches[0].pk}")
        expect(row).to_contain_text("decided by Ben Okafor")
        expect(row.get_by_role("checkbox")).to_have_count(0)
        expect(page.get_by_role("link", name="Lunch 1")).to_be_focused()
        expect(page.get_by_label("Select Lunch 2")).to_be_checked()
        expect(rows(page)).to_have_count(4)

    def test_a_row_that_changes_stays_selected(self, signed_in, ana, lunches):
        page = signed_in(ana)
        page.get_by_label("Select Lunch 1").check()

        lunches[0].say("Why?", by=ana)

        expect(page.locator(f"#row-{lunches[0].pk}")).to_contain_text("Question open")
        expect(page.get_by_label("Select Lunch 1")).to_be_checked()

    def test_what_stays_the_same_is_not_touched(self, signed_in, ana, lunches):
        page = signed_in(ana)
        kept = "[...document.querySelectorAll('.row, .tab')].every((each) => each.kept)"
        page.evaluate("for (const n of document.querySelectorAll('.row, .tab')) n.kept = true")

        with page.expect_response("**/news/**"):
            page.evaluate(LOOK)
        page.wait_for_timeout(200)

        assert page.evaluate(kept)


class TestTogether:
    def test_all_of_a_type_with_a_summary_that_names_what_differs(self, signed_in, ana, lunches):
        page = signed_in(ana)
        page.get_by_role("link", name="All 3 of Lunch").click()
        expect(page.get_by_role("checkbox", checked=True)).to_have_count(3)
        page.get_by_role("button", name="Approve").click()

        expect(page.get_by_role("heading", name="Approve 3 requests?")).to_be_visible()
        expect(page.get_by_text("Amount in total 60")).to_be_visible()
        expect(page.get_by_text("1 differs: Place (most have Berlin)")).to_be_visible()
        assert not Vote.objects.exists()

        page.get_by_role("button", name="Approve 3").click()
        expect(page.get_by_role("heading", name="3 answered")).to_be_visible()
        assert Approval.objects.filter(status="approved").count() == 3

"""The operators' pages in a browser: their deeds, filters, a phone, the dark, the keyboard."""

import pytest
from django.contrib import admin
from django.urls import reverse
from playwright.sync_api import expect

from approvals.models import Approval, Delivery
from approvals.models.outbox import State
from tests.factories import make_approval, make_staff, make_user

pytestmark = pytest.mark.browser

INDEX = "/admin/"
REQUESTS = "/admin/approvals/approval/"
# Fields that go on behind the edge of the card they stand in.
CUT_FIELDS = """() => [...document.querySelectorAll('fieldset :is(input, select, textarea)')]
  .filter((each) => each.checkVisibility())
  .filter((each) => each.getBoundingClientRect().right
    > each.closest('fieldset').getBoundingClientRect().right)
  .filter((each) => !each.closest('.tabular'))
  .map((each) => each.id)"""
PHONE = {"viewport": {"width": 320, "height": 640}}


@pytest.fixture
def blocked(approval, ana):
    """One that was decided and did not get through, and one that waits."""
    approval.decide("approved", by=ana, revision=1)
    Delivery.objects.update(state=State.BLOCKED, reason="Google said 403.")
    return make_approval(title="A train to Ghent")


def pages():
    """Every list of the admin, and its form where there is one."""
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_changelist")
        if model._meta.model_name in {"user", "group", "standin", "caller", "channel", "policy"}:
            yield reverse(f"{name}_add")
        if row := model._default_manager.first():
            yield reverse(f"{name}_change", args=[row.pk])


class TestDeeds:
    def test_an_operator_withdraws_a_request(self, signed_in, blocked):
        page = signed_in(make_staff(), INDEX)
        page.get_by_role("link", name="Requests", exact=True).click()
        page.get_by_role("link", name="A train to Ghent").click()
        page.get_by_role("button", name="Withdraw").click()
        page.get_by_role("button", name="Withdraw").click()
        expect(page.get_by_label("Reason")).to_be_focused()  # it was left empty

        page.get_by_label("Reason").fill("Asked twice")
        page.get_by_role("button", name="Withdraw").click()

        expect(page.get_by_text("Withdrawn: 1.")).to_be_visible()
        blocked.refresh_from_db()
        assert blocked.status == "withdrawn"

    def test_an_operator_asks_somebody_else(self, signed_in, blocked):
        make_user("carla@example.com", first="Carla", last="Costa")
        page = signed_in(make_staff(), REQUESTS)
        page.get_by_label("Select this object for an action - A train to Ghent").check()
        page.locator("select[name=action]").select_option(label="Ask somebody else")
        page.get_by_role("button", name="Go").click()

        page.get_by_label("In place of").select_option("managers")
        page.get_by_label("To").fill("carla@example.com")
        page.get_by_label("Reason").fill("Ana has left")
        page.get_by_role("button", name="Ask somebody else").click()

        expect(page.get_by_text("Carla Costa is asked instead: 1.")).to_be_visible()
        assert [row.label for row in blocked.asked_now()] == ["Carla Costa"]

    def test_an_answer_is_delivered_again_from_what_needs_attention(self, signed_in, blocked):
        page = signed_in(make_staff(), INDEX)
        expect(page.get_by_role("heading", name="Needs attention 1")).to_be_visible()
        page.get_by_role("link", name="Deliveries", exact=True).click()
        page.locator("#changelist-filter").get_by_role("link", name="Delivery in trouble").click()
        page.locator("#result_list .action-select").check()
        page.locator("select[name=action]").select_option(label="Deliver again")
        page.get_by_role("button", name="Go").click()
        page.get_by_role("button", name="Deliver again").click()

        expect(page.get_by_text("Queued again: 1.")).to_be_visible()
        assert Delivery.objects.get().state == State.UNKNOWN

    def test_what_was_not_meant_is_left(self, signed_in, blocked):
        page = signed_in(
            make_staff(), reverse("admin:approvals_approval_change", args=[blocked.pk])
        )
        page.get_by_role("button", name="Withdraw").click()

        page.get_by_role("link", name="Leave it as it is").click()

        expect(page.get_by_role("heading", name="Requests")).to_be_visible()
        assert Approval.objects.get(pk=blocked.pk).is_open


class TestFind:
    def test_a_list_is_narrowed_and_searched(self, signed_in, blocked):
        page = signed_in(make_staff(), REQUESTS)
        rows = page.locator("#result_list tbody tr")
        expect(rows).to_have_count(2)

        page.locator("#changelist-filter").get_by_role("link", name="Approved", exact=True).click()
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text("Hotel in Berlin")

        page.goto(REQUESTS)
        page.get_by_role("textbox", name="Search").fill("Ghent")
        page.get_by_role("button", name="Search").click()
        expect(rows).to_have_count(1)

    def test_the_way_back_to_the_inbox_is_in_sight(self, signed_in, blocked):
        page = signed_in(make_staff(), REQUESTS)

        page.get_by_role("navigation", name="Main").get_by_role("link", name="Inbox").click()

        expect(page.get_by_role("heading", name="Inbox")).to_be_visible()


class TestLooks:
    def test_no_page_needs_sideways_scrolling_on_a_phone(self, signed_in, blocked):
        page = signed_in(make_staff(), INDEX, **PHONE)

        for path in (INDEX, *pages()):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
            assert page.evaluate(CUT_FIELDS) == [], path

    @pytest.mark.parametrize(
        ("scheme", "shade"), [("light", "rgb(244, 245, 248)"), ("dark", "rgb(17, 20, 27)")]
    )
    def test_pages_have_the_colours_of_the_product(self, signed_in, blocked, scheme, shade):
        page = signed_in(make_staff(), INDEX, color_scheme=scheme)

        for path in (INDEX, REQUESTS, reverse("admin:approvals_policy_add")):
            page.goto(path)
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") == shade

    def test_the_keyboard_alone_opens_a_request_and_goes_back(self, signed_in, blocked):
        page = signed_in(make_staff(), INDEX)
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # to the content
        for _ in range(12):
            page.keyboard.press("Tab")
            focused = page.evaluate("document.activeElement.textContent.trim()")
            if focused == "Requests":
                break
        page.keyboard.press("Enter")

        expect(page.get_by_role("heading", name="Requests")).to_be_visible()

"""In a real browser: the operators' tab on a phone, by keyboard, and by itself up to date."""

import pytest
from playwright.sync_api import expect

from approvals.models import Approval, Delivery, Event
from approvals.models.outbox import State, Trouble
from approvals.reasons import Kind
from tests.approvals.troubles import make_delivery, make_orphan, one_of_each
from tests.factories import make_group, make_staff

pytestmark = pytest.mark.browser

QUEUE = "/?tab=attention"
LONG = "Donaudampfschifffahrtsgesellschaft" * 4


@pytest.fixture
def rows(ana, approval):
    make_group("nobody")
    return one_of_each(ana)


class TestPhone:
    @pytest.mark.parametrize("width", [320, 390])
    def test_long_texts_make_nothing_wider_than_the_phone(self, signed_in, rows, width):
        Approval.objects.update(title=LONG)
        Delivery.objects.update(reason=LONG)
        make_orphan(f"projects/p/locations/l/workflows/{LONG}/executions/x")
        page = signed_in(make_staff(), QUEUE, viewport={"width": width, "height": 700})

        for path in (QUEUE, page.get_by_role("link", name="Put aside").first.get_attribute("href")):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width

    def test_a_button_is_large_enough_for_a_thumb(self, signed_in, rows):
        page = signed_in(make_staff(), QUEUE, viewport={"width": 390, "height": 844})

        for place in page.locator(".deeds > *, .kind").all():
            box = place.bounding_box()
            assert box["height"] >= 44
            assert box["width"] >= 44

    @pytest.mark.parametrize("width", [320, 390, 560])
    def test_the_way_to_the_profile_is_one_that_a_thumb_finds(self, signed_in, rows, width):
        page = signed_in(make_staff(), QUEUE, viewport={"width": width, "height": 700})

        page.locator("#me").click()
        page.get_by_role("link", name="Profile").click()

        page.wait_for_url("/profile/")


class TestKeyboard:
    def test_trouble_is_put_aside_without_a_mouse(self, signed_in, rows):
        page = signed_in(make_staff(), f"{QUEUE}&kind=undeliverable")

        page.get_by_role("link", name="Put aside").focus()
        page.keyboard.press("Enter")
        page.get_by_label("Reason").focus()
        page.keyboard.type("Paid by hand")
        page.keyboard.press("Enter")

        expect(page.get_by_role("status")).to_contain_text("Put aside.")
        assert Event.objects.get(kind="attended").data["reason"] == "Paid by hand"
        expect(page.get_by_role("heading", name=str(Kind.UNDELIVERABLE.label))).to_have_count(0)


class TestLive:
    def test_what_comes_appears_by_itself_and_buttons_still_work(self, signed_in, rows, ana):
        page = signed_in(make_staff(), QUEUE)
        expect(page.get_by_role("button", name="Deliver again")).to_have_count(2)

        make_delivery(ana, State.BLOCKED, Trouble.REFUSED)
        expect(page.get_by_role("button", name="Deliver again")).to_have_count(3, timeout=15_000)

        page.get_by_role("button", name="Deliver again").first.click()
        expect(page.get_by_role("status")).to_contain_text("It is delivered again.")
        assert Event.objects.filter(kind="requeued").count() == 1

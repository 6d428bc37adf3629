"""In a real browser: from signing in to the receipt, by every way a manager may go."""

import re

import pytest
from playwright.sync_api import expect

from approvals.models import Approval, Delivery, Preference, Vote
from tests.browser.conftest import sign_in
from tests.factories import make_approval, make_type

pytestmark = pytest.mark.browser


class TestApprove:
    def test_sign_in_open_approve_receipt_next(self, open_browser, ana, approval):
        make_approval(title="Train to Porto")
        page = open_browser()

        sign_in(page, ana.email)
        expect(page).to_have_title("(2) Needs me · Countersign")
        page.get_by_role("link", name="Hotel in Berlin").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Hotel in Berlin, 2 nights")
        expect(page.get_by_text("The hotel is paid today")).to_be_visible()
        page.get_by_role("button", name="Approve").click()

        expect(page).to_have_url(re.compile("/receipt/$"))
        expect(page.get_by_text("Your answer is recorded")).to_be_visible()
        page.get_by_role("link", name="Next: Train to Porto").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Train to Porto")
        assert Vote.objects.get().outcome == "approved"

    def test_without_script(self, open_browser, ana, approval):
        page = open_browser(java_script_enabled=False)

        sign_in(page, ana.email)
        page.get_by_role("link", name="Hotel in Berlin").click()
        page.get_by_label("Comment").fill("Enjoy")
        page.get_by_role("button", name="Approve").click()

        expect(page.get_by_text("Your answer is recorded")).to_be_visible()
        page.get_by_role("link", name="Back to the inbox").click()
        expect(page.get_by_text("Nothing is waiting for you")).to_be_visible()
        assert Vote.objects.get().comment == "Enjoy"

    def test_with_the_keyboard_alone(self, open_browser, ana, approval):
        page = open_browser()
        page.goto("/")

        page.keyboard.type(ana.email)  # the cursor is there already
        page.keyboard.press("Tab")
        page.keyboard.type("demo")
        page.keyboard.press("Enter")
        page.wait_for_url("/")
        self.tab_to(page, "Hotel in Berlin")
        page.keyboard.press("Enter")
        page.wait_for_url("**/approvals/**")
        self.tab_to(page, "Skip to your answer")
        page.keyboard.press("Enter")
        self.tab_to(page, "Comment")
        page.keyboard.type("Fine")
        self.tab_to(page, "Approve")
        page.keyboard.press("Enter")

        expect(page.get_by_text("Your answer is recorded")).to_be_visible()
        self.tab_to(page, "Back to the inbox")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Nothing is waiting for you")).to_be_visible()
        assert Vote.objects.get().comment == "Fine"

    def tab_to(self, page, name):
        """Press Tab until the element of this name has the focus, and see that it shows."""
        seen = []
        for _ in range(25):
            page.keyboard.press("Tab")
            seen.append(
                page.evaluate(
                    "() => { const e = document.activeElement;"
                    " return (e.labels?.[0] ?? e).innerText.trim() }"
                )
            )
            if seen[-1].startswith(name):
                assert page.locator(":focus-visible").count() == 1
                assert page.locator(":focus").evaluate(
                    "e => { const r = e.getBoundingClientRect();"
                    " return r.top >= 0 && r.bottom <= innerHeight }"
                )
                return
        pytest.fail(f"{name} is not reached: {seen}")


class TestReject:
    def test_it_needs_a_reason_before_anything_is_sent(self, signed_in, ana, approval):
        page = signed_in(ana, approval.get_absolute_url())
        comment = page.get_by_label("Comment")

        page.get_by_role("button", name="Reject").click()
        expect(comment).to_be_focused()
        assert comment.evaluate("e => e.validationMessage").startswith("Please say why")
        page.keyboard.insert_text("x" * 5001)
        page.get_by_role("button", name="Reject").click()
        assert comment.evaluate("e => e.validationMessage").startswith("Please shorten it")
        expect(comment).to_have_value("x" * 5001)
        expect(page).to_have_url(re.compile(f"{approval.get_absolute_url()}$"))
        assert Vote.objects.count() == 0

        comment.fill("Take the train")
        page.get_by_role("button", name="Reject").click()
        expect(page.get_by_text("Your answer is recorded")).to_be_visible()
        expect(page.get_by_text("Take the train")).to_be_visible()

    def test_a_reason_that_was_asked_for_does_not_hold_up_a_yes(self, signed_in, ana, approval):
        page = signed_in(ana, approval.get_absolute_url())
        page.get_by_role("button", name="Reject").click()
        expect(page.get_by_label("Comment")).to_be_focused()

        page.get_by_role("button", name="Approve").click()

        expect(page.get_by_text("Your answer is recorded")).to_be_visible()
        assert Vote.objects.get().outcome == "approved"

    def test_without_script_it_is_asked_for_and_what_was_typed_is_kept(
        self, signed_in, ana, approval
    ):
        page = signed_in(ana, approval.get_absolute_url(), java_script_enabled=False)

        page.get_by_role("button", name="Reject").click()
        expect(page.get_by_text("Nothing was saved yet. Please check:")).to_be_visible()
        expect(page.get_by_label("Comment")).to_be_focused()
        page.get_by_label("Comment").fill("x" * 5001)
        page.get_by_role("button", name="Reject").click()
        expect(page.get_by_text("Please shorten it to 5,000 characters").first).to_be_visible()
        expect(page.get_by_label("Comment")).to_have_value("x" * 5001)
        assert Vote.objects.count() == 0

    def test_of_four_answers_the_chosen_one_says_whether_it_needs_a_reason(
        self, signed_in, ana, approval
    ):
        values = ("approved", "later", "half", "rejected")
        options = [{"value": value, "label": f"Say {value}"} for value in values]
        many = make_approval(options=options)
        page = signed_in(ana, many.get_absolute_url())

        page.get_by_role("radio", name="Say rejected").check()
        page.get_by_role("button", name="Send my answer").click()
        expect(page.get_by_label("Comment")).to_be_focused()
        page.get_by_role("radio", name="Say later").check()
        page.get_by_role("button", name="Send my answer").click()

        expect(page.get_by_text("Your answer is recorded")).to_be_visible()
        assert Vote.objects.get().outcome == "later"


class TestGoOn:
    def test_the_next_request_opens_with_the_receipt_line_on_top(self, signed_in, ana, approval):
        Preference.objects.create(user=ana, goes_on=True)
        policy = make_type("payment", "group:managers", undo=600)
        first = make_approval(title="Pay ACME", type=policy.name, approvers=[])
        page = signed_in(ana, first.get_absolute_url())

        page.get_by_role("button", name="Approve").click()

        expect(page.get_by_role("heading", level=1)).to_have_text("Hotel in Berlin, 2 nights")
        line = page.get_by_role("region", name="Your last answer")
        expect(line).to_contain_text("Approved Pay ACME")
        line.get_by_role("button", name="Take back").click()
        expect(page.get_by_text("Your answer was taken back")).to_be_visible()
        expect(page.get_by_role("heading", level=1)).to_have_text("Pay ACME")
        assert not Vote.objects.standing().exists()


class TestTwoPeople:
    def test_who_comes_second_reads_who_decided_and_when(self, signed_in, ana, ben, approval):
        first, second = (signed_in(user, approval.get_absolute_url()) for user in (ana, ben))
        second.get_by_label("Comment").fill("Too expensive")

        first.get_by_role("button", name="Approve").click()
        expect(first.get_by_text("Your answer is recorded")).to_be_visible()
        second.get_by_role("button", name="Reject").click()

        expect(second.get_by_text("This is settled already")).to_be_visible()
        expect(second.get_by_text(re.compile("Ana Almeida answered “Approved” on"))).to_be_visible()
        expect(second.get_by_text("Too expensive")).to_be_visible()
        assert Vote.objects.get().user == ana

    def test_an_open_page_learns_of_it_and_takes_the_buttons_away(
        self, signed_in, ana, ben, approval
    ):
        page = signed_in(ben, approval.get_absolute_url())
        page.get_by_label("Comment").fill("Let me think")
        approval.decide("approved", by=ana, revision=1)

        page.evaluate("htmx.trigger('#look', 'refresh')")

        expect(page.get_by_role("status")).to_contain_text("Ana Almeida answered “Approved”")
        expect(page.get_by_role("button", name="Approve")).to_be_hidden()
        expect(page.get_by_label("The answer", exact=True)).to_contain_text("Sending")
        expect(page.get_by_label("Comment")).to_have_value("Let me think")
        expect(page.get_by_text("What you typed is kept here. It was not sent.")).to_be_visible()
        expect(page.locator("#timeline")).to_contain_text("Ana Almeida approved it")
        for link in ("Hand over", "Ask a question"):
            expect(page.get_by_role("link", name=link)).to_be_hidden()


class TestDouble:
    def test_pressing_twice_is_one_answer(self, signed_in, ana, approval):
        page = signed_in(ana, approval.get_absolute_url())

        page.get_by_role("button", name="Approve").dblclick()

        expect(page.get_by_text("Your answer is recorded")).to_be_visible()
        assert Vote.objects.count() == Delivery.objects.count() == 1

    def at_once(self, page, *steps):
        """Take these steps before any answer can come; which buttons are busy after each of them.

        Playwright itself would wait for the next page.
        """
        return page.evaluate(
            "(steps) => steps.map((step) => {"
            " if (step === 'back') dispatchEvent(new PageTransitionEvent('pageshow'));"
            " else document.getElementById(`answer-${step}`).click();"
            " return [...document.querySelectorAll('[aria-busy=true]')].map((each) =>"
            " `${each.value} ${getComputedStyle(each).cursor}`) })",
            steps,
        )

    def test_a_button_that_is_waited_for_says_so_and_no_other_is_sent_meanwhile(
        self, signed_in, ana, approval
    ):
        page = signed_in(ana, approval.get_absolute_url())
        page.get_by_label("Comment").fill("Enjoy")

        seen = self.at_once(page, "approved", "rejected", "approved")

        assert seen == [["approved progress"]] * 3
        expect(page.get_by_text("Your answer is recorded")).to_be_visible()
        assert (Vote.objects.get().outcome, Vote.objects.get().comment) == ("approved", "Enjoy")

    def test_a_page_that_comes_back_waits_for_nothing(self, signed_in, ana, approval):
        page = signed_in(ana, approval.get_absolute_url())
        page.get_by_label("Comment").fill("Take the train")

        seen = self.at_once(page, "approved", "back", "rejected")

        assert seen == [["approved progress"], [], ["rejected progress"]]
        expect(page.get_by_text("Your answer is recorded")).to_be_visible()

    def test_going_back_and_pressing_again_leads_to_the_receipt(self, signed_in, ana, approval):
        page = signed_in(ana, approval.get_absolute_url())
        page.get_by_role("button", name="Approve").click()
        page.wait_for_url("**/receipt/")

        page.goto(approval.get_absolute_url())

        expect(page.get_by_role("button", name="Approve")).to_be_hidden()
        assert Approval.objects.get().status == "approved"

"""In a real browser: forms, taking back, several at once, stand-ins, questions, handing over."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import expect

from approvals.models import Approval, Policy, StandIn, User, Vote
from tests.factories import make_approval, make_user

pytestmark = pytest.mark.browser

FORM = {
    "type": "object",
    "title": "The translation",
    "properties": {
        "text": {"type": "string", "format": "textarea", "title": "Text"},
        "score": {"type": "integer", "title": "Quality", "minimum": 1, "maximum": 10},
        "tone": {"type": "string", "title": "Tone", "enum": ["Formal", "Friendly"]},
        "market": {"type": "string", "title": "Market", "enum": list("ABCDE")},
        "day": {"type": "string", "format": "date", "title": "Publish on"},
        "again": {"type": "boolean", "title": "Use this translator again"},
    },
    "required": ["text", "score"],
}
OPTIONS = [
    {"value": "approved", "label": "Publish", "consequence": "It is online at once"},
    {"value": "changes_requested", "label": "Send back", "consequence": "They try again"},
]
WAYS: dict[str, dict[str, Any]] = {
    "desktop": {},
    "phone": {"viewport": {"width": 390, "height": 800}},
    "no script": {"java_script_enabled": False},
}
# What is new is asked for, and is there with all that it does: a key may come the moment after.
REFRESHED = """new Promise((done) => {
  document.addEventListener("htmx:afterSettle", () => done(), { once: true });
  htmx.trigger("#ask", "refresh");
})"""


@pytest.fixture
def review(approval):
    return make_approval(
        title="German page", form=FORM, options=OPTIONS, prefill={"text": "Alt", "score": 7}
    )


@pytest.fixture
def held(approval):
    """A request whose answer goes out after a while."""

    def make(seconds):
        policy = Policy.objects.create(name="payment", title="Payment")
        stages = [{"name": "", "approvers": ["group:managers"], "votes_needed": 1}]
        policy.revise("user:olga@example.com", stages=stages, undo=seconds)
        return make_approval(title="Pay ACME", type="payment", approvers=[])

    return make


@pytest.mark.parametrize("way", WAYS)
class TestForm:
    def test_it_is_mended_filled_in_and_arrives_with_its_types(self, signed_in, ana, review, way):
        page = signed_in(ana, review.get_absolute_url(), **WAYS[way])

        expect(page.get_by_label("Text")).to_have_value("Alt")
        page.get_by_label("Text").fill("Neu\nund gut")
        page.get_by_label("Quality").fill("11")
        page.get_by_label("Friendly").check()
        page.get_by_label("Market").select_option("C")
        page.get_by_label("Publish on").fill("2027-01-31")
        page.get_by_label("Use this translator again").check()
        page.get_by_role("button", name="Publish").click()

        quality = page.get_by_label("Quality")
        expect(quality).to_be_focused()
        if way == "no script":
            expect(page.get_by_text("At most 10.").first).to_be_visible()
            page.get_by_role("link", name="Quality").click()
        else:
            assert quality.evaluate("e => e.validationMessage") == "From 1 to 10."
        expect(page.get_by_label("Text")).to_have_value("Neu\nund gut")
        expect(page.get_by_label("Market")).to_have_value("C")
        page.get_by_label("Quality").fill("9")
        page.get_by_role("button", name="Publish").click()

        expect(page.get_by_text("Your answer is recorded")).to_be_visible()
        expect(page.get_by_role("deletion")).to_contain_text(["before: Alt", "before: 7"])
        assert Vote.objects.get().form == {
            "text": "Neu\nund gut",
            "score": 9,
            "tone": "Friendly",
            "market": "C",
            "day": "2027-01-31",
            "again": True,
        }

    def test_sending_back_is_not_held_up_by_what_is_required(self, signed_in, ana, review, way):
        page = signed_in(ana, review.get_absolute_url(), **WAYS[way])

        page.get_by_label("Text").fill("")
        page.get_by_label("Comment").fill("Not yet")
        page.get_by_role("button", name="Send back").click()

        expect(page.get_by_text("Your answer is recorded")).to_be_visible()
        assert Vote.objects.get().outcome == "changes_requested"


class TestFormOnAPhone:
    def test_the_fields_stand_between_the_facts_and_the_history(self, signed_in, ana, review):
        page = signed_in(ana, review.get_absolute_url(), viewport={"width": 390, "height": 700})

        tops = [
            page.locator(each).bounding_box()["y"] for each in ("#facts", "#fill-in", "#history")
        ]

        assert tops == sorted(tops)
        expect(page.get_by_role("button", name="Publish")).to_be_in_viewport(ratio=1)


class TestFormLater:
    def test_what_was_chosen_survives_the_end_of_the_session(self, signed_in, ana, review):
        page = signed_in(ana, review.get_absolute_url())
        page.get_by_label("Text").fill("")
        page.get_by_label("Market").select_option("C")
        Session.objects.all().delete()

        with page.expect_response("**/sign-in/**"):
            page.evaluate("htmx.trigger('#look', 'refresh')")
        page.wait_for_timeout(200)

        expect(page.get_by_label("Market")).to_have_value("C")


class TestFormByKeyboard:
    def test_the_way_leads_through_the_fields_to_the_buttons(self, signed_in, ana, review):
        page = signed_in(ana, review.get_absolute_url())
        page.get_by_role("link", name="Skip to your answer").focus()
        page.keyboard.press("Enter")

        page.keyboard.press("Tab")
        expect(page.get_by_label("Text")).to_be_focused()
        page.keyboard.press("Control+A")
        page.keyboard.type("Neu")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Quality")).to_be_focused()
        page.get_by_role("button", name="Publish").focus()
        page.keyboard.press("Enter")

        expect(page.get_by_text("Your answer is recorded")).to_be_visible()
        assert Vote.objects.get().form["text"] == "Neu"


class TestUndo:
    @pytest.mark.parametrize("way", WAYS)
    def test_an_answer_is_taken_back_and_given_again(self, signed_in, ana, held, way):
        approval = held(600)
        page = signed_in(ana, approval.get_absolute_url(), **WAYS[way])
        page.get_by_role("button", name="Approve").click()

        expect(page.get_by_text("Goes out in")).to_be_visible()
        page.get_by_role("button", name="Take back").click()

        expect(page.get_by_text("Your answer was taken back")).to_be_visible()
        page.get_by_label("Comment").fill("Too much")
        page.get_by_role("button", name="Reject").click()
        expect(page.get_by_text("Goes out in")).to_be_visible()
        assert Approval.objects.get(pk=approval.pk).settles_as == "rejected"

    def test_the_countdown_runs_and_the_button_leaves_with_it(self, signed_in, ana, held):
        approval = held(10)
        page = signed_in(ana, approval.get_absolute_url())
        page.get_by_role("button", name="Approve").click()

        shown = page.get_by_text(re.compile(r"Goes out in \d+ s")).inner_text()
        # No one figure is waited for: each stands for a second, and a look may come between two.
        expect(page.get_by_text(re.compile(r"Goes out in \d+ s"))).not_to_have_text(shown)
        expect(page.get_by_role("button", name="Take back")).to_be_hidden()
        Approval.objects.get(pk=approval.pk).conclude()

        expect(page.locator("#delivery")).to_contain_text("Sending")

    def test_two_browsers_on_one_request(self, signed_in, ana, ben, held):
        approval = held(600)
        first, second = (signed_in(user, approval.get_absolute_url()) for user in (ana, ben))
        second.get_by_label("Comment").fill("Let me think")
        first.get_by_role("button", name="Approve").click()
        first.wait_for_url("**/receipt/")

        second.evaluate("htmx.trigger('#look', 'refresh')")
        expect(second.get_by_text("Ana Almeida answered; it goes out in")).to_be_visible()
        expect(second.get_by_role("button", name="Approve")).to_be_hidden()

        first.get_by_role("button", name="Take back").click()
        first.wait_for_url("**/approvals/*/")
        second.evaluate("htmx.trigger('#look', 'refresh')")
        expect(second.get_by_role("button", name="Approve")).to_be_visible()
        expect(second.get_by_label("Comment")).to_have_value("Let me think")
        second.get_by_role("button", name="Approve").click()
        expect(second.get_by_text("Goes out in")).to_be_visible()
        assert Vote.objects.standing().get().user == ben


class TestBulk:
    @pytest.mark.parametrize("way", WAYS)
    def test_three_are_approved_after_a_summary(self, signed_in, ana, approval, way):
        for n in range(3):
            make_approval(title=f"Lunch {n}", type="lunch", fields={"Amount": 20})
        page = signed_in(ana, **WAYS[way])

        for n in range(3):
            page.get_by_label(f"Select Lunch {n}").check()
        page.get_by_role("button", name="Approve…").click()
        expect(page.get_by_role("heading", name="Approve 3 requests?")).to_be_visible()
        expect(page.get_by_text("Amount in total 60")).to_be_visible()
        assert not Vote.objects.exists()
        page.get_by_role("button", name="Approve 3").click()

        expect(page.get_by_role("heading", name="3 answered")).to_be_visible()
        assert Vote.objects.count() == 3
        page.get_by_role("link", name="Lunch 1").click()
        expect(page.get_by_text("Your answer is recorded")).to_be_visible()

    def test_what_was_selected_survives_a_new_row_and_the_keyboard_will_do(
        self, signed_in, ana, approval
    ):
        for n in range(2):
            make_approval(title=f"Lunch {n}", type="lunch")
        page = signed_in(ana)
        expect(page.get_by_role("button", name="Approve…")).to_be_hidden()
        for n in range(2):
            page.get_by_label(f"Select Lunch {n}").focus()
            page.keyboard.press("Space")
        make_approval(title="Lunch 2", type="lunch")
        page.evaluate(REFRESHED)
        page.get_by_role("link", name="1 new").press("Enter")

        expect(page.get_by_label("Select Lunch 2")).not_to_be_checked()
        for n in range(2):
            expect(page.get_by_label(f"Select Lunch {n}")).to_be_checked()
        page.get_by_role("button", name="Approve…").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Approve 2 requests?")).to_be_visible()


class TestPeople:
    @pytest.mark.parametrize("way", WAYS)
    def test_a_stand_in_is_named_decides_and_is_ended(self, signed_in, ana, ben, approval, way):
        mine = make_approval(title="For Ana alone", approvers=["user:ana@example.com"])
        page = signed_in(ana, "/profile/", **WAYS[way])
        page.get_by_text("Let a colleague decide for you").click()
        today = timezone.localdate()
        page.get_by_label("First day").fill(today.isoformat())
        page.get_by_label("Last day").fill((today + timedelta(days=7)).isoformat())
        page.get_by_role("combobox", name="Colleague").fill("ben@example.com")
        away = page.get_by_role("region", name="When you are away")
        away.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Ben Okafor decides for you in that time.")).to_be_visible()

        theirs = signed_in(ben, **WAYS[way])
        expect(theirs.get_by_text("for Ana Almeida")).to_be_visible()
        theirs.get_by_role("link", name="For Ana alone").click()
        expect(theirs.get_by_text("who is away until")).to_be_visible()
        theirs.get_by_role("button", name="Approve").click()
        expect(theirs.get_by_text("Your answer is recorded, for Ana Almeida")).to_be_visible()
        assert Vote.objects.get(approval=mine).principal == ana

        page.get_by_role("button", name="End now").click()
        expect(page.get_by_text("Nobody decides for you")).to_be_visible()
        assert StandIn.objects.get().ended_at is not None

    def test_typing_a_name_suggests_who_is_meant(self, signed_in, ana, approval):
        make_user("zoe@example.com", first="Zoe", last="Park")
        page = signed_in(ana, f"{approval.get_absolute_url()}hand-over/")
        expect(page.locator("#to-people option")).to_have_count(2)

        page.get_by_role("combobox", name="Colleague").press_sequentially("park")

        expect(page.locator("#to-people option")).to_have_count(1)
        page.get_by_role("combobox", name="Colleague").fill("Zoe Park")
        page.get_by_label("Reason").fill("Holiday")
        page.get_by_role("button", name="Hand over").click()
        expect(page.get_by_text("Zoe Park has it now.")).to_be_visible()

    def test_a_question_is_asked_and_answered(self, signed_in, ana, approval):
        eva = Approval.objects.get().requested_by
        page = signed_in(ana, approval.get_absolute_url())
        page.get_by_role("link", name="Ask a question").click()
        page.get_by_label("Ask Eva Lind").fill("Why not the train?")
        page.get_by_role("button", name="Ask").click()
        expect(page.get_by_text("A question is open")).to_be_visible()

        theirs = signed_in(User.objects.get(email=eva), approval.get_absolute_url())
        theirs.get_by_label("Your answer to the question").fill("It is full.")
        theirs.get_by_role("button", name="Answer").click()
        expect(theirs.get_by_text("It is full.")).to_be_visible()

        page.evaluate("htmx.trigger('#look', 'refresh')")
        expect(page.locator("#timeline")).to_contain_text("It is full.")
        expect(page).to_have_url(re.compile("/approvals/"))

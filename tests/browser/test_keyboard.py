"""In a real browser: single keys, their list, how to be rid of them; the menu of the account."""

import pytest
from playwright.sync_api import expect

from approvals.models import Policy, Vote
from tests.browser.conftest import sign_in
from tests.factories import make_approval, make_staff

pytestmark = pytest.mark.browser


@pytest.fixture
def three(approval):
    """Three requests of one type in Ana's inbox, the hotel's among them."""
    return [approval, *(make_approval(title=title, type="expense") for title in ("Train", "Taxi"))]


def focused(page):
    return page.evaluate("document.activeElement.innerText || document.activeElement.id")


class TestList:
    def test_j_and_k_go_from_row_to_row_and_o_opens(self, signed_in, ana, three):
        page = signed_in(ana)
        titles = page.locator(".row-title").all_inner_texts()

        seen = []
        for key in "jjjjkk":  # at the last row there is no next one
            page.keyboard.press(key)
            seen.append(focused(page))
        assert seen == [titles[n] for n in (0, 1, 2, 2, 1, 0)]
        assert page.locator(".row:has(:focus-visible)").count() == 1
        page.keyboard.press("o")

        expect(page.get_by_role("heading", level=1)).to_have_text(titles[0])

    def test_enter_opens_the_row_too(self, signed_in, ana, three):
        page = signed_in(ana)
        page.keyboard.press("k")  # from nowhere to the last one
        last = focused(page)
        page.keyboard.press("Enter")

        expect(page.get_by_role("heading", level=1)).to_have_text(last)

    def test_x_selects_the_row_and_again_not(self, signed_in, ana, three):
        page = signed_in(ana)
        page.keyboard.press("j")
        page.keyboard.press("x")
        page.keyboard.press("j")
        page.keyboard.press("x")
        expect(page.locator(".pick :checked")).to_have_count(2)

        page.keyboard.press("x")
        expect(page.locator(".pick :checked")).to_have_count(1)

    def test_the_slash_goes_to_the_search_and_is_not_typed(self, signed_in, ana, three):
        page = signed_in(ana, "/?q=Train")
        page.keyboard.press("/")

        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.type("Taxi")
        expect(page.get_by_role("searchbox")).to_have_value("Taxi")

    def test_nothing_is_answered_from_a_list(self, signed_in, ana, three):
        page = signed_in(ana)
        page.keyboard.press("j")
        for key in "aru":
            page.keyboard.press(key)

        expect(page).to_have_url(page.url)
        assert not Vote.objects.exists()

    def test_the_focus_stays_where_it_is_while_the_list_is_live(self, signed_in, ana, three):
        page = signed_in(ana)
        page.keyboard.press("j")
        page.keyboard.press("j")
        second = focused(page)
        with page.expect_response("**/news/**"):
            make_approval(title="Newest", priority="urgent")
            page.evaluate("htmx.trigger('#ask', 'refresh')")
        expect(page.locator("#new")).to_contain_text("1 new")

        assert focused(page) == second


class TestAnswer:
    @pytest.mark.parametrize(
        ("key", "button"),
        [
            ("a", {"name": "Approve", "description": "The hotel is paid today"}),
            ("r", {"name": "Reject", "description": "Eva is told why"}),
        ],
    )
    def test_one_key_goes_to_the_button_says_so_and_sends_nothing(
        self, signed_in, ana, approval, key, button
    ):
        page = signed_in(ana, approval.get_absolute_url())
        page.keyboard.press(key)

        there = expect(page.get_by_role("button", name=button["name"]))
        there.to_be_focused()
        there.to_have_accessible_description(
            f"{button['description']} Enter sends it, Esc does not."
        )
        expect(page.locator("#key-hint")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#key-hint")).to_have_count(0)
        there.not_to_be_focused()
        page.keyboard.press("Enter")
        assert not Vote.objects.exists()

    def test_enter_sends_it(self, signed_in, ana, approval):
        page = signed_in(ana, approval.get_absolute_url())
        page.keyboard.press("a")
        page.keyboard.press("Enter")

        page.wait_for_url("**/receipt/**")
        assert Vote.objects.get().outcome == "approved"

    def test_a_rejection_asks_why_and_goes_on_with_control_and_enter(
        self, signed_in, ana, approval
    ):
        page = signed_in(ana, approval.get_absolute_url())
        page.keyboard.press("r")
        page.keyboard.press("Enter")
        expect(page.get_by_label("Comment")).to_be_focused()
        assert not Vote.objects.exists()
        page.keyboard.type("Take the train")
        page.keyboard.press("Control+Enter")

        page.wait_for_url("**/receipt/**")
        assert [(v.outcome, v.comment) for v in Vote.objects.all()] == [
            ("rejected", "Take the train")
        ]

    def test_control_and_enter_ask_which_answer_where_nobody_said(self, signed_in, ana, approval):
        page = signed_in(ana, approval.get_absolute_url())
        page.keyboard.press("c")
        expect(page.get_by_label("Comment")).to_be_focused()
        page.keyboard.type("Fine")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_role("button", name="Approve")).to_be_focused()
        assert not Vote.objects.exists()

        page.keyboard.press("Control+Enter")
        page.wait_for_url("**/receipt/**")
        assert Vote.objects.get().comment == "Fine"

    def test_of_many_answers_it_is_chosen_and_the_way_leads_to_sending(
        self, signed_in, ana, approval
    ):
        values = ("approved", "rejected", "later", "never")
        options = [{"value": value, "label": value.capitalize()} for value in values]
        page = signed_in(ana, make_approval(options=options).get_absolute_url())
        page.keyboard.press("a")

        expect(page.get_by_label("Approved")).to_be_checked()
        expect(page.get_by_role("button", name="Send my answer")).to_be_focused()
        assert not Vote.objects.exists()

    def test_u_takes_it_back_while_that_is_possible(self, signed_in, ana, approval):
        policy = Policy.objects.create(name="payment", title="Payment")
        stages = [{"name": "", "approvers": ["group:managers"], "votes_needed": 1}]
        policy.revise("user:olga@example.com", stages=stages, undo=600)
        held = make_approval(title="Pay ACME", type="payment", approvers=[])
        page = signed_in(ana, held.get_absolute_url())
        page.keyboard.press("a")
        page.keyboard.press("Enter")
        page.wait_for_url("**/receipt/**")
        page.keyboard.press("u")

        expect(page.get_by_text("Your answer was taken back")).to_be_visible()
        assert not Vote.objects.standing().exists()


class TestNever:
    def test_while_typing(self, signed_in, ana, approval):
        page = signed_in(ana, approval.get_absolute_url())
        page.get_by_label("Comment").focus()
        page.keyboard.type("a jar? /x")

        expect(page.get_by_label("Comment")).to_have_value("a jar? /x")
        expect(page.locator("#keys")).to_be_hidden()

    @pytest.mark.parametrize("keys", ["Control+j", "Alt+j", "Meta+j", "Shift+J"])
    def test_together_with_another_key(self, signed_in, ana, three, keys):
        page = signed_in(ana)
        page.keyboard.press(keys)

        assert page.evaluate("document.activeElement === document.body")

    def test_when_a_key_is_held_down(self, signed_in, ana, three):
        page = signed_in(ana)
        for _ in range(3):
            page.keyboard.down("j")

        assert focused(page) == page.locator(".row-title").first.inner_text()

    def test_once_they_are_switched_off_until_they_are_on_again(self, signed_in, ana, three):
        page = signed_in(ana)
        page.keyboard.press("?")
        page.get_by_label("Use these single keys").uncheck()
        page.keyboard.press("Escape")
        for key in "j?":
            page.keyboard.press(key)
        expect(page.locator("#keys")).to_be_hidden()
        page.reload()
        page.keyboard.press("j")
        assert page.evaluate("document.activeElement === document.body")

        page.locator("#me").click()
        page.get_by_role("button", name="Keyboard").click()
        page.get_by_label("Use these single keys").check()
        page.get_by_role("button", name="Close").click()
        page.keyboard.press("j")
        assert focused(page) == page.locator(".row-title").first.inner_text()


class TestHelp:
    def test_the_question_mark_opens_it_and_escape_gives_the_focus_back(
        self, signed_in, ana, three
    ):
        page = signed_in(ana)
        page.keyboard.press("j")
        before = focused(page)
        page.keyboard.press("?")

        expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
        page.keyboard.press("j")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()
        assert focused(page) == before

    def test_the_mouse_finds_it_in_the_menu(self, signed_in, ana, approval):
        page = signed_in(ana, approval.get_absolute_url())
        page.locator("#me").click()
        page.get_by_role("button", name="Keyboard").click()
        expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()

        page.get_by_role("button", name="Close").click()
        expect(page.locator("#me")).to_be_focused()

    def test_every_key_of_the_script_stands_in_it(self, signed_in, ana, approval):
        page = signed_in(ana)

        listed = page.locator("#keys kbd").all_text_contents()
        assert set("jkoxarcu/?") <= set(listed)


class TestMenu:
    @pytest.mark.parametrize("width", [320, 390, 640, 1080])
    @pytest.mark.parametrize("name", ["Olga", "Maximiliane-Theodora Schwarzenberger"])
    def test_the_bar_is_one_line_and_the_menu_fits(self, signed_in, approval, width, name):
        olga = make_staff()
        olga.first_name = name
        olga.save()
        page = signed_in(olga, viewport={"width": width, "height": 700})

        assert page.locator(".bar").bounding_box()["height"] < 64
        assert page.locator("#me").bounding_box()["height"] >= 44
        page.locator("#me").click()
        expect(page.locator(".account-name")).to_contain_text(name)
        box = page.locator("#account").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        for each in page.locator("#account :is(a, button):visible").all():
            assert each.bounding_box()["height"] >= 44
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    @pytest.mark.parametrize("script", [True, False])
    def test_it_opens_by_keyboard_and_leads_out(self, open_browser, ana, approval, script):
        page = open_browser(java_script_enabled=script, viewport={"width": 390, "height": 700})
        sign_in(page, ana.email)
        page.locator("#me").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="Start")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("link", name="Start")).to_be_hidden()

        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Keyboard")).to_have_count(1 if script else 0)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


class TestWhole:
    def test_from_signing_in_to_the_next_request_without_a_mouse(self, open_browser, ana, three):
        page = open_browser()
        page.goto("/")
        page.keyboard.type(ana.email)
        page.keyboard.press("Tab")
        page.keyboard.type("demo")
        page.keyboard.press("Enter")
        page.wait_for_url("/")

        for key in ("j", "o"):
            page.keyboard.press(key)
        page.wait_for_url("**/approvals/**")
        first = page.locator("h1").inner_text()
        page.keyboard.press("c")
        page.keyboard.type("All in order")
        page.keyboard.press("Escape")
        page.keyboard.press("a")
        page.keyboard.press("Enter")
        page.wait_for_url("**/receipt/**")

        vote = Vote.objects.select_related("approval").get()
        assert (vote.approval.title, vote.comment) == (first, "All in order")

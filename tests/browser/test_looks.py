"""In a real browser: narrow and dark, large text, print, and the operators' pages under our CSP."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from approvals.models import ApiKey, Delivery
from approvals.models.outbox import State
from tests.factories import make_approval, make_staff

pytestmark = pytest.mark.browser

LONG = "Donaudampfschifffahrtsgesellschaftskapitänswitwenrente" * 3


@pytest.fixture
def paths(ana, approval):
    """Every page, with texts that are as long and unbreakable as a workflow may send."""
    make_approval(
        title=LONG[:160],
        type=LONG[:100],
        fields={LONG[:100]: LONG, "Number": 12345678901234},
        summary=f"| a | b |\n| - | - |\n| {LONG} | {LONG} |\n\n`{LONG}`",
        links=[{"label": LONG[:100], "url": f"https://{'x' * 60}.example/{LONG[:100]}".lower()}]
        if LONG.isascii()
        else [{"label": "Link", "url": f"https://{'x' * 60}.example/"}],
        options=[
            {"value": f"answer_{n}", "label": f"Answer number {n}", "consequence": "What then"}
            for n in range(6)
        ],
        requested_by=f"{'long' * 15}@{'sub.' * 12}example.com",
        priority="urgent",
        expires_in=3600,
    )
    decided = make_approval(title="Train to Porto")
    decided.decide("rejected", by=ana, revision=1, comment=LONG)
    long = decided.__class__.objects.get(type=LONG[:100])
    fields = {
        LONG[:60]: {"type": "string", "title": LONG, "description": LONG, "enum": [LONG, "b"]},
        "text": {"type": "string", "format": "textarea", "title": "Text"},
        "many": {"type": "string", "enum": [LONG, *"bcdef"]},
        "box": {"type": "boolean", "title": LONG},
    }
    again = make_approval(
        title="Once more",
        fields={LONG[:100]: LONG, "Other": "x"},
        form={"type": "object", "title": LONG, "properties": fields},
        prefill={"text": LONG},
        supersedes=str(decided.pk),
        stages=[
            {"name": LONG[:60], "approvers": ["group:managers"], "votes_needed": 1},
            {"name": "Second", "approvers": ["user:ana@example.com"], "votes_needed": 1},
        ],
        approvers=[],
    )
    again.say(LONG, by=ana)
    for _ in range(2):
        make_approval(title=LONG[:160], type="lunch")
    return {
        "again": again.get_absolute_url(),
        "hand over": reverse("approvals:hand_over", args=[again.pk]),
        "profile": reverse("approvals:profile"),
        "inbox": "/",
        "decided": "/?tab=decided",
        "long": long.get_absolute_url(),
        "detail": approval.get_absolute_url(),
        "closed": decided.get_absolute_url(),
        "receipt": reverse("approvals:receipt", args=[decided.pk]),
        "missing": "/nowhere/",
    }


class TestNarrow:
    @pytest.mark.parametrize("width", [320, 390])
    def test_no_page_is_wider_than_the_phone(self, signed_in, ana, paths, width):
        page = signed_in(ana, viewport={"width": width, "height": 700})

        for name, path in paths.items():
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name

    def test_the_answer_is_in_sight_while_the_facts_are_read(self, signed_in, ana, approval):
        page = signed_in(ana, approval.get_absolute_url(), viewport={"width": 390, "height": 640})

        for position in ("0", "200", "document.body.scrollHeight"):
            page.evaluate(f"scrollTo(0, {position})")
            expect(page.get_by_role("button", name="Approve")).to_be_in_viewport(ratio=1)
            expect(page.get_by_role("button", name="Reject")).to_be_in_viewport(ratio=1)

    @pytest.mark.parametrize(("width", "at_thumb"), [(390, True), (320, False)])
    def test_three_answers_are_at_the_thumb_where_they_fit_in_a_row(
        self, signed_in, ana, approval, width, at_thumb
    ):
        options = [
            {"value": "approved", "label": "Publish", "consequence": "It is online at once"},
            {"value": "changes_requested", "label": "Send back", "consequence": "Once more"},
            {"value": "rejected", "label": "Reject", "consequence": "Nothing is published"},
        ]
        three = make_approval(options=options, fields={f"Fact {n}": n for n in range(30)})
        path, viewport = three.get_absolute_url(), {"width": width, "height": 700}
        page = signed_in(ana, path, viewport=viewport)

        seen = expect(page.get_by_role("button", name="Publish"))
        (seen.to_be_in_viewport if at_thumb else seen.not_to_be_in_viewport)()
        rows = {b.bounding_box()["y"] for b in page.locator(".options .button").all()}
        assert (len(rows) == 1) == at_thumb

    def test_many_answers_follow_the_facts_and_cover_nothing(self, signed_in, ana, paths):
        page = signed_in(ana, paths["long"], viewport={"width": 360, "height": 640})
        panel = page.locator("#decision")
        history = page.get_by_role("heading", name="What happened")

        expect(panel).not_to_be_in_viewport()
        assert panel.bounding_box()["y"] < history.bounding_box()["y"]
        panel.scroll_into_view_if_needed()
        history.scroll_into_view_if_needed()
        expect(page.get_by_label("Answer number 5")).to_be_visible()
        expect(page.get_by_role("button", name="Send my answer")).to_be_visible()

    def test_the_tabs_of_an_operator_are_all_in_sight(self, signed_in, approval):
        page = signed_in(make_staff(), viewport={"width": 360, "height": 640})

        tabs = page.locator(".tab").all()
        assert len(tabs) == 4
        for tab in tabs:
            expect(tab).to_be_in_viewport(ratio=1)
        assert page.locator(".bar").bounding_box()["height"] < 64  # in one line

    def test_text_of_twice_the_size_loses_nothing(self, signed_in, ana, paths):
        page = signed_in(ana, viewport={"width": 640, "height": 480})

        for name, path in paths.items():
            page.goto(path)
            page.evaluate("document.documentElement.style.fontSize = '200%'")
            assert page.evaluate("document.documentElement.scrollWidth") <= 640, name

    def test_a_target_for_the_thumb_is_large_enough(self, signed_in, ana, approval):
        page = signed_in(ana, approval.get_absolute_url(), viewport={"width": 390, "height": 844})

        for button in page.locator("main .button").all():
            assert button.bounding_box()["height"] >= 44


class TestScheme:
    def test_the_page_follows_the_scheme_of_the_system(self, signed_in, ana, approval):
        shades = {}
        for scheme in ("light", "dark"):
            page = signed_in(ana, approval.get_absolute_url(), color_scheme=scheme)
            shades[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")

        assert shades == {"light": "rgb(244, 245, 248)", "dark": "rgb(17, 20, 27)"}

    def test_on_paper_there_are_no_bars_and_buttons(self, signed_in, ana, approval):
        approval.decide("approved", by=ana, revision=1)
        page = signed_in(ana, reverse("approvals:receipt", args=[approval.pk]))
        page.emulate_media(media="print")

        expect(page.get_by_text("Ana Almeida (ana@example.com)")).to_be_visible()
        expect(page.get_by_text(f"SHA-256 {approval.content_sha256}")).to_be_visible()
        expect(page.get_by_role("link", name="Back to the inbox")).to_be_hidden()
        expect(page.get_by_role("button", name="Sign out")).to_be_hidden()


class TestAdmin:
    def test_the_operators_pages_work_under_the_same_policy(self, signed_in, ana, approval):
        approval.decide("approved", by=ana, revision=1)
        Delivery.objects.update(state=State.BLOCKED, reason="Google said 403.")
        page = signed_in(make_staff(), "/?tab=attention")
        expect(page.get_by_text("Google said 403.")).to_be_visible()

        page.goto(reverse("admin:approvals_delivery_changelist"))
        page.get_by_role("checkbox").last.check()
        page.locator("select[name=action]").select_option("deliver_again")
        page.get_by_role("button", name="Go").click()
        page.get_by_role("button", name="Deliver again").click()
        expect(page.get_by_text("Queued again: 1.")).to_be_visible()

        page.goto(reverse("admin:approvals_caller_change", args=[approval.caller_id]))
        page.get_by_role("link", name="Issue a key").click()
        page.get_by_label("Label").fill("CI")
        page.get_by_role("button", name="Issue the key").click()
        key = page.locator("main code, #content code").text_content()
        assert key.startswith("csk_")
        page.reload()
        expect(page.get_by_text("issued already")).to_be_visible()
        assert key not in page.content()
        assert ApiKey.objects.get().label == "CI"

    def test_a_delivery_starts_again_from_its_page(self, signed_in, ana, approval):
        approval.decide("approved", by=ana, revision=1)
        path = reverse("admin:approvals_delivery_change", args=[approval.delivery.pk])
        page = signed_in(make_staff(), path)

        page.get_by_role("button", name="Deliver again").click()
        page.get_by_role("button", name="Deliver again").click()

        expect(page.get_by_text("Queued again: 1.")).to_be_visible()
        assert Delivery.objects.get().state == State.UNKNOWN

    def test_a_list_of_deliveries_can_be_read_on_a_laptop(self, signed_in, ana, approval):
        approval.decide("approved", by=ana, revision=1)
        Delivery.objects.update(state=State.BLOCKED, reason="Google refused it. " * 8)
        path = reverse("admin:approvals_delivery_changelist")
        page = signed_in(make_staff(), path, viewport={"width": 1200, "height": 800})

        assert page.locator("#result_list .field-why").bounding_box()["width"] >= 200
        table = page.locator("#result_list").bounding_box()
        assert table["x"] + table["width"] <= 1200
        room = page.locator("#changelist-form").bounding_box()
        assert table["width"] <= room["width"]

    def test_a_member_is_found_by_typing(self, signed_in, ana, approval):
        page = signed_in(make_staff(), "/")
        page.goto(reverse("admin:auth_group_add"))

        page.get_by_label("Name:").fill("finance")
        page.locator(".select2-selection").first.click()
        page.locator(".select2-search__field").fill("ana@")
        page.get_by_role("option", name="Ana Almeida").click()
        page.get_by_role("button", name="Save", exact=True).click()

        expect(page.get_by_text("was added successfully")).to_be_visible()
        assert ana.groups.filter(name="finance").exists()

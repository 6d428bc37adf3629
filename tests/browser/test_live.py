"""In a real browser: pages that are left open tell what is new, and keep still otherwise."""

import re

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from approvals.models import Delivery
from approvals.models.outbox import State

pytestmark = pytest.mark.browser


class TestReceipt:
    def test_it_follows_the_answer_to_the_workflow_and_then_rests(self, signed_in, ana, approval):
        page = signed_in(ana, approval.get_absolute_url())
        page.get_by_role("button", name="Approve").click()
        line = page.locator("#delivery")
        expect(line).to_contain_text("Sending")

        Delivery.objects.update(
            state=State.STORED, stored_at=timezone.now(), reason="Google keeps the answer."
        )
        expect(line).to_contain_text("Google has it. Google keeps the answer.")
        Delivery.confirm(approval.pk, actor="caller:x")
        expect(line).to_contain_text("The workflow has it.")
        approval.report("succeeded", "Paid in May", "", actor="caller:x")
        expect(page.get_by_text("Paid in May")).to_be_visible()
        expect(page.locator("#look[hx-get]")).to_have_count(0)

    def test_what_has_not_changed_is_not_read_out_again(self, signed_in, ana, approval):
        approval.decide("approved", by=ana, revision=1)
        page = signed_in(ana, reverse("approvals:receipt", args=[approval.pk]))
        page.evaluate("for (const n of document.querySelectorAll('p, li')) n.kept = true")
        before = page.evaluate("[...document.querySelectorAll('p, li')].map((n) => n.kept)")

        with page.expect_response("**/receipt/"):
            page.evaluate("htmx.trigger('#look', 'refresh')")
        page.wait_for_timeout(200)

        after = page.evaluate("[...document.querySelectorAll('p, li')].map((n) => n.kept)")
        assert after == before


class TestInbox:
    def test_a_hidden_tab_asks_for_nothing(self, signed_in, ana, approval):
        page = signed_in(ana)
        page.evaluate("Object.defineProperty(document, 'hidden', {get: () => window.away})")
        asked = []
        page.on("requestfinished", lambda request: asked.append(request.resource_type))

        page.evaluate("window.away = true; htmx.trigger('#ask', 'refresh')")
        page.wait_for_timeout(200)
        assert "xhr" not in asked
        with page.expect_request("**/news/**"):
            page.evaluate(
                "window.away = false; document.dispatchEvent(new Event('visibilitychange'))"
            )

    def test_when_the_session_ends_the_sign_in_page_appears(self, signed_in, ana, approval):
        page = signed_in(ana)
        Session.objects.all().delete()

        page.evaluate("htmx.trigger('#ask', 'refresh')")

        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


class TestConnection:
    @pytest.mark.parametrize("place", ["inbox", "detail"])
    def test_without_the_server_a_bar_says_so_until_it_is_back(
        self, signed_in, ana, approval, watch, place
    ):
        page = signed_in(ana, "/" if place == "inbox" else approval.get_absolute_url())
        look = "htmx.trigger('[hx-get]', 'refresh')"
        watch.without_server = True
        bar = page.locator("#connection")
        expect(bar).to_be_empty()

        page.context.set_offline(True)
        page.evaluate(look)
        expect(bar).to_have_text(re.compile("^No connection. This page may be out of date"))
        expect(bar).to_be_in_viewport()
        expect(bar).to_have_attribute("aria-live", "polite")

        page.context.set_offline(False)
        page.evaluate(look)
        expect(bar).to_be_empty()

    def test_a_server_that_fails_reads_the_same_and_the_page_tries_again_by_itself(
        self, signed_in, ana, approval, watch
    ):
        page = signed_in(ana)
        watch.without_server = True
        page.route("**/*", lambda route: route.fulfill(status=503, body="down"))

        expect(page.locator("#connection")).to_contain_text("No connection")
        expect(page.get_by_role("link", name="Hotel in Berlin")).to_be_visible()

        page.unroute_all()
        expect(page.locator("#connection")).to_be_empty()


class TestDetail:
    def test_a_half_written_comment_survives_everything(self, signed_in, ana, approval):
        page = signed_in(ana, approval.get_absolute_url())
        page.get_by_label("Comment").fill("Half a thou")
        page.get_by_label("Comment").press("End")

        with page.expect_response("**/approvals/**"):
            page.evaluate("htmx.trigger('#look', 'refresh')")
        page.wait_for_timeout(200)  # the piece that asks is replaced after the answer
        page.keyboard.type("ght")
        expect(page.get_by_label("Comment")).to_have_value("Half a thought")

        Session.objects.all().delete()
        with page.expect_response("**/sign-in/**"):
            page.evaluate("htmx.trigger('#look', 'refresh')")
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_role("heading", name="You were signed out")).to_be_visible()
        expect(page.get_by_text("Half a thought")).to_be_visible()

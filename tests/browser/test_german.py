"""In a real browser: pages in German, whose words are long, on the narrowest phone."""

import pytest
from playwright.sync_api import expect

from approvals import catalog
from approvals.catalog import Startable
from approvals.declaration import declared
from approvals.models import Preference
from tests.approvals.test_page_start import PAY
from tests.browser.every_page import make_world

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

GERMANS = {"locale": "de-DE"}
NARROW = {"viewport": {"width": 320, "height": 640}, **GERMANS}


@pytest.fixture
def world(_database, settings, monkeypatch):
    """Every page there is."""
    settings.GOOGLE_CLOUD_PROJECT = "p"
    monkeypatch.setattr(catalog, "_asked", lambda parent: [Startable("pay", declared(PAY))])
    return make_world()


class TestNarrow:
    def test_no_page_is_wider_than_the_phone(self, world, signed_in):
        page = signed_in(world.viewer, **NARROW)

        wide = {}
        for name, path in world.ours.items():
            page.goto(path)
            assert page.locator("html").get_attribute("lang") == "de", name
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > 320:
                wide[name] = width
        assert wide == {}

    def test_text_of_twice_the_size_loses_nothing(self, world, signed_in):
        page = signed_in(world.viewer, viewport={"width": 640, "height": 480}, **GERMANS)

        wide = {}
        for name, path in world.ours.items():
            page.goto(path)
            page.evaluate("document.documentElement.style.fontSize = '200%'")
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > 640:
                wide[name] = width
        assert wide == {}

    def test_no_button_cuts_its_words_off(self, world, signed_in):
        page = signed_in(world.viewer, **NARROW)

        for name, path in world.ours.items():
            page.goto(path)
            cut = page.evaluate(
                "[...document.querySelectorAll('button, .button, .tab, .chip')]"
                ".filter((each) => each.checkVisibility())"
                ".filter((each) => each.scrollWidth > each.clientWidth + 1)"
                ".map((each) => each.textContent.trim())"
            )
            assert cut == [], name


class TestAnswer:
    def test_from_the_sign_in_to_the_receipt_all_is_german(self, open_browser, ana, approval):
        page = open_browser(**GERMANS)
        page.goto(approval.get_absolute_url())
        page.get_by_label("E-Mail-Adresse").fill(ana.email)
        page.get_by_label("Passwort").fill("demo")
        page.get_by_role("button", name="Anmelden").click()

        expect(page.get_by_text("Eva Lind").first).to_be_visible()
        page.get_by_role("button", name="Genehmigen").click()

        expect(page.get_by_text("Ihre Antwort ist vermerkt")).to_be_visible()
        expect(page.get_by_text("Genehmigt").first).to_be_visible()

    def test_who_chooses_german_reads_it_in_an_english_browser(self, signed_in, ana, approval):
        page = signed_in(ana, "/profile/", locale="en-GB")
        page.get_by_label("Language of pages and mails").select_option("de")
        page.locator("section", has_text="How you are told").get_by_role(
            "button", name="Save"
        ).click()

        expect(page.get_by_role("heading", name="Wie Sie benachrichtigt werden")).to_be_visible()
        assert page.locator("html").get_attribute("lang") == "de"
        assert Preference.objects.get().language == "de"
        page.goto("/")
        expect(page.get_by_role("heading", name="Eingang")).to_be_visible()

"""In a real browser: no barrier that axe-core knows on any page, in either scheme; nothing is lost
on the narrowest phone or in large text; nothing is covered that the keyboard goes to."""

import re

import pytest

from approvals import catalog, way
from approvals.catalog import Startable
from approvals.declaration import declared
from approvals.google.sources import Entry, Place, Seen, Source
from approvals.runs import Told
from tests.approvals.drawings import OURS
from tests.approvals.test_page_start import PAY
from tests.browser.barriers import barriers, looked_at, told
from tests.browser.every_page import NO_PAGES, NOT_OURS, make_world, routes

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture
def google(settings, monkeypatch):
    """What Google would say: one workflow that may be started, and how far a run has come."""
    settings.GOOGLE_CLOUD_PROJECT = "p"
    monkeypatch.setattr(catalog, "_asked", lambda parent: [Startable("pay", declared(PAY))])
    source = Source(OURS["expense-approval"], "000001-a4d")
    entries = (Entry(Place("main", "ask"), "STATE_IN_PROGRESS", ""),)
    told = Told(source, Seen("ACTIVE", "000001-a4d", ()), entries, "000001-a4d")
    monkeypatch.setattr(way, "asked", lambda name: told)


@pytest.fixture
def world(_database, google):
    return make_world()


class TestEveryPage:
    def test_none_is_missing_from_the_list(self, world):
        seen = {name.partition(" ")[0] for name in (*world.paths, *world.answers)}
        of_rows = re.compile(r"admin:.*_(changelist|add|change|delete|history)$")
        there = {name for name in routes() if not of_rows.match(name) or name in seen}
        there = {name for name in there if not name.startswith("api:")} | NOT_OURS

        assert there - seen - NO_PAGES - NOT_OURS == set()
        assert NO_PAGES & seen == set()

    def test_it_has_no_barrier_and_loses_nothing(self, signed_in, world):
        page = signed_in(world.viewer, bypass_csp=True)
        found = {}
        for name, path in world.ours.items():
            page.goto(path)
            found[name] = looked_at(page, everywhere=True)

        assert told(found) == []

    def test_nor_has_one_that_answers_a_form(self, signed_in, world):
        page = signed_in(world.viewer, bypass_csp=True)
        bodies = iter(world.answers.values())
        page.route(
            "**/answer", lambda route: route.fulfill(body=next(bodies), content_type="text/html")
        )
        found = {}
        for name in world.answers:
            page.goto("/answer")
            found[name] = looked_at(page, everywhere=not name.startswith("admin:"))

        assert told(found) == []

    def test_nor_have_the_operators_lists(self, signed_in, world):
        page = signed_in(world.viewer, bypass_csp=True)
        found = {}
        for name in world.paths.keys() - world.ours.keys():
            page.goto(world.paths[name])
            found[name] = looked_at(page, everywhere=False)

        assert told(found) == []


class TestOpened:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_what_opens_on_a_page_has_no_barrier(self, signed_in, world, scheme):
        page = signed_in(
            world.viewer, "/", color_scheme=scheme, reduced_motion="reduce", bypass_csp=True
        )
        found = {}

        page.locator(".pick input").first.check()
        page.locator("summary").first.click()
        found["selected and filtered"] = barriers(page)
        page.locator("#me").click()
        found["menu"] = barriers(page)
        page.get_by_role("button", name="Keyboard").click()
        found["keys"] = barriers(page)
        page.goto(world.paths["approvals:detail plain"])
        page.keyboard.press("a")
        found["an answer that Enter would send"] = barriers(page)

        assert told(found) == []


class TestMotionAndColours:
    def test_nothing_moves_for_whoever_wants_no_motion(self, signed_in, world):
        page = signed_in(world.viewer, reduced_motion="reduce")
        moving = (
            "[...document.querySelectorAll('*')].filter((e) => { const s = getComputedStyle(e);"
            " return parseFloat(s.transitionDuration) || parseFloat(s.animationDuration); }).length"
        )
        for path in world.ours.values():
            page.goto(path)
            assert page.evaluate(moving) == 0, path

    def test_with_the_colours_of_the_person_what_is_chosen_still_shows(self, signed_in, world):
        page = signed_in(world.viewer, forced_colors="active")
        page.locator(".pick input").first.check()

        def border(selector):
            style = "e => getComputedStyle(e).borderTopColor + getComputedStyle(e).borderTopWidth"
            return page.locator(selector).first.evaluate(style)

        assert border(".tab[aria-current]") != border(".tab:not([aria-current])")
        assert border(".chip").endswith("1px")

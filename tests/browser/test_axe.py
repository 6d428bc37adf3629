"""In a real browser: no barrier that axe-core knows on any page, in either scheme; nothing is lost
on the narrowest phone or in large text; nothing is covered that the keyboard goes to."""

import re
from importlib.resources import files

import pytest

from approvals import catalog, way
from approvals.catalog import Startable
from approvals.declaration import declared
from approvals.google.sources import Entry, Place, Seen, Source
from approvals.runs import Told
from tests.approvals.drawings import OURS
from tests.approvals.test_page_start import PAY
from tests.browser.every_page import NO_PAGES, NOT_OURS, make_world, routes

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 320, "height": 640}
# Boxes that cut off letters which stand in them: wider within than without, and not to be scrolled.
CUT = """() => [...document.querySelectorAll('main *, header *')]
  .filter((each) => each.innerText?.trim() && each.checkVisibility())
  .filter((each) => !each.closest('.visually-hidden, .person, svg, select, option'))
  .filter((each) => {
    const style = getComputedStyle(each);
    const clips = (overflow) => ['hidden', 'clip'].includes(overflow);
    if (style.clipPath !== 'none') return false;
    return (clips(style.overflowX) && each.scrollWidth > each.clientWidth + 1)
      || (clips(style.overflowY) && each.scrollHeight > each.clientHeight + 1);
  })
  .map((each) => each.outerHTML.slice(0, 120))"""
# What has the focus and is not in sight, or lies under something else.
COVERED = """() => {
  const found = [];
  const kinds = 'a, button, input, select, textarea, summary';
  for (const each of document.querySelectorAll(`main :is(${kinds})`)) {
    if (!each.checkVisibility({ visibilityProperty: true }) || each.type === 'hidden') continue;
    each.focus();
    if (document.activeElement !== each) continue;
    const box = each.getClientRects()[0];
    const at = [box.left + Math.min(box.width / 2, 20), box.top + Math.min(box.height / 2, 12)];
    const top = document.elementFromPoint(...at);
    const label = each.labels?.[0];
    if (!top || !(each.contains(top) || top.contains(each) || label?.contains(top)))
      found.push(`${each.outerHTML.slice(0, 120)} under ${top?.outerHTML.slice(0, 120)}`);
  }
  return found;
}"""
BROKEN = "[...document.images].filter((i) => i.complete && !i.naturalWidth).map((i) => i.src)"


# axe tries colours on with styles of its own, which our policy would refuse and report: the pages
# are opened without it here.


def barriers(page, *rules):
    """What axe finds on the page as it is: which rule, and where."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    page.wait_for_timeout(100)  # until another scheme or width is drawn
    options = {
        "runOnly": list(rules) or LEVELS,
        "rules": {"empty-table-header": {"enabled": False}} if not rules else {},  # Django's own
        "resultTypes": ["violations"],
        "preload": False,
    }
    found = page.evaluate("(options) => axe.run(document, options)", options)["violations"]
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary'][:200]}"
        for each in found
        for node in each["nodes"][:3]
    ]


def looked_at(page, *, everywhere):
    """What is wrong with the page that is open: in light and dark, on a desk and on a phone.

    `everywhere`: it holds where a table is wider than a phone, which then scrolls, as well.
    """
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size(DESKTOP)
    found = {"light": barriers(page), "pictures": page.evaluate(BROKEN)}
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    found["dark"] = barriers(page, "color-contrast", "link-in-text-block")
    page.set_viewport_size(PHONE)
    found["phone"] = barriers(page, "target-size", "scrollable-region-focusable")
    if everywhere:
        found["narrow"] = lost(page, 320)
        found["covered"] = page.evaluate(COVERED)
        page.set_viewport_size({"width": 640, "height": 480})
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        found["large"] = lost(page, 640)
    return {look: each for look, each in found.items() if each}


def told(found):
    """A line for each thing that is wrong: the page, how it was looked at, and what it is."""
    return [
        f"{name}, {look}: {what}"
        for name, looks in found.items()
        for look, all_of_it in (looks.items() if isinstance(looks, dict) else [("", looks)])
        for what in all_of_it
    ]


def lost(page, width):
    """What one would have to scroll for sideways, and what is cut off."""
    wide = page.evaluate("document.documentElement.scrollWidth")
    return [f"{wide} wide"] * (wide > width) + page.evaluate(CUT)


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

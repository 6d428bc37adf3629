"""What keeps people out of a page: what axe-core finds, what is cut off, and what is covered."""

from importlib.resources import files

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

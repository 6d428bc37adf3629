"""The charts of the insights as SVG, in both colour schemes and two widths. Nothing is asked here.

A chart is a picture beside a table that says the same: it is shown as an image, which runs no
script and loads nothing.
"""

import sys
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from math import ceil
from typing import Any

import pygal
from django.utils.formats import date_format
from django.utils.translation import gettext, pgettext
from pygal.style import Style

from approvals.insights import OUTCOMES, Insights, Pace
from approvals.periods import Period
from approvals.plain import visible

# Its finder of further packages of maps is one of which Python warns; there are none here.
sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, pygal.PluginImportFixer)]

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
# As static/css/tokens.css has them: surface, text, muted, line.
LIGHT = ("#ffffff", "#1b2230", "#5a6475", "#dde1e8")
DARK = ("#191e28", "#e7eaf0", "#a6b0c1", "#313a4a")
# In the order of OUTCOMES; neighbours differ in brightness, not in hue alone.
OUTCOMES_LIGHT = ("#17693f", "#c0392f", "#e0a030", "#5470e0", "#3a4252", "#b4bccb")
OUTCOMES_DARK = ("#4fbf86", "#f08080", "#f1c069", "#8fa6ff", "#dfe4ee", "#647089")
TIMES_LIGHT, TIMES_DARK = ("#2a47b5", "#a9b7ea"), ("#a3b7ff", "#4a5fa8")
# Units of time, the largest that gives numbers above two is taken; seconds of each.
MINUTE, HOUR, DAY = 60, 3600, 86400
MOST_BARS = 12
WIDE, NARROW = 960, 400
LONGEST_LABEL = 24


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart as SVG, and what a Content-Security-Policy calls the style that is in it."""

    svg: str
    styles: list[str]


@dataclass(frozen=True, slots=True)
class Look:
    """How a chart is drawn: for a dark page, for a phone."""

    dark: bool = False
    narrow: bool = False

    def style(self, colours: Sequence[str]) -> Any:
        surface, text, muted, line = DARK if self.dark else LIGHT
        return Style(
            background=surface,
            plot_background=surface,
            foreground=muted,
            foreground_strong=text,
            foreground_subtle=line,
            guide_stroke_color=line,
            major_guide_stroke_color=line,
            guide_stroke_dasharray="0",
            major_guide_stroke_dasharray="0",
            opacity="1",
            opacity_hover="1",
            transition="0s",
            colors=tuple(colours),
            font_family=FONT,
            label_font_size=12,
            major_label_font_size=12,
            legend_font_size=12,
            title_font_size=12,
            no_data_font_size=16,
        )

    def options(self, colours: Sequence[str], height: int, largest: float) -> dict[str, Any]:
        """What all charts have in common."""
        return {
            "style": self.style(colours),
            "width": NARROW if self.narrow else WIDE,
            "height": height,
            "margin": 6,
            "margin_bottom": 20,
            "js": (),
            "no_prefix": True,
            "disable_xml_declaration": True,
            "legend_at_bottom": True,
            "legend_at_bottom_columns": 2 if self.narrow else 4,
            "legend_box_size": 12,
            "show_x_guides": False,
            "truncate_legend": -1,
            "truncate_label": -1,
            "no_data_text": gettext("Nothing in this period"),
            "y_labels": ticks(largest),
            "range": (0, ticks(largest)[-1]),
        }


def ticks(largest: float) -> list[int]:
    """Round whole numbers from 0 on, six at most, the last not below `largest`. Pure."""
    steps = (factor * 10**power for power in count() for factor in (1, 2, 5))
    step = next(step for step in steps if step * 5 >= largest)
    return [step * n for n in range(max(1, ceil(largest / step)) + 1)]


def heights(insights: Insights) -> dict[str, int]:
    """How high each chart is, in the units in which it is `WIDE` wide."""
    types, groups = (
        sum(bool(pace.spread) for pace in paces) for paces in (insights.types, insights.groups)
    )
    return {
        "outcomes": 300,
        "types": _height(types, 48),
        "groups": _height(groups, 48),
        "people": _height(len(insights.people), 32),
    }


def _height(bars: int, each: int) -> int:
    return 110 + each * min(bars, MOST_BARS)


def outcomes(periods: Sequence[Period], look: Look) -> Drawing:
    """What was closed in each period, as stacked bars."""
    shown = [kind for kind in OUTCOMES if any(period.counts[kind] for period in periods)]
    palette = dict(zip(OUTCOMES, OUTCOMES_DARK if look.dark else OUTCOMES_LIGHT, strict=True))
    largest = max((period.counts.total() for period in periods), default=0)
    options = look.options([palette[kind] for kind in shown or OUTCOMES], 300, largest)
    chart = pygal.StackedBar(**options, show_minor_x_labels=False)
    chart.x_labels = [date_format(period.first, "MONTH_DAY_FORMAT") for period in periods]
    every = max(1, -(-len(periods) // (3 if look.narrow else 7)))
    chart.x_labels_major = chart.x_labels[::every]
    for kind in shown:
        chart.add(str(OUTCOMES[kind]), [period.counts[kind] for period in periods])
    if not shown:
        chart.add("", [])  # without any, pygal fails in place of saying that there is nothing
    return _drawn(chart)


def times(paces: Sequence[Pace], look: Look) -> Drawing:
    """Median and 95th percentile of each type or group, as bars that lie."""
    decided = [pace for pace in paces if pace.spread][:MOST_BARS]
    unit, name = unit_of([pace.spread.high for pace in decided if pace.spread])
    largest = max((pace.spread.high / unit for pace in decided if pace.spread), default=0)
    colours = TIMES_DARK if look.dark else TIMES_LIGHT
    chart = pygal.HorizontalBar(**look.options(colours, _height(len(decided), 48), largest))
    chart.value_formatter = lambda value: f"{value:g} {name}"
    # They are drawn from below.
    decided.reverse()
    chart.x_labels = [label_of(pace) for pace in decided]
    spreads = [pace.spread for pace in decided if pace.spread]
    chart.add(gettext("Median"), [round(each.median / unit, 2) for each in spreads])
    chart.add(gettext("95 % within"), [round(each.high / unit, 2) for each in spreads])
    return _drawn(chart)


def people(numbers: Sequence[tuple[str, int]], look: Look) -> Drawing:
    """For whom most waits, as bars that lie."""
    largest = max((number for _, number in numbers), default=0)
    colours = TIMES_DARK if look.dark else TIMES_LIGHT
    options = look.options(colours, _height(len(numbers), 32), largest)
    chart = pygal.HorizontalBar(**options, show_legend=False)
    chart.x_labels = [shortened(name) for name, _ in reversed(numbers)]
    chart.add("", [number for _, number in reversed(numbers)])
    return _drawn(chart)


def label_of(pace: Pace) -> str:
    """The name of a type or a group below its bars."""
    return shortened(pace.label or gettext("No type"))


def shortened(text: str) -> str:
    """A name of others, harmless, and not longer than there is room."""
    text = visible(text)
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def unit_of(seconds: Sequence[float]) -> tuple[int, str]:
    """The unit in which these lengths of time are drawn, in seconds and for the eye."""
    longest = max(seconds, default=0)
    if longest >= 2 * DAY:
        return DAY, pgettext("unit on the axis of a chart", "d")
    if longest >= 2 * HOUR:
        return HOUR, pgettext("unit on the axis of a chart", "h")
    return MINUTE, pgettext("unit on the axis of a chart", "min")


def _drawn(chart: Any) -> Drawing:
    styles: list[str] = []

    def alone(root: Any) -> Any:
        """Without what pygal means for a page that runs its script: that, and its tooltips."""
        for parent in list(root.iter()):
            for child in list(parent):
                if child.tag == "script" or child.get("class") == "tooltip":
                    parent.remove(child)
                elif child.tag == "style":
                    styles.append(child.text)
        return root

    chart.add_xml_filter(alone)
    svg: str = chart.render(is_unicode=True)
    digests = (sha256(style.encode()).digest() for style in styles)
    return Drawing(svg, [f"'sha256-{b64encode(digest).decode()}'" for digest in digests])

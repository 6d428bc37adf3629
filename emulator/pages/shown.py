"""Values, times and numbers as people read them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from emulator.clock import parse_timestamp
from emulator.interpreter import payload
from emulator.values import Value

LONGEST = 2000
"""Characters of a value on a page; the rest is a link away."""

_LEVELS = 60
"""Levels of a value that are indented; deeper ones stay on one line."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text on a page. `full` is where all of it is, if this is but its beginning."""

    text: str
    full: str = ""


def text(whole: str, link: str) -> Text:
    """A text, or its beginning with a link to the whole."""
    return Text(whole) if len(whole) <= LONGEST else Text(whole[:LONGEST], link)


def pretty(written: str) -> str:
    """JSON text with a line for each entry; what is no JSON stays."""
    try:
        value = json.loads(written)
    except (ValueError, RecursionError):
        return written
    return value_text(value)


def value_text(value: Value) -> str:
    """A value as JSON with a line for each entry; bytes by their length."""
    written = payload(value)
    if _depth(written) > _LEVELS:
        return written
    return json.dumps(json.loads(written), indent=2, ensure_ascii=False)


def _depth(written: str) -> int:
    """How deep a JSON text is nested at most; brackets in strings count too."""
    depth = deepest = 0
    for character in written:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def cut(whole: str, most: int) -> str:
    """The beginning of a text."""
    return whole if len(whole) <= most else whole[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def moment(when: str | datetime) -> str:
    """A time in UTC, to the millisecond: `2026-01-31 16:04:00.123`."""
    found = parse_timestamp(when) if isinstance(when, str) else when
    return found.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def seconds(span: float) -> str:
    """A length of time: `12 ms`, `3.4 s`, `5 min 10 s`, `2 h 5 min`, `3 d 4 h`."""
    if span < 1:
        return f"{span * 1000:.0f} ms"
    if span < 60:
        return f"{span:.1f} s"
    minutes, rest = divmod(round(span), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def number(value: int) -> str:
    """A number with its thousands apart."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")

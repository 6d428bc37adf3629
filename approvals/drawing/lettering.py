"""Words fitted into boxes, by guess: the letters themselves are the browser's."""

import textwrap
import unicodedata
from dataclasses import dataclass

from django.utils.translation import gettext

from approvals.drawing import words
from approvals.drawing.graph import Graph, Step
from approvals.drawing.progress import Stage

NAME, NOTE = 18, 15  # heights of lines
NAME_UNITS, NOTE_UNITS = 21, 28  # letters of a usual width in a line
PADDING = 9
UNIT = 7.2  # width of a letter of a label


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text in a box, at the height of its foot."""

    text: str
    y: int
    kind: str


def texts_of(graph: Graph, step: Step, stage: Stage | None) -> tuple[tuple[Text, ...], int]:
    """What stands in a box, and its height."""
    told = words.told(graph, step)
    lines = [(text, "name", NAME) for text in wrapped(told.name, NAME_UNITS, 3)]
    what = words.doing(graph, step) if told.doing else ""
    lines += [(text, "note", NOTE) for text in wrapped(what, NOTE_UNITS, 3)]
    if stage:
        lines.append((staged(stage), "stage", NOTE + 2))
    texts, y = [], PADDING
    for text, kind, height in lines:
        y += height
        texts.append(Text(text, y - 4, kind))
    return tuple(texts), y + PADDING


def staged(stage: Stage) -> str:
    """How a step stands, in words and with a sign, so that no colour is needed."""
    return {
        Stage.DONE: gettext("✓ done"),
        Stage.FAILED: gettext("✕ failed"),
        Stage.CANCELLED: gettext("✕ cancelled"),
        Stage.NOW: gettext("● runs now"),
        Stage.WAITS: gettext("● waits here"),
    }[stage]


def wrapped(text: str, units: int, most: int) -> list[str]:
    """The text in at most so many lines of so many usual letters."""
    wide = width_of(text) / max(len(text), 1)
    lines = textwrap.wrap(text, max(int(units / max(wide, 1.0)), 4))
    if len(lines) > most:
        lines = [*lines[: most - 1], cut(" ".join(lines[most - 1 :]), len(lines[0]))]
    return lines


def cut(text: str, most: int) -> str:
    """The text, or so much of it and a mark that there is more."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def width_of(text: str) -> float:
    """The width in usual letters: East Asian ones and signs take two, capitals more than one."""
    return sum(
        2.0 if unicodedata.east_asian_width(char) in "WF" else 1.3 if char.isupper() else 1.0
        for char in text
    )


def label_width(text: str) -> int:
    return int(width_of(text) * UNIT) + 14

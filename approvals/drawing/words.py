"""Steps and ways in words for people: no functions, no arguments, no addresses but hosts."""

import re
from dataclasses import dataclass

from django.utils.translation import gettext

from approvals.drawing.following import Ending, Way
from approvals.drawing.graph import MAIN, Graph, Kind, Role, Step
from approvals.plain import visible

MAX_NAME = 80  # characters
MAX_INNER = 6  # steps of a loop that are named

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def name_of(step: Step) -> str:
    """The name that the author gave, as words; empty where there is none."""
    return spoken(step.name)


def spoken(name: str) -> str:
    """A name of the source as words: `pay_invoice` and `payInvoice` are “pay invoice”."""
    split = _CAMEL.sub(" ", name)
    split = split.lower() if split != name else name
    shown = visible(" ".join(split.replace("_", " ").replace("-", " ").split()))
    return shown if len(shown) <= MAX_NAME else f"{shown[: MAX_NAME - 1]}…"


def heading(routine: str) -> str:
    """What stands above the steps of a routine; nothing above those it all begins with."""
    return "" if routine == MAIN else spoken(routine)


def doing(graph: Graph, step: Step) -> str:
    """What a step does, in a few words that fit behind its name."""
    if not graph.understood:
        return ""
    if step.kind is Kind.CALL:
        return _calling(graph, step)
    if step.kind is Kind.PARALLEL:
        return gettext("several at the same time")
    return {
        Kind.ASSIGN: gettext("works something out"),
        Kind.FOR: gettext("again and again, for each of a list"),
        Kind.NOTHING: gettext("goes on"),
        Kind.RAISE: gettext("stops with an error"),
        Kind.RETURN: gettext("ends with a result"),
        Kind.STEPS: gettext("a group of steps"),
        Kind.SWITCH: gettext("decides how to go on"),
        Kind.TRY: gettext("tries"),
    }[step.kind]


def _calling(graph: Graph, step: Step) -> str:
    if graph.waits_at(step):
        return gettext("waits for the answer of people")
    library, _, function = step.call.partition(".")
    if library == "http" and function:
        if step.host:
            return gettext("sends a request to %(host)s") % {"host": visible(step.host)}
        return gettext("sends a request to another system")
    if library == "googleapis" and function:
        service = visible(function.partition(".")[0][:40])
        return gettext("uses the Google service “%(service)s”") % {"service": service}
    return _known_calls().get(step.call) or _other(graph, step)


def _known_calls() -> dict[str, str]:
    pause = gettext("pauses")
    return {
        "events.create_callback_endpoint": gettext("gets ready to hear the answer"),
        "report_outcome": gettext("tells the people involved what came of it"),
        "sys.log": gettext("writes a line to its log"),
        "sys.sleep": pause,
        "sys.sleep_until": pause,
        "withdraw_approvals": gettext("withdraws its questions that are still open"),
    }


def _other(graph: Graph, step: Step) -> str:
    if step.call in graph.routines:
        return gettext("does “%(part)s”") % {"part": spoken(step.call)}
    return gettext("works something out")


@dataclass(frozen=True, slots=True)
class Told:
    """One line of what follows: what the author called it, and what it does."""

    name: str
    doing: str


@dataclass(frozen=True, slots=True)
class Account:
    """What follows, in words: lines, then how it ends, or the ways that it may go on."""

    lines: tuple[Told, ...]
    ending: str
    choices: "tuple[Account, ...]" = ()


def account(graph: Graph, way: Way) -> Account:
    """A way in words."""
    lines: list[Told] = []
    for number, step in enumerate(way.steps):
        if number in way.joins:
            lines.append(_joined())
        lines.append(told(graph, step))
    if len(way.steps) in way.joins:
        lines.append(_joined())
    choices = tuple(account(graph, each) for each in way.choices)
    return Account(tuple(lines), ending(way), choices)


def _joined() -> Told:
    return Told(gettext("It waits until its other branches are done as well."), "")


def told(graph: Graph, step: Step) -> Told:
    """A step in words; of one that holds others also what these are called."""
    inner = [name_of(each) for each in step.within() if each is not step and each.name]
    body = any(part.role is not Role.EXCEPT for part in step.parts)
    words = doing(graph, step)
    if body and inner:
        names = ", ".join(inner[:MAX_INNER]) + ("…" if len(inner) > MAX_INNER else "")
        words = f"{words}: {names}"
    return Told(name_of(step) or words, words if step.name else "")


def ending(way: Way) -> str:
    """How a way ends, as a sentence."""
    at = name_of(way.at) if way.at else ""
    if way.ending is Ending.ASKS:
        return gettext("Then it waits for an answer again: %(step)s.") % {"step": at}
    if way.ending is Ending.BACK:
        return gettext("Then it goes back to: %(step)s.") % {"step": at}
    if way.ending is Ending.AGAIN:
        return gettext("It goes on with the next one of the list: %(step)s.") % {"step": at}
    return {
        Ending.DECIDES: gettext("How it goes on depends on more than this answer."),
        Ending.ENDS: gettext("Then the workflow ends."),
        Ending.FAILS: gettext("Then the workflow stops with an error."),
        Ending.LONG: gettext("More steps follow."),
        Ending.LOST: gettext("How it goes on cannot be told from here."),
    }[way.ending]

"""How far an execution has come, on the drawing of its workflow; and which question is whose."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from approvals.drawing.expressions import pieces
from approvals.drawing.graph import Graph, Step


class Stage(StrEnum):
    """How a step stands."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NOW = "now"
    WAITS = "waits"


@dataclass(frozen=True, slots=True)
class Ran:
    """What has been run: by number of the step how it stands, and the lines that were gone."""

    stages: Mapping[int, Stage] = field(default_factory=dict)
    order: tuple[Step, ...] = ()
    gone: frozenset[tuple[int, int]] = frozenset()

    def active(self, sites: Iterable[Step]) -> list[Step]:
        """Those of the steps that run now."""
        return [step for step in sites if self.stages.get(step.number) is Stage.NOW]

    def visited(self, sites: Iterable[Step]) -> list[Step]:
        """Those of the steps that have run or run now."""
        return [step for step in sites if step.number in self.stages]

    def waiting(self, step: Step) -> "Ran":
        """The same, with a step marked as the one that waits for the answer."""
        return Ran({**self.stages, step.number: Stage.WAITS}, self.order, self.gone)


_STAGES = {
    "STATE_IN_PROGRESS": Stage.NOW,
    "STATE_FAILED": Stage.FAILED,
    "STATE_CANCELLED": Stage.CANCELLED,
}


def ran(
    graph: Graph, entries: Iterable[tuple[str, str, str, str]], current: Iterable[tuple[str, str]]
) -> Ran:
    """Put what Google says onto the drawing.

    Args:
        entries: routine, step, state and thread of what was run, in order.
        current: routine and step of where it is; used where `entries` are not known.
    """
    named: dict[tuple[str, str], list[Step]] = {}
    for step in graph.steps:
        if step.name:
            named.setdefault((step.routine, step.name), []).append(step)
    stages: dict[int, Stage] = {}
    order: list[Step] = []
    gone: set[tuple[int, int]] = set()
    last: dict[tuple[str, str], list[Step]] = {}
    for routine, name, state, thread in entries:
        found = named.get((routine, name), [])
        stage = _STAGES.get(state, Stage.DONE)
        for step in found:
            # The last time counts, unless it still runs in another branch.
            if stages.get(step.number) is not Stage.NOW:
                stages[step.number] = stage
            order.append(step)
        for before_ in last.get((thread, routine), ()):
            gone |= {(before_.number, step.number) for step in found}
        if found:
            last[thread, routine] = found
    if not stages:
        for place in current:
            stages |= {step.number: Stage.NOW for step in named.get(place, ())}
    return Ran(stages, tuple(dict.fromkeys(order)), frozenset(gone))


@dataclass(frozen=True, slots=True)
class Question:
    """What tells the question of an approval from others of its workflow."""

    title: str
    key: str = ""  # the workflow's own name for it; empty where that is not known
    options: tuple[tuple[str, str], ...] = ()  # value and label


def site_of(graph: Graph, done: Ran, question: Question) -> Step | None:
    """The step that waits, or waited, for the answer to this question; None if it is not told."""
    sites: Sequence[Step] = graph.sites
    for narrowed in (
        [site for site in sites if _may_ask(site, question)],
        done.active(sites),
        done.visited(sites),
    ):
        both = [site for site in sites if site in narrowed]
        sites = both or sites
    return sites[0] if len(sites) == 1 else None


def _may_ask(site: Step, question: Question) -> bool:
    """Whether what the source says of a question fits this one."""
    args = site.asks if isinstance(site.asks, dict) else {}
    request = args.get("request")
    request = request if isinstance(request, dict) else {}
    if question.key and "request" in args and not fits(args.get("key", "approval"), question.key):
        return False
    if not fits(request.get("title"), question.title):
        return False
    options = request.get("options")
    if not isinstance(options, list) or not question.options:
        return True
    return len(options) == len(question.options) and all(
        _fits_option(written, option)
        for written, option in zip(options, question.options, strict=True)
    )


def _fits_option(written: Any, option: tuple[str, str]) -> bool:
    if not isinstance(written, dict):
        return True
    value, label = option
    return fits(written.get("value"), value) and fits(written.get("label"), label)


def fits(written: Any, text: str) -> bool:
    """Whether what stands in the source may have come to this text."""
    parts = pieces(written)
    if parts is None:
        return bool(written == text)
    at = 0
    for part in parts:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True

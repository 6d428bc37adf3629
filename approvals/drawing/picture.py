"""Where everything stands in the picture of a routine. Numbers are pixels, whole ones."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

import graphlay
from django.utils.translation import gettext

from approvals.drawing import words
from approvals.drawing.graph import Edge, Graph, Kind, Part, Role, Step
from approvals.drawing.lettering import Text, cut, label_width, staged, texts_of
from approvals.drawing.progress import Ran, Stage
from approvals.drawing.shapes import LABEL_HEIGHT, Box, Frame, Label, Line, Picture

MOST_STEPS = 60
MOST_LINES = 110
WIDTH = 188
MARGIN = 8
ROUND = 6  # radius of the corners of lines
ARROW = 5
END_SIZE = (84, 30)
# The engine refuses what would take it long.
OPTIONS: dict[str, Any] = {
    "direction": "topbottom",
    "effort": "fast",
    "limits": {"max_nodes": 400, "max_edges": 400, "max_dummies": 900},
    "spacing": {
        "layer_gap": 36.0,
        "node_gap": 24.0,
        "dummy_gap": 18.0,
        "port_gap": 14.0,
        "compound_padding": 14.0,
        "compound_header": 18.0,
    },
}


@dataclass(frozen=True, slots=True)
class Mark:
    """How an answer shows on a line: its words, and whether it is a yes or a no."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is known beside the graph: what has run, and which lines follow which answer."""

    ran: Ran = field(default_factory=Ran)
    marks: Mapping[tuple[int, int], Mark] = field(default_factory=dict)


def picture(graph: Graph, routine: str, drawn: Drawn, near: Step | None) -> Picture | None:
    """The picture of a routine; None where there is nothing to see, or no room for it.

    Args:
        near: of a routine with very many steps, those next to this one are drawn.
    """
    edges = graph.edges(routine)
    steps = list(graph.of(routine))
    kept = _kept(steps, edges, near)
    edges = [
        edge
        for edge in edges
        if edge.source.number in kept and (edge.target is None or edge.target.number in kept)
    ]
    shown = [step for step in steps if step.number in kept]
    if not shown or len(edges) > MOST_LINES:
        return None
    sketch = _Sketch(graph, drawn, shown, _merged(edges))
    try:
        laid = graphlay.layout(sketch.graph, preset="process_map", options=OPTIONS)
    except graphlay.GraphlayError:
        return None
    return _finished(sketch, laid, routine, len(steps) - len(shown))


def _kept(steps: list[Step], edges: list[Edge], near: Step | None) -> set[int]:
    """The steps that are drawn: all, or those next to one."""
    if len(steps) <= MOST_STEPS:
        return {step.number for step in steps}
    beside: dict[int, list[int]] = {}
    for edge in edges:
        if edge.target:
            beside.setdefault(edge.source.number, []).append(edge.target.number)
            beside.setdefault(edge.target.number, []).append(edge.source.number)
    begin = near.number if near and near in steps else steps[0].number
    # Then, where not so many are joined to it, those that stand near it.
    others = sorted((step.number for step in steps), key=lambda number: abs(number - begin))
    turn = chain(_reached(begin, beside), others)
    return set(islice(dict.fromkeys(turn), MOST_STEPS))


def _reached(begin: int, beside: Mapping[int, Collection[int]]) -> Iterator[int]:
    """A step and those that are joined to it by lines, the nearest first."""
    seen, turn = {begin}, [begin]
    for each in turn:  # grows while we go
        yield each
        for other in beside.get(each, ()):
            if other not in seen:
                seen.add(other)
                turn.append(other)


def _merged(edges: list[Edge]) -> dict[tuple[int, int], list[Edge]]:
    """The lines by where they begin and end (-1 is the end): one is drawn for several alike."""
    found: dict[tuple[int, int], list[Edge]] = {}
    for edge in edges:
        target = edge.target.number if edge.target else -1
        found.setdefault((edge.source.number, target), []).append(edge)
    return found


class _Sketch:
    """What the engine is asked to lay out. It gets sizes and numbers, and no text of others."""

    def __init__(
        self,
        graph: Graph,
        drawn: Drawn,
        steps: list[Step],
        edges: dict[tuple[int, int], list[Edge]],
    ) -> None:
        self.workflow, self.drawn = graph, drawn
        self.graph = graphlay.Graph()
        self.boxes: list[tuple[str, Step | None]] = []
        self.texts: dict[int, tuple[Text, ...]] = {}
        self.frames: list[tuple[str, str]] = []
        self.edges = edges
        self.labels: dict[tuple[int, int], Mark] = {}
        self._framed: dict[int, int] = {}
        for step in steps:
            self._add(step)
        if any(target == -1 for _, target in edges):
            self._node("end", END_SIZE)
            self.boxes.append(("end", None))
        for (source, target), group in edges.items():
            self._line(source, target, group)

    def _node(self, key: str, size: tuple[int, int], parent: int | None = None) -> int:
        inside: dict[str, Any] = {} if parent is None else {"parent": parent}
        width, height = size
        return self.graph.node(key, width=width, height=height, label="", **inside)

    def _add(self, step: Step) -> None:
        texts, height = texts_of(self.workflow, step, self.drawn.ran.stages.get(step.number))
        self.texts[step.number] = texts
        key = str(step.number)
        self._node(key, (WIDTH, height), self._frame_of(step))
        self.boxes.append((key, step))

    def _frame_of(self, step: Step) -> int | None:
        """The frame that a step stands in, made when its first step comes."""
        part, owner = self.workflow.part(step), self.workflow.owner(step)
        if part is None or owner is None:
            return None
        title = _title(owner, part)
        if not title:
            return self._frame_of(owner)
        if id(part) not in self._framed:
            key = f"frame {len(self.frames)}"
            self._framed[id(part)] = self._node(key, (WIDTH, 40), self._frame_of(owner))
            self.frames.append((key, title))
        return self._framed[id(part)]

    def _line(self, source: int, target: int, group: list[Edge]) -> None:
        mark = self._mark(group)
        sized: dict[str, Any] = {}
        if mark:
            self.labels[source, target] = mark
            sized["label_size"] = {"width": label_width(mark.text), "height": LABEL_HEIGHT}
        end = "end" if target == -1 else str(target)
        self.graph.edge(str(source), end, **sized)

    def _mark(self, group: list[Edge]) -> Mark | None:
        """The words on a line: which answers lead along it, or that something failed."""
        found = [
            self.drawn.marks[edge.source.number, edge.case]
            for edge in group
            if edge.case is not None and (edge.source.number, edge.case) in self.drawn.marks
        ]
        if found:
            tones = {mark.tone for mark in found}
            text = " / ".join(dict.fromkeys(mark.text for mark in found))
            return Mark(cut(text, 34), tones.pop() if len(tones) == 1 else "")
        fails = all(edge.fails for edge in group) and group[0].source.kind is not Kind.RAISE
        return Mark(gettext("if it fails")) if fails else None


def _title(owner: Step, part: Part) -> str:
    """What stands at a frame, left of the line that comes in; empty where the steps have none."""
    if part.role is Role.BRANCH:
        return cut(words.spoken(part.name), 14) or "…"
    if part.role is Role.EXCEPT:
        return gettext("If that fails")
    if part.role is Role.BODY and owner.kind is Kind.FOR:
        return gettext("For each")
    if part.role is Role.BODY and owner.kind is Kind.PARALLEL:
        return gettext("Each, at once")
    return ""


# --- from what the engine found to what is drawn ------------------------------------------------


def _finished(sketch: _Sketch, laid: Any, routine: str, left_out: int) -> Picture:
    low, high = laid.bounds["min"], laid.bounds["max"]
    # Labels may stand out of what the engine counts.
    left, top = int(low["x"]) - MARGIN - 20, int(low["y"]) - MARGIN
    spots = dict(zip(laid.ids, laid.nodes, strict=True))

    def corner(key: str) -> tuple[int, int, int, int]:
        centre, size = spots[key]["center"], spots[key]["size"]
        width, height = int(size["width"]), int(size["height"])
        x, y = centre["x"] - size["width"] / 2, centre["y"] - size["height"] / 2
        return int(x) - left, int(y) - top, width, height

    return Picture(
        words.heading(routine),
        int(high["x"]) - left + MARGIN + 20,
        int(high["y"]) - top + MARGIN,
        tuple(Frame(*corner(key), title) for key, title in sketch.frames),
        tuple(_box(sketch, step, corner(key)) for key, step in sketch.boxes),
        tuple(
            _line(sketch, ends, edge, (left, top))
            for ends, edge in zip(sketch.edges, laid.edges, strict=True)
        ),
        left_out,
    )


def _box(sketch: _Sketch, step: Step | None, at: tuple[int, int, int, int]) -> Box:
    if step is None:
        end = gettext("End")
        return Box(*at, "end", end, (Text(end, 20, "name"),))
    stage = sketch.drawn.ran.stages.get(step.number)
    told = words.told(sketch.workflow, step)
    said = [told.name, told.doing, staged(stage) if stage else ""]
    kind = f"step {step.kind.value}" + (f" is-{stage.value}" if stage else "")
    return Box(
        *at, kind, ": ".join(filter(None, said)), sketch.texts[step.number], stage is Stage.WAITS
    )


def _line(
    sketch: _Sketch, ends: tuple[int, int], laid: dict[str, Any], origin: tuple[int, int]
) -> Line:
    left, top = origin
    points = [(round(at["x"]) - left, round(at["y"]) - top) for at in laid["points"]]
    mark, group = sketch.labels.get(ends), sketch.edges[ends]
    kinds = ["line"]
    if ends in sketch.drawn.ran.gone:
        kinds.append("gone")
    if all(edge.fails for edge in group):
        kinds.append("fails")
    if mark and mark.tone:
        kinds.append(mark.tone)
    label, anchor = None, laid.get("label_anchor")
    if mark and anchor:
        x, y, width = round(anchor["x"]) - left, round(anchor["y"]) - top, label_width(mark.text)
        label = Label(mark.text, mark.tone, x, y, x - width // 2, width)
    return Line(_path(points), _tip(points), " ".join(kinds), label)


Point = tuple[int, int]


def _path(points: list[Point]) -> str:
    """The line with round corners."""
    said = [f"M{points[0][0]} {points[0][1]}"]
    for before, at, after in zip(points, points[1:], points[2:], strict=False):
        near, far = _toward(at, before), _toward(at, after)
        said.append(f"L{near[0]} {near[1]}Q{at[0]} {at[1]} {far[0]} {far[1]}")
    said.append(f"L{points[-1][0]} {points[-1][1]}")
    return "".join(said)


def _toward(begin: Point, end: Point) -> Point:
    """A little way from one point to another, half of it at most."""
    across, down = end[0] - begin[0], end[1] - begin[1]
    length = max((across**2 + down**2) ** 0.5, 1.0)
    share = min(ROUND / length, 0.5)
    return round(begin[0] + across * share), round(begin[1] + down * share)


def _tip(points: list[Point]) -> str:
    """The arrow at the end of a line."""
    (x, y), before = points[-1], points[-2] if len(points) > 1 else points[-1]
    across, down = x - before[0], y - before[1]
    if abs(across) > abs(down):
        back = x - ARROW * 2 if across > 0 else x + ARROW * 2
        return f"M{x} {y}L{back} {y - ARROW}L{back} {y + ARROW}Z"
    back = y - ARROW * 2 if down >= 0 else y + ARROW * 2
    return f"M{x} {y}L{x - ARROW} {back}L{x + ARROW} {back}Z"

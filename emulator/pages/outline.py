"""The drawing of a workflow: its steps as nested boxes, each with what became of it in a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from emulator.operations.tracing import kind_of
from emulator.pages.wording import cut, kind, summary, written
from emulator.syntax import (
    Block,
    Branch,
    Call,
    For,
    Nothing,
    Parallel,
    Retry,
    Routine,
    Step,
    Steps,
    Switch,
    Try,
    Workflow,
)
from emulator.trace import StepEntry, StepState, StepType

Key = tuple[str, str, int, StepType, int]
"""Routine, step, line, what kind of entry, and for a case or a branch its number."""

_NUMBERED = {StepType.CONDITION, StepType.BRANCH}
_ELSEWHERE = {"end": "end", "break": "leave the loop", "continue": "next round"}


@dataclass(slots=True)
class Tally:
    """What became of a step, or a part of one, in all the times that it ran."""

    times: int = 0
    failed: int = 0
    active: int = 0
    last: int = 0
    """The number of the last entry."""

    @property
    def state(self) -> str:
        """The one word for it."""
        if self.active:
            return "active"
        if self.failed:
            return "failed" if self.failed == self.times else "partly"
        return "ran" if self.times else "idle"


@dataclass(slots=True)
class Group:
    """Steps inside a step: the body of a loop, a case, a branch, a try."""

    label: str
    text: str
    steps: Sequence[Node]
    goes: Jump | None = None
    tally: Tally | None = None


@dataclass(slots=True)
class Jump:
    """Where a step leads; `anchor` is the id of the step in the drawing, if it is one."""

    text: str
    anchor: str = ""


@dataclass(slots=True)
class Node:
    """A step in the drawing."""

    anchor: str
    name: str
    kind: str
    summary: str
    line: int
    goes: Jump | None
    groups: list[Group] = field(default_factory=list)
    beside: bool = False
    """Whether the groups run at the same time."""
    calls: str = ""
    """The routine that it calls, if it is one of the workflow."""
    tally: Tally | None = None


@dataclass(slots=True)
class Drawing:
    """A routine: its parameters and steps."""

    anchor: str
    name: str
    params: str
    line: int
    steps: Sequence[Node]
    tally: Tally | None = None


def tallies(entries: Iterable[StepEntry]) -> Mapping[Key, Tally]:
    """What became of each step and part."""
    found: dict[Key, Tally] = defaultdict(Tally)
    for entry in entries:
        number = (entry.iteration or 0) if entry.step_type in _NUMBERED else 0
        tally = found[entry.routine, entry.step, entry.line, entry.step_type, number]
        tally.times += 1
        tally.failed += entry.state is StepState.FAILED
        tally.active += entry.state is StepState.IN_PROGRESS
        tally.last = entry.id
    return found


def drawings(workflow: Workflow, ran: Mapping[Key, Tally] | None) -> list[Drawing]:
    """All routines, `main` first.

    Args:
        ran: what became of the steps in a run; None for a drawing of the workflow alone.
    """
    names = sorted(workflow.routines, key=lambda name: name != "main")
    artist = _Artist(workflow, ran)
    return [artist.routine(workflow.routines[name]) for name in names]


class _Artist:
    def __init__(self, workflow: Workflow, ran: Mapping[Key, Tally] | None) -> None:
        self._routines = workflow.routines
        self._ran = ran
        self._routine = ""
        self._drawn = 0

    def routine(self, routine: Routine) -> Drawing:
        self._routine = routine.name
        params = [
            param.name if param.default is None else f"{param.name} = {written(param.default)}"
            for param in routine.params
        ]
        steps = self._block(routine.steps, {})
        return Drawing(
            anchor=f"routine-{routine.name}",
            name=routine.name,
            params=cut(", ".join(params)),
            line=routine.where.line,
            steps=steps,
        )

    def _block(self, block: Block, around: Mapping[str, str]) -> list[Node]:
        """The steps of a block; `around` maps the names that a jump from outside it can reach."""
        anchors = []
        for _ in block:
            self._drawn += 1
            anchors.append(f"step-{self._drawn}")
        names = {**around, **dict(zip((step.name for step in block), anchors, strict=True))}
        return [
            self._step(step, anchor, names) for step, anchor in zip(block, anchors, strict=True)
        ]

    def _step(self, step: Step, anchor: str, names: Mapping[str, str]) -> Node:
        body = step.body
        node = Node(
            anchor=anchor,
            name=step.name,
            kind=kind(body),
            summary=summary(body),
            line=step.where.line,
            goes=_jump(step, names),
            tally=self._tally(step, kind_of(body, self._routines)),
        )
        if isinstance(body, Call) and body.function in self._routines:
            node.calls = body.function
        node.groups = self._groups(step, names)
        node.beside = isinstance(body, Parallel) and not isinstance(body.work, For)
        return node

    def _groups(self, step: Step, names: Mapping[str, str]) -> list[Group]:
        match step.body:
            case Switch(conditions):
                return [
                    self._group(
                        f"case {number}",
                        cut(written(condition.test)),
                        condition.then,
                        names,
                        self._tally(step, StepType.CONDITION, number),
                    )
                    for number, condition in enumerate(conditions, 1)
                ]
            case For() as loop:
                return [self._loop(loop, step, names)]
            case Parallel(work=For() as loop):
                return [self._loop(loop, step, {})]
            case Parallel(work=tuple(branches)):
                return [
                    self._branch(branch, number, step) for number, branch in enumerate(branches, 1)
                ]
            case Try() as attempt:
                return self._try(attempt, step, names)
            case Steps(steps):
                return [Group("", "", self._block(steps, names))]
        return []

    def _group(
        self,
        label: str,
        text: str,
        body: Step,
        names: Mapping[str, str],
        tally: Tally | None,
    ) -> Group:
        """A body without a name of its own: its steps, or itself as the only one."""
        goes = _jump(body, names)
        match body.body:
            case Nothing():
                return Group(label, text, [], goes, tally)
            case Steps(steps):
                return Group(label, text, self._block(steps, names), goes, tally)
        self._drawn += 1
        node = self._step(body, f"step-{self._drawn}", names)
        node.name = ""
        return Group(label, text, [node], None, tally)

    def _loop(self, loop: For, step: Step, names: Mapping[str, str]) -> Group:
        rounds = self._tally(step, StepType.ITERATION)
        return Group("each round", "", self._block(loop.steps, names), None, rounds)

    def _branch(self, branch: Branch, number: int, step: Step) -> Group:
        tally = self._find(branch.name, step.where.line, StepType.BRANCH, number)
        return self._group("branch", branch.name, branch.body, {}, tally)

    def _try(self, attempt: Try, step: Step, names: Mapping[str, str]) -> list[Group]:
        groups = [self._group("try", "", attempt.body, names, self._tally(step, StepType.TRY))]
        if attempt.retry is not None:
            again = self._tally(step, StepType.RETRY)
            groups.append(Group("retry", _policy(attempt.retry), [], None, again))
        if attempt.handler is not None:
            handler = attempt.handler
            text = f"as {handler.name}" if handler.name else ""
            caught = self._tally(step, StepType.EXCEPT)
            groups.append(Group("except", text, self._block(handler.steps, names), None, caught))
        return groups

    def _tally(self, step: Step, part: StepType, number: int = 0) -> Tally | None:
        return self._find(step.name, step.where.line, part, number)

    def _find(self, name: str, line: int, part: StepType, number: int) -> Tally | None:
        if self._ran is None:
            return None
        return self._ran.get((self._routine, name, line, part, number), Tally())


def _jump(step: Step, names: Mapping[str, str]) -> Jump | None:
    if step.next is None:
        return None
    name = step.next.target
    return Jump(_ELSEWHERE.get(name, name), names.get(name, ""))


def _policy(retry: Retry) -> str:
    parts = [retry.predicate or "every error"]
    if retry.max_retries is not None:
        parts.append(f"up to {written(retry.max_retries)} times")
    if retry.backoff is not None:
        parts.append(written(retry.backoff))
    return cut(", ".join(parts))

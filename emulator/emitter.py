"""What a compiler of steps emits operations with: where it stands, and what holds there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from emulator.errors import Frame as Place
from emulator.evaluate import Compiled, Evaluator
from emulator.frames import Code, Label, Operation
from emulator.limits import Limits
from emulator.operations import flow, tracing
from emulator.scopes import Scope
from emulator.syntax import Expression, Routine, Step
from emulator.trace import StepType


@dataclass(slots=True)
class Goal:
    """Where a jump leads, the scope in which the steps there stand, and how deep in the trace."""

    label: Label
    scope: Scope
    depth: int


@dataclass(slots=True)
class Program:
    """The codes of a workflow's routines. Those of `traced` ones say what they do."""

    routines: Mapping[str, Routine]
    traced: bool
    codes: dict[str, Code] = field(default_factory=dict)


class Emitter:
    """Emits the operations of one routine, or of one branch of a parallel step.

    A handler takes errors, a goal is where a jump leads; both hold in part of the steps. `_bare` is
    the step that is the whole of a branch.
    """

    def __init__(self, program: Program, limits: Limits, routine: str, scope: Scope) -> None:
        self._program = program
        self._limits = limits
        self._code = Code(routine)
        self._scope = scope
        self._goals: dict[str, Goal] = {}
        self._handler: Label | None = None
        self._depth = 0
        self._bare: Step | None = None
        self._place = Place("", routine, 1, 1, 0)

    def _emit(self, *operations: Operation) -> None:
        for operation in operations:
            self._code.operations.append(operation)
            self._code.places.append(self._place)
            self._code.handlers.append(self._handler)

    def _mark(self, label: Label) -> None:
        label.at = len(self._code.operations)

    def _compile(self, expression: Expression) -> Compiled:
        return Evaluator(self._scope, self._program.routines, self._limits).compile(expression)

    def _evaluate(self, expression: Expression, action: flow.Action) -> None:
        self._emit(*flow.evaluated(self._compile(expression), action))

    @contextmanager
    def _inside(self, scope: Scope, goals: dict[str, Goal]) -> Iterator[None]:
        """Compile in a scope, with more goals for jumps."""
        before = self._scope, self._goals
        self._scope, self._goals = scope, {**self._goals, **goals}
        yield
        self._scope, self._goals = before

    @contextmanager
    def _handled(self, handler: Label | None) -> Iterator[None]:
        """Compile what has this handler for its errors."""
        before, self._handler = self._handler, handler
        yield
        self._handler = before

    def _finish(self) -> Code:
        self._emit(flow.give_null)
        self._code.size = self._scope.layout.size
        return self._code

    # Traces

    @contextmanager
    def _entry(self, kind: StepType | None, number: tracing.Number | None = None) -> Iterator[None]:
        """Compile what is an entry of the trace, if there is one; with None it is none."""
        if kind is None or not self._program.traced:
            yield
            return
        depth = self._depth
        self._emit(self._beginning(kind, number))
        self._depth += 1
        yield
        self._depth = depth
        self._emit(tracing.end(depth))

    def _beginning(self, kind: StepType, number: tracing.Number | None) -> Operation:
        place = self._place
        if kind is StepType.BRANCH and self._bare is not None:
            place = replace(place, step=self._bare.name)
        mark = tracing.mark(kind, place, number, self._scope.visible())
        return tracing.begin(self._depth, mark, number)

    def _trace(self, *operations: Operation) -> None:
        """Emit what only a traced run does."""
        if self._program.traced:
            self._emit(*operations)

    def _expecting(self, action: flow.Action, count: Callable[[Any], int | None]) -> flow.Action:
        return tracing.expecting(action, count) if self._program.traced else action

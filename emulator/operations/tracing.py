"""Operations of runs that are traced: where an entry of the trace begins, and what ends some."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping
from typing import Any, Final

from emulator.errors import Frame as Place
from emulator.frames import GO_ON, Frame, Operation
from emulator.library.registry import CONNECTORS
from emulator.memory import List
from emulator.operations.errors import Retries
from emulator.operations.flow import Action
from emulator.scopes import Variable
from emulator.syntax import (
    Assign,
    Body,
    Call,
    For,
    Nothing,
    Parallel,
    Raise,
    Return,
    Steps,
    Switch,
    Try,
)
from emulator.threads import Thread
from emulator.trace import Mark, Progress, StepType, TracedThread

Number = Callable[[TracedThread, Frame], int]
"""Which one an entry is: of iterations, branches, conditions, attempts. It counts from 1."""


_KINDS: Final[Mapping[type, StepType]] = {
    Assign: StepType.ASSIGN,
    For: StepType.FOR,
    Nothing: StepType.GOTO,
    Parallel: StepType.PARALLEL_BRANCH,
    Raise: StepType.RAISE,
    Return: StepType.RETURN,
    Steps: StepType.STEPS,
    Switch: StepType.SWITCH,
    Try: StepType.TRY_RETRY_EXCEPT,
}
_PROGRESS: Final[Mapping[StepType, Progress]] = {
    StepType.CONDITION: Progress.SWITCH,
    StepType.ITERATION: Progress.FOR,
    StepType.BRANCH: Progress.PARALLEL_BRANCH,
    StepType.TRY: Progress.RETRY,
    StepType.RETRY: Progress.RETRY,
}


def kind_of(body: Body, routines: Container[str]) -> StepType:
    """Return what a step is by its body."""
    match body:
        case Call(function):
            if function in routines:
                return StepType.SUBWORKFLOW_CALL
            is_connector = function.startswith(CONNECTORS)
            return StepType.CONNECTOR_CALL if is_connector else StepType.LIBRARY_CALL
        case Parallel(work=For()):
            return StepType.PARALLEL_FOR
    return _KINDS[type(body)]


def mark(
    kind: StepType, place: Place, number: Number | None, variables: Mapping[str, Variable]
) -> Mark:
    """Return what an entry of that kind is, at a place where one can see these variables."""
    progress = None if number is None else _PROGRESS[kind]
    if kind is StepType.ITERATION and number is branch:
        progress = Progress.PARALLEL_FOR
    names = tuple((name, found.slot, found.hops) for name, found in variables.items())
    return Mark(kind, place.routine, place.step, place.line, progress, names)


def begin(depth: int, mark: Mark, number: Number | None) -> Operation:
    """Begin an entry."""

    def operation(thread: Thread, frame: Frame) -> bool:
        traced = _traced(thread)
        traced.begin(depth, mark, frame, None if number is None else number(traced, frame))
        return GO_ON

    return operation


def end(depth: int) -> Operation:
    """End the entries from a depth on."""

    def operation(thread: Thread, _frame: Frame) -> bool:
        _traced(thread).end(depth)
        return GO_ON

    return operation


def catch(depth: int) -> Operation:
    """End the entries that an error has led out of."""

    def operation(thread: Thread, _frame: Frame) -> bool:
        _traced(thread).catch(depth)
        return GO_ON

    return operation


def expecting(action: Action, count: Callable[[Any], int | None]) -> Action:
    """Do something with a value, and expect as many iterations as it says."""

    def counting(thread: Thread, frame: Frame, value: Any) -> bool:
        _traced(thread).expect(count(value))
        return action(thread, frame, value)

    return counting


def waiting_to_retry(wait: Operation, entry: Operation) -> Operation:
    """Wait for the next attempt in an entry of its own, if there is to be one."""

    def operation(thread: Thread, frame: Frame) -> bool:
        if thread.value is True:
            entry(thread, frame)
        return wait(thread, frame)

    return operation


def constant(number: int) -> Number:
    """Always the same number."""
    return lambda _thread, _frame: number


def iteration(state: int) -> Number:
    """The number of the iteration of a loop that keeps its state in these hidden variables."""

    def number(_thread: TracedThread, frame: Frame) -> int:
        following: int = frame.variables[state + 1]
        return following

    return number


def attempt(state: int) -> Number:
    """The number of the attempt; of the retry before it, one less."""

    def number(_thread: TracedThread, frame: Frame) -> int:
        retries: Retries = frame.variables[state]
        return retries.done + 1

    return number


def branch(thread: TracedThread, _frame: Frame) -> int:
    """The number of the branch, or of the iteration of a parallel loop."""
    return thread.branch + 1


def retries(policy: Any) -> int | None:
    """How many retries a policy allows, given as a list that begins with that."""
    return policy[0] if type(policy[0]) is int else None


def elements(*, is_range: bool) -> Callable[[Any], int | None]:
    """How many elements a loop over a value has; None for what no loop can be over."""

    def count(value: Any) -> int | None:
        if type(value) is not List:
            return None
        if not is_range:
            return len(value)
        if len(value) != 2 or any(type(limit) not in {int, float} for limit in value):
            return None
        span = value[1] - value[0]
        return max(0, int(span) + 1) if math.isfinite(span) and span >= 0 else 0

    return count


def _traced(thread: Thread) -> TracedThread:
    assert isinstance(thread, TracedThread)
    return thread

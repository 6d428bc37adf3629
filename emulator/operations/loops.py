"""Operations of loops and of parallel steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from emulator.errors import error
from emulator.frames import GO_ON, MISSING, STOP, Code, Frame, Label, Operation
from emulator.library.registry import MESSAGE_NAMES
from emulator.memory import List
from emulator.operations.flow import Action
from emulator.operators import number
from emulator.threads import Group, Thread
from emulator.values import Value


def iteration(value: Value, *, is_range: bool) -> Callable[[int], Any]:
    """Return the function from number to element, which gives MISSING after the last.

    Raises TypeError for what is no list, or no list of two numbers. The function raises
    ValueError where a range leaves 64 bits.
    """
    if type(value) is not List:
        kind: Any = type(value)
        raise error("TypeError", f"for loop needs a list, not '{MESSAGE_NAMES[kind]}'")
    if not is_range:
        items = value
        return lambda step: items[step] if step < len(items) else MISSING
    if len(value) != 2 or any(type(end) not in {int, float} for end in value):
        raise error("TypeError", "range needs a list of two numbers")
    first, last = value
    return lambda step: number(first + step) if first + step <= last else MISSING


def begin_loop(state: int, *, is_range: bool) -> Action:
    """Put the elements of a loop, and the number of the next, into two hidden variables."""

    def action(_thread: Thread, frame: Frame, value: Value) -> bool:
        frame.variables[state] = iteration(value, is_range=is_range)
        frame.variables[state + 1] = 0
        return GO_ON

    return action


def next_iteration(
    state: int, value: int, index: int | None, scope: tuple[int, int], end: Label
) -> Operation:
    """Begin the next iteration with fresh variables, or go to the end of the loop.

    `state` is the first of the hidden variables, `scope` the slots of the loop's own ones.
    """
    first, last = scope

    def operation(_thread: Thread, frame: Frame) -> bool:
        frame.clear(first, last)
        number = frame.variables[state + 1]
        element = frame.variables[state](number)
        if element is MISSING:
            frame.at = end.at
            return GO_ON
        frame.variables[state + 1] = number + 1
        frame.store(value, element)
        if index is not None:
            frame.store(index, number)
        return GO_ON

    return operation


def fork(
    state: int, codes: Sequence[Code] | Code, names: Sequence[str], *, is_range: bool
) -> Action:
    """Start the branches, or the iterations over the list that was evaluated.

    `names` are those of the branches; an iteration goes by its number.
    """

    def action(thread: Thread, frame: Frame, value: Any) -> bool:
        limit, items = value
        if type(limit) is not int or limit < 1:
            kind = "TypeError" if type(limit) is not int else "ValueError"
            raise error(kind, "concurrency_limit must be a positive integer")
        if isinstance(codes, Code):
            start = _iterations(thread, frame, codes, iteration(items, is_range=is_range))
        else:
            start = _branches(thread, frame, codes)
        frame.variables[state] = thread.run.fork(thread, limit, start, names)
        return STOP

    return action


def _iterations(
    thread: Thread, frame: Frame, code: Code, element: Callable[[int], Any]
) -> Callable[[int], Frame | None]:
    def start(number: int) -> Frame | None:
        value = element(number)
        return None if value is MISSING else thread.run.branch(code, frame, value, number)

    return start


def _branches(thread: Thread, frame: Frame, codes: Sequence[Code]) -> Callable[[int], Frame | None]:
    return lambda number: thread.run.branch(codes[number], frame) if number < len(codes) else None


def join(state: int) -> Operation:
    """Raise one error if any branch failed."""

    def operation(thread: Thread, frame: Frame) -> bool:
        group: Group = frame.variables[state]
        frame.variables[state] = None
        if group.failed:
            raise thread.run.branch_error(group)
        return GO_ON

    return operation

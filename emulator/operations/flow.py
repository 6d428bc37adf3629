"""Operations of plain steps: counting, jumping, evaluating, calling, returning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator.errors import error
from emulator.evaluate import Compiled
from emulator.frames import GO_ON, Frame, Label, Operation
from emulator.library.registry import MESSAGE_NAMES
from emulator.memory import Map
from emulator.operators import truth
from emulator.threads import Thread
from emulator.values import Value

Action = Callable[[Thread, Frame, Any], bool]
"""What is done with a value that was evaluated; the result is that of an operation."""


def begin_step(thread: Thread, _frame: Frame) -> bool:
    """Count a step, and pause at the end of the run's turn."""
    return thread.run.count_step(thread)


def go_to(label: Label) -> Operation:
    """Go on at a label."""

    def operation(_thread: Thread, frame: Frame) -> bool:
        frame.at = label.at
        return GO_ON

    return operation


def clear(first: int, last: int) -> Operation:
    """Forget the variables of a scope that is left."""

    def operation(_thread: Thread, frame: Frame) -> bool:
        frame.clear(first, last)
        return GO_ON

    return operation


def give_null(thread: Thread, _frame: Frame) -> bool:
    """End the routine, or the branch, with null."""
    return thread.returns(None)


def evaluated(compiled: Compiled, action: Action) -> list[Operation]:
    """Evaluate an expression and act on its value."""
    plain = compiled.plain
    if plain is not None:
        return [lambda thread, frame: action(thread, frame, plain(frame))]

    def begin(thread: Thread, frame: Frame) -> bool:
        frame.evaluation = compiled.run(frame)
        thread.value = None
        return GO_ON

    def resume(thread: Thread, frame: Frame) -> bool:
        assert frame.evaluation is not None
        try:
            wanted = frame.evaluation.send(thread.value)
        except StopIteration as end:
            frame.evaluation = None
            return action(thread, frame, end.value)
        frame.at -= 1
        return thread.want(wanted)

    return [begin, resume]


def keep(thread: Thread, _frame: Frame, value: Value) -> bool:
    """Make a value the one that the next operation uses."""
    thread.value = value
    return GO_ON


def argument_map(value: Value) -> Value:
    """Return the value if it can be the arguments of a call by name."""
    if type(value) is Map:
        return value
    kind: Any = type(value)
    raise error("TypeError", f"args must be a map, not '{MESSAGE_NAMES[kind]}'")


def give(thread: Thread, _frame: Frame, value: Value) -> bool:
    """End the routine with a value."""
    return thread.returns(value)


def unless(after: Label) -> Action:
    """Skip a case of a switch whose condition is false."""

    def action(_thread: Thread, frame: Frame, value: Value) -> bool:
        if not truth(value, "condition"):
            frame.at = after.at
        return GO_ON

    return action

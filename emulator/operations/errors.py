"""Operations of raise, except and retry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from emulator.errors import WorkflowError, error
from emulator.frames import GO_ON, STOP, Frame, Label, Operation
from emulator.library.registry import CONSTANTS, MESSAGE_NAMES
from emulator.limits import Limits
from emulator.memory import Map, own
from emulator.operations.flow import Action
from emulator.operators import truth
from emulator.threads import Thread
from emulator.values import Value

MAX_RETRIES: Final = 5  # of a policy that does not say


def raise_error(_thread: Thread, _frame: Frame, value: Value) -> bool:
    """Raise a string or a map."""
    if isinstance(value, str | dict):
        raise WorkflowError(value)
    kind: Any = type(value)
    name = MESSAGE_NAMES[kind]
    raise error("TypeError", f"only a string or a map can be raised, not '{name}'")


def catch(slot: int, first: int, last: int) -> Operation:
    """Keep the error, and forget the variables of the scopes that it left."""

    def operation(thread: Thread, frame: Frame) -> bool:
        frame.clear(first, last)
        frame.variables[slot] = thread.error
        return GO_ON

    return operation


def bind_error(slot: int, name: int, limits: Limits) -> Operation:
    """Set the variable of `except` to the error's value."""

    def operation(_thread: Thread, frame: Frame) -> bool:
        frame.store(name, own(frame.variables[slot].value, limits))
        return GO_ON

    return operation


def raise_again(slot: int) -> Operation:
    """Let the error go on outwards, with the stack trace that it has."""

    def operation(thread: Thread, frame: Frame) -> bool:
        thread.unwind(frame.variables[slot], again=True)
        return STOP

    return operation


def begin_try(state: int) -> Operation:
    """Begin to count retries."""

    def operation(_thread: Thread, frame: Frame) -> bool:
        frame.variables[state] = Retries()
        return GO_ON

    return operation


class Retries:
    """How often a `try` was tried again, and the waits: of its policy, and the last one."""

    __slots__ = ("done", "last", "wait")

    def __init__(self) -> None:
        self.done = 0
        self.wait: float = 0
        self.last: float | None = None


def check_retries(state: int, give_up: Label) -> Action:
    """Read the policy, a list of `max_retries` and `backoff`, and give up after the last."""

    def action(_thread: Thread, frame: Frame, policy: Any) -> bool:
        retries: Retries = frame.variables[state]
        most, backoff = policy
        if type(most) is not int:
            raise error("TypeError", "max_retries must be an integer")
        retries.wait = _next_wait(backoff, retries.last)
        if retries.done >= most:
            frame.at = give_up.at
        return GO_ON

    return action


def _next_wait(backoff: Value, last: float | None) -> float:
    """Return the seconds to wait before the next retry."""
    if type(backoff) is not Map:
        raise error("TypeError", "backoff must be a map")
    numbers = {**CONSTANTS["retry.default_backoff"], **backoff}  # type: ignore[dict-item]  # a map
    initial, most, factor = (numbers[name] for name in ("initial_delay", "max_delay", "multiplier"))
    for name, number in numbers.items():
        if type(number) not in {int, float}:
            raise error("TypeError", f"{name} must be a number")
        if number < 0:
            raise error("ValueError", f"{name} must not be negative")
    wait: float = min(initial if last is None else last * factor, most)
    return wait


def ask_predicate(call: Callable[..., Value], slot: int) -> Operation:
    """Ask a predicate of the library about the error."""

    def operation(thread: Thread, frame: Frame) -> bool:
        thread.value = call(frame.variables[slot].value)
        return GO_ON

    return operation


def ask_routine(routine: str, slot: int, limits: Limits) -> Operation:
    """Ask a predicate that is a subworkflow about the error."""

    def operation(thread: Thread, frame: Frame) -> bool:
        value = own(frame.variables[slot].value, limits)
        return thread.call(routine, thread.run.positional(routine, (value,)))

    return operation


def wait_to_retry(state: int, give_up: Label) -> Operation:
    """Wait as the policy says if the predicate was true, and else give up."""

    def operation(thread: Thread, frame: Frame) -> bool:
        if not truth(thread.value, "predicate"):
            frame.at = give_up.at
            return GO_ON
        retries: Retries = frame.variables[state]
        retries.done += 1
        retries.last = retries.wait
        return thread.ask("sys.sleep", {"seconds": retries.wait})

    return operation

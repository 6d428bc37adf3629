"""What the operations of a compiled step do when a thread comes to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from emulator.errors import WorkflowError, error
from emulator.evaluate import Compiled
from emulator.frames import GO_ON, MISSING, STOP, Code, Frame, Label, Operation
from emulator.library.registry import CONSTANTS, MESSAGE_NAMES
from emulator.limits import Limits
from emulator.memory import List, Map, own, with_entry, with_item
from emulator.operators import list_index, truth
from emulator.scopes import Variable
from emulator.threads import Group, Thread
from emulator.values import Value

Action = Callable[[Thread, Frame, Any], bool]
MAX_RETRIES: Final = 5  # of a policy that does not say


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


# Expressions


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


def set_hidden(slot: int) -> Operation:
    """Keep the result of a call in a hidden variable."""

    def operation(thread: Thread, frame: Frame) -> bool:
        frame.variables[slot] = thread.value
        return GO_ON

    return operation


def argument_map(value: Value) -> Value:
    """Return the value if it can be the arguments of a call by name."""
    if type(value) is Map:
        return value
    kind: Any = type(value)
    raise error("TypeError", f"args must be a map, not '{MESSAGE_NAMES[kind]}'")


def raise_error(_thread: Thread, _frame: Frame, value: Value) -> bool:
    """Raise a string or a map."""
    if isinstance(value, str | dict):
        raise WorkflowError(value)
    kind: Any = type(value)
    name = MESSAGE_NAMES[kind]
    raise error("TypeError", f"only a string or a map can be raised, not '{name}'")


def give(thread: Thread, _frame: Frame, value: Value) -> bool:
    """End the routine with a value."""
    return thread.returns(value)


# Variables


def assign(variable: Variable, limits: Limits) -> Action:
    """Set a variable: to a value, or, given a list of value and keys, one part of it."""
    slot, hops = variable.slot, variable.hops

    def action(thread: Thread, frame: Frame, value: Any) -> bool:
        owner = frame.outer(hops)
        if type(value) is tuple:
            value = changed(owner.variables[slot], value[1:], value[0], limits)
        owner.store(slot, value)
        if frame.held is not None:
            thread.unlock(frame)
        return GO_ON

    return action


def wait_for_turn(hops: int, *, keep_others: bool) -> Operation:
    """Wait until no other thread is in the middle of assigning a variable of that frame."""

    def operation(thread: Thread, frame: Frame) -> bool:
        return thread.lock(frame.outer(hops), frame, keep=keep_others)

    return operation


def changed(base: Any, keys: Sequence[Value], value: Value, limits: Limits) -> Value:
    """Return a list or map with one part replaced; missing maps on the way are made.

    Raises TypeError where the way leads into anything else, IndexError for a missing item.
    """
    if not keys:
        return value
    key, *rest = keys
    if type(base) is Map:
        if not isinstance(key, str):
            kind: Any = type(key)
            raise error("TypeError", f"map key must be a string, not '{MESSAGE_NAMES[kind]}'")
        below = base[key] if key in base else own({}, limits)
        return with_entry(base, key, changed(below, rest, value, limits), limits)
    if type(base) is List:
        index = list_index(base, key)
        return with_item(base, index, changed(base[index], rest, value, limits), limits)
    name = MESSAGE_NAMES[type(base)]
    raise error("TypeError", f"cannot assign to a part of '{name}': it is not a map or a list")


def unless_given(slot: int, after: Label) -> Operation:
    """Skip the default of a parameter that was given."""

    def operation(_thread: Thread, frame: Frame) -> bool:
        if frame.variables[slot] is MISSING:
            frame.variables[slot] = None
        else:
            frame.at = after.at
        return GO_ON

    return operation


# Branching and loops


def unless(after: Label) -> Action:
    """Skip a case of a switch whose condition is false."""

    def action(_thread: Thread, frame: Frame, value: Value) -> bool:
        if not truth(value, "condition"):
            frame.at = after.at
        return GO_ON

    return action


def iteration(value: Value, *, is_range: bool) -> Callable[[int], Any]:
    """Return the function from number to element, which gives MISSING after the last.

    Raises TypeError for what is no list, or no list of two numbers.
    """
    if type(value) is not List:
        kind: Any = type(value)
        raise error("TypeError", f"for loop needs a list, not '{MESSAGE_NAMES[kind]}'")
    if not is_range:
        items = value
        return lambda number: items[number] if number < len(items) else MISSING
    if len(value) != 2 or any(type(end) not in {int, float} for end in value):
        raise error("TypeError", "range needs a list of two numbers")
    first, last = value
    return lambda number: first + number if first + number <= last else MISSING


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


# Errors


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


# Parallel steps


def fork(
    state: int, codes: Sequence[Code] | Code, names: Sequence[str], *, is_range: bool
) -> Action:
    """Start the branches, or the iterations over the list that was evaluated.

    `names` are those of the branches; an iteration goes by its number.
    """

    def action(thread: Thread, frame: Frame, value: Any) -> bool:
        limit, items = value
        if limit is not None and (type(limit) is not int or limit < 1):
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
        if group.errors:
            raise thread.run.branch_error(group)
        return GO_ON

    return operation

"""Operations that set variables, and parts of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emulator.errors import error
from emulator.frames import GO_ON, Frame, Label, Operation
from emulator.library.registry import MESSAGE_NAMES
from emulator.limits import Limits
from emulator.memory import List, Map, own, with_entry, with_item
from emulator.operations.flow import Action
from emulator.operators import list_index
from emulator.scopes import Variable
from emulator.threads import Thread
from emulator.values import Value


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
        if slot not in frame.defaulted:
            frame.at = after.at
        return GO_ON

    return operation


def set_hidden(slot: int) -> Operation:
    """Keep the result of a call in a hidden variable."""

    def operation(thread: Thread, frame: Frame) -> bool:
        frame.variables[slot] = thread.value
        return GO_ON

    return operation

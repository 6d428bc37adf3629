"""The helpers that belong to no module."""

import math
import re

from emulator.errors import error
from emulator.library.registry import function
from emulator.values import MAX_INTEGER, MIN_INTEGER, Value, number_text, type_name

_INTEGER = re.compile(r"[-+]?[0-9]{1,400}")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")


@function("double(x: number|string)")
def to_double(x: float | str) -> float:
    """Return the number as a double. Raises ValueError for text that is no finite number."""
    if isinstance(x, str) and not _NUMBER.fullmatch(x):
        raise error("ValueError", f"could not convert string to double: {x[:100]!r}")
    number = float(x)
    if math.isinf(number):
        raise error("ValueError", f"double out of range: {str(x)[:100]}")
    return number


@function("int(x: number|string)")
def to_integer(x: float | str) -> int:
    """Return the number as an integer; a double is truncated toward zero.

    Raises ValueError for text that is no whole number, and for what 64 bits cannot hold.
    """
    if isinstance(x, str) and not _INTEGER.fullmatch(x):
        raise error("ValueError", f"could not convert string to int: {x[:100]!r}")
    number = int(x)
    if not MIN_INTEGER <= number <= MAX_INTEGER:
        raise error("ValueError", f"integer out of range: {str(x)[:100]}")
    return number


@function("string(x: number|string|boolean)")
def to_string(x: float | str) -> str:
    """Return the text of a number, a boolean or a string."""
    if isinstance(x, str):
        return x
    return str(x).lower() if isinstance(x, bool) else number_text(x)


@function("keys(map: map)")
def keys(entries: dict[str, Value]) -> list[str]:
    """Return the keys, sorted: the service's order is not defined."""
    return sorted(entries)


@function("len(value: list|map|string|bytes)")
def length(value: list[Value] | dict[str, Value] | str | bytes) -> int:
    """Return the number of elements, entries, characters or bytes."""
    return len(value)


@function("default(val, defaultVal)")
def default(val: Value, fallback: Value) -> Value:
    """Return the value, or the second one if it is null. Both are evaluated."""
    return fallback if val is None else val


@function("if(condition: boolean|null, ifTrue, ifFalse)")
def choose(condition: bool | None, if_true: Value, if_false: Value) -> Value:
    """Return one of two values; null counts as false. Both are evaluated."""
    return if_true if condition else if_false


@function("get_type(value)")
def get_type(value: Value) -> str:
    """Return the name of the value's type."""
    return type_name(value)

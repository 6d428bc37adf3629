"""Lists and maps that know how large they are, so that a limit costs no walk over them.

Inside a run every list is a `List` and every map a `Map`, and none is ever changed after it was
made: a changed copy takes its place. That gives assignment the value semantics of the language
without deep copies, and lets a size be counted once.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from emulator.errors import WorkflowError, error
from emulator.limits import Limits
from emulator.values import MAX_INTEGER, MIN_INTEGER, Value

_Container = TypeVar("_Container", "List", "Map")


class List(list[Any]):
    """A list with its size as JSON in bytes, and the depth of its nesting."""

    __slots__ = ("depth", "size")

    depth: int
    size: int


class Map(dict[str, Any]):
    """A map with its size as JSON in bytes, and the depth of its nesting."""

    __slots__ = ("depth", "size")

    depth: int
    size: int


def size_of(value: Value) -> int:
    """Return about how many bytes the value takes as JSON."""
    if isinstance(value, str):
        return (len(value) if value.isascii() else len(value.encode())) + 2
    if isinstance(value, List | Map):
        return value.size
    if value is None or isinstance(value, bool):
        return 4
    return len(value) if isinstance(value, bytes) else len(repr(value))


def check_string(text: str, limits: Limits) -> str:
    """Return the string. Raises ResourceLimitError if it is longer than a string may be."""
    if len(text) * 4 > limits.string_bytes and len(text.encode()) > limits.string_bytes:
        raise string_exceeded()
    return text


def string_exceeded() -> WorkflowError:
    """Return the error for a string that is too long."""
    return error("ResourceLimitError", "String size limit exceeded")


def memory_exceeded() -> WorkflowError:
    """Return the error for variables, arguments or results that are too large together."""
    return error("ResourceLimitError", "Memory usage limit exceeded")


def make_list(items: Sequence[Value], limits: Limits) -> List:
    """Return a list of values that are owned already. Raises ResourceLimitError."""
    made = List(items)
    made.size = 2 + sum(map(size_of, made)) + max(len(made) - 1, 0)
    made.depth = 1 + max((_depth(item) for item in made), default=0)
    return _checked(made, limits)


def make_map(entries: Mapping[str, Value], limits: Limits) -> Map:
    """Return a map of values that are owned already. Raises ResourceLimitError."""
    made = Map(entries)
    made.size = 2 + sum(size_of(key) + 2 + size_of(made[key]) for key in made)
    made.depth = 1 + max((_depth(item) for item in made.values()), default=0)
    return _checked(made, limits)


def with_item(items: List, index: int, value: Value, limits: Limits) -> List:
    """Return the list with the item at `index` replaced by a value that is owned already."""
    made = List(items)
    made[index] = value
    return _resized(made, items, size_of(value) - size_of(items[index]), value, limits)


def with_inserted(items: List, index: int, value: Value, limits: Limits) -> List:
    """Return the list with a value, owned already, inserted before `index`."""
    made = List(items)
    made.insert(index, value)
    return _resized(made, items, size_of(value) + bool(items), value, limits)


def _resized(made: List, items: List, growth: int, value: Value, limits: Limits) -> List:
    made.size = items.size + growth
    made.depth = max(items.depth, 1 + _depth(value))
    return _checked(made, limits)


def with_entry(entries: Map, key: str, value: Value, limits: Limits) -> Map:
    """Return the map with the value under the key."""
    made = Map(entries)
    made[key] = value
    replaced = size_of(key) + 2 + size_of(entries[key]) if key in entries else 0
    made.size = entries.size - replaced + size_of(key) + 2 + size_of(value)
    made.depth = max(entries.depth, 1 + _depth(value))
    return _checked(made, limits)


def own(value: Any, limits: Limits) -> Value:
    """Return the value with lists and maps of our own, deeply.

    Integers beyond 64 bits become doubles. Raises ResourceLimitError for what is too large or
    too deep, and Python's TypeError for what is no value of the language.
    """
    return _own(value, limits, limits.value_depth)


def _own(value: Any, limits: Limits, room: int) -> Value:
    if value is None or isinstance(value, List | Map | bool | float | bytes):
        return value
    if isinstance(value, str):
        return check_string(value, limits)
    if isinstance(value, int):
        return value if MIN_INTEGER <= value <= MAX_INTEGER else float(value)
    if not room or (isinstance(value, list | dict) and 2 * len(value) >= limits.memory_bytes):
        raise memory_exceeded()
    if isinstance(value, list):
        return make_list([_own(item, limits, room - 1) for item in value], limits)
    if isinstance(value, dict):
        owned = {key: _own(item, limits, room - 1) for key, item in value.items()}
        return make_map(owned, limits)
    raise TypeError(f"not a value of the language: {type(value).__name__}")


def _depth(value: Value) -> int:
    return value.depth if isinstance(value, List | Map) else 0


def _checked(made: _Container, limits: Limits) -> _Container:
    if made.size > limits.memory_bytes or made.depth > limits.value_depth:
        raise memory_exceeded()
    return made

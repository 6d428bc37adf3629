"""What a node must be where it stands: a map, a list, a name; and errors that say where it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from emulator.document import Mapping, Node, Scalar, Sequence
from emulator.errors import SourceError
from emulator.expressions import is_expression, is_name


def fail(node: Node, message: str) -> SourceError:
    """Return an error at a node."""
    return SourceError(message, node.where.line, node.where.column)


@contextmanager
def located(*, step: str | None = None, routine: str | None = None) -> Iterator[None]:
    """Say in errors from inside which step and which routine they are in, innermost first."""
    try:
        yield
    except SourceError as problem:
        for each in problem.all:
            each.step = each.step if each.step is not None else step
            each.routine = each.routine if each.routine is not None else routine
        raise


def a_map(node: Node | None, what: str, owner: Node) -> Mapping:
    """Return the node if it is a map that is not empty."""
    if not isinstance(node, Mapping):
        raise fail(node or owner, f"{what} must be a map")
    if not node.entries:
        raise fail(node, f"{what} must be a map that is not empty")
    return node


def a_list(node: Node | None, what: str, owner: Node, most: int | None = None) -> Sequence:
    """Return the node if it is a list of one to `most` items."""
    if not isinstance(node, Sequence) or not node.items:
        raise fail(node or owner, f"{what} must be a list that is not empty")
    if most is not None and len(node.items) > most:
        raise fail(node, f"{what} must have at most {most} entries, not {len(node.items)}")
    return node


def a_pair(node: Node, what: str) -> tuple[Scalar, Node]:
    """Return key and value of a map with exactly one key."""
    if not isinstance(node, Mapping) or len(node.entries) != 1:
        raise fail(node, f"{what} must be a map with exactly one key")
    return node.entries[0]


def a_name(node: Node | None, what: str, owner: Node) -> str:
    """Return the name of a variable."""
    if not isinstance(node, Scalar) or not is_name(node.text.value):
        raise fail(node or owner, f"{what} must be the name of a variable")
    return node.text.value


def written_as_expression(node: Node) -> bool:
    """Tell whether a node is `${…}`, or means to be: its parser says what is wrong then."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return False
    try:
        return is_expression(node.text.value)
    except ValueError:
        return True


def is_number(node: Scalar) -> bool:
    """Tell whether a scalar is an integer or a double."""
    return type(node.value) in {int, float}


def known_keys(node: Mapping, allowed: tuple[str, ...], what: str) -> None:
    """Refuse any key of the map that is not allowed there."""
    for name, key in node.keys.items():
        if name not in allowed:
            raise fail(key, f"unknown key '{name}' in {what}")

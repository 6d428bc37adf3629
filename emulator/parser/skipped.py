"""Steps that are wrong: their errors, and what must not be said of the others because of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from emulator.document import Mapping, Node, Scalar
from emulator.document import Sequence as ListNode
from emulator.errors import SourceError

_SETS = frozenset(("result", "as", "value", "index"))
"""Keys whose value is the name of a variable, besides the entries of `assign`."""

_NAME = re.compile(r"\w+")
_QUOTED = re.compile(r"'(\w+)'")


class Skipped:
    """What was skipped so far. `problems` are in the order of the source."""

    def __init__(self) -> None:
        self.problems: list[SourceError] = []
        self._names: set[str] = set()

    def add(self, step: Node, problem: SourceError) -> Sequence[str]:
        """Note a step, and give the names it has, which others may jump to."""
        self.problems += problem.all
        problem.others = ()
        self._names.update(_assigned(step))
        return [key for key in step.keys if key] if isinstance(step, Mapping) else ()

    def explains(self, problem: SourceError) -> bool:
        """Whether an error is about a variable that a skipped step might have set."""
        named = _QUOTED.search(problem.message)
        return named is not None and named[1] in self._names


def _assigned(node: Node) -> Iterator[str]:
    """The names that steps below a node would set, whatever their shape."""
    if isinstance(node, ListNode):
        for item in node.items:
            yield from _assigned(item)
    elif isinstance(node, Mapping):
        for key, value in node.entries:
            if key.text.value == "assign":
                yield from _targets(value)
            elif key.text.value in _SETS and isinstance(value, Scalar):
                yield from _NAME.findall(value.text.value)[:1]
            yield from _assigned(value)


def _targets(assign: Node) -> Iterator[str]:
    """The names that the entries of an `assign` begin with."""
    for item in assign.items if isinstance(assign, ListNode) else (assign,):
        for name in item.keys if isinstance(item, Mapping) else ():
            yield from _NAME.findall(name)[:1]

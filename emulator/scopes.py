"""Which variable a name means, judged from the source alone.

A routine has one scope; the bodies of `for` and `except` and the branches of `parallel` have
scopes of their own. A name belongs to the outermost scope in which a step assigns it, even a
step that stands later in the text. Every branch runs with storage of its own, so a variable is
reached by the number of branches to go out, and its slot in the storage found there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from emulator.syntax import (
    Assign,
    Block,
    Call,
    For,
    Handler,
    Parallel,
    Routine,
    Step,
    Steps,
    Switch,
    Target,
    Try,
)


@dataclass(frozen=True, slots=True)
class Variable:
    """Where a variable lives. `shared` tells whether every branch on the way out shares it."""

    hops: int
    slot: int
    shared: bool


@dataclass(slots=True)
class Layout:
    """The slots of one storage: a call of a routine, or one branch or iteration."""

    size: int = 0

    def slot(self) -> int:
        """Return a new slot."""
        self.size += 1
        return self.size - 1


@dataclass(slots=True)
class Scope:
    """The names that one scope adds to those around it. `first` is the first of its slots."""

    layout: Layout
    parent: Scope | None = None
    shared: frozenset[str] = frozenset()
    names: dict[str, int] = field(default_factory=dict)
    first: int = 0

    def __post_init__(self) -> None:
        self.first = self.layout.size

    def add(self, name: str) -> int:
        """Make a variable of this scope, or return the slot of the one that there is."""
        if name not in self.names:
            self.names[name] = self.layout.slot()
        return self.names[name]

    def find(self, name: str) -> Variable | None:
        """Return the variable that a name means here, or None for an unknown one."""
        scope: Scope | None = self
        hops, shared = 0, True
        while scope is not None:
            if name in scope.names:
                return Variable(hops, scope.names[name], shared)
            if scope.parent is not None and scope.parent.layout is not scope.layout:
                hops += 1
                shared = shared and name in scope.shared
            scope = scope.parent
        return None

    def visible(self) -> dict[str, Variable]:
        """Return all variables that can be seen here, by name."""
        scope: Scope | None = self
        names: set[str] = set()
        while scope is not None:
            names.update(scope.names)
            scope = scope.parent
        return {name: found for name in sorted(names) if (found := self.find(name)) is not None}

    def inner(self, names: list[str], block: Block) -> Scope:
        """Return the scope of a loop or handler: its own names, and those first assigned in it."""
        return self._nested(Scope(self.layout, self), names, block)

    def branch(self, names: list[str], block: Block, parallel: Parallel) -> Scope:
        """Return the scope of a branch or iteration, which has storage of its own."""
        shared = frozenset(name for name, _ in parallel.shared)
        return self._nested(Scope(Layout(), self, shared), names, block)

    def _nested(self, scope: Scope, names: list[str], block: Block) -> Scope:
        for name in names:
            scope.add(name)
        for target in assigned(block):
            if self.find(target.name) is None:
                scope.add(target.name)
        return scope


def routine_scope(routine: Routine) -> Scope:
    """Return the scope of a call of a routine."""
    scope = Scope(Layout())
    for param in routine.params:
        scope.add(param.name)
    for target in assigned(routine.steps):
        scope.add(target.name)
    return scope


def loop_names(loop: For) -> list[str]:
    """Return the variables that the loop itself sets."""
    return [loop.value, *filter(None, [loop.index])]


def handler_names(handler: Handler) -> list[str]:
    """Return the variable that holds the error, if there is one."""
    return list(filter(None, [handler.name]))


def assigned(block: Block) -> Iterator[Target]:
    """Yield the variables that the steps of a block make in the scope of the block itself.

    An assignment to a part, `m.key`, makes none.
    """
    for step in block:
        yield from (target for target in _targets(step) if not target.path)


def _targets(step: Step) -> Iterator[Target]:
    match step.body:
        case Assign(entries):
            yield from (entry.target for entry in entries)
        case Call(result=Target() as target):
            yield target
        case Switch(conditions):
            for condition in conditions:
                yield from _targets(condition.then)
        case Steps(steps):
            for inner in steps:
                yield from _targets(inner)
        case Try(body=body):
            yield from _targets(body)
        case _:
            pass

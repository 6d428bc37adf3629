"""Frames: the variables of one call of a routine, or of one branch, and what they take up."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from emulator.errors import Frame as Place
from emulator.library.registry import Context
from emulator.memory import memory_exceeded, size_of
from emulator.values import Value

if TYPE_CHECKING:
    from emulator.threads import Thread

MISSING: Final = object()  # in place of an argument that is not given, or an item after the last


@dataclass(slots=True)
class Label:
    """A place in the operations of a code, known once the compiler has come to it."""

    at: int = -1


# An operation does its part and returns STOP when the thread cannot go on with this frame now.
Operation = Callable[["Thread", "Frame"], bool]
GO_ON: Final = False
STOP: Final = True


@dataclass(slots=True)
class Code:
    """The operations of a routine or branch, each with its place and its handler of errors.

    The first `arguments` of its `size` variables are set by whoever starts it.
    """

    routine: str
    arguments: int = 0
    operations: list[Operation] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    handlers: list[Label | None] = field(default_factory=list)
    size: int = 0


@dataclass(slots=True)
class Memory:
    """What all variables of a run take up together, in bytes of JSON."""

    limit: int
    used: int = 0


class Frame:
    """A call of a routine, or a branch: where it stands, and its variables.

    `parent` is the frame around a branch. `evaluation` is an expression that waits for a call
    inside it. `lock` is the thread whose assignment to a variable of this frame is under way,
    with those that wait for its end; `held` is the frame whose lock this frame has. `defaulted`
    are the slots of parameters that were not given: null until their defaults are set.
    """

    __slots__ = (
        "at",
        "code",
        "context",
        "defaulted",
        "evaluation",
        "held",
        "lock",
        "memory",
        "parent",
        "sizes",
        "variables",
        "waiters",
    )

    def __init__(self, code: Code, parent: Frame | None, context: Context, memory: Memory) -> None:
        self.code = code
        self.parent = parent
        self.context = context
        self.memory = memory
        self.at = 0
        self.variables: list[Any] = [None] * code.size
        self.sizes = [0] * code.size
        self.evaluation: Generator[Any, Value, Value] | None = None
        self.held: Frame | None = None
        self.lock: Thread | None = None
        self.waiters: list[Thread] = []
        self.defaulted: frozenset[int] = frozenset()

    def store(self, slot: int, value: Value) -> None:
        """Set a variable. Raises ResourceLimitError where all together would be too large."""
        size = size_of(value)
        used = self.memory.used + size - self.sizes[slot]
        if used > self.memory.limit:
            raise memory_exceeded()
        self.memory.used = used
        self.sizes[slot] = size
        self.variables[slot] = value

    def clear(self, first: int, last: int) -> None:
        """Forget the variables in the slots from `first` up to `last`, which is excluded."""
        for slot in range(first, last):
            self.variables[slot] = None
            self.memory.used -= self.sizes[slot]
            self.sizes[slot] = 0

    def outer(self, hops: int) -> Frame:
        """Return the frame that many branches further out."""
        frame = self
        for _ in range(hops):
            assert frame.parent is not None
            frame = frame.parent
        return frame

    @property
    def place(self) -> Place:
        """The step at which the frame stands."""
        return self.code.places[max(self.at - 1, 0)]

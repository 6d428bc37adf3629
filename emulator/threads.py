"""Threads: a stack of frames that runs until it waits, and the groups of a parallel step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emulator.errors import Frame as Place
from emulator.errors import WorkflowError, error
from emulator.evaluate import RoutineCall, Wanted
from emulator.frames import GO_ON, MISSING, STOP, Frame
from emulator.memory import make_map
from emulator.protocol import Raised, Reply
from emulator.values import Value

if TYPE_CHECKING:
    from emulator.interpreter import Run


@dataclass(slots=True)
class Group:
    """The branches or iterations of one parallel step.

    `start` makes the frame of the branch with a number, or returns None after the last. `failed`
    counts the branches that ended with an error; `errors` tells of the first of them by number,
    as many as the limits let the one error of the step tell.
    """

    parent: Thread
    limit: int
    start: Callable[[int], Frame | None]
    names: Sequence[str]
    number: int
    next: int = 0
    active: int = 0
    exhausted: bool = False
    failed: int = 0
    errors: list[tuple[int, dict[str, Value]]] = field(default_factory=list)


class Thread:
    """One line of control: the main one, or a branch.

    `value` is the result of the last call, `error` the error that the last handler was given.
    """

    def __init__(
        self, run: Run, path: str, frame: Frame, group: Group | None = None, branch: int = 0
    ) -> None:
        self.run = run
        self.path = path
        self.frames = [frame]
        self.last = frame.place
        self.group = group
        self.branch = branch
        self.depth: int = group.parent.depth + len(group.parent.frames) - 1 if group else 1
        self.nesting: int = group.parent.nesting + 1 if group else 0
        self.value: Value = None
        self.error = WorkflowError("")
        self.failure: WorkflowError | None = None
        self.requests = 0
        self.groups = 0
        self.ready = True

    def go_on(self) -> None:
        """Run until the thread waits or ends, or the run has used up its turn."""
        while self.frames:
            frame = self.frames[-1]
            operations = frame.code.operations
            try:
                if self.failure is not None:
                    failure, self.failure = self.failure, None
                    raise failure
                while True:
                    at = frame.at
                    frame.at = at + 1
                    if operations[at](self, frame):
                        break
            except WorkflowError as problem:
                self.unwind(problem)
                continue
            if not self.ready or self.run.budget <= 0:
                return

    def unwind(self, problem: WorkflowError, *, again: bool = False) -> None:
        """Go to the innermost handler of an error, or end with it.

        `again` says that the innermost frame has been noted in the error already.
        """
        while self.frames:
            frame = self.frames[-1]
            frame.evaluation = None
            self.unlock(frame)
            if not again:
                problem.frames.append(frame.place)
            again = False
            handler = frame.code.handlers[max(frame.at - 1, 0)]
            if handler is not None:
                self.error = problem
                frame.at = handler.at
                return
            self.leave()
        self.run.ended(self, problem)

    # Calls

    def call(self, routine: str, args: Sequence[Value]) -> bool:
        """Begin a subworkflow; its result becomes `value`."""
        if self.depth + len(self.frames) > self.run.limits.call_depth:
            raise error("RecursionError", "maximum call depth exceeded")
        frame = self.run.frame(routine)
        try:
            for slot, value in enumerate(args):
                if value is MISSING:
                    frame.defaulted |= {slot}
                else:
                    frame.store(slot, value)
        except WorkflowError:
            frame.clear(0, frame.code.size)
            raise
        self.frames.append(frame)
        return STOP

    def leave(self) -> None:
        """Drop the innermost frame with its variables."""
        frame = self.frames.pop()
        self.last = frame.place
        frame.clear(0, frame.code.size)

    def returns(self, value: Value) -> bool:
        """End the innermost frame with a value."""
        self.value = value
        self.leave()
        if not self.frames:
            self.run.ended(self, None)
        return STOP

    def ask(self, function: str, args: Mapping[str, Value]) -> bool:
        """Make a request of the world and wait for the reply."""
        bound = make_map(args, self.run.limits)
        self.requests += 1
        self.ready = False
        self.run.request(self, f"{self.path}:{self.requests}", function, bound)
        return STOP

    def want(self, wanted: Wanted) -> bool:
        """Do the call that an expression waits for."""
        if isinstance(wanted, RoutineCall):
            return self.call(wanted.routine, self.run.positional(wanted.routine, wanted.args))
        return self.ask(wanted.function, wanted.args)

    def deliver(self, reply: Reply) -> None:
        """Take the reply to the request that the thread waits for."""
        self.ready = True
        try:
            owned = self.run.own(reply.value)
        except WorkflowError as problem:
            self.failure = problem
            return
        if isinstance(reply, Raised):
            assert isinstance(owned, str | dict)
            self.failure = WorkflowError(owned)
        else:
            self.value = owned

    # Shared variables

    def lock(self, owner: Frame, frame: Frame, *, keep: bool) -> bool:
        """Wait while another thread assigns a variable of the frame `owner`.

        With `keep` it is this thread that does so, until `unlock`.
        """
        if owner.lock is not None and owner.lock is not self:
            owner.waiters.append(self)
            self.ready = False
            frame.at -= 1
            return STOP
        if keep:
            owner.lock = self
            frame.held = owner
        return GO_ON

    def unlock(self, frame: Frame) -> None:
        """Let the next thread assign, if this frame kept others from it."""
        owner, frame.held = frame.held, None
        if owner is not None:
            owner.lock = None
            for waiter in owner.waiters:
                self.run.wake(waiter)
            owner.waiters.clear()

    @property
    def place(self) -> Place:
        """The step at which the thread stands, or stood last."""
        return self.frames[-1].place if self.frames else self.last

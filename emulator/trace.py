"""The trace of a run: an entry for each step that was run, each part of one, and each attempt.

Nothing of it is in the program of a run that is not traced. In a traced one every entry begins
with an operation that tells how deep in its routine the entry stands. So an entry ends when one
begins that stands no deeper, wherever a jump, a `return` or an error has led in between.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, TypeGuard

from emulator.errors import ErrorValue, WorkflowError
from emulator.frames import Frame
from emulator.memory import size_of
from emulator.protocol import Failed
from emulator.threads import Group, Thread
from emulator.values import Value

if TYPE_CHECKING:
    from emulator.interpreter import Run

MAIN = "0"
"""The path of the thread that runs `main`."""


class StepType(StrEnum):
    """What an entry is about, in Google's words; a step with `steps` in it has no word."""

    STEPS = "STEP_TYPE_UNSPECIFIED"
    ASSIGN = "STEP_ASSIGN"
    LIBRARY_CALL = "STEP_STD_LIB_CALL"
    CONNECTOR_CALL = "STEP_CONNECTOR_CALL"
    SUBWORKFLOW_CALL = "STEP_SUBWORKFLOW_CALL"
    SWITCH = "STEP_SWITCH"
    CONDITION = "STEP_CONDITION"
    FOR = "STEP_FOR"
    ITERATION = "STEP_FOR_ITERATION"
    PARALLEL_FOR = "STEP_PARALLEL_FOR"
    PARALLEL_BRANCH = "STEP_PARALLEL_BRANCH"
    BRANCH = "STEP_PARALLEL_BRANCH_ENTRY"
    TRY_RETRY_EXCEPT = "STEP_TRY_RETRY_EXCEPT"
    TRY = "STEP_TRY"
    RETRY = "STEP_RETRY"
    EXCEPT = "STEP_EXCEPT"
    RETURN = "STEP_RETURN"
    RAISE = "STEP_RAISE"
    GOTO = "STEP_GOTO"


class StepState(StrEnum):
    """What has become of an entry."""

    IN_PROGRESS = "STATE_IN_PROGRESS"
    SUCCEEDED = "STATE_SUCCEEDED"
    FAILED = "STATE_FAILED"
    CANCELLED = "STATE_CANCELLED"


class Progress(StrEnum):
    """Of what an entry is one of several."""

    FOR = "PROGRESS_TYPE_FOR"
    SWITCH = "PROGRESS_TYPE_SWITCH"
    RETRY = "PROGRESS_TYPE_RETRY"
    PARALLEL_FOR = "PROGRESS_TYPE_PARALLEL_FOR"
    PARALLEL_BRANCH = "PROGRESS_TYPE_PARALLEL_BRANCH"


@dataclass(frozen=True, slots=True)
class Mark:
    """What the source says of an entry. `names` are its variables: name, slot and hops."""

    step_type: StepType
    routine: str
    step: str
    line: int
    progress: Progress | None
    names: Sequence[tuple[str, int, int]]


@dataclass(slots=True)
class StepEntry:
    """A step that was run, or a part of it. Entries are numbered from 1, as they began.

    `parent` is the entry around it: of a part, the step; of a step in a subworkflow, the step that
    called; of a branch, the parallel step. `previous` and `next` are beside it, in the order of
    running. `thread` is a path, "0" for the main one. `iteration` counts from 1 and `expected` is
    how many there should be: of iterations, branches, conditions, attempts. `variables` are those
    in sight at its end, or now; None where they are not kept.
    """

    id: int
    routine: str
    step: str
    line: int
    step_type: StepType
    thread: str
    created: datetime
    updated: datetime
    progress: Progress | None
    parent: int | None
    previous: int | None
    next: int | None = None
    children: Sequence[int] = ()
    iteration: int | None = None
    expected: int | None = None
    state: StepState = StepState.IN_PROGRESS
    exception: ErrorValue | None = None
    variables: Mapping[str, Value] | None = None


class Room:
    """How much of the values that went through a run is kept: all, so long as there is room.

    Args:
        size: bytes, about, of all values that are kept.
        only: the numbers of what is kept, however large; None for all that fits.

    `taken` is how many bytes there are.
    """

    def __init__(self, size: int, only: Collection[int] | None = None) -> None:
        self.taken = 0
        self._size = size
        self._only = only
        self._kept: set[int] = set()

    def wants(self, number: int) -> bool:
        """Whether the values of this number are to be kept."""
        return self.taken <= self._size if self._only is None else number in self._only

    def take(self, value: Value) -> None:
        """Count a value that is kept, unless it is the same as one before."""
        if id(value) not in self._kept:
            self._kept.add(id(value))
            self.taken += 64 + size_of(value)


@dataclass(slots=True)
class Open:
    """An entry that has not ended. `last` is the last one in it that stands in the same frame."""

    entry: StepEntry
    mark: Mark
    frame: Frame
    expected: int | None = None
    last: StepEntry | None = None
    children: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Level:
    """A call of a routine: where its entries begin among the open ones, and the last of them."""

    first: int
    last: StepEntry | None = None


class Trace:
    """The entries of one run. `now` is the time of the reply that is being worked on.

    Args:
        variables: the room for those of the entries; None keeps none.

    `asked_in` has the keys of all requests, each with the entry that made it.
    """

    def __init__(self, now: datetime, variables: Room | None = None) -> None:
        self.now = now
        self.variables = variables
        self.entries: list[StepEntry] = []
        self.asked_in: dict[str, int | None] = {}
        self.threads: dict[str, TracedThread] = {}

    def entry(self, number: int) -> StepEntry:
        """The entry with a number."""
        return self.entries[number - 1]

    def add(
        self, mark: Mark, thread: str, around: Open | None, before: StepEntry | None
    ) -> StepEntry:
        """A new entry, with the one around it and the one before it."""
        added = StepEntry(
            id=len(self.entries) + 1,
            routine=mark.routine,
            step=mark.step,
            line=mark.line,
            step_type=mark.step_type,
            thread=thread,
            created=self.now,
            updated=self.now,
            progress=mark.progress,
            parent=None if around is None else around.entry.id,
            previous=None if before is None else before.id,
        )
        self.entries.append(added)
        if before is not None:
            before.next = added.id
        if around is not None:
            around.children.append(added.id)
            around.entry.children = around.children
        return added

    def end(self, opened: Open, error: ErrorValue | None) -> None:
        """An entry has ended, well or with an error."""
        entry = opened.entry
        entry.updated = self.now
        entry.state = StepState.SUCCEEDED if error is None else StepState.FAILED
        entry.exception = error
        self._keep(opened)

    def fail_around(self, entry: int | None, error: ErrorValue) -> None:
        """The run has ended in a branch: the parallel step around it fails, and all around that."""
        while entry is not None:
            around = self.entry(entry)
            around.state, around.exception = StepState.FAILED, error
            around.updated = self.now
            entry = around.parent

    def stop(self) -> None:
        """The run will not be driven on: keep what the entries in progress see now."""
        for thread in self.threads.values():
            for opened in thread.open:
                self._keep(opened)

    def finish(self, state: StepState, error: ErrorValue | None, ended: datetime) -> None:
        """The execution is over: no entry is in progress any longer."""
        for entry in self.entries:
            if entry.state is StepState.IN_PROGRESS:
                entry.state, entry.exception, entry.updated = state, error, ended

    def _keep(self, opened: Open) -> None:
        """Keep the variables that an entry sees, those that have been assigned."""
        room = self.variables
        if room is None or not room.wants(opened.entry.id):
            return
        kept: dict[str, Value] = {}
        for name, slot, hops in opened.mark.names:
            owner = opened.frame.outer(hops)
            if owner.sizes[slot]:
                kept[name] = owner.variables[slot]
                room.take(kept[name])
        opened.entry.variables = kept


class TracedThread(Thread):
    """A thread that tells the trace where it is."""

    def __init__(
        self, run: Run, path: str, frame: Frame, group: Group | None = None, branch: int = 0
    ) -> None:
        super().__init__(run, path, frame, group, branch)
        assert run.trace is not None
        self.open: list[Open] = []
        self._trace = run.trace
        self._levels = [_Level(0)]
        self._failing: ErrorValue | None = None
        self._around = group.parent.open[-1] if group and _is_traced(group.parent) else None
        self._trace.threads[path] = self

    # For operations

    def begin(self, depth: int, mark: Mark, frame: Frame, iteration: int | None) -> None:
        """Begin an entry that stands so deep in its routine."""
        level = self._levels[-1]
        at = level.first + depth
        self._end(at, None)
        holder = self.open[-1] if depth else level
        around = self.open[-1] if self.open else self._around
        entry = self._trace.add(mark, self.path, around, holder.last)
        if iteration is not None:
            entry.iteration = iteration
            if around is not None and mark.step_type is not StepType.TRY:
                entry.expected = around.expected
        holder.last = entry
        self.open.append(Open(entry, mark, frame))

    def expect(self, number: int | None) -> None:
        """Expect so many iterations in the innermost entry."""
        self.open[-1].expected = number

    def end(self, depth: int) -> None:
        """End the entries of the routine from so deep on."""
        self._end(self._levels[-1].first + depth, None)

    def catch(self, depth: int) -> None:
        """End these with the error that has just been caught."""
        failing, self._failing = self._failing, None
        self._end(self._levels[-1].first + depth, failing)

    # As a thread

    def call(self, routine: str, args: Sequence[Value]) -> bool:
        """Begin a subworkflow; its entries stand in the one that calls."""
        stop = super().call(routine, args)
        self._levels.append(_Level(len(self.open)))
        return stop

    def leave(self) -> None:
        """Drop the innermost frame, and end its entries."""
        outcome = self.run.outcome
        error = outcome.value if isinstance(outcome, Failed) else self._failing
        self._end(self._levels.pop().first, error)
        super().leave()
        if not self.frames:
            del self._trace.threads[self.path]
            if isinstance(outcome, Failed) and self._around is not None:
                self._trace.fail_around(self._around.entry.id, outcome.value)

    def unwind(self, problem: WorkflowError, *, again: bool = False) -> None:
        """Go to the innermost handler of an error; entries on the way fail with it."""
        self._failing = problem.value
        super().unwind(problem, again=again)

    def ask(self, function: str, args: Mapping[str, Value]) -> bool:
        """Make a request, in the innermost entry."""
        stop = super().ask(function, args)
        asked_in = self.open[-1] if self.open else self._around
        key = f"{self.path}:{self.requests}"
        self._trace.asked_in[key] = None if asked_in is None else asked_in.entry.id
        return stop

    def _end(self, first: int, error: ErrorValue | None) -> None:
        while len(self.open) > first:
            self._trace.end(self.open.pop(), error)


def _is_traced(thread: Thread) -> TypeGuard[TracedThread]:
    return isinstance(thread, TracedThread)

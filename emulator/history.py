"""What an execution has done, found by running it once more on the replies that were kept."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from emulator.catalog import Catalog, Definition, program
from emulator.clock import parse_timestamp
from emulator.errors import SourceError
from emulator.interpreter import Run
from emulator.protocol import Failed, Reply, Request
from emulator.resources import environment
from emulator.settings import Settings
from emulator.store import Execution, Recorded, Stand, State, Store
from emulator.trace import Progress, Room, StepEntry, StepState, StepType, Trace
from emulator.turn import SLICE
from emulator.values import Value, from_json

__all__ = [
    "Histories",
    "History",
    "MadeCall",
    "Progress",
    "StepEntry",
    "StepState",
    "StepType",
    "Wanted",
    "history",
]

DETAILED: Final = "EXECUTION_HISTORY_DETAILED"
"""The history level at which entries hold variables."""

_ROOM: Final = 32 * 1024 * 1024
"""Bytes of variables that one history holds, and as many of arguments and replies."""

_HELD: Final = 128 * 1024 * 1024
"""Bytes of all histories that are held, so that page after page costs little."""

_ENTRY: Final = 600
"""Bytes of an entry or a call without its values, about."""

_DRAWN_AT_ONCE: Final = 16
_STEPS_AT_ONCE: Final = 16


@dataclass(slots=True)
class MadeCall:
    """A request that an execution made of the world, and the reply. They are numbered from 1.

    `entry` is the number of the step entry that made it. `answered` and `reply` are None where the
    execution waits, or was cancelled while it did. `args` and `reply` are None too where those of
    all calls together are too large to be held: a history that is asked for them alone has them.
    """

    number: int
    key: str
    function: str
    routine: str
    step: str
    line: int
    entry: int | None
    asked: datetime
    args: Mapping[str, Value] | None = None
    answered: datetime | None = None
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class History:
    """What an execution has done so far: its entries and calls, in the order of their beginnings.

    `is_complete` is false where the journal is gone or does not fit the source, and where this
    emulator refuses a source that an earlier one took. `size` is how many
    bytes it takes up, about.
    """

    entries: Sequence[StepEntry] = ()
    calls: Sequence[MadeCall] = ()
    is_complete: bool = True
    size: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a history is to hold besides its outline.

    `detailed` tells whether entries hold variables; None leaves it to the execution's history
    level. `entries` and `calls` are the numbers of those that hold variables and values, None for
    all as far as there is room.
    """

    detailed: bool | None = None
    entries: Collection[int] | None = None
    calls: Collection[int] | None = None


EVERYTHING: Final = Wanted()
UNKNOWN: Final = History(is_complete=False)


def history(
    found: Execution,
    definition: Definition,
    settings: Settings,
    store: Store,
    wanted: Wanted = EVERYTHING,
) -> History:
    """What an execution has done, as far as its journal tells.

    Args:
        definition: the revision that it runs.
    """
    try:
        replay = _Replay(found, definition, settings, store, wanted)
    except SourceError:
        return UNKNOWN
    for _ in replay.slices():
        pass
    return replay.history()


class _Replay:
    """Runs an execution once more, in slices. `stand` says how far, None for to the end."""

    def __init__(
        self,
        found: Execution,
        definition: Definition,
        settings: Settings,
        store: Store,
        wanted: Wanted,
        *,
        stand: Stand | None = None,
    ) -> None:
        detailed = wanted.detailed
        if detailed is None:
            detailed = found.settings.get("executionHistoryLevel") == DETAILED
        variables = Room(_ROOM, wanted.entries) if detailed else None
        self._found = found
        self._store = store
        self._stand = found.stopped if stand is None else stand
        self._room = Room(_ROOM, wanted.calls)
        self._trace = Trace(parse_timestamp(found.created), variables)
        self._run = Run(
            program(definition.source),
            from_json(found.argument),
            environment(found, definition, settings),
            trace=self._trace,
        )
        self._waiting: dict[str, MadeCall] = {}
        self._calls: list[MadeCall] = []
        self._given = 0
        self._is_complete = True

    def slices(self) -> Iterator[None]:
        """Run; every yield is a moment at which others may have their turns."""
        try:
            yield from self._slices()
        except Exception:  # what broke the execution itself, and was its end, breaks this too
            self._is_complete = False
        self._finish()

    def history(self) -> History:
        """What was found."""
        rooms = [self._room, *([self._trace.variables] if self._trace.variables else [])]
        size = _ENTRY * (len(self._trace.entries) + len(self._calls))
        size += sum(room.taken for room in rooms)
        return History(self._trace.entries, self._calls, self._is_complete, size)

    def _slices(self) -> Iterator[None]:
        journal = self._journal()
        end = time.monotonic() + SLICE
        while True:
            while self._advance():
                if time.monotonic() >= end:
                    yield
                    end = time.monotonic() + SLICE
            for request in self._run.take_requests():
                self._note(request)
            if self._run.outcome is not None or self._run.is_ready:
                return
            following = next(journal, None)
            if following is None:
                return
            self._give(following)

    def _advance(self) -> bool:
        """Run some steps. False: nothing is ready, or it has come to where it shall stop."""
        steps, stand = _STEPS_AT_ONCE, self._stand
        if stand is not None and stand.steps is not None and self._given == stand.replies:
            steps = min(steps, stand.steps - self._run.steps_run)
        return steps > 0 and self._run.advance(steps)

    def _journal(self) -> Iterator[Recorded]:
        drawn = 0
        while self._stand is None or drawn < self._stand.replies:
            most = _DRAWN_AT_ONCE
            if self._stand is not None:
                most = min(most, self._stand.replies - drawn)
            replies = self._store.recorded(self._found.id, most, drawn)
            yield from replies
            drawn += len(replies)
            if len(replies) < most:
                return

    def _note(self, request: Request) -> None:
        made = MadeCall(
            number=len(self._calls) + 1,
            key=request.key,
            function=request.function,
            routine=request.routine,
            step=request.step,
            line=request.line,
            entry=self._trace.asked_in[request.key],
            asked=self._trace.now,
        )
        if self._room.wants(made.number):
            made.args = args = dict(request.args)
            self._room.take(args)
        self._calls.append(made)
        self._waiting[request.key] = made

    def _give(self, recorded: Recorded) -> None:
        now = datetime.fromtimestamp(recorded.time, UTC)
        self._trace.now = now = max(self._trace.now, now)
        made = self._waiting.pop(recorded.key)
        made.answered = now
        if made.args is not None:
            self._room.take(recorded.reply.value)
            made.reply = recorded.reply
        self._given += 1
        self._run.reply(recorded.key, recorded.reply)

    def _finish(self) -> None:
        self._trace.stop()
        found = self._found
        if found.state is State.ACTIVE or found.ended is None:
            return
        ended = max(self._trace.now, parse_timestamp(found.ended))
        if found.state is State.FAILED and not isinstance(self._run.outcome, Failed):
            error = json.loads(str((found.error or {}).get("payload", "null")))
            self._trace.finish(StepState.FAILED, error, ended)
        else:
            self._trace.finish(StepState.CANCELLED, None, ended)


class Histories:
    """The histories of all executions. What was found last is held, as far as there is room.

    Args:
        stand: how far the run of an execution that is not over has come.
    """

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        store: Store,
        stand: Callable[[Execution], Stand | None],
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._store = store
        self._stand = stand
        self._held: OrderedDict[tuple[str, object], History] = OrderedDict()
        self._one_by_one = asyncio.Lock()

    async def of(self, found: Execution, wanted: Wanted = EVERYTHING) -> History:
        """What an execution has done until now."""
        if not found.has_history:
            return UNKNOWN
        async with self._one_by_one:
            stand = self._stand(found) if found.state is State.ACTIVE else None
            at = (found.id, (found.state, self._store.recorded_until(found.id), stand))
            held = self._held.get(at) if wanted == EVERYTHING else None
            if held is None:
                held = await self._find(found, wanted, stand)
                if wanted == EVERYTHING:
                    self._hold(at, held)
            return held

    def forget(self, execution: str) -> None:
        """Hold nothing of an execution any longer."""
        for at in [at for at in self._held if at[0] == execution]:
            del self._held[at]

    async def _find(self, found: Execution, wanted: Wanted, stand: Stand | None) -> History:
        definition = self._catalog.find(found.workflow, found.number)
        if definition is None:
            return UNKNOWN
        try:
            replay = _Replay(found, definition, self._settings, self._store, wanted, stand=stand)
        except SourceError:
            return UNKNOWN
        for _ in replay.slices():
            await asyncio.sleep(0)
        return replay.history()

    def _hold(self, at: tuple[str, object], found: History) -> None:
        """Hold a history, in the place of older ones; one that is too large alone is held too."""
        self.forget(at[0])
        self._held[at] = found
        size = sum(each.size for each in self._held.values())
        while size > _HELD and len(self._held) > 1:
            _, oldest = self._held.popitem(last=False)
            size -= oldest.size

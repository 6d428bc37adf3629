"""Who has the next turn: executions as they become ready; and transactions that many share."""

from __future__ import annotations

import asyncio
import functools
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from emulator import console
from emulator.database import Database
from emulator.runs import Runs
from emulator.turn import SLICE, Look

_AFTER_A_DISK_ERROR = 1.0  # seconds


@dataclass(slots=True)
class Shared:
    """A transaction that is open: what follows when it is on disk, and whose runs take part."""

    done: asyncio.Future[None] | None
    after: list[Callable[[], None]] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)


_taken_part: ContextVar[Shared | None] = ContextVar("_taken_part", default=None)
"""The transaction that the present task has taken part in last."""


class Driver:
    """Gives turns to the executions that can go on, first come first served.

    What is written while the loop has no time for anything else goes to disk together: requests
    that came at the same moment, and the turns that follow from them, wait for one commit.

    Args:
        take: one turn of an execution, inside a transaction.
        give_up: ends an execution whose turn broke, in a transaction of its own.
        look: the time by which slices are measured.
    """

    def __init__(
        self,
        database: Database,
        runs: Runs,
        take: Callable[[str], None],
        give_up: Callable[[str, Exception], None],
        look: Look,
    ) -> None:
        self._database = database
        self._runs = runs
        self._take = take
        self._give_up = give_up
        self._look = look
        self._ready: OrderedDict[str, None] = OrderedDict()
        self._later: set[str] = set()
        self._shared: Shared | None = None
        self._running = False
        self._work = asyncio.Event()
        self._paused = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether any execution can go on, now or as soon as the data file can be written."""
        return bool(self._ready or self._later or self._shared)

    def wake(self, execution: str) -> None:
        """An execution can go on."""
        self._later.discard(execution)
        self._ready[execution] = None
        self._work.set()

    def forget(self, execution: str) -> None:
        """An execution is over, or shall be built again from its journal."""
        self._runs.drop(execution)
        self._ready.pop(execution, None)
        self._later.discard(execution)
        self._work.set()

    async def paused(self) -> None:
        """Return the next time that there are no more turns to give, which may not be the last."""
        self._paused.clear()
        await self._paused.wait()

    # Transactions

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Part of a durable transaction: all of the block or none of it.

        It is on disk when `on_disk` returns. Runs that took part in what failed are ahead of the
        file: they are dropped, to be built again from what is there.
        """
        shared = self._open()
        after, touched = len(shared.after), len(shared.touched)
        try:
            with self._database.part():
                yield
        except BaseException:
            del shared.after[after:]
            for execution in shared.touched[touched:]:
                self._runs.drop(execution)
            self._commit()  # a run that is built again has to find its calls under way
            raise
        _taken_part.set(shared)
        if not self._running:
            self._commit()

    async def on_disk(self) -> None:
        """Return when all that can be seen is on disk, and what this task has written.

        Raises:
            sqlite3.Error: it is not, and nothing of it is kept.
        """
        own = _taken_part.get()
        _taken_part.set(None)
        for shared in (own, self._shared):
            if shared is not None and shared.done is not None:
                await asyncio.shield(shared.done)

    def close(self) -> None:
        """Commit what is left; nobody has turns any more."""
        self._running = False
        self._commit()

    def after(self, act: Callable[[], None]) -> None:
        """Do something once the turn is on disk."""
        self._open().after.append(act)

    def touch(self, execution: str) -> None:
        """The run of an execution takes part in the turn."""
        self._open().touched.append(execution)

    def _open(self) -> Shared:
        if self._shared is None:
            self._database.begin()
            loop = asyncio.get_running_loop() if self._running else None
            self._shared = Shared(None if loop is None else loop.create_future())
            self._work.set()
        return self._shared

    def _commit(self) -> None:
        """Put the open transaction on disk, and do what follows."""
        shared, self._shared = self._shared, None
        if shared is None:
            return
        try:
            self._database.commit()
        except sqlite3.Error as failed:
            self._undone(shared, failed)
            return
        if shared.done is not None:
            shared.done.set_result(None)
        for act in shared.after:
            act()

    def _undone(self, shared: Shared, failed: sqlite3.Error) -> None:
        """Nothing of a transaction is on disk: its runs are ahead of the file."""
        for execution in dict.fromkeys(shared.touched):
            self._try_later(execution)
        if shared.done is None:
            raise failed
        shared.done.set_exception(failed)
        shared.done.exception()  # known, should nobody wait for it

    # Turns

    async def run(self) -> None:
        """Give every execution that can go on a turn, some at a time, for ever."""
        self._running = True
        while True:
            while self._ready or self._shared:
                self._take_turns()
                self._runs.drop_idle(self._ready)
                await asyncio.sleep(0)
            self._paused.set()
            self._work.clear()
            await self._work.wait()

    def _take_turns(self) -> None:
        """Turns for as many executions as fit into a slice of time, on disk together."""
        taken = 0
        end = self._look() + SLICE
        while self._ready and (not taken or self._look() < end):
            self._take_turn(self._ready.popitem(last=False)[0])
            taken += 1
        self._commit()

    def _take_turn(self, execution: str) -> None:
        """One turn of one execution. Whatever goes wrong with it stays with it."""
        try:
            try:
                with self.turn():
                    self._take(execution)
            except sqlite3.Error:
                raise
            except Exception as broken:  # one broken execution must not stop the others
                console.trouble("execution-broken", execution=execution)
                self._give_up(execution, broken)
        except Exception:  # giving up may fail too, and all the others would wait for ever
            self._try_later(execution)

    def _try_later(self, execution: str) -> None:
        """The data file could not be written: go on from what it holds, in a moment."""
        console.trouble("data-file-error", execution=execution)
        self._runs.drop(execution)
        self._ready.pop(execution, None)
        self._later.add(execution)
        loop = asyncio.get_running_loop()
        loop.call_later(_AFTER_A_DISK_ERROR, functools.partial(self._try_again, execution))

    def _try_again(self, execution: str) -> None:
        if execution in self._later:
            self.wake(execution)

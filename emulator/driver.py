"""Who has the next turn: executions as they become ready, and each turn on disk at its end."""

from __future__ import annotations

import asyncio
import functools
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from emulator import console
from emulator.database import Database
from emulator.runs import Runs
from emulator.turn import SLICE, Look

_AFTER_A_DISK_ERROR = 1.0  # seconds


class Driver:
    """Gives turns to the executions that can go on, first come first served.

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
        self._after: list[Callable[[], None]] = []
        self._touched: set[str] = set()
        self._work = asyncio.Event()
        self._paused = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether any execution can go on, now or as soon as the data file can be written."""
        return bool(self._ready or self._later)

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
        """One durable transaction, and after it what may follow only when it is on disk.

        Runs that took part in a transaction that failed are ahead of the file: they are dropped,
        to be built again from what is there.
        """
        try:
            with self._database.write():
                yield
        except BaseException:
            self._after.clear()
            for execution in self._touched:
                self._runs.drop(execution)
            raise
        finally:
            self._touched.clear()
        after, self._after = self._after, []
        for act in after:
            act()

    def after(self, act: Callable[[], None]) -> None:
        """Do something once the transaction is on disk."""
        self._after.append(act)

    def touch(self, execution: str) -> None:
        """The run of an execution takes part in the transaction."""
        self._touched.add(execution)

    # Turns

    async def run(self) -> None:
        """Give every execution that can go on a turn, some at a time, for ever."""
        while True:
            while self._ready:
                self._take_turns()
                self._runs.drop_idle(self._ready)
                await asyncio.sleep(0)
            self._paused.set()
            self._work.clear()
            await self._work.wait()

    def _take_turns(self) -> None:
        """One turn of as many executions as fit into a slice of time, in one transaction.

        Should one of them break, the others have their turns again, each on its own.
        """
        taken: list[str] = []
        end = self._look() + SLICE
        try:
            with self.turn():
                while self._ready and (not taken or self._look() < end):
                    taken.append(self._ready.popitem(last=False)[0])
                    self._take(taken[-1])
        except Exception:  # which of them it was, and what it was, is found out one by one
            for execution in taken:
                self._take_turn_alone(execution)

    def _take_turn_alone(self, execution: str) -> None:
        """One turn of one execution. Whatever goes wrong with it stays with it."""
        try:
            with self.turn():
                self._take(execution)
        except sqlite3.Error:
            self._try_later(execution)
        except Exception as broken:  # one broken execution must not stop the others
            console.trouble("execution-broken", execution=execution)
            self._give_up(execution, broken)

    def _try_later(self, execution: str) -> None:
        """The data file could not be written: go on from what it holds, in a moment."""
        console.trouble("data-file-error", execution=execution)
        self._runs.drop(execution)
        self._later.add(execution)
        loop = asyncio.get_running_loop()
        loop.call_later(_AFTER_A_DISK_ERROR, functools.partial(self._try_again, execution))

    def _try_again(self, execution: str) -> None:
        if execution in self._later:
            self.wake(execution)

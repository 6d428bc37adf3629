"""The timekeeper: moves virtual time from one due time to the next, all settled in between."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

from emulator import console
from emulator.clock import VirtualClock
from emulator.store import Store, Wait

_AFTER_AN_ERROR = 1.0  # seconds


class Timekeeper:
    """Ends waits one at a time, in order of due time; those due together, in order of arming.

    Before it ends one, everything is settled: no execution is ready and no outside call is under
    way. So the same program sees the same order of events every time.

    Args:
        quiet: returns when everything is settled.
        turn: a durable transaction.
        end: ends a wait, inside a transaction.
        skips: whether time jumps to the next due time by itself.
    """

    def __init__(
        self,
        clock: VirtualClock,
        store: Store,
        *,
        quiet: Callable[[], Awaitable[None]],
        turn: Callable[[], AbstractContextManager[None]],
        end: Callable[[Wait], None],
        skips: bool,
    ) -> None:
        self._clock = clock
        self._store = store
        self._quiet = quiet
        self._turn = turn
        self._end = end
        self._skips = skips
        self._changed = asyncio.Event()
        self._moving = asyncio.Lock()

    def reset(self) -> None:
        """There is another wait: look again whether one is due."""
        self._changed.set()

    async def run(self) -> None:
        """End what is due without being told, for ever."""
        while True:
            self._changed.clear()
            try:
                await self.settled()
            except Exception:  # the data file may have room again in a moment
                console.trouble("time-stands-still", next_try=f"{_AFTER_AN_ERROR:g}s")
                await asyncio.sleep(_AFTER_AN_ERROR)
            else:
                await self._changed.wait()

    async def settled(self) -> None:
        """Return when nothing can happen before time goes on."""
        async with self._moving:
            await self._end_until(math.inf if self._skips else self._clock.seconds())

    async def advance(self, seconds: float) -> None:
        """End all that is due within so many seconds; then the time is that much later.

        Raises:
            ValueError: the time would go back, or beyond the year 9999.
        """
        async with self._moving:
            end = self._clock.later(seconds)
            await self._end_until(end)
            self._clock.move_to(end)

    async def advance_to_next(self) -> bool:
        """End what is due next; tells whether there was anything."""
        async with self._moving:
            await self._end_until(self._clock.seconds())
            due = self._store.next_due()
            if due is not None:
                await self._end_until(due)
            return due is not None

    async def _end_until(self, moment: float) -> None:
        await self._quiet()
        while due := self._store.waits_due(moment, limit=1):
            with self._turn():
                for wait in due:
                    self._clock.move_to(wait.due or 0.0)
                    self._end(wait)
            await self._quiet()

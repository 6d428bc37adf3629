"""The alarm: ends waits when their time has come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from emulator import console
from emulator.clock import Clock

_LONGEST_NAP = 30.0
"""Seconds after which it looks at the clock again, should the clock have been set."""

_AFTER_AN_ERROR = 1.0
_ADVICE = "start with --time virtual"


class Alarm:
    """Rings at every due time.

    Args:
        next_due: the earliest due time there is, in seconds since 1970.
        ring: ends the waits that are due; returns when that is on disk.
        settled: returns when no execution is ready and no call under way.
    """

    def __init__(
        self,
        clock: Clock,
        next_due: Callable[[], float | None],
        ring: Callable[[], Awaitable[None]],
        settled: Callable[[], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._next_due = next_due
        self._ring = ring
        self.settled = settled
        self._changed = asyncio.Event()

    def reset(self) -> None:
        """There is another wait: look again which is the earliest."""
        self._changed.set()

    async def run(self) -> None:
        """Ring for ever."""
        while True:
            self._changed.clear()
            try:
                nap = self._nap()
                if not nap:
                    await self._ring()
            except Exception:  # without the alarm nothing would ever time out again
                console.trouble("alarm-broken", next_try=f"{_AFTER_AN_ERROR:g}s")
                nap = _AFTER_AN_ERROR
            try:
                async with asyncio.timeout(nap):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def advance(self, seconds: float) -> None:
        """Nobody moves this time.

        Raises:
            ValueError: always; as `advance_to_next` does.
        """
        raise ValueError(f"time is real and cannot be moved by {seconds:g} seconds: {_ADVICE}")

    async def advance_to_next(self) -> bool:
        """Nobody moves this time."""
        raise ValueError(f"time is real and cannot be moved: {_ADVICE}")

    def _nap(self) -> float:
        """Seconds until there is something to do."""
        due = self._next_due()
        return _LONGEST_NAP if due is None else min(_LONGEST_NAP, self._clock.remaining(due))

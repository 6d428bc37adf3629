"""How time passes in a test: from one thing that is due to the next, in emulator and inbox."""

from __future__ import annotations

from emulator.services import Services
from emulator.testing.deliveries import Deliveries
from emulator.testing.inbox import Inbox

_A_MOMENT = 0.0001
"""Seconds before its due time from which a thing is due, whatever the rounding of times."""


class Timeline:
    """Moves the one clock that emulator and inbox share."""

    def __init__(self, services: Services, inbox: Inbox, deliveries: Deliveries) -> None:
        self._services = services
        self._inbox = inbox
        self._deliveries = deliveries

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self._services.clock.seconds()

    async def settle(self) -> None:
        """Return when everything has happened that can, without any time passing."""
        while True:
            await self._services.engine.settled()
            due, now = self._inbox.next_due(), self.now + _A_MOMENT
            if due is None or due > now:
                break
            self._inbox.expire_until(now)
            await self._deliveries.make_until(now)
        self._deliveries.note_taken()

    async def step(self, until: float | None = None) -> bool:
        """Go on to the next moment at which something is due, and settle.

        Args:
            until: seconds since 1970; what is due later does not count.

        Returns:
            Whether there was such a moment.
        """
        await self.settle()
        engine = self._services.engine
        of_inbox, of_runs = self._inbox.next_due(), self._services.store.next_due()
        first = min((due for due in (of_inbox, of_runs) if due is not None), default=None)
        if first is None or (until is not None and first > until):
            return False
        if first == of_runs:
            await engine.advance_to_next()
        else:
            await engine.advance(max(0.0, first - self.now))
        await self.settle()
        return True

    async def advance(self, seconds: float) -> None:
        """Let so many seconds pass, and everything happen that is due within them, in order."""
        end = self._services.clock.seconds() + seconds
        while await self.step(end):
            pass
        await self._services.engine.advance(max(0.0, end - self.now))
        await self.settle()

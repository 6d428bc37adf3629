"""One siege: real processes that are killed, callbacks that fail, people who answer.

It ends by itself: when all is settled, or with what is stuck, when nothing has moved for a while or
the minutes are over. Django is set up when this is imported: see `tests.soak.siege`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp
from django.db import connection

from approvals.models import Delivery
from approvals.models.outbox import FINAL
from tests.soak.author import Author
from tests.soak.evils import Killer, Mischief
from tests.soak.ledger import Ledger
from tests.soak.people import DOWN, Crowd, Inbox, Person
from tests.soak.processes import Ports, Processes
from tests.soak.telling import say

STILL = 150.0
"""Seconds without any progress after which it is stuck: longer than the longest pause of a try."""
OPEN_AT_ONCE = 200
"""Executions: those whose sender was killed wait for the end of its lease, beside the others."""
SHARE_AT_ONCE = 10
"""Of many the tenth part: else most of those that are open would always wait for a lease."""
STARTS = 25  # between two looks
LAST = 10
"""Once so few are left, the kills end: each could hold up the last ones for a lease."""
TELL_EVERY = 15.0
PATIENCE = 20.0  # seconds that a client waits for an answer

Turn = tuple[float, Callable[[], Awaitable[None]]]
"""What happens once such a share of the executions has ended."""


class Stuck(Exception):
    """It does not end; the text says how that was seen."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How large, how long, and by which dice."""

    approvals: int = 1000
    seed: int = 1
    minutes: float = 20.0


@dataclass
class Campaign:
    """One run of it, and its figures."""

    plan: Plan
    ports: Ports
    processes: Processes
    people: list[Person]
    turns: list[Turn] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    open_deliveries: int = 0
    stuck: str = ""
    took: float = 0.0
    settling: float = 0.0

    async def run(self) -> None:
        """From the first start to the last delivery."""
        self.begin = time.monotonic()
        self.moved, self.state = self.begin, (-1, -1, -1)
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        connector = aiohttp.TCPConnector(force_close=True)  # a killed server leaves no doubt behind
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as client:
            emulator, seed = f"http://127.0.0.1:{self.ports.emulator}", self.plan.seed
            self.author = Author(client, emulator, self.ledger, seed)
            self.killer = Killer(client, self.processes, seed)
            self.mischief = Mischief(client, emulator, lambda: len(self.ledger.answers), seed)
            inbox = Inbox(client, self.ports.web, self.ledger)
            self.crowd = Crowd(inbox, self.people, self.ledger, seed)
            try:
                async with asyncio.timeout(self.plan.minutes * 60):
                    await self._all()
            except TimeoutError:
                self.stuck = f"not done within {self.plan.minutes:g} minutes"
        self.settling = time.monotonic() - self.begin - self.took

    async def _all(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                clients = [group.create_task(each) for each in (self.crowd.run(), self.tell())]
                evils = [group.create_task(each.run()) for each in (self.killer, self.mischief)]
                await self._start_all()
                await self._until(lambda: self.author.active <= LAST)
                for task in evils:
                    task.cancel()
                self.took = time.monotonic() - self.begin
                await self._calm_down()
                await self._until(lambda: self.author.active == self.open_deliveries == 0)
                for task in clients:
                    task.cancel()
        except* Stuck as stuck:
            self.stuck = str(stuck.exceptions[0])

    async def _start_all(self) -> None:
        """Start executions, so many that some are always waiting, until there are enough."""
        at_once = max(OPEN_AT_ONCE, self.plan.approvals // SHARE_AT_ONCE)
        await self.author.sign_in()
        while (left := self.plan.approvals - self.author.started) > 0:
            await self._look()
            room = at_once - self.author.active
            await self.author.start(min(room, left, STARTS))
            await asyncio.sleep(0.3)

    async def _until(self, done: Callable[[], bool]) -> None:
        while True:
            if await self._look() and done():
                return
            await asyncio.sleep(0.5)

    async def _look(self) -> bool:
        """See how far it is, and take the turn that is due; False where the emulator is away.

        Raises `Stuck` where nothing has moved for `STILL` seconds.
        """
        seen = await self.author.look()
        self.open_deliveries = await asyncio.to_thread(_open_deliveries)
        state = (self.author.started, self.author.active, self.open_deliveries)
        if state != self.state:
            self.moved, self.state = time.monotonic(), state
        if time.monotonic() - self.moved > STILL:
            raise Stuck(f"nothing has moved for {STILL:.0f} s")
        ended = self.author.started - self.author.active
        if self.turns and ended >= self.turns[0][0] * self.plan.approvals:
            _, turn = self.turns.pop(0)
            await turn()
        return seen

    async def _calm_down(self) -> None:
        """No more kills, no more faults; everything runs."""
        calm = False
        while not calm:
            await asyncio.sleep(0.1)
            with suppress(*DOWN):
                await self.mischief.forget()
                calm = True

    async def tell(self) -> None:
        """A line now and then while it runs."""
        while True:
            await asyncio.sleep(TELL_EVERY)
            say(
                f"  {time.monotonic() - self.begin:4.0f} s: {self.author.started} started,"
                f" {self.author.active} wait, {len(self.ledger.answers)} votes sent,"
                f" {sum(self.killer.kills.values())} kills, {self.mischief.ordered} faults ordered,"
                f" {self.open_deliveries} deliveries open"
            )


def _open_deliveries() -> int:
    try:
        return Delivery.objects.exclude(state__in=FINAL).count()
    finally:
        connection.close()

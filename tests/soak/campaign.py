"""One siege: real processes that are killed, callbacks that fail, people who answer, and the sums.

It ends by itself: when all is settled, or with what is stuck, when nothing has moved for a while or
the minutes are over. Django is set up when this is imported: see `tests.soak.siege`.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp
from django.db import connection

from approvals.models import Delivery
from approvals.models.outbox import FINAL
from tests.emulators import LOCATION, PROJECT
from tests.soak.evils import Killer, Mischief
from tests.soak.ledger import Ledger
from tests.soak.people import DOWN, SILENT, Crowd, Inbox, Person
from tests.soak.processes import Ports, Processes
from tests.soak.telling import say

STILL = 150.0
"""Seconds without any progress after which it is stuck: longer than the longest pause of a try."""
OPEN_AT_ONCE = 400
LAST = 10
"""Once so few are left, the kills end: each could hold up the last ones for a lease."""
TELL_EVERY = 15.0
SILENT_SHARE, TWO_VOTES_SHARE = 0.01, 0.1


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
    ledger: Ledger = field(default_factory=Ledger)
    started: int = 0
    active: int = 0
    open_deliveries: int = 0
    stuck: str = ""
    took: float = 0.0
    settling: float = 0.0

    async def run(self) -> None:
        """From the first start to the last delivery."""
        begin = time.monotonic()
        timeout = aiohttp.ClientTimeout(total=20)
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as client:
            self.client, self.begin = client, begin
            self.killer = Killer(self.processes, self.plan.seed)
            emulator = f"http://127.0.0.1:{self.ports.emulator}"
            self.mischief = Mischief(client, emulator, self.plan.seed)
            self.executions = f"{emulator}/v1/projects/{PROJECT}/locations/{LOCATION}/workflows"
            crowd = Crowd(
                Inbox(client, self.ports.web, self.ledger), self.people, self.ledger, self.plan.seed
            )
            try:
                async with asyncio.timeout(self.plan.minutes * 60), asyncio.TaskGroup() as group:
                    clients = [group.create_task(each) for each in (crowd.run(), self.tell())]
                    evils = [group.create_task(each.run()) for each in (self.killer, self.mischief)]
                    await self.start_all()
                    await self.until(lambda: self.active <= LAST)
                    for task in evils:
                        task.cancel()
                    self.took = time.monotonic() - begin
                    await self.calm_down()
                    await self.until(lambda: self.active == self.open_deliveries == 0)
                    for task in clients:
                        task.cancel()
            except TimeoutError:
                self.stuck = self.stuck or f"not done within {self.plan.minutes:g} minutes"
            self.settling = time.monotonic() - begin - self.took

    # Executions

    async def start_all(self) -> None:
        """Start executions, so many that some are always waiting, until there are enough."""
        dice = random.Random(f"{self.plan.seed} executions")
        self.token = await self._token()
        while self.started < self.plan.approvals:
            await self.look()
            room = min(OPEN_AT_ONCE - self.active, self.plan.approvals - self.started)
            for begin in range(0, room, 10):
                batch = [self._start(dice) for _ in range(min(10, room - begin))]
                self.started += sum(await asyncio.gather(*batch))
            await asyncio.sleep(0.3)

    async def _start(self, dice: random.Random) -> bool:
        """Start one; False where nobody said that it has begun: it may have or not."""
        mode = dice.choice(("settling", "simple"))
        silent = mode == "settling" and dice.random() < SILENT_SHARE * 2
        question = {
            "title": f"{SILENT if silent else 'Somebody answers'}: {mode} {self.started}",
            "approvers": ["group:crew"],
            "votes_needed": 2 if dice.random() < TWO_VOTES_SHARE else 1,
        }
        argument = {
            "question": question,
            "timeout": 10 if silent else 3600,
            "nap": dice.choice((0, 0, 1, 4)),
        }
        url = f"{self.executions}/{mode}/executions"
        with suppress(*DOWN):
            body = {"argument": json.dumps(argument)}
            async with self.client.post(url, json=body, headers=self._headers()) as answer:
                if answer.status == 200:
                    return True
                self.ledger.wrong.append(f"start: {answer.status} {await answer.text()}"[:300])
        return False

    async def _token(self) -> str:
        url = f"http://127.0.0.1:{self.ports.emulator}/emulator/tokens"
        body = {"email": "author@emulator.invalid", "expires_in": 86400}
        async with asyncio.timeout(30):
            while True:
                with suppress(*DOWN):
                    async with self.client.post(url, json=body) as answer:
                        return str((await answer.json())["access_token"])
                await asyncio.sleep(0.1)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def look(self) -> None:
        """See how many executions have not ended; where nobody tells, it is as it was."""
        active = 0
        with suppress(*DOWN):
            for workflow in ("settling", "simple"):
                url = f"{self.executions}/{workflow}/executions"
                query = {"filter": 'state="ACTIVE"', "pageSize": "1000", "view": "BASIC"}
                async with self.client.get(url, params=query, headers=self._headers()) as answer:
                    answer.raise_for_status()
                    active += len((await answer.json()).get("executions", ()))
            self.active = active

    # The end

    async def until(self, done: Callable[[], bool]) -> None:
        """Wait for it; gives up where nothing has moved for `STILL` seconds."""
        moved, before = time.monotonic(), (-1, -1)
        while True:
            await self.look()
            self.open_deliveries = await asyncio.to_thread(_open_deliveries)
            if done():
                return
            now = (self.active, self.open_deliveries)
            if now != before:
                moved, before = time.monotonic(), now
            if time.monotonic() - moved > STILL:
                self.stuck = f"nothing has moved for {STILL:.0f} s"
                raise TimeoutError
            await asyncio.sleep(0.5)

    async def calm_down(self) -> None:
        """No more kills, no more faults; everything runs."""
        await asyncio.sleep(0.1)
        async with asyncio.timeout(30):
            while True:
                with suppress(*DOWN):
                    await self.mischief.forget()
                    return
                await asyncio.sleep(0.1)

    async def tell(self) -> None:
        """A line now and then while it runs."""
        while True:
            await asyncio.sleep(TELL_EVERY)
            say(
                f"  {time.monotonic() - self.begin:4.0f} s: {self.started} started,"
                f" {self.active} waiting, {len(self.ledger.answers)} answers,"
                f" {sum(self.killer.kills.values())} kills, {self.mischief.ordered} faults ordered,"
                f" {self.open_deliveries} deliveries open"
            )


def _open_deliveries() -> int:
    try:
        return Delivery.objects.exclude(state__in=FINAL).count()
    finally:
        connection.close()

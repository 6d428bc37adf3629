"""What goes wrong, and when: `kill -9` of anything, and faults on the way to the callbacks."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiohttp

from tests.soak.people import DOWN
from tests.soak.processes import NAMES, Processes

CALLBACKS = {"method": "POST", "path": "/v1/*/callbacks/*"}
LOOKS = {"method": "GET", "path": "/v1/*/executions/*"}
TOKENS = {"path": "/computeMetadata/*/token*"}
AT_CALLBACKS: tuple[dict[str, Any], ...] = (
    {"kind": "delay", "seconds": 1.0},
    {"kind": "delay", "seconds": 4.0, "stored": True},  # longer than who clicked waits
    {"kind": "reset"},
    {"kind": "reset", "stored": True},
    {"kind": "status", "statuses": [500]},
    {"kind": "status", "statuses": [502], "stored": True},
    {"kind": "status", "statuses": [503], "retryAfter": 1},
    {"kind": "status", "statuses": [504], "stored": True},
    {"kind": "status", "statuses": [429], "retryAfter": 1},
    {"kind": "status", "statuses": [429], "stored": True},
    {"kind": "stall", "seconds": 2.0},
    {"kind": "stall", "seconds": 5.0, "stored": True},
    {"kind": "slow", "seconds": 2.0},
    {"kind": "cut"},
    {"kind": "wrong-body"},
)
ELSEWHERE: tuple[dict[str, Any], ...] = (
    {**LOOKS, "kind": "status", "statuses": [503]},
    {**LOOKS, "kind": "reset"},
    {**LOOKS, "kind": "cut"},
    {**LOOKS, "kind": "wrong-body"},
    {**LOOKS, "kind": "delay", "seconds": 1.0},
    {**TOKENS, "kind": "status", "statuses": [503]},
)
PAUSE = (0.5, 1.5)  # seconds between two kills
LEFT_DEAD = 0.2  # of them stay dead for a moment
KILLED_EARLY = 0.2  # may be followed by the next before they are up again
UP_WITHIN = 10.0
OUT_OF_REACH = (aiohttp.ClientError, ConnectionError)
VOTES_TO_A_FAULT = (4, 12)
FORGET_AFTER = 100
"""Orders that were played are kept by the emulator until they are removed."""


class Killer:
    """Kills one process after the other, and starts it again at once or a little later.

    The next dies half a second to one and a half later; but mostly not before this one answers:
    on a machine without a free core nothing else would ever be up.
    """

    def __init__(self, client: aiohttp.ClientSession, processes: Processes, seed: int) -> None:
        self.client, self.processes = client, processes
        self.chance = random.Random(f"{seed} kills")
        self.kills: Counter[str] = Counter()

    async def run(self) -> None:
        """Kill until cancelled; then everything runs again."""
        name = ""
        try:
            while True:
                await asyncio.sleep(self.chance.uniform(*PAUSE))
                name = self.chance.choice(NAMES)
                self.processes.kill(name)
                self.kills[name] += 1
                if self.chance.random() < LEFT_DEAD:
                    await asyncio.sleep(self.chance.uniform(0.2, 1.0))
                self.processes.start(name)
                url, name = self.processes.url(name), ""
                if url and self.chance.random() > KILLED_EARLY:
                    await self._answers(url)
        finally:
            if name:
                self.processes.start(name)

    async def _answers(self, url: str) -> None:
        """Wait until it does, or for `UP_WITHIN` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(UP_WITHIN):
                up = False
                while not up:
                    await asyncio.sleep(0.05)
                    with suppress(*OUT_OF_REACH):
                        async with self.client.get(f"{url}/healthz") as answer:
                            up = answer.status == 200


class Mischief:
    """Orders faults, each for the next request that fits; a killed emulator forgets them.

    So many as there are votes: a slow machine has no more of them for each delivery than a quick
    one. `votes` tells how many were sent.
    """

    def __init__(
        self, client: aiohttp.ClientSession, emulator: str, votes: Callable[[], int], seed: int
    ) -> None:
        self.client, self.url, self.votes = client, f"{emulator}/emulator/faults", votes
        self.chance = random.Random(f"{seed} faults")
        self.ordered = 0

    async def run(self) -> None:
        """Order until cancelled."""
        due = 0.0
        while True:
            await asyncio.sleep(0.1)
            if self.votes() < due:
                continue
            due = self.votes() + self.chance.uniform(*VOTES_TO_A_FAULT)
            fault = {**CALLBACKS, **self.chance.choice(AT_CALLBACKS)}
            if self.chance.random() < 0.25:
                fault = self.chance.choice(ELSEWHERE)
            try:
                if self.ordered % FORGET_AFTER == FORGET_AFTER - 1:
                    await self.forget()
                async with self.client.post(self.url, json=fault) as answer:
                    answer.raise_for_status()
                self.ordered += 1
            except aiohttp.ClientResponseError:
                raise  # the order is wrong
            except DOWN:
                continue

    async def forget(self) -> None:
        """From now on nothing goes wrong."""
        async with self.client.delete(self.url) as answer:
            answer.raise_for_status()

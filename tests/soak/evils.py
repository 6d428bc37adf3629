"""What goes wrong, and when: `kill -9` of anything, and faults on the way to the callbacks."""

import asyncio
import random
from collections import Counter
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
FORGET_AFTER = 100
"""Orders that were played are kept by the emulator until they are removed."""


class Killer:
    """Kills one process after the other, and starts it again at once or a little later."""

    def __init__(self, processes: Processes, seed: int) -> None:
        self.processes, self.chance = processes, random.Random(f"{seed} kills")
        self.kills: Counter[str] = Counter()

    async def run(self) -> None:
        """Kill until cancelled; then everything runs again."""
        name = ""
        try:
            while True:
                await asyncio.sleep(self.chance.uniform(0.5, 1.5))
                name = self.chance.choice(NAMES)
                self.processes.kill(name)
                self.kills[name] += 1
                if self.chance.random() < 0.2:
                    await asyncio.sleep(self.chance.uniform(0.2, 1.0))
                self.processes.start(name)
                name = ""
        finally:
            if name:
                self.processes.start(name)


class Mischief:
    """Orders faults, each for the next request that fits; a killed emulator forgets them."""

    def __init__(self, client: aiohttp.ClientSession, emulator: str, seed: int) -> None:
        self.client, self.url = client, f"{emulator}/emulator/faults"
        self.chance = random.Random(f"{seed} faults")
        self.ordered = 0

    async def run(self) -> None:
        """Order until cancelled."""
        while True:
            await asyncio.sleep(self.chance.uniform(0.2, 0.8))
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

"""Who starts the executions, over Google's API as the emulator serves it, and sees them end."""

import asyncio
import json
import random

import aiohttp

from tests.emulators import LOCATION, PROJECT
from tests.soak.ledger import Ledger
from tests.soak.people import DOWN, SILENT

MODES = ("settling", "simple")
COPIES = 4
"""Of the workflow of each mode, under names of their own: so many callers share the senders."""
WORKFLOWS = tuple(f"{mode}-{number}" for mode in MODES for number in range(1, COPIES + 1))
SILENT_SHARE = 0.02
"""Of the settling ones: a simple workflow would not hear of the end of its own patience."""
TWO_VOTES_SHARE = 0.1
SHORT, LONG = 10, 3600  # seconds that a workflow waits for its answer
NAPS = (0, 0, 1, 4)
"""Seconds that a simple one works on after its answer, so that a second one would find it."""
BATCH = 10


class Author:
    """Starts executions of both modes. `started` counts those that the emulator confirmed,
    `active` those that had not ended when it was asked last."""

    def __init__(
        self, client: aiohttp.ClientSession, emulator: str, ledger: Ledger, seed: int
    ) -> None:
        self.client, self.emulator, self.ledger = client, emulator, ledger
        self.workflows = f"{emulator}/v1/projects/{PROJECT}/locations/{LOCATION}/workflows"
        self.dice = random.Random(f"{seed} executions")
        self.headers: dict[str, str] = {}
        self.started = self.active = 0

    async def sign_in(self) -> None:
        """Get a token that is good for all that follows."""
        body = {"email": "author@emulator.invalid", "expires_in": 86400}
        while not self.headers:
            try:
                url = f"{self.emulator}/emulator/tokens"
                async with self.client.post(url, json=body) as answer:
                    token = (await answer.json())["access_token"]
                self.headers = {"Authorization": f"Bearer {token}"}
            except DOWN:
                await asyncio.sleep(0.1)

    async def start(self, count: int) -> None:
        """Start so many, or fewer where the emulator dies meanwhile."""
        for begin in range(0, count, BATCH):
            batch = [self._start() for _ in range(min(BATCH, count - begin))]
            begun = sum(await asyncio.gather(*batch))
            self.started += begun
            self.active += begun

    async def _start(self) -> bool:
        """Start one; False where nobody said that it has begun: it may have or not."""
        mode = self.dice.choice(MODES)
        silent = mode == "settling" and self.dice.random() < SILENT_SHARE
        question = {
            "title": f"{SILENT if silent else 'Somebody answers'}: {mode} {self.started}",
            "approvers": ["group:crew"],
            "votes_needed": 2 if self.dice.random() < TWO_VOTES_SHARE else 1,
        }
        timeout, nap = SHORT if silent else LONG, self.dice.choice(NAPS)
        argument = {"question": question, "timeout": timeout, "nap": nap}
        url = f"{self.workflows}/{mode}-{self.dice.randint(1, COPIES)}/executions"
        body = {"argument": json.dumps(argument)}
        try:
            async with self.client.post(url, json=body, headers=self.headers) as answer:
                if answer.status != 200:
                    self.ledger.wrong.append(f"start: {answer.status} {await answer.text()}"[:300])
                return answer.status == 200
        except DOWN:
            return False

    async def look(self) -> bool:
        """See how many have not ended; False where nobody tells, and it is as it was."""
        active = 0
        try:
            for workflow in WORKFLOWS:
                url = f"{self.workflows}/{workflow}/executions"
                query = {"filter": 'state="ACTIVE"', "pageSize": "1000", "view": "BASIC"}
                async with self.client.get(url, params=query, headers=self.headers) as answer:
                    answer.raise_for_status()
                    active += len((await answer.json()).get("executions", ()))
        except DOWN:
            return False
        self.active = active
        return True

"""An emulator with an execution that waits on a callback, for tests of what can go wrong."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from emulator.services import Services
from emulator.settings import Auth
from tests.emulator.engines import WAIT, emulator, endpoint, outcome, start
from tests.emulators import NUMBER


@dataclass
class Scene:
    """An emulator with an execution that waits on a callback, and a client."""

    services: Services
    client: aiohttp.ClientSession
    execution: str
    callback: str

    @property
    def base(self) -> str:
        return self.services.settings.base_url

    @property
    def url(self) -> str:
        return (
            f"{self.base}/v1/projects/{NUMBER}/locations/us-central1/workflows/test"
            f"/executions/{self.execution}/callbacks/{self.callback}"
        )

    async def order(self, **fault: Any) -> dict[str, Any]:
        async with self.client.post(f"{self.base}/emulator/faults", json=fault) as answer:
            body: dict[str, Any] = await answer.json()
            assert answer.status == 200, body
            return body

    async def send(self, body: object = "yes", **options: Any) -> tuple[int, Any]:
        """Status and JSON of the answer to a request to the callback."""
        async with self.client.post(self.url, json=body, **options) as answer:
            return answer.status, await answer.json()

    async def result(self) -> Any:
        """The body that the execution was given."""
        over = self.services.store.find(self.execution)
        assert over is not None
        return (await outcome(self.services, over))[1]["http_request"]["body"]

    @property
    def is_waiting(self) -> bool:
        """Whether nothing has reached the execution."""
        found = self.services.store.callback(self.execution, self.callback)
        waits = self.services.store.waits_of(self.execution)
        return found is not None and found.stored is None and len(waits) == 1

    @property
    def received(self) -> list[tuple[str, str | None]]:
        """Verdict and fault of each request that reached the callback."""
        listed = self.services.store.received(self.execution)
        return [(one.verdict, one.fault) for one in listed]


@asynccontextmanager
async def scene(path: Path) -> AsyncIterator[Scene]:
    async with emulator(path, auth=Auth.OFF) as services, aiohttp.ClientSession() as client:
        execution = start(services, WAIT)
        yield Scene(services, client, execution.id, await endpoint(services, execution))


def played(path: Path, scenario: Callable[[Scene], Awaitable[Any]]) -> Any:
    async def play() -> Any:
        async with asyncio.timeout(30), scene(path) as it:
            return await scenario(it)

    return asyncio.run(play())

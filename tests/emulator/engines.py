"""An emulator in the test's own loop, and an HTTP server for its workflows to call."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from emulator.server import serving
from emulator.services import Services
from emulator.settings import Settings
from emulator.store import Execution, State

WAIT = """
main:
  params: [input]
  steps:
    - create: {call: events.create_callback_endpoint, result: callback}
    - wait:
        call: events.await_callback
        args: {callback: "${callback}", timeout: 3600}
        result: request
    - done: {return: ["${input}", "${request}"]}
"""
RUN = "googleapis.workflowexecutions.v1.projects.locations.workflows.executions.run"


@dataclass
class Site:
    """An HTTP server that a test scripts with a handler, and what it was sent."""

    url: str
    received: list[dict[str, Any]] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def site(handler: Handler) -> AsyncIterator[Site]:
    found = Site("")

    async def record(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        found.received.append(
            {
                "method": request.method,
                "url": str(request.rel_url),
                "headers": dict(request.headers),
                "body": body,
            }
        )
        found.called.set()
        return await handler(request)

    app = web.Application(client_max_size=10_000_000)
    app.router.add_route("*", "/{path:.*}", record)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    server = web.TCPSite(runner, "127.0.0.1", 0)
    await server.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield found
    finally:
        await runner.cleanup()


@asynccontextmanager
async def emulator(path: Path, **settings: Any) -> AsyncIterator[Services]:
    async with serving(Settings(port=0, data=path / "data.sqlite3", **settings)) as services:
        yield services


def start(services: Services, source: str, argument: object = None) -> Execution:
    definition = services.catalog.deploy("test", source)
    return services.engine.create(definition, json.dumps(argument), {})


async def outcome(services: Services, execution: Execution) -> Any:
    """The result of an execution, or its error payload."""
    async with asyncio.timeout(20):
        over = await services.engine.wait(execution.id)
    if over.state is State.SUCCEEDED:
        return json.loads(over.result or "")
    assert over.error is not None, over
    return json.loads(str(over.error["payload"]))


async def run(path: Path, source: str, argument: object = None, **settings: Any) -> Any:
    async with emulator(path, **settings) as services:
        return await outcome(services, start(services, source, argument))


async def endpoint(services: Services, execution: Execution) -> str:
    """The callback of an execution as soon as something waits on it."""
    async with asyncio.timeout(10):
        while True:
            for wait in services.store.waits_of(execution.id):
                if wait.subject is not None:
                    return wait.subject
            await asyncio.sleep(0.01)

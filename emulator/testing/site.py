"""One emulator and one inbox for a test, in a loop of their own, with a clock that tests move."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from countersign.errors import FormInvalid
from emulator.server import serving
from emulator.services import Services
from emulator.settings import Settings, Time
from emulator.store import Execution
from emulator.testing.background import Background
from emulator.testing.callback import Response
from emulator.testing.deliveries import Deliveries
from emulator.testing.errors import AnswerRefused, TestingError
from emulator.testing.inbox import Conflict, Inbox
from emulator.testing.inbox_api import Api
from emulator.testing.record import Record
from emulator.testing.timeline import Timeline
from workflows.bundle import Bundle

__tracebackhide__ = True  # a test that fails shows its own lines

INBOX = "https://inbox.example"
"""The address of the inbox, as workflows know it; the same in every test."""

_TIMEOUT = aiohttp.ClientTimeout(total=10)
"""Real seconds that are waited for the answer of a callback, as the inbox does."""

Found = TypeVar("Found")


class Site:
    """Everything that a test works on, from `open` to `close`.

    `api_address` is where the inbox listens on this machine, `bundles` what was deployed, by text.

    Args:
        data: the data file of the emulator.
    """

    services: Services
    inbox: Inbox
    api: Api
    timeline: Timeline
    api_address: str

    def __init__(self, background: Background, data: Path) -> None:
        self.bundles: dict[str, Bundle] = {}
        self._background = background
        self._data = data
        self._stack = AsyncExitStack()
        self._client: aiohttp.ClientSession
        self._deliveries: Deliveries

    def open(self) -> None:
        """Start it."""
        self.run(self._open())

    def close(self) -> None:
        """Stop it."""
        self.run(self._stack.aclose())

    def run(self, work: Coroutine[Any, Any, Found]) -> Found:
        """The result of a coroutine in the loop."""
        return self._background.run(work)

    def do(self, act: Callable[[], Found]) -> Found:
        """The result of a function in the loop, the only place where parts may be used."""
        return self._background.do(act)

    def executions(self, workflow: str | None = None) -> list[Execution]:
        """The executions of a workflow, or of all, oldest first; for the loop."""
        names = [found.workflow for found in self.services.catalog.all()]
        found = [
            execution
            for name in names
            if workflow in (None, name)
            for execution in self.services.store.newest_first(name)
        ]
        return sorted(found, key=lambda execution: execution.sequence)

    def bundle(self, found: Execution) -> Bundle | None:
        """The files that an execution's source was put together from; for the loop."""
        definition = self.services.catalog.find(found.workflow, found.number)
        return None if definition is None else self.bundles.get(definition.source)

    async def decide(
        self,
        record: Record,
        outcome: str,
        by: str,
        comment: str,
        form: Mapping[str, Any],
        *,
        deliver: bool,
    ) -> None:
        """A person's answer, and all that follows from it without time passing."""
        try:
            self.inbox.decide(record, outcome, by=by, comment=comment, form=form)
        except FormInvalid as wrong:
            raise AnswerRefused(str(wrong)) from None
        if not deliver:
            record.due = None
        await self.timeline.settle()

    async def withdraw(self, record: Record) -> None:
        """Close a question whose answer is no longer needed, and settle."""
        try:
            self.inbox.withdraw(record)
        except Conflict as refused:
            raise AnswerRefused(str(refused)) from None
        await self.timeline.settle()

    async def deliver(self, record: Record) -> int | None:
        """Send an answer once more, and settle."""
        if record.payload is None:
            raise TestingError(f"{record.body.title!r} has no answer yet that could be delivered")
        status = await self._deliveries.attempt(record, again=True)
        await self.timeline.settle()
        return status

    async def send(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str],
        query: Mapping[str, str],
    ) -> Response:
        """Send a request to a callback, and settle."""
        try:
            async with self._client.request(
                method, url, data=body, headers=headers, params=query, allow_redirects=False
            ) as response:
                is_json = response.content_type == "application/json"
                shown = await (response.json() if is_json else response.text())
                answered = Response(response.status, shown)
        except (aiohttp.ClientError, TimeoutError):
            answered = Response(None)
        await self.timeline.settle()
        return answered

    async def _open(self) -> None:
        async with AsyncExitStack() as stack:
            listener = stack.enter_context(_listener())
            self.api_address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            settings = Settings(
                port=0, time=Time.VIRTUAL, data=self._data, hosts={INBOX: self.api_address}
            )
            self.services = await stack.enter_async_context(serving(settings))
            self.services.stubs.strict = True
            # Nobody looks at the file after a crash.
            self.services.database.run("PRAGMA synchronous = OFF").close()
            self._client = await stack.enter_async_context(
                aiohttp.ClientSession(timeout=_TIMEOUT, skip_auto_headers=("Content-Type",))
            )
            self.inbox = Inbox(INBOX, self.services.clock.now)
            self.api = Api(
                self.inbox,
                origin=self.services.settings.base_url,
                certificates=self.services.issuer.certificates,
                projects=self.services.settings.projects,
            )
            await stack.enter_async_context(_served(self.api.application(), listener))
            self._deliveries = Deliveries(self.inbox, self.services, lambda: self._client)
            self.timeline = Timeline(self.services, self.inbox, self._deliveries)
            self._stack = stack.pop_all()


def _listener() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.setblocking(False)
    return listener


@asynccontextmanager
async def _served(app: web.Application, listener: socket.socket) -> AsyncIterator[None]:
    """An application that listens."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
    try:
        await runner.setup()
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()

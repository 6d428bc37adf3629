"""The server: one port for Google's REST, callbacks, metadata and OpenID, with the engine."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import web

from emulator import console
from emulator.api import (
    callbacks,
    clock,
    executions,
    faults,
    history,
    journal,
    metadata,
    oidc,
    pages,
    pubsub,
    stubs,
    workflows,
)
from emulator.api.access import SERVICES, is_loopback
from emulator.api.answers import in_googles_words
from emulator.api.connection import Connection
from emulator.services import Services
from emulator.settings import Auth, Settings, Time

if TYPE_CHECKING:
    from emulator.rpc import Gateway

MAX_BODY = 1024 * 1024
"""Bytes of a request body: a source of 128 KB fits, however its JSON is written."""

IDLE_WITHIN = 60.0
"""Seconds that a connection may be open without the headers of a request being complete."""

MAX_CONNECTIONS = 512
"""Connections at the same time; more are closed at once."""

_STOP_WITHIN = 1.0


class CannotStart(Exception):
    """The server cannot be started as told; the text says why and what to do."""


@asynccontextmanager
async def serving(
    settings: Settings, workflows: Mapping[str, str] | None = None
) -> AsyncIterator[Services]:
    """A running emulator; inside the block `settings.port` and `base_url` are the real ones.

    Args:
        workflows: sources to deploy first, by workflow ID.

    Raises:
        CannotStart: the host is not allowed or a port is taken.
        UnusableData: the data file cannot be used.
        Refusal: a source does not build.
    """
    listener = _listen(settings)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    base_url = settings.base_url.rstrip("/") or f"http://{shown}:{port}"
    gateway: Gateway | None = None
    try:
        if settings.grpc_port is not None:
            gateway = _listen_for_grpc(settings)
            settings = replace(settings, grpc_port=gateway.port)
        services = Services.open(replace(settings, port=port, base_url=base_url))
    except BaseException:
        listener.close()
        if gateway is not None:
            await gateway.stop()
        raise
    runner = web.AppRunner(
        application(services),
        shutdown_timeout=_STOP_WITHIN,
        handle_signals=False,
    )
    accepting: asyncio.Server | None = None
    try:
        for workflow, source in (workflows or {}).items():
            deployed = services.catalog.deploy(workflow, source)
            console.event("workflow-deployed", workflow=workflow, revision=deployed.revision)
        await services.engine.start()
        await runner.setup()
        accepting = await _accept(runner, listener)
        if gateway is not None:
            await gateway.start(host, port)
        yield services
    finally:
        if gateway is not None:
            await gateway.stop()
        if accepting is not None:
            accepting.close()
        await runner.cleanup()
        await services.engine.stop()
        services.database.close()
        listener.close()


def application(services: Services) -> web.Application:
    """The routes, on top of the parts of an emulator."""
    app = web.Application(middlewares=[faults.on_order, in_googles_words], client_max_size=MAX_BODY)
    app[SERVICES] = services
    for module in (pages, metadata, oidc, workflows, executions, callbacks, pubsub):
        app.router.add_routes(module.routes())
    for module in (history, journal, clock, faults, stubs):
        app.router.add_routes(module.routes())
    return app


async def _accept(runner: web.AppRunner, listener: socket.socket) -> asyncio.Server:
    """Accept connections from now on, so many at a time."""
    server = runner.server
    if server is None:
        raise RuntimeError("the runner has not been set up")

    def protocol() -> asyncio.BaseProtocol:
        if len(server.connections) >= MAX_CONNECTIONS:
            return _Full()
        return Connection(server, idle=IDLE_WITHIN)

    return await asyncio.get_running_loop().create_server(protocol, sock=listener)


class _Full(asyncio.Protocol):
    """What speaks to a connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


async def serve(
    settings: Settings,
    workflows: Mapping[str, str],
    beside: Callable[[Services], Coroutine[None, None, None]],
) -> None:
    """Serve until SIGINT or SIGTERM, which end it within two seconds.

    Args:
        beside: what to do meanwhile.

    Raises:
        CannotStart, UnusableData, Refusal: as `serving`.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    async with serving(settings, workflows) as services:
        meanwhile = asyncio.create_task(beside(services), name="beside")
        ready = services.settings
        how = "" if ready.time is Time.REAL else f" time={ready.time}"
        remote = " remote=all-but-metadata-and-tokens" if ready.allow_remote else ""
        host = f"[{ready.host}]" if ":" in ready.host else ready.host
        grpc = "" if ready.grpc_port is None else f" grpc={host}:{ready.grpc_port}"
        console.announce(
            f"ready {ready.base_url} project={ready.project} location={ready.location}"
            f" auth={ready.auth}{how}{remote}{grpc} data={ready.data}"
        )
        await stop.wait()
        console.event("stopping")
        meanwhile.cancel()
        await asyncio.gather(meanwhile, return_exceptions=True)


def _listen_for_grpc(settings: Settings) -> Gateway:
    """The gRPC port, which does not serve yet."""
    from emulator.rpc import Gateway  # noqa: PLC0415 - half a second, for those who want it

    try:
        return Gateway(settings)
    except OSError as failed:
        if failed.errno == errno.EADDRINUSE:
            raise CannotStart(
                f"port {settings.grpc_port} on {settings.host} is taken, which gRPC was to have:"
                " stop what uses it, or choose another with --grpc-port"
            ) from failed
        raise CannotStart(
            f"cannot listen on {settings.host} port {settings.grpc_port} for gRPC: {failed}"
        ) from failed


def _listen(settings: Settings) -> socket.socket:
    """A socket that listens on the address of the settings."""
    if not settings.allow_remote and not is_loopback(settings.host):
        raise CannotStart(
            f"{settings.host} is not an address of this machine alone: the emulator runs what it is"
            " sent. Use 127.0.0.1, or say --allow-remote if others must reach it"
        )
    if settings.auth is Auth.OFF and (settings.allow_remote or not is_loopback(settings.host)):
        raise CannotStart(
            "--auth off is for this machine only: an address such as 127.0.0.1, no --allow-remote"
        )
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(1024)
    except OSError as failed:
        listener.close()
        if failed.errno == errno.EADDRINUSE:
            raise CannotStart(
                f"port {settings.port} on {settings.host} is taken: stop what uses it, or choose"
                " another with --port"
            ) from failed
        raise CannotStart(
            f"cannot listen on {settings.host} port {settings.port}: {failed.strerror}"
        ) from failed
    listener.setblocking(False)
    return listener

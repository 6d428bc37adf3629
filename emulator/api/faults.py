"""Faults as tests order them, and how each is played on a request."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from emulator.api.access import SERVICES, Handler
from emulator.api.answers import answer, json_body
from emulator.api.callbacks import FAULT, keep_unhandled
from emulator.faults import Asked, Kind, Played, read, show
from emulator.refusal import invalid, not_found

_GOOGLES = ("/v1/", "/computeMetadata", "/oauth2/", "/.well-known/")
_PING = "Metadata-Flavor"
"""Header of the metadata server's clients, which look for it at the root."""

_LOOK_EVERY = 0.1
"""Seconds between two looks whether a client has gone: the server tells of no such event."""

_AT_ONCE = struct.pack("ii", 1, 0)
"""To be set as SO_LINGER: closing then resets."""

_WRONG = "<html><body><h1>502 Bad Gateway</h1></body></html>\n"
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def routes() -> list[web.RouteDef]:
    """The faults that are ordered."""
    return [
        web.get("/emulator/faults", list_all, allow_head=False),
        web.post("/emulator/faults", order),
        web.delete("/emulator/faults", remove_all),
        web.delete("/emulator/faults/{fault}", remove),
    ]


async def list_all(request: web.Request) -> web.Response:
    """Those that were not removed, with how often each was played."""
    return answer({"faults": [show(order) for order in request.app[SERVICES].faults.all()]})


async def order(request: web.Request) -> web.Response:
    """Order a fault.

    Raises:
        Refusal: INVALID_ARGUMENT, a field is unknown or wrong.
    """
    try:
        fault = read(await json_body(request))
    except ValueError as wrong:
        raise invalid(str(wrong)) from None
    return answer(show(request.app[SERVICES].faults.add(fault)))


async def remove_all(request: web.Request) -> web.Response:
    """Forget all faults."""
    request.app[SERVICES].faults.clear()
    return answer({})


async def remove(request: web.Request) -> web.Response:
    """Forget a fault.

    Raises:
        Refusal: NOT_FOUND.
    """
    if not request.app[SERVICES].faults.remove(request.match_info["fault"]):
        raise not_found(request.path.removeprefix("/"))
    return answer({})


Handle = Callable[[], Awaitable[web.StreamResponse]]


@web.middleware
async def on_order(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Play the fault that is ordered for a request to Google's endpoints, if there is one."""
    if not (request.path.startswith(_GOOGLES) or _PING in request.headers):
        return await handler(request)
    named = request.match_info
    played = request.app[SERVICES].faults.play(
        Asked(
            request.method,
            request.path,
            workflow=named.get("workflow", ""),
            execution=named.get("execution", ""),
            callback=named.get("callback", ""),
        )
    )
    if played is None:
        return await handler(request)
    handle: Handle = _nothing
    if played.fault.is_handled:
        request[FAULT] = played.name
        handle = partial(handler, request)
    else:
        await keep_unhandled(request, played.name)
    try:
        return await _PLAYERS[played.fault.kind](request, played, handle)
    except ConnectionError:  # the client has gone
        return web.Response()


async def _nothing() -> web.StreamResponse:
    return web.Response()


async def _delay(_request: web.Request, played: Played, handle: Handle) -> web.StreamResponse:
    if played.fault.stored:
        response = await handle()
        await asyncio.sleep(played.fault.seconds)
        return response
    await asyncio.sleep(played.fault.seconds)
    return await handle()


async def _reset(request: web.Request, _played: Played, handle: Handle) -> web.StreamResponse:
    await handle()
    _hang_up(request)
    return web.Response()


async def _stall(request: web.Request, played: Played, handle: Handle) -> web.StreamResponse:
    await handle()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(played.fault.seconds or None):
            while request.transport is not None:  # noqa: ASYNC110 - the server tells of no event
                await asyncio.sleep(_LOOK_EVERY)
    _hang_up(request)
    return web.Response()


async def _status(_request: web.Request, played: Played, handle: Handle) -> web.StreamResponse:
    await handle()
    error = {
        "code": played.status,
        "message": f"fault {played.order} of this emulator, ordered at /emulator/faults",
        "status": _STATUSES.get(played.status, "UNKNOWN"),
    }
    response = answer({"error": error}, played.status)
    if played.fault.retry_after:
        response.headers["Retry-After"] = played.fault.retry_after
    return response


async def _slow(request: web.Request, played: Played, handle: Handle) -> web.StreamResponse:
    whole = await handle()
    body = _body(whole)
    response = await _begun(request, whole, len(body))
    for byte in body:
        await asyncio.sleep(played.fault.seconds / len(body))
        await response.write(bytes([byte]))
    return response


async def _cut(request: web.Request, _played: Played, handle: Handle) -> web.StreamResponse:
    whole = await handle()
    body = _body(whole)
    response = await _begun(request, whole, max(1, len(body)))
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def _wrong_body(_request: web.Request, played: Played, handle: Handle) -> web.StreamResponse:
    await handle()
    return web.Response(text=played.fault.body or _WRONG, content_type="text/html")


_PLAYERS = {
    Kind.DELAY: _delay,
    Kind.RESET: _reset,
    Kind.STALL: _stall,
    Kind.STATUS: _status,
    Kind.SLOW: _slow,
    Kind.CUT: _cut,
    Kind.WRONG_BODY: _wrong_body,
}


async def _begun(request: web.Request, whole: web.StreamResponse, size: int) -> web.StreamResponse:
    """An answer whose headers are sent, and announce so many bytes."""
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    response.content_length = size
    await response.prepare(request)
    return response


def _body(whole: web.StreamResponse) -> bytes:
    body = whole.body if isinstance(whole, web.Response) else None
    return body if isinstance(body, bytes) else b""


def _hang_up(request: web.Request) -> None:
    """Reset the connection."""
    if request.transport is None:
        return
    connection = request.transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    request.transport.abort()

"""The callback endpoints: where the answers to waiting executions arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import web

from emulator.api.access import SERVICES, require_permission, require_place
from emulator.api.answers import REQUEST_WITHIN, answer, require_utf8
from emulator.callbacks import MAX_BYTES, Verdict, payload_text, request_value
from emulator.errors import WorkflowError
from emulator.limits import Limits
from emulator.memory import own
from emulator.refusal import Refusal, Status, invalid, not_found
from emulator.store import Callback, Received
from emulator.values import Beyond, Value, scalar_text

_ENDPOINT = (
    "/v1/projects/{project}/locations/{location}/workflows/{workflow:[^/:]+}"
    "/executions/{execution:[^/:]+}/callbacks/{callback}"
)
FAULT = web.RequestKey("fault", str)
"""The fault that is played on a request."""

_UNHANDLED = "UNHANDLED"
_NEEDS_TYPE = ("POST", "PUT", "PATCH")
_REFUSED: Mapping[Verdict, tuple[Status, str]] = {
    Verdict.FULL: (
        Status.RESOURCE_EXHAUSTED,
        "this callback holds a request that the workflow has not taken yet; this one was dropped",
    ),
    Verdict.GONE: (Status.NOT_FOUND, "the execution is over, its callbacks are gone"),
}


def routes() -> list[web.RouteDef]:
    """One route, for every method."""
    return [web.route("*", _ENDPOINT, receive)]


async def receive(request: web.Request) -> web.Response:
    """Take a request for a waiting step, or keep it: recorded on disk first, then answered.

    Checked in this order: path, token, permission, method, body, slot.

    Raises:
        Refusal: as each check says.
    """
    services = request.app[SERVICES]
    endpoint = _endpoint(request)
    workflow = request.path.removeprefix("/v1/").partition("/executions/")[0]
    require_permission(request, services, "workflows.callbacks.send", workflow)
    if request.method != endpoint.method:
        raise Refusal(
            Status.METHOD_NOT_ALLOWED,
            f"this callback takes {endpoint.method}, not {request.method}",
            headers={"Allow": endpoint.method},
        )
    received = await _value(request)
    if not _fits(received):
        raise _too_large()
    decided = services.engine.offer(endpoint.execution, endpoint.id, received, request.get(FAULT))
    if decided in _REFUSED:
        raise Refusal(*_REFUSED[decided])
    return answer({})


async def keep_unhandled(request: web.Request, fault: str) -> None:
    """Keep a request that a fault stops, if it is for a callback: nothing else comes of it."""
    services = request.app[SERVICES]
    if "callback" not in request.match_info:
        return
    try:
        require_utf8(request)
        endpoint = _endpoint(request)
        async with asyncio.timeout(REQUEST_WITHIN):
            value = await _value(request)
    except (Refusal, TimeoutError, web.RequestPayloadError):
        return
    stamp = services.clock.stamp()
    with services.database.write():
        services.store.receive(
            Received(endpoint.execution, endpoint.id, stamp, value, _UNHANDLED, fault)
        )


async def _value(request: web.Request) -> Value:
    """The request as the step sees it that takes it."""
    body = await _body(request)
    query = ((scalar_text(name), scalar_text(value)) for name, value in request.query.items())
    try:
        return request_value(
            *(request.method, request.path, query, request.headers.items(), body),
            moment=request.app[SERVICES].clock.now(),
        )
    except Beyond:
        raise _too_large() from None


def _endpoint(request: web.Request) -> Callback:
    services = request.app[SERVICES]
    require_place(request, services)
    execution = services.store.find(request.match_info["execution"])
    endpoint = services.store.callback(
        request.match_info["execution"], request.match_info["callback"]
    )
    if (
        endpoint is None
        or execution is None
        or execution.workflow != request.match_info["workflow"]
    ):
        raise not_found(request.path.removeprefix("/v1/"))
    return endpoint


async def _body(request: web.Request) -> bytes:
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None
    if len(body) > MAX_BYTES:
        raise _too_large()
    if body and request.method in _NEEDS_TYPE and "Content-Type" not in request.headers:
        raise invalid(f"a {request.method} with a body needs a Content-Type header")
    return body


def _fits(received: Value) -> bool:
    """Whether an execution can hold the request: what is accepted must not fail in the step."""
    try:
        own(received, Limits())
    except WorkflowError:
        return False
    return len(payload_text(received).encode()) <= MAX_BYTES


def _too_large() -> Refusal:
    limits = Limits()
    return Refusal(
        Status.PAYLOAD_TOO_LARGE,
        f"the request is too large for an execution: {MAX_BYTES} bytes at most,"
        f" {limits.string_bytes} in one string, nested {limits.value_depth} deep at most",
    )

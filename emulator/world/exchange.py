"""The exchange of an HTTP call: request, redirects, answer, and what a workflow sees of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import urljoin

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from emulator.addresses import target
from emulator.bodies import decode, headers_value
from emulator.errors import WorkflowError, error, http_error
from emulator.limits import Limits
from emulator.protocol import Raised, Reply, Returned
from emulator.values import Beyond, Value
from emulator.world.hosts import Reached

_MAX_REDIRECTS = 10
_MAX_HEADERS = 1000
_LIMITS = Limits()
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REPEATED = frozenset({307, 308})
_FOR_ONE_ORIGIN = ("Authorization", "Cookie", "Host")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request ready to be sent; the timeout is in seconds and real."""

    method: str
    url: URL
    headers: CIMultiDict[str]
    body: bytes | None
    timeout: float


async def exchange(
    prepared: Prepared,
    reached: Callable[[URL], Reached],
    client: Callable[[], aiohttp.ClientSession],
) -> Reply:
    """Send the request and give what a workflow sees of the answer; never raises for a failure.

    Args:
        reached: tells where the call for a URL goes, also for one that a redirect names.
    """
    try:
        return Returned(await _answer(prepared, reached, client()))
    except WorkflowError as raised:
        return Raised(raised.value)
    except TimeoutError:
        return _failure("TimeoutError", f"no answer within {prepared.timeout:g} seconds", prepared)
    except aiohttp.ClientConnectorError as failed:
        return _failure("ConnectionFailedError", f"cannot connect: {failed}", prepared)
    except aiohttp.InvalidURL as failed:
        return _failure("ValueError", f"url is malformed: {failed}", prepared)
    except (aiohttp.ClientError, OSError, ValueError) as failed:
        reason = str(failed) or type(failed).__name__
        return _failure("ConnectionError", f"the exchange broke off: {reason}", prepared)


def _failure(kind: str, reason: str, prepared: Prepared) -> Raised:
    return Raised(error(kind, f"{prepared.method} {prepared.url}: {reason}").value)


async def _answer(
    prepared: Prepared, reached: Callable[[URL], Reached], client: aiohttp.ClientSession
) -> Value:
    """The answer at the end of the redirects.

    Raises:
        WorkflowError: HttpError, ResourceLimitError; ConnectionError, it is moved too often;
            ConnectionFailedError, it is moved to where no call may go.
    """
    async with asyncio.timeout(prepared.timeout):
        for _ in range(_MAX_REDIRECTS + 1):
            to = reached(prepared.url)
            headers = prepared.headers.copy()
            if to.host is not None:
                headers.setdefault("Host", to.host)
            async with client.request(
                prepared.method,
                to.address,
                headers=headers,
                data=prepared.body,
                allow_redirects=False,
                skip_auto_headers=("Content-Type",),
            ) as response:
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or not location:
                    return await _value(response)
                prepared = _moved(prepared, response.status, location)
    raise error("ConnectionError", f"{prepared.url}: moved more than {_MAX_REDIRECTS} times")


def _moved(prepared: Prepared, status: int, location: str) -> Prepared:
    """The request that a redirect asks for, as Go's client makes it.

    301, 302 and 303 become GET without a body, 307 and 308 repeat the request. Credentials are
    for the origin that they were given for.

    Raises:
        WorkflowError: ConnectionError, it is moved to nowhere.
    """
    try:
        url, basic = target(urljoin(str(prepared.url), location))
    except (WorkflowError, ValueError):
        shown = location.rpartition("@")[2]
        raise error("ConnectionError", f"it is moved to what is no URL: {shown!a}") from None
    headers = prepared.headers.copy()
    method, body = prepared.method, prepared.body
    if status not in _REPEATED:
        method, body = ("HEAD" if method == "HEAD" else "GET"), None
        headers.popall("Content-Type", None)
    if url.origin() != prepared.url.origin():
        for name in _FOR_ONE_ORIGIN:
            headers.popall(name, None)
    if basic is not None:
        headers["Authorization"] = basic
    return replace(prepared, method=method, url=url, headers=headers, body=body)


async def _value(response: aiohttp.ClientResponse) -> Value:
    raw = await _read(response)
    try:
        body = decode(response.headers.get("Content-Type", ""), raw)
    except Beyond as problem:
        reason = f"the HTTP response is JSON beyond what a value can be: {problem}"
        raise error("ResourceLimitError", reason) from None
    headers = headers_value(response.headers.items())
    if response.status >= 400:
        raise http_error(response.status, headers, body)
    return {"body": body, "code": response.status, "headers": headers}


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body, which with the headers is up to the limit.

    Raises:
        WorkflowError: ResourceLimitError, it is larger.
    """
    raw = bytearray()
    room = _LIMITS.http_response_bytes
    room -= sum(len(name) + len(value) for name, value in response.raw_headers)
    async for chunk in response.content.iter_chunked(64 * 1024):
        raw += chunk
        if len(raw) > room:
            raise error("ResourceLimitError", "the HTTP response is larger than 2 MB")
    return bytes(raw)


def session() -> aiohttp.ClientSession:
    """A session for the calls of all executions.

    No connection is used twice, so that none can turn out to have been closed in the meantime;
    no proxy or password file of the environment is looked at. A header may be as long as a string.
    """
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
    return aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        max_line_size=_LIMITS.string_bytes,
        max_field_size=_LIMITS.string_bytes,
        max_headers=_MAX_HEADERS,
    )

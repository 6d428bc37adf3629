"""`http.*`: requests as the service makes them, and their answers as workflows see them."""

from __future__ import annotations

import asyncio
import base64
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote_to_bytes, urlencode, urljoin

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from emulator.bodies import decode, headers_value, is_json, media_type
from emulator.callbacks import METHODS
from emulator.errors import WorkflowError, error, http_error
from emulator.identity import SCOPE
from emulator.limits import Limits
from emulator.protocol import Raised, Reply, Request, Returned
from emulator.values import Value, to_json, type_name
from emulator.world.arguments import number, optional_map, text
from emulator.world.site import Call, Performed, Site

USER_AGENT = "GoogleCloudWorkflows; (+https://cloud.google.com/workflows/docs)"
_MAX_REDIRECTS = 10
_LIMITS = Limits()
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = frozenset({"content-length", "transfer-encoding", "connection"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REPEATED = frozenset({307, 308})
_FOR_ONE_ORIGIN = ("Authorization", "Cookie", "Host")
_PARTS = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#\\\s\x00-\x1f\x7f]+)(?P<path>[^?#\x00-\x1f\x7f]*)"
    r"(?:\?(?P<query>[^#\x00-\x1f\x7f]*))?(?:#.*)?",
    re.IGNORECASE,
)
_ILLEGAL = re.compile(r"[^!-~]|[\"<>\\^`{|}]|%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request ready to be sent; the timeout is in seconds and real."""

    method: str
    url: URL
    headers: CIMultiDict[str]
    body: bytes | None
    timeout: float


def send(request: Request, site: Site) -> Performed:
    """Any function of the module: check the arguments now, make the call after the commit."""
    prepared = prepare(request, site)
    return Call(functools.partial(_exchange, prepared, site.client))


def prepare(request: Request, site: Site) -> Prepared:
    """The request that a workflow asks for.

    Raises:
        WorkflowError: TypeError or ValueError, an argument is wrong.
    """
    args = request.args
    method = request.function.removeprefix("http.").upper()
    if method == "REQUEST":
        method = text(args, "method").upper()
    if method not in METHODS:
        raise error("ValueError", f"method must be one of {', '.join(METHODS)}")
    for name in ("private_service_name", "ca_certificate"):
        if args.get(name) is not None:
            raise error("ValueError", f"{name} is not available in the emulator")
    timeout = number(args, "timeout")
    if not 0 < timeout <= _LIMITS.http_timeout:
        raise error("ValueError", f"timeout must be up to {_LIMITS.http_timeout:.0f} seconds")
    url = text(args, "url")
    headers = _headers(args)
    body = _encode(args.get("body"), headers)
    auth = optional_map(args, "auth")
    if auth:
        headers["Authorization"] = f"Bearer {_token(auth, url, site)}"
    target, basic = _target(url, optional_map(args, "query"))
    if basic is not None:
        headers.setdefault("Authorization", basic)
    return Prepared(method, target, headers, body, timeout)


def _target(given: str, query: Mapping[str, Value]) -> tuple[URL, str | None]:
    """The address that a text means, as it is written, and the Authorization header in it, if any.

    Nothing that a URL may hold is changed: a server may compare it, or a signature, byte by byte.
    What it may not hold, such as a space, is quoted. Messages do not show `user:password@`.

    Raises:
        WorkflowError: ValueError, it is no URL of HTTP; TypeError, the query is of a wrong type.
    """
    shown = given.rpartition("@")[2]
    written = given.strip()
    parts = _PARTS.fullmatch(written)
    if parts is None:
        raise error("ValueError", f"url must begin with http:// or https:// and a host: {shown!r}")
    user, _, authority = parts["authority"].rpartition("@")
    try:
        origin = URL(f"{parts['scheme'].lower()}://{authority}").origin()
    except ValueError:
        raise error("ValueError", f"url is malformed: {shown!r}") from None
    asked = "&".join(filter(None, (_quoted(parts["query"] or ""), _query(query))))
    path = _quoted(parts["path"]) or "/"
    text = f"{origin}{path}?{asked}" if asked else f"{origin}{path}"
    return URL(text, encoded=True), _basic(user) if user else None


def _quoted(text: str) -> str:
    return _ILLEGAL.sub(lambda found: quote(found[0], safe="", errors="surrogateescape"), text)


def _basic(user: str) -> str:
    return f"Basic {base64.b64encode(unquote_to_bytes(user)).decode()}"


def _query(query: Mapping[str, Value]) -> str:
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str):
                pairs.append((name, item))
            elif isinstance(item, bool | int | float):
                pairs.append((name, to_json(item)))
            else:
                raise error(
                    "TypeError", f"query parameter {name} must not be of type {type_name(item)}"
                )
    return URL.build(query=pairs).raw_query_string if pairs else ""


def _headers(args: Mapping[str, Value]) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in optional_map(args, "headers").items():
        if not isinstance(value, str):
            raise error("TypeError", f"header {name} must be a string, not {type_name(value)}")
        if _HEADER_NAME.fullmatch(name) is None or re.search(r"[\x00\r\n]", value):
            raise error("ValueError", f"header {name!r} is malformed")
        if name.lower() not in _OURS:
            headers[name] = value
    headers["User-Agent"] = f"{headers.get('User-Agent', '')} {USER_AGENT}".strip()
    return headers


def _encode(body: Value, headers: CIMultiDict[str]) -> bytes | None:
    """The body as its Content-Type says; without one, bytes as they are and the rest as JSON."""
    if body is None:
        return None
    declared = headers.get("Content-Type")
    if declared is None:
        headers["Content-Type"] = (
            "application/octet-stream"
            if isinstance(body, bytes)
            else "application/json; charset=utf-8"
        )
        return body if isinstance(body, bytes) else _json(body)
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    media, _charset = media_type(declared)
    if is_json(media):
        return _json(body)
    if media == "application/x-www-form-urlencoded" and isinstance(body, dict):
        pairs = {
            key: item.encode() if isinstance(item, str) else _json(item)
            for key, item in body.items()
        }
        return urlencode(pairs).encode()
    raise error("TypeError", f"a body of type {type_name(body)} does not fit {declared}")


def _json(body: Value) -> bytes:
    try:
        return to_json(body).encode()
    except TypeError as wrong:
        raise error("TypeError", f"body: {wrong}") from None


def _token(auth: Mapping[str, Value], url: str, site: Site) -> str:
    kind = auth.get("type")
    if kind == "OIDC":
        audience = auth.get("audience")
        if audience is not None and not isinstance(audience, str):
            raise error("TypeError", f"audience must be a string, not {type_name(audience)}")
        return site.issuer.id_token(site.account, audience or url)
    if kind == "OAuth2":
        wanted = auth.get("scopes", auth.get("scope")) or SCOPE
        scopes = wanted if isinstance(wanted, list) else re.split(r"[,\s]+", str(wanted))
        return site.issuer.access_token(site.account, map(str, scopes))
    raise error("ValueError", "auth.type must be OIDC or OAuth2")


async def _exchange(prepared: Prepared, client: Callable[[], aiohttp.ClientSession]) -> Reply:
    """Send the request and give what a workflow sees of the answer; never raises for a failure."""
    try:
        return Returned(await _answer(prepared, client()))
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


async def _answer(prepared: Prepared, client: aiohttp.ClientSession) -> Value:
    """The answer at the end of the redirects.

    Raises:
        WorkflowError: HttpError, ResourceLimitError; ConnectionError, it is moved too often.
    """
    async with asyncio.timeout(prepared.timeout):
        for _ in range(_MAX_REDIRECTS + 1):
            async with client.request(
                prepared.method,
                prepared.url,
                headers=prepared.headers,
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
        url, basic = _target(urljoin(str(prepared.url), location), {})
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
    body = decode(response.headers.get("Content-Type", ""), raw)
    headers = headers_value(response.headers.items())
    if response.status >= 400:
        raise http_error(response.status, headers, body)
    return {"body": body, "code": response.status, "headers": headers}


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body, up to the limit.

    Raises:
        WorkflowError: ResourceLimitError, it is larger.
    """
    raw = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        raw += chunk
        if len(raw) > _LIMITS.http_response_bytes:
            raise error("ResourceLimitError", "the HTTP response is larger than 2 MB")
    return bytes(raw)


def session() -> aiohttp.ClientSession:
    """A session for the calls of all executions.

    No connection is used twice, so that none can turn out to have been closed in the meantime;
    no proxy or password file of the environment is looked at.
    """
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
    return aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    )

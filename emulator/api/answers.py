"""Answers in Google's form: JSON, pages, and one shape for every error."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from aiohttp import web

from emulator import console, fields
from emulator.api.access import SERVICES, Handler, require_admitted
from emulator.refusal import Refusal, Status, invalid
from emulator.values import MAX_INTEGER

REQUEST_WITHIN = 30.0
"""Seconds from the headers of a request to the end of its body."""

_LIMIT = web.RequestKey("limit", asyncio.Timeout)


def answer(body: object, status: int = 200) -> web.Response:
    """A JSON answer, indented as Google's are; what UTF-8 has no form for becomes `?`."""
    text = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
    raw = text.encode(errors="replace")
    return web.Response(body=raw, status=status, content_type="application/json", charset="utf-8")


@web.middleware
async def in_googles_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Serve whom the settings allow, and turn all that goes wrong into Google's error JSON."""
    try:
        require_utf8(request)
        require_admitted(request)
        # What handlers wait for is the rest of the request, unless they say otherwise.
        async with asyncio.timeout(REQUEST_WITHIN) as limit:
            request[_LIMIT] = limit
            response = await handler(request)
        await request.app[SERVICES].engine.on_disk()
    except Refusal as refusal:
        return refused(refusal)
    except TimeoutError:
        message = f"the request was not complete after {REQUEST_WITHIN:g} seconds"
        return refused(Refusal(Status.REQUEST_TIMEOUT, message))
    except (web.RequestPayloadError, ConnectionError):
        return refused(invalid("the body breaks off, or is not encoded as its headers say"))
    except web.HTTPRequestEntityTooLarge:
        return refused(
            Refusal(
                Status.PAYLOAD_TOO_LARGE,
                f"the body is too large: {request.client_max_size} bytes at most",
            )
        )
    except web.HTTPMethodNotAllowed as wrong:
        message = f"{request.method} is not a method of {request.path}"
        headers = {"Allow": ", ".join(sorted(wrong.allowed_methods))}
        return refused(Refusal(Status.METHOD_NOT_ALLOWED, message, headers=headers))
    except web.HTTPNotFound:
        message = f"{request.method} {request.path} matches nothing that this emulator serves"
        return refused(Refusal(Status.NOT_FOUND, message))
    except web.HTTPException:
        raise
    except sqlite3.OperationalError as failed:
        console.trouble("data-file-error", method=request.method, path=request.path)
        message = f"the data file cannot be used: {failed}. Nothing was kept, ask again later"
        return refused(Refusal(Status.UNAVAILABLE, message))
    except Exception:  # the client gets an answer, the terminal the traceback
        console.trouble("request-broken", method=request.method, path=request.path)
        return refused(Refusal(Status.INTERNAL, "internal error of the emulator, see its output"))
    return response


def take_time(request: web.Request) -> None:
    """The request is complete, and what it asks for takes as long as it takes."""
    request[_LIMIT].reschedule(None)


def require_utf8(request: web.Request) -> None:
    """Refuse a header with bytes that are no UTF-8: nothing can be kept of it.

    A token is left to those who know tokens, and say that the caller is unknown.

    Raises:
        Refusal: INVALID_ARGUMENT.
    """
    for name, value in request.headers.items():
        if name.lower() != "authorization" and not _is_utf8(name + value):
            raise invalid(f"the header {name!a} holds bytes that are not UTF-8")


def _is_utf8(text: str) -> bool:
    """Whether text that was decoded with `surrogateescape` needed no escapes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def refused(refusal: Refusal) -> web.Response:
    """The answer that a refusal is."""
    response = answer(refusal.as_json(), refusal.status.code)
    response.headers.update(refusal.headers)
    return response


async def json_body(request: web.Request) -> dict[str, object]:
    """The JSON object in the body; an empty body is an empty object.

    So is an empty text, which Google's client for Node sends for a body that is not given.

    Raises:
        Refusal: INVALID_ARGUMENT.
    """
    raw = await request.read()
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw.decode(), parse_constant=_no_constant)
        # Half of a surrogate pair can be written in JSON as an escape, but kept nowhere.
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError as lone:
        half = ascii(lone.object[lone.start]).strip("'")
        raise invalid(f"Invalid JSON payload received. {half} is no character") from None
    except (ValueError, RecursionError) as wrong:
        raise invalid(f"Invalid JSON payload received. {wrong}") from None
    if body == "":
        return {}
    if not isinstance(body, dict):
        raise invalid("Invalid JSON payload received. The body must be a JSON object")
    return body


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def parameter(request: web.Request, name: str) -> str:
    """A parameter of the query, empty where it is not given.

    It is known by its JSON name and, as everywhere in Google's APIs, by that of the protocol
    buffer: `pageSize` is also `page_size`.
    """
    given = request.query.items()
    return next((value for key, value in given if fields.json_name(key) == name), "")


async def no_fields(request: web.Request) -> None:
    """Take the body of a request that has none of its own: an empty object, or nothing.

    Raises:
        Refusal: INVALID_ARGUMENT, it has one.
    """
    fields.read(await json_body(request), {}, (), "request")


def page_size(request: web.Request, usual: int, most: int) -> int:
    """The number of items that the client wants; too large ones are cut, zero means the usual.

    Raises:
        Refusal: INVALID_ARGUMENT, no number or a negative one.
    """
    text = parameter(request, "pageSize") or "0"
    if not text.isascii() or not text.isdigit():
        raise invalid(f"pageSize must be a number that is not negative, not {text!r}")
    return min(int(text[:9]) or usual, most)


def page_token(request: web.Request, about: str) -> int | None:
    """Where the page begins; None for the first. A token only fits the list it came from.

    Args:
        about: what is listed, and how it is filtered.

    Raises:
        Refusal: INVALID_ARGUMENT.
    """
    token = parameter(request, "pageToken")
    if not token:
        return None
    try:
        place, _, list_of = base64.urlsafe_b64decode(token).decode().partition(" ")
        begin = int(place)
    except (ValueError, binascii.Error):
        begin, list_of = 0, ""
    if list_of != about or not 0 < begin <= MAX_INTEGER:
        raise invalid("pageToken is not valid for this list")
    return begin


def page(name: str, items: Iterable[tuple[int, object]], *, size: int, about: str) -> web.Response:
    """One page of a list, with the token of the next if there is one.

    Args:
        name: of the list in the answer.
        items: what is left of the list, each resource with the place where the next page begins
            if this item is the last of its page.
    """
    taken = list(islice(items, size + 1))
    body: dict[str, object] = {}
    if taken:
        body[name] = [resource for _, resource in taken[:size]]
    if len(taken) > size:
        body["nextPageToken"] = token_of(taken[size - 1][0], about)
    return answer(body)


def token_of(place: int, about: str) -> str:
    """The token of a page that begins at a place, as `page_token` reads it."""
    return base64.urlsafe_b64encode(f"{place} {about}".encode()).decode()


def listed(
    request: web.Request,
    name: str,
    resources: Sequence[Mapping[str, object]],
    *,
    usual: int,
    most: int,
    about: str,
    known_by: str = "name",
) -> web.Response:
    """A page of a list that is at hand; the next page begins behind the last resource of this one.

    A token says which that is, so that nothing is shown twice or left out because something else
    came or went; and where it stood, in case it went itself.

    Args:
        name: of the list in the answer.
        known_by: the field that tells the resources apart.

    Raises:
        Refusal: INVALID_ARGUMENT, the page's size or token.
    """
    size = page_size(request, usual, most)
    begin = _behind(request, [resource[known_by] for resource in resources], about)
    shown = resources[begin : begin + size]
    body: dict[str, object] = {name: shown} if shown else {}
    if len(resources) > begin + size:
        token = json.dumps([begin + size, shown[-1][known_by], about]).encode()
        body["nextPageToken"] = base64.urlsafe_b64encode(token).decode()
    return answer(body)


def _behind(request: web.Request, known: list[object], about: str) -> int:
    """Where the page begins that the client asks for."""
    token = parameter(request, "pageToken")
    if not token:
        return 0
    try:
        place, last, list_of = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError, RecursionError):
        place, last, list_of = None, None, None
    if list_of != about or not isinstance(place, int):
        raise invalid("pageToken is not valid for this list")
    return known.index(last) + 1 if last in known else max(0, place)

"""Answers in Google's form: JSON, pages, and one shape for every error."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from itertools import islice

from aiohttp import web

from emulator import console
from emulator.api.access import SERVICES, Handler, require_local
from emulator.refusal import Refusal, Status, invalid


def answer(body: object, status: int = 200) -> web.Response:
    """A JSON answer, indented as Google's are; what UTF-8 has no form for becomes `?`."""
    text = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
    raw = text.encode(errors="replace")
    return web.Response(body=raw, status=status, content_type="application/json", charset="utf-8")


@web.middleware
async def in_googles_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Serve this machine only, and turn everything that goes wrong into Google's error JSON."""
    try:
        if not request.app[SERVICES].settings.allow_remote:
            require_local(request)
        return await handler(request)
    except Refusal as refusal:
        return _refused(refusal)
    except web.HTTPRequestEntityTooLarge:
        return _refused(
            Refusal(
                Status.PAYLOAD_TOO_LARGE,
                f"the body is too large: {request.client_max_size} bytes at most",
            )
        )
    except web.HTTPMethodNotAllowed as wrong:
        message = f"{request.method} is not a method of {request.path}"
        headers = {"Allow": ", ".join(sorted(wrong.allowed_methods))}
        return _refused(Refusal(Status.METHOD_NOT_ALLOWED, message, headers=headers))
    except web.HTTPNotFound:
        message = f"{request.method} {request.path} matches nothing that this emulator serves"
        return _refused(Refusal(Status.NOT_FOUND, message))
    except web.HTTPException:
        raise
    except Exception:  # the client gets an answer, the terminal the traceback
        console.trouble("request-broken", method=request.method, path=request.path)
        return _refused(Refusal(Status.INTERNAL, "internal error of the emulator, see its output"))


def _refused(refusal: Refusal) -> web.Response:
    response = answer(refusal.as_json(), refusal.status.code)
    response.headers.update(refusal.headers)
    return response


async def json_body(request: web.Request) -> dict[str, object]:
    """The JSON object in the body; an empty body is an empty object.

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
    if not isinstance(body, dict):
        raise invalid("Invalid JSON payload received. The body must be a JSON object")
    return body


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def page_size(request: web.Request, usual: int, most: int) -> int:
    """The number of items that the client wants; too large ones are cut, zero means the usual.

    Raises:
        Refusal: INVALID_ARGUMENT, no number or a negative one.
    """
    text = request.query.get("pageSize") or "0"
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
    token = request.query.get("pageToken")
    if not token:
        return None
    try:
        place, _, list_of = base64.urlsafe_b64decode(token).decode().partition(" ")
        begin = int(place)
    except (ValueError, binascii.Error):
        list_of = ""
    if list_of != about:
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
        place, _ = taken[size - 1]
        body["nextPageToken"] = base64.urlsafe_b64encode(f"{place} {about}".encode()).decode()
    return answer(body)

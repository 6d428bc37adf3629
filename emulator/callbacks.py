"""Callback endpoints: addresses, the rule of the one slot, requests as workflows see them."""

from __future__ import annotations

import base64
import re
import secrets
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from urllib.parse import urlsplit

from emulator.bodies import decode, headers_value
from emulator.settings import Settings
from emulator.store import Callback, Wait
from emulator.values import Value, to_json

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
MAX_BYTES = 512 * 1024
"""A request larger than the memory of an execution could never be taken."""

_PATH = re.compile(
    r".*/v1/projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/workflows/(?P<workflow>[^/]+)"
    r"/executions/(?P<execution>[^/]+)/callbacks/(?P<callback>[^/]+)"
)
_WITHHELD = frozenset({"authorization", "proxy-authorization", "cookie"})


class Verdict(Enum):
    """What becomes of a request that reaches an endpoint."""

    HANDED_OVER = "taken by a waiting step"
    STORED = "kept in the free slot"
    FULL = "dropped: the slot holds a request that no step has taken"
    GONE = "dropped: there is no such endpoint, or its execution is over"


def verdict(endpoint: Callback | None, waiters: Sequence[Wait]) -> Verdict:
    """The rule of section "Slots": oldest waiter first, then one free slot, then nothing."""
    if endpoint is None:
        return Verdict.GONE
    if waiters:
        return Verdict.HANDED_OVER
    return Verdict.STORED if endpoint.stored is None else Verdict.FULL


def new_id() -> str:
    """An endpoint's ID: two UUIDs joined with `_`, as the service's look."""
    return f"{uuid.UUID(bytes=secrets.token_bytes(16), version=4)}_{uuid.uuid4()}"


def path(settings: Settings, workflow: str, execution: str, callback: str) -> str:
    """The path of an endpoint's URL; the service names the project by its number."""
    return (
        f"/v1/projects/{settings.project_number}/locations/{settings.location}"
        f"/workflows/{workflow}/executions/{execution}/callbacks/{callback}"
    )


def endpoint_of(url: str) -> tuple[str, str] | None:
    """Execution and callback ID in an endpoint's URL, whatever its host; None for another URL."""
    try:
        found = _PATH.fullmatch(urlsplit(url).path)
    except ValueError:
        return None
    return None if found is None else (found["execution"], found["callback"])


def request_value(
    method: str,
    path: str,
    query: Iterable[tuple[str, str]],
    headers: Iterable[tuple[str, str]],
    body: bytes,
    *,
    moment: datetime,
) -> dict[str, Value]:
    """A request received at a moment, as `events.await_callback` returns it.

    Credentials are left out: workflows log and return what they receive. A query parameter that
    occurs several times is a list.
    """
    pairs = list(headers)
    content_type = next((value for name, value in pairs if name.lower() == "content-type"), "")
    parameters: dict[str, Value] = {}
    for name, value in query:
        held = parameters.get(name)
        if isinstance(held, list):
            held.append(value)
        else:
            parameters[name] = value if held is None else [held, value]
    return {
        "http_request": {
            "body": decode(content_type, body),
            "headers": headers_value(
                (name, value) for name, value in pairs if name.lower() not in _WITHHELD
            ),
            "method": method,
            "query": parameters,
            "url": path,
        },
        "received_time": _received_time(moment),
        "type": "HTTP",
    }


def payload_text(value: Value) -> str:
    """A stored request as `callbacks.list` shows it: JSON text, with bytes in base64."""
    return to_json(_without_bytes(value))


def _without_bytes(value: Value) -> Value:
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case dict():
            return {key: _without_bytes(item) for key, item in value.items()}
        case _:
            return value


def _received_time(moment: datetime) -> str:
    """As Go prints a time: `2021-06-24 19:49:16.988072000 +0000 UTC`."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f000 +0000 UTC")

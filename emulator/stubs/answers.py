"""What a stub answers: a value, an error, or an HTTP response as a workflow sees it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import EllipsisType
from typing import Final

from emulator.bodies import decode, headers_value
from emulator.errors import ErrorValue, error, http_error
from emulator.limits import Limits
from emulator.protocol import Raised, Reply, Returned
from emulator.values import Value, to_json

KINDS: Final = (
    *("AuthError", "ConnectionError", "ConnectionFailedError", "OperationError"),
    *("ResourceLimitError", "ResponseTypeError", "SystemError", "TimeoutError"),
)
"""Errors of calls that a stub may name instead of writing them out."""

HTTP_KINDS: Final = ("AuthError", "ConnectionError", "ConnectionFailedError", "TimeoutError")
"""Those of calls that do not come to an HTTP response."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call is given in place of the world's reply, `after` so many seconds.

    `is_response`: it is what an HTTP server answers, and for no connector.
    """

    reply: Reply
    after: float = 0.0
    is_response: bool = False

    def __post_init__(self) -> None:
        """Check the wait.

        Raises:
            ValueError: it is negative, not finite or longer than a sleep may be.
        """
        if not (math.isfinite(self.after) and 0 <= self.after <= Limits().sleep):
            raise ValueError(f"after must be from 0 to {Limits().sleep:.0f} seconds")


def returns(value: Value, *, after: float = 0.0) -> Answer:
    """The call gives a value; of a connector that waits for an operation it is the last one."""
    return Answer(Returned(value), after)


def raises(value: ErrorValue, *, after: float = 0.0) -> Answer:
    """The call raises an error.

    One of `KINDS` becomes that error with its message and tags, and a map with a `code` an
    HttpError, with what it lacks of one; other texts and maps are raised as they are.
    """
    if isinstance(value, str) and value in KINDS:
        return Answer(Raised(error(value, "as its stub says").value), after)
    if isinstance(value, dict) and type(value.get("code")) is int:
        whole = http_error(value["code"], {}, None).value
        value = {**whole, **value} if isinstance(whole, dict) else value
    return Answer(Raised(value), after)


def responds(
    status: int = 200,
    *,
    json: Value | EllipsisType = ...,
    text: str | None = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    after: float = 0.0,
) -> Answer:
    """The answer of an HTTP server, read as a workflow reads it: from 400 on it is an HttpError.

    Args:
        json: the body, sent as `application/json`; None is sent as `null`.
        text: the body, sent as `text/plain` in UTF-8.
        content: the body, sent as `application/octet-stream`.
        headers: headers besides; a Content-Type of yours takes the place of the usual one.

    Raises:
        ValueError: the status is none that ends an exchange, there is more than one body, or its
            JSON is beyond what a value can be.
        TypeError: the JSON has bytes in it.
    """
    if not 200 <= status <= 599:
        raise ValueError(f"status must be from 200 to 599, not {status}")
    bodies = {
        "application/json": None if isinstance(json, EllipsisType) else to_json(json).encode(),
        "text/plain; charset=utf-8": None if text is None else text.encode(),
        "application/octet-stream": content,
    }
    given = [(kind, raw) for kind, raw in bodies.items() if raw is not None]
    if len(given) > 1:
        raise ValueError("a response has one body: json, text or bytes")
    shown = headers_value((headers or {}).items())
    kind, raw = given[0] if given else ("", b"")
    if kind:
        shown = {"Content-Type": kind, **shown}
    body = decode(str(shown.get("Content-Type", "")), raw)
    if status >= 400:
        return Answer(Raised(http_error(status, shown, body).value), after, is_response=True)
    response: Value = {"body": body, "code": status, "headers": shown}
    return Answer(Returned(response), after, is_response=True)

"""What the emulator refuses, in the words of Google's APIs: a status, a code and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum


class Status(Enum):
    """The canonical statuses that are used here; `code` is the HTTP status that goes with each."""

    INVALID_ARGUMENT = ("INVALID_ARGUMENT", 400)
    FAILED_PRECONDITION = ("FAILED_PRECONDITION", 400)
    UNAUTHENTICATED = ("UNAUTHENTICATED", 401)
    PERMISSION_DENIED = ("PERMISSION_DENIED", 403)
    NOT_FOUND = ("NOT_FOUND", 404)
    METHOD_NOT_ALLOWED = ("METHOD_NOT_ALLOWED", 405)
    REQUEST_TIMEOUT = ("REQUEST_TIMEOUT", 408)
    ALREADY_EXISTS = ("ALREADY_EXISTS", 409)
    PAYLOAD_TOO_LARGE = ("PAYLOAD_TOO_LARGE", 413)
    RESOURCE_EXHAUSTED = ("RESOURCE_EXHAUSTED", 429)
    INTERNAL = ("INTERNAL", 500)
    UNIMPLEMENTED = ("UNIMPLEMENTED", 501)
    UNAVAILABLE = ("UNAVAILABLE", 503)
    DEADLINE_EXCEEDED = ("DEADLINE_EXCEEDED", 504)

    @property
    def code(self) -> int:
        """The HTTP status."""
        return self.value[1]


class Refusal(Exception):
    """A request that cannot be served, as the caller shall read it.

    Args:
        status: the canonical status, which gives the HTTP status too.
        message: one sentence for people.
        details: entries for `error.details`, each with its `@type`.
        headers: HTTP headers that the answer must carry.
    """

    def __init__(
        self,
        status: Status,
        message: str,
        details: Sequence[dict[str, object]] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = list(details)
        self.headers = headers or {}

    def as_json(self) -> dict[str, object]:
        """Google's error object."""
        error: dict[str, object] = {
            "code": self.status.code,
            "message": self.message,
            "status": self.status.name,
        }
        if self.details:
            error["details"] = self.details
        return {"error": error}


def invalid(message: str, details: Sequence[dict[str, object]] = ()) -> Refusal:
    """The request itself is wrong."""
    return Refusal(Status.INVALID_ARGUMENT, message, details)


def not_found(resource: str) -> Refusal:
    """No resource of that name."""
    return Refusal(Status.NOT_FOUND, f"Resource '{resource}' was not found")

"""The callback endpoint of an execution: post a decision to it, and look what became of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import requests
from google.auth.exceptions import GoogleAuthError

from approvals.google.addresses import BadCallbackUrl, CallbackAddress
from approvals.google.wire import TIMEOUT, CannotLook, get, pages, session, understood
from countersign.phrases import phrase

# What is kept of a try that came to nothing.
NO_TOKEN = phrase("No access token (%(kind)s).")
NO_CONNECTION = phrase("No connection (%(kind)s).")
LOST = phrase("The answer was lost (%(kind)s).")


class Answer(StrEnum):
    """What a POST to the callback endpoint came to, as far as its answer tells."""

    STORED = "stored"  # 2xx: Google keeps it
    RETRY = "retry"  # certainly not accepted; try again
    UNKNOWN = "unknown"  # may have been accepted: look before sending again
    FULL = "full"  # 429: an unread payload is there, perhaps our own
    DENIED = "denied"  # 401, 403
    GONE = "gone"  # 404
    REFUSED = "refused"  # 3xx and other 4xx


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer, its HTTP status if there was one, and what it asked us to wait, in seconds.

    answered: whether the host is there and well, and we had a token for it; None where it was
    not asked.
    """

    answer: Answer
    status: int | None = None
    detail: str = ""
    retry_after: float | None = None
    answered: bool | None = None


ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED", "GONE"})
GOING_ON = frozenset({"ACTIVE", "QUEUED"})


@dataclass(frozen=True, slots=True)
class Sight:
    """What Google says of an execution and of one of its callback endpoints."""

    state: str  # one of ENDED or GOING_ON; GONE is ours: Google does not know the execution
    waiters: int = 0
    payloads: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class Trace(StrEnum):
    """What the steps of an execution that is over tell of its waits."""

    HEARD = "heard"  # none of them timed out
    UNSURE = "unsure"  # one may have, or its steps are not kept


# Of the exception of a step, a text of JSON: a wait that is over raises a TimeoutError.
TIMED_OUT = re.compile("time(d )?out", re.IGNORECASE)


class _Body:
    """A body that knows whether it began to leave: what is read of it goes onto the wire.

    A connection is made, TLS and all, and the head is sent before the first byte is read.
    """

    def __init__(self, text: str) -> None:
        self._bytes = text.encode()
        self.has_left = False

    def __len__(self) -> int:
        return len(self._bytes)

    def __iter__(self) -> Iterator[bytes]:
        self.has_left = True
        yield self._bytes


def post(url: str, text: str) -> Reply:
    """POST one decision. Never raises for trouble with the network or with Google."""
    try:
        address = CallbackAddress.parse(url)
    except BadCallbackUrl as error:
        return Reply(Answer.REFUSED, detail=str(error))
    body = _Body(text)
    try:
        response = session().post(
            address.url,
            data=body,
            headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
            timeout=TIMEOUT,
            allow_redirects=False,
            stream=True,
        )
    except GoogleAuthError as error:
        # Failed before the POST, or after a 401: nothing was accepted. The text may hold tokens.
        # To ask for one may take half a minute, and no other answer can leave without it either.
        detail = NO_TOKEN % {"kind": type(error).__name__}
        return Reply(Answer.RETRY, detail=detail, answered=False)
    except requests.RequestException as error:
        what = type(error).__name__
        if not body.has_left:
            return Reply(Answer.RETRY, detail=NO_CONNECTION % {"kind": what}, answered=False)
        return Reply(Answer.UNKNOWN, detail=LOST % {"kind": what}, answered=False)
    # The status line has told all. A body is not waited for: it may drip for ever.
    response.close()
    return classify(response.status_code, response.headers.get("Retry-After"))


def classify(status: int, retry_after: str | None = None) -> Reply:
    """What a status of the callback endpoint means (pure)."""
    wait = (
        float(retry_after)
        if retry_after and retry_after.isascii() and retry_after.isdigit()
        else None
    )
    match status:
        case _ if 200 <= status < 300:
            answer = Answer.STORED
        case 429:
            answer = Answer.FULL
        case 404:
            answer = Answer.GONE
        case 401 | 403:
            answer = Answer.DENIED
        case 503:
            answer = Answer.RETRY
        case _ if status == 408 or status >= 500:
            answer = Answer.UNKNOWN
        case _:
            answer = Answer.REFUSED
    return Reply(answer, status, f"HTTP {status}", wait, answered=status < 500)


def look(url: str) -> Sight:
    """Read the execution's state and the endpoint's waiters and unread payloads.

    Raises `CannotLook` when Google cannot be asked or the answer is not understood.
    """
    address = _looked_at(url)
    with understood():
        execution = get(address.execution_url, view="BASIC")
        if execution is None:
            return Sight("GONE")
        state = str(execution["state"])
        if state in ENDED:
            return Sight(state)
        if state not in GOING_ON:
            raise CannotLook(f"The execution is {state[:20]}.", answered=True)
        for page in pages(f"{address.execution_url}/callbacks", "callbacks"):
            for callback in page:
                if callback["name"].rpartition("/")[2] == address.callback:
                    payloads = tuple(str(text) for text in callback.get("availablePayloads", ()))
                    return Sight(state, int(callback.get("waiters", 0)), payloads)
    return Sight(state)


def trace(url: str) -> Trace:
    """Read whether any wait of the callback's execution timed out; for one that is over.

    Raises `CannotLook` when Google cannot be asked.
    """
    address = _looked_at(url)
    fields = "stepEntries(state,exception),nextPageToken"
    found = Trace.UNSURE
    try:
        for page in pages(f"{address.execution_url}/stepEntries", "stepEntries", fields=fields):
            with understood():
                if any(map(_may_have_timed_out, page)):
                    return Trace.UNSURE
            found = Trace.HEARD if page else found
    except CannotLook as error:
        if error.answered and error.status in (None, 404):  # not kept, or too many to read
            return Trace.UNSURE
        raise
    return found


def _looked_at(url: str) -> CallbackAddress:
    """A callback's address, taken apart. Raises `CannotLook` where Google is not asked."""
    try:
        return CallbackAddress.parse(url)
    except BadCallbackUrl as error:
        raise CannotLook(type(error).__name__) from None


def _may_have_timed_out(entry: dict[str, Any]) -> bool:
    """Whether a step failed because its time was over, or does not say why it failed."""
    why = str(entry.get("exception", {}).get("payload", ""))
    return entry["state"] == "STATE_FAILED" and (not why or bool(TIMED_OUT.search(why)))

"""Where the work in hand comes from: the request, or the worker's round, that an event names."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from uuid import uuid4


@dataclass(frozen=True, slots=True)
class Origin:
    """A request, or a round of the worker.

    `client`: the address it came from; `request`: the ID that logs show, 32 hexadecimal digits,
    which is that of Google's trace where there is one; `span`: the place in that trace, 16
    digits; `sampled`: whether the trace is kept.
    """

    client: str = ""
    request: str = ""
    span: str = ""
    sampled: bool = False


NOWHERE = Origin()
_origin: ContextVar[Origin | None] = ContextVar("origin", default=None)


def origin() -> Origin:
    """The origin of what is done now."""
    return _origin.get() or NOWHERE


@contextmanager
def coming_from(found: Origin) -> Iterator[None]:
    """Inside the block, events and log lines name this origin."""
    token = _origin.set(found)
    try:
        yield
    finally:
        _origin.reset(token)


@contextmanager
def one_round(of: Origin = NOWHERE) -> Iterator[None]:
    """Inside the block is one round of work: its events and log lines share an ID.

    Args:
        of: the request that the round is part of, in whose thread it may not be: then it is that
            request's ID. The client is not who acts in it, and is not named.
    """
    found = replace(of, client="") if of.request else Origin(request=uuid4().hex)
    with coming_from(found):
        yield


def traced(client: str, traceparent: str, cloud: str) -> Origin:
    """The origin of a request with these headers.

    Args:
        client: the address, or nothing.
        traceparent: as https://www.w3.org/TR/trace-context/ has it.
        cloud: Google's older `X-Cloud-Trace-Context`: `TRACE/SPAN;o=1`, the span in decimal.
    """
    if found := re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", traceparent):
        return Origin(client, found[1], found[2], sampled=bool(int(found[3], 16) & 1))
    if found := re.fullmatch(r"([0-9a-f]{32})(?:/([0-9]{1,20}))?(?:;o=([0-9]))?", cloud):
        span = f"{int(found[2]):016x}" if found[2] else ""
        return Origin(client, found[1], span[-16:], sampled=found[3] == "1")
    return Origin(client, uuid4().hex)

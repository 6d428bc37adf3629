"""Where the work in hand comes from: the request that an event of the record names."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """A request: the address of the client, and the ID that logs show. Empty in the worker."""

    client: str = ""
    request: str = ""


NOWHERE = Origin()
_origin: ContextVar[Origin | None] = ContextVar("origin", default=None)


def origin() -> Origin:
    """The origin of what is done now."""
    return _origin.get() or NOWHERE


@contextmanager
def coming_from(found: Origin) -> Iterator[None]:
    """Inside the block, events name this origin."""
    token = _origin.set(found)
    try:
        yield
    finally:
        _origin.reset(token)

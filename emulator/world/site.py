"""Where a request is made, and the three ways of dealing with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import aiohttp

from emulator.catalog import Definition
from emulator.clock import Clock
from emulator.identity import Issuer
from emulator.protocol import Reply
from emulator.settings import Settings
from emulator.store import Execution, Store, WaitKind
from emulator.stubs import Stubs


@dataclass(frozen=True, slots=True)
class Armed:
    """The reply comes later: at a due time (seconds since 1970), from a subject, or from either."""

    kind: WaitKind
    due: float | None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """The reply comes from an outside effect, begun once the turn is on disk."""

    make: Callable[[], Awaitable[Reply]]


Performed = Reply | Armed | Call


@dataclass(frozen=True, slots=True)
class Site:
    """What a request of one execution may use.

    All of it is used inside the transaction of the turn. `account` is the workflow's service
    account, `permits` tells whether it has a permission, `client` is the session for HTTP calls,
    `stubs` are asked before anything is called. `definition` finds a workflow at its latest
    revision, `start` starts an execution of one, with its argument and settings, and gives its ID.
    `later` runs something once the turn is on disk.
    """

    execution: Execution
    account: str
    permits: Callable[[str], bool]
    settings: Settings
    clock: Clock
    store: Store
    issuer: Issuer
    stubs: Stubs
    client: Callable[[], aiohttp.ClientSession]
    definition: Callable[[str], Definition | None]
    start: Callable[[Definition, str, Mapping[str, object]], str]
    later: Callable[[Callable[[], None]], None]

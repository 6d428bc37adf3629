"""What the data file holds of executions, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from emulator.protocol import Reply
from emulator.values import Value

WaitKind = Literal["sleep", "callback", "child"]


class State(StrEnum):
    """The states of an execution that occur here; one that waits is ACTIVE."""

    ACTIVE = "ACTIVE"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Stand:
    """How far a run has come: so many replies were given to it.

    `steps` is how many it has run, None if it has come to the end of what those replies allow.
    """

    replies: int
    steps: int | None


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of one revision. Times are RFC 3339 text; argument and result are JSON text."""

    sequence: int
    id: str
    workflow: str
    number: int
    revision: str
    state: State
    argument: str
    settings: Mapping[str, object]
    created: str
    ended: str | None
    result: str | None
    error: Mapping[str, object] | None
    steps: Sequence[tuple[str, str]]
    has_history: bool = True
    stopped: Stand | None = None
    """How far it had come when it was cancelled; None if that is all that its journal allows."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A reply in the journal. `time` is when it was recorded, in seconds since 1970."""

    key: str
    reply: Reply
    time: float


@dataclass(frozen=True, slots=True)
class Wait:
    """A request that the world answers later. `due` is in seconds since 1970."""

    sequence: int
    execution: str
    key: str
    kind: WaitKind
    due: float | None
    subject: str | None


@dataclass(frozen=True, slots=True)
class Callback:
    """An endpoint of an execution, with the one request it may hold."""

    id: str
    execution: str
    method: str
    stored: Value | None


@dataclass(frozen=True, slots=True)
class Received:
    """A request that reached a callback, and what became of it.

    `request` is as `events.await_callback` returns it; `verdict` is the name of a Verdict, or says
    why the request got no further; `fault` names what was played on it, for a test; `taken` is when
    a step was given it, None if that has not happened. Times are RFC 3339 text.
    """

    execution: str
    callback: str
    time: str
    request: Value
    verdict: str
    fault: str | None = None
    taken: str | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One `sys.log`; the payload is JSON text."""

    execution: str
    time: str
    severity: str
    routine: str
    step: str
    payload: str

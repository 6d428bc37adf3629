"""Faults that a test orders: what shall go wrong, with which requests, and how often."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from itertools import count
from typing import Any

_LONGEST = 3600.0  # seconds
_MOST_STATUSES = 100
_MOST_BYTES = 64 * 1024
_METHOD = re.compile(r"[A-Z]{1,20}", re.ASCII)
_RETRY_AFTER = re.compile(r"[ -~]{1,100}", re.ASCII)


class Kind(StrEnum):
    """What goes wrong."""

    DELAY = "delay"
    """The request is handled, or its answer sent, so many seconds later."""
    RESET = "reset"
    """The connection is reset."""
    STALL = "stall"
    """Not even the headers of an answer come, until the client goes or the seconds have passed."""
    STATUS = "status"
    """The answer is an error of Google's form, of the next status in a list."""
    SLOW = "slow"
    """The body of the answer comes byte by byte, over so many seconds."""
    CUT = "cut"
    """Half of the body comes, then the connection is closed."""
    WRONG_BODY = "wrong-body"
    """The answer is a 200 with a body that is no JSON."""


_ANSWERED = (Kind.SLOW, Kind.CUT, Kind.WRONG_BODY)
"""They spoil an answer, so there must be one."""

TAKES = {
    "seconds": (Kind.DELAY, Kind.STALL, Kind.SLOW),
    "statuses": (Kind.STATUS,),
    "retry_after": (Kind.STATUS,),
    "body": (Kind.WRONG_BODY,),
    "stored": (Kind.DELAY, Kind.RESET, Kind.STALL, Kind.STATUS),
}
"""The fields that are for certain kinds only."""

_NEEDS = {Kind.DELAY: "seconds", Kind.SLOW: "seconds", Kind.STATUS: "statuses"}


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault, and the requests that it is for: those that fit all that is given of them.

    `path` is a beginning, or a pattern if there is any of `*?[` in it. `times` is how many requests
    it is played on, 0 for all until it is removed; with `statuses` how often the list is gone
    through. `stored` says that the request is handled all the same, and only its answer suffers.

    Raises:
        ValueError: something does not go together; the text says what.
    """

    kind: Kind
    callback: str = ""
    execution: str = ""
    workflow: str = ""
    method: str = ""
    path: str = ""
    times: int = 1
    stored: bool = False
    seconds: float = 0.0
    statuses: tuple[int, ...] = ()
    retry_after: str = ""
    body: str = ""

    def __post_init__(self) -> None:
        """Check what does not go together."""
        for name, kinds in TAKES.items():
            if getattr(self, name) and self.kind not in kinds:
                raise ValueError(f"{camel(name)} is not for a fault of the kind {self.kind}")
        needed = _NEEDS.get(self.kind)
        if needed and not getattr(self, needed):
            raise ValueError(f"a fault of the kind {self.kind} needs {needed}")
        for told, fits in self._promises().items():
            if not fits:
                raise ValueError(told)

    def _promises(self) -> Mapping[str, bool]:
        """What each value must be, as a sentence, and whether it is."""
        return {
            f"seconds must be from 0 to {_LONGEST:.0f}": 0 <= self.seconds <= _LONGEST,
            "times must not be negative; 0 means until it is removed": self.times >= 0,
            f"statuses must not be more than {_MOST_STATUSES}": (
                len(self.statuses) <= _MOST_STATUSES
            ),
            "statuses must be from 400 to 599": all(400 <= one <= 599 for one in self.statuses),
            "retryAfter must be a number of seconds, or a date as HTTP writes it": (
                not self.retry_after or _RETRY_AFTER.fullmatch(self.retry_after) is not None
            ),
            "method must be the name of one, such as POST": (
                not self.method or _METHOD.fullmatch(self.method) is not None
            ),
            f"body must not be larger than {_MOST_BYTES} bytes": (
                len(self.body.encode()) <= _MOST_BYTES
            ),
        }

    @property
    def plays(self) -> int | None:
        """How many requests it is played on; None for all."""
        return self.times * max(1, len(self.statuses)) or None

    @property
    def is_handled(self) -> bool:
        """Whether the request is handled although the fault is played."""
        return self.stored or self.kind in _ANSWERED or self.kind is Kind.DELAY

    def fits(self, asked: Asked) -> bool:
        """Whether it is for a request."""
        for name in ("callback", "execution", "workflow", "method"):
            wanted = getattr(self, name)
            if wanted and wanted != getattr(asked, name):
                return False
        if any(sign in self.path for sign in "*?["):
            return fnmatchcase(asked.path, self.path)
        return asked.path.startswith(self.path)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a request before it is handled; empty where its path names none."""

    method: str
    path: str
    workflow: str = ""
    execution: str = ""
    callback: str = ""


@dataclass(frozen=True, slots=True)
class Played:
    """A fault to be played now; `status` is the one whose turn it is, 0 where there is none."""

    order: str
    fault: Fault
    status: int

    @property
    def name(self) -> str:
        """What it is called where requests are listed: `status 503, stored`."""
        kind = f"{self.fault.kind} {self.status}" if self.status else str(self.fault.kind)
        return f"{kind}, stored" if self.fault.stored else kind


@dataclass(slots=True)
class Order:
    """A fault that was ordered, and on how many requests it was played."""

    id: str
    fault: Fault
    played: int = 0

    @property
    def is_left(self) -> bool:
        """Whether it is to be played again."""
        plays = self.fault.plays
        return plays is None or self.played < plays


class Faults:
    """The faults of one emulator, in memory only: a restart forgets them."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._numbers = count(1)

    def add(self, fault: Fault) -> Order:
        """Order a fault, behind those ordered before."""
        order = Order(str(next(self._numbers)), fault)
        self._orders[order.id] = order
        return order

    def all(self) -> list[Order]:
        """Those ordered and not removed, oldest first, used up or not."""
        return list(self._orders.values())

    def remove(self, order: str) -> bool:
        """Forget one; tells whether it was there."""
        return self._orders.pop(order, None) is not None

    def clear(self) -> None:
        """Forget all."""
        self._orders.clear()

    def play(self, asked: Asked) -> Played | None:
        """The fault for a request: the oldest that fits and is left. It counts as played."""
        for order in self._orders.values():
            if order.is_left and order.fault.fits(asked):
                statuses = order.fault.statuses
                status = statuses[order.played % len(statuses)] if statuses else 0
                order.played += 1
                return Played(order.id, order.fault, status)
        return None


def read(body: Mapping[str, object]) -> Fault:
    """The fault that a JSON object orders; its names are those of `Fault`, in Google's spelling.

    Raises:
        ValueError: a field is unknown or wrong.
    """
    names = {camel(field.name): field.name for field in fields(Fault)}
    given = {}
    for name, value in body.items():
        if name not in names:
            raise ValueError(f"{name} is no field of a fault: there are {', '.join(names)}")
        given[names[name]] = _checked(name, value)
    if "kind" not in given:
        raise ValueError(f"kind must be one of {', '.join(Kind)}")
    return Fault(**given)


def show(order: Order) -> dict[str, object]:
    """A fault that was ordered, as JSON: what is not as usual, and on how many it was played."""
    shown: dict[str, object] = {"id": order.id}
    for field in fields(Fault):
        value = getattr(order.fault, field.name)
        if field.name in ("kind", "times") or value != field.default:
            shown[camel(field.name)] = list(value) if isinstance(value, tuple) else value
    return {**shown, "played": order.played}


def _checked(name: str, value: object) -> Any:
    """The value of a field, of its type.

    Raises:
        ValueError: it is of another.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match name:
        case "kind" if isinstance(value, str) and value in tuple(Kind):
            return Kind(value)
        case "kind":
            raise ValueError(f"kind must be one of {', '.join(Kind)}")
        case "times" if not (isinstance(value, int) and is_number and value < 2**31):
            raise ValueError("times must be a whole number")
        case "stored" if not isinstance(value, bool):
            raise ValueError("stored must be true or false")
        case "seconds" if not is_number:
            raise ValueError("seconds must be a number")
        case "statuses":
            return _statuses(value)
        case "retryAfter" if is_number:
            return str(value)
        case "times" | "stored" | "seconds":
            return value
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a text that is not empty")
    return value.upper() if name == "method" else value


def _statuses(value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(status) is int for status in value):
        raise ValueError("statuses must be a list of whole numbers")
    return tuple(value)


def camel(name: str) -> str:
    """The name of a field as Google's JSON spells it."""
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))

"""The time, and when waits are over: as on the wall, faster, or only when told."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime

_LAST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


class Clock:
    """Tells the time and says when a wait is over.

    Due times are absolute seconds since 1970, so that they survive a restart. A `scale` of 60 makes
    sleeps, retry waits and callback timeouts pass sixty times faster; what `sys.now` shows and the
    timeouts of HTTP calls stay real.
    """

    def __init__(self, scale: float = 1.0, source: Callable[[], float] = time.time) -> None:
        if not scale > 0:
            raise ValueError(f"the time scale must be greater than 0, not {scale}")
        self._scale = scale
        self._source = source

    def seconds(self) -> float:
        """Seconds since 1970, with fraction."""
        return self._source()

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.fromtimestamp(self._source(), UTC)

    def stamp(self) -> str:
        """The present moment as Google's JSON writes it."""
        return timestamp(self.now())

    def due(self, seconds: float) -> float:
        """When a wait of that many seconds, begun now, is over."""
        return self._source() + max(0.0, seconds) / self._scale

    def remaining(self, due: float) -> float:
        """Real seconds until a due time; zero when it has passed."""
        return max(0.0, due - self._source())


class VirtualClock(Clock):
    """Stands still until it is moved.

    Due times, timestamps and `sys.now` are in its time. What depends on others stays real: the
    timeouts of HTTP calls and the lifetimes of tokens.

    Args:
        start: seconds since 1970. Whole seconds make the sums of waits, and with them the order of
            due times, the same at every start.
        keep: is told each new time before the clock shows it.
    """

    def __init__(self, start: float, keep: Callable[[float], None]) -> None:
        super().__init__(source=lambda: self._moment)
        self._moment = start
        self._keep = keep

    def move_to(self, moment: float) -> None:
        """Show a later time; an earlier one changes nothing.

        The same is kept again: the transaction in which it was kept may have failed.
        """
        if moment >= self._moment:
            self._keep(moment)
            self._moment = moment

    def later(self, seconds: float) -> float:
        """The time in so many seconds.

        Raises:
            ValueError: it would be earlier than now, or beyond the year 9999.
        """
        moment = self._moment + seconds
        if not (math.isfinite(seconds) and seconds >= 0 and moment <= _LAST):
            raise ValueError(f"time cannot go on by {seconds:g} seconds")
        return moment


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds: `2026-01-31T16:04:00.000000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def timestamp_of(seconds: float) -> str:
    """The same of a time in seconds since 1970."""
    return timestamp(datetime.fromtimestamp(seconds, UTC))


def parse_timestamp(text: str) -> datetime:
    """The moment that `timestamp` wrote.

    Raises:
        ValueError: the text is no RFC 3339 time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time without zone: {text!r}")
    return moment


def duration(start: str, end: str) -> str:
    """The time between two timestamps as Google's JSON writes it: `1.250000s`."""
    return f"{(parse_timestamp(end) - parse_timestamp(start)).total_seconds():.6f}s"

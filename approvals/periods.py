"""Days and weeks in which something was counted, on the clock of the reader. Pure."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.utils import timezone

# Up to so many days each day is counted by itself, beyond that each week.
DAYS_BY_DAY = 31
QUARTER = 900  # seconds; no time zone is off by less


@dataclass(frozen=True, slots=True)
class Period:
    """What was closed from one day to another, both included; outcome -> number."""

    first: date
    last: date
    counts: "Counter[str]"


def beginnings(first: date, last: date) -> list[date]:
    """The first days of the periods: each day, or of a long time each Monday and the first day."""
    days = (last - first).days + 1
    if days <= DAYS_BY_DAY:
        return [first + timedelta(days=n) for n in range(days)]
    monday = first + timedelta(days=7 - first.weekday())
    weeks = range((last - monday).days // 7 + 1)
    return [first, *(monday + timedelta(weeks=n) for n in weeks)]


def periods_of(rows: Iterable[tuple[int, str, int]], first: date, last: date) -> list[Period]:
    """What was closed in each period.

    Args:
        rows: quarter of an hour since 1970, outcome, number.
    """
    starts = beginnings(first, last)
    ends = [*(start - timedelta(days=1) for start in starts[1:]), last]
    counts: Sequence[Counter[str]] = [Counter() for _ in starts]
    for quarter, outcome, number in rows:
        day = timezone.localdate(datetime.fromtimestamp(int(quarter) * QUARTER, UTC))
        counts[bisect_right(starts, day) - 1][outcome] += number
    return [Period(*each) for each in zip(starts, ends, counts, strict=True)]

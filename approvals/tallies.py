"""How long things took, added up over all rows there ever were, in buckets."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from django.db.models import FloatField, Func, QuerySet, Value
from prometheus_client.utils import floatToGoString

# Rows that came to their end longer ago are all there: no transaction takes so long, and no two
# clocks of ours differ by more.
SETTLED = timedelta(minutes=15)
OTHER = "other"


class Epoch(Func):
    """A time as seconds since 1970; SQLite knows it to the millisecond."""

    arity = 1
    output_field = FloatField()
    template = "EXTRACT(EPOCH FROM %(expressions)s)"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """The same without EXTRACT."""
        template = "((julianday(%(expressions)s) - 2440587.5) * 86400.0)"
        return self.as_sql(compiler, connection, template=template, **context)


@dataclass
class Tally:
    """How many took how long: a count for each bucket and one for what took longer; the sum."""

    buckets: Sequence[float]
    counts: list[int] = field(default_factory=list)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.buckets) + 1)

    @property
    def number(self) -> int:
        return sum(self.counts)

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(self.buckets, seconds)] += 1
        self.seconds += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """As Prometheus has it: how many took at most so long."""
        names = map(floatToGoString, (*self.buckets, float("inf")))
        return list(zip(names, map(float, accumulate(self.counts)), strict=True))

    @classmethod
    def of_all(cls, tallies: Iterable["Tally"]) -> "Tally":
        """Several with the same buckets as one."""
        several = list(tallies)
        counts = [sum(each) for each in zip(*(tally.counts for tally in several), strict=True)]
        return cls(several[0].buckets, counts, sum(tally.seconds for tally in several))


@dataclass
class Durations:
    """How long something took, of all rows that have both times, by the value of a column.

    The times never change once they are there, and no row goes away. So those that ended some
    time ago are added up once in the life of a process, and a look reads the latest ones alone.

    Attributes:
        end: a column with an index.
        kinds: the values of the column `by` that are told apart; the rest are `OTHER`.
    """

    rows: QuerySet[Any]
    begin: str
    end: str
    buckets: Sequence[float]
    by: str | Value = Value("")  # noqa: RUF009 - it is never changed
    kinds: Sequence[str] = ()
    _settled: dict[str, Tally] = field(init=False)
    _until: datetime | None = None

    def __post_init__(self) -> None:
        self._settled = {kind: Tally(self.buckets) for kind in (*self.kinds, OTHER)}

    def read(self, now: datetime) -> dict[str, Tally]:
        """A tally for each of `kinds` and for `OTHER`; values only ever grow."""
        edge = now - SETTLED
        old = self.rows.filter(**{f"{self.end}__lte": edge})
        if self._until is not None:
            edge = max(edge, self._until)  # also where the clock was set back
            old = old.filter(**{f"{self.end}__gt": self._until})
        self._settled, self._until = self._with(self._settled, old), edge
        return self._with(self._settled, self.rows.filter(**{f"{self.end}__gt": edge}))

    def _with(self, tallies: dict[str, Tally], rows: QuerySet[Any]) -> dict[str, Tally]:
        """These tallies and the rows; the given ones stay as they are, for a query may fail."""
        found = deepcopy(tallies)
        taken = rows.order_by().values_list(self.by, Epoch(self.begin), Epoch(self.end))
        for kind, begin, end in taken.iterator(chunk_size=5000):
            found[kind if kind in self.kinds else OTHER].add(max(end - begin, 0.0))
        return found

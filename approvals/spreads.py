"""Median and 95th percentile of lengths of time, a pair for each label, worked out by the database.

Both databases interpolate linearly between the two nearest values, as spreadsheets do
(`statistics.quantiles` with `method="inclusive"`).
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import QuerySet

MIDDLE, HIGH = 50, 95


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took, in seconds: half of it at most `median`, and 95 % at most `high`.

    To a hundredth: SQLite reckons in days, and two hours would be a bit less than that.
    """

    label: str
    number: int
    median: float
    high: float


def spreads_of(rows: QuerySet[Any, Any]) -> list[Spread]:
    """A spread for each label, those with most rows first; one query.

    Args:
        rows: with the columns `label` and `seconds`, by `values()`.
    """
    inner, parameters = rows.order_by().query.sql_with_params()
    outer = _POSTGRES if connection.vendor == "postgresql" else _SQLITE
    with connection.cursor() as cursor:
        cursor.execute(outer.format(rows=inner), parameters)
        found = cursor.fetchall()
    made = _given(found) if connection.vendor == "postgresql" else _worked_out(found)
    return sorted(made, key=lambda spread: (-spread.number, spread.label))


_POSTGRES = f"""
SELECT label, COUNT(*),
       percentile_cont({MIDDLE / 100}) WITHIN GROUP (ORDER BY seconds),
       percentile_cont({HIGH / 100}) WITHIN GROUP (ORDER BY seconds)
FROM ({{rows}}) AS spans GROUP BY label
"""  # noqa: S608 - a query of the ORM

# SQLite knows no percentiles. So the rows around each are found by their places, from 0 on.
_SQLITE = f"""
SELECT label, number, place, seconds FROM (
  SELECT label, seconds,
         ROW_NUMBER() OVER (PARTITION BY label ORDER BY seconds) - 1 AS place,
         COUNT(*) OVER (PARTITION BY label) AS number
  FROM ({{rows}})
) WHERE place IN (
  (number - 1) * {MIDDLE} / 100, ((number - 1) * {MIDDLE} + 99) / 100,
  (number - 1) * {HIGH} / 100, ((number - 1) * {HIGH} + 99) / 100
)
"""  # noqa: S608 - a query of the ORM


def _given(rows: list[Any]) -> list[Spread]:
    return [
        Spread(label, number, round(median, 2), round(high, 2))
        for label, number, median, high in rows
    ]


def _worked_out(rows: list[Any]) -> list[Spread]:
    numbers: dict[str, int] = {}
    places: dict[str, dict[int, float]] = defaultdict(dict)
    for label, number, place, seconds in rows:
        numbers[label] = number
        places[label][place] = seconds
    return [
        Spread(
            label, number, *(round(between(places[label], number, at), 2) for at in (MIDDLE, HIGH))
        )
        for label, number in numbers.items()
    ]


def between(places: Mapping[int, float], number: int, percent: int) -> float:
    """The percentile of so many sorted values, of which those beside it are given by place."""
    whole, rest = divmod((number - 1) * percent, 100)
    low = places[whole]
    return low + (places[whole + 1] - low) * rest / 100 if rest else low

"""What votes come to. Pure.

A negative answer settles at once, unless the type says otherwise. All others count together, and
the answer that most of them gave is the outcome.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

NEGATIVE = ("rejected", "changes_requested")
"""Answers that settle at once."""


def outcome_of(
    votes: Sequence[str],
    *,
    needed: int | None,
    able: int,
    reject_settles: bool,
    order: Sequence[str],
) -> str | None:
    """The outcome of a stage, or None while it is open.

    Args:
        votes: the answers given, oldest first.
        needed: how many must agree; None for everybody.
        able: how many people were asked and can answer, those who have answered among them.
        reject_settles: whether the first negative answer is the outcome.
        order: the values of the options; of equally frequent answers the later option counts,
            which is the more cautious one.
    """
    against = [vote for vote in votes if vote in NEGATIVE]
    if against and reject_settles:
        return against[0]
    agreeing = [vote for vote in votes if vote not in NEGATIVE]
    wanted = max(able, 1) if needed is None else needed
    if len(agreeing) >= wanted:
        return _most(agreeing, order)
    missing = max(able - len(votes), 0)
    if against and len(agreeing) + missing < wanted:
        return _most(against, order)
    return None


def _most(votes: Sequence[str], order: Sequence[str]) -> str:
    place = {value: number for number, value in enumerate(order)}
    counts = Counter(votes)
    return max(counts, key=lambda value: (counts[value], place.get(value, -1)))

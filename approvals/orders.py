"""The orders of a list: each without ties, so that a page goes on behind any row."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.db.models import Case, DateTimeField, F, Q, Value, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy

from approvals.models import Approval
from approvals.models.querysets import ApprovalQuerySet

# Where a time that is not set stands: behind all others.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
PRIORITIES = [priority.value for priority in Approval.Priority]


@dataclass(frozen=True, slots=True)
class Key:
    """One thing rows are ordered by: in the database, and of a row that is at hand."""

    expression: Any
    of: Callable[[Approval], Any]
    descending: bool = False

    @property
    def following(self) -> str:
        """The comparison that holds of what comes later."""
        return "lt" if self.descending else "gt"


@dataclass(frozen=True, slots=True)
class Order:
    """An order without ties, in which a page goes on behind any row.

    Only what never changes counts, so that a page neither skips nor repeats a row.
    """

    label: Any
    keys: tuple[Key, ...]

    def sort(self, rows: ApprovalQuerySet, *, behind: Approval | None = None) -> ApprovalQuerySet:
        """These rows in order; with `behind`, those that follow it."""
        rows = rows.alias(**{f"key_{n}": key.expression for n, key in enumerate(self.keys)})
        if behind:
            rows = rows.filter(self._behind(behind))
        return rows.order_by(
            *(f"{'-' if key.descending else ''}key_{n}" for n, key in enumerate(self.keys))
        )

    def _behind(self, row: Approval) -> Q:
        follows, same = Q(), Q()
        for n, key in enumerate(self.keys):
            name, value = f"key_{n}", key.of(row)
            follows |= same & Q((f"{name}__{key.following}", value))
            same &= Q((name, value))
        # The same once more of the first key alone: that is where an index is entered, instead of
        # going through all that stands before.
        first = self.keys[0]
        return Q((f"key_0__{first.following}e", first.of(row))) & follows


def down(key: Key) -> Key:
    """The same from the other end."""
    return replace(key, descending=True)


ID = Key(F("pk"), lambda row: row.pk)
ASKED = Key(F("created_at"), lambda row: row.created_at)
DECIDED_AT = Key(F("decided_at"), lambda row: row.decided_at or NEVER)
DUE = Key(
    Coalesce("expires_at", Value(NEVER, DateTimeField())), lambda row: row.expires_at or NEVER
)
URGENCY = Key(
    Case(*(When(priority=name, then=n) for n, name in enumerate(PRIORITIES))),
    lambda row: PRIORITIES.index(row.priority),
    descending=True,
)

# What is due first; then, and where nothing is due, the more urgent; then who has waited longest.
MOST_PRESSING = Order(gettext_lazy("Due first"), (DUE, URGENCY, ASKED, ID))
MOST_URGENT = Order(gettext_lazy("Most urgent first"), (URGENCY, DUE, ASKED, ID))
OLDEST = Order(gettext_lazy("Oldest first"), (ASKED, ID))
NEWEST = Order(gettext_lazy("Newest first"), (down(ASKED), down(ID)))
LAST_DECIDED = Order(gettext_lazy("Last decided first"), (down(DECIDED_AT), down(ID)))

WAITING = {"due": MOST_PRESSING, "newest": NEWEST, "oldest": OLDEST, "priority": MOST_URGENT}
"""How what waits can be sorted: its name in the address, and the order; the first is the usual."""
DECIDED = {"decided": LAST_DECIDED, "newest": NEWEST, "oldest": OLDEST}

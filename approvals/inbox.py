"""The inbox of one person: its tabs, their order, and one page of a tab."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, DateTimeField, F, Q, Value, When
from django.db.models.functions import Coalesce

from approvals.attention import counts
from approvals.models import Approval, User
from approvals.models.querysets import ApprovalQuerySet

PAGE = 50
# Where a time that is not set stands: behind all others.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
PRIORITIES = [priority.value for priority in Approval.Priority]


@dataclass(frozen=True, slots=True)
class Key:
    """One thing rows are ordered by: in the database, and of a row that is at hand."""

    expression: Any
    of: Callable[[Approval], Any]
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """An order without ties, in which a page goes on behind any row.

    Only what never changes counts, so that a page neither skips nor repeats a row.
    """

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
            follows |= same & Q((f"{name}__{'lt' if key.descending else 'gt'}", value))
            same &= Q((name, value))
        return follows


ID = Key(F("pk"), lambda row: row.pk)
# What is due first; then, and where nothing is due, the more urgent; then who has waited longest.
MOST_PRESSING = Order(
    (
        Key(
            Coalesce("expires_at", Value(NEVER, DateTimeField())),
            lambda row: row.expires_at or NEVER,
        ),
        Key(
            Case(*(When(priority=name, then=n) for n, name in enumerate(PRIORITIES))),
            lambda row: PRIORITIES.index(row.priority),
            descending=True,
        ),
        Key(F("created_at"), lambda row: row.created_at),
        ID,
    )
)
LAST_DECIDED = Order(
    (Key(F("decided_at"), lambda row: row.decided_at or NEVER, descending=True), ID)
)


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab, and how it is counted; None for the decided, whose number only grows."""

    key: str
    label: str
    counting: Callable[[], int] | None

    @property
    def count(self) -> int | None:
        """How many things are in it, where that number matters."""
        return self.counting() if self.counting else None


@dataclass(frozen=True, slots=True)
class Listing(Tab):
    """A tab of approvals: which it holds, in which order."""

    approvals: ApprovalQuerySet
    order: Order


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a tab, and the last of them when others follow."""

    rows: list[Approval]
    last: UUID | None


def is_operator(user: User) -> bool:
    """Staff who may read every approval also see what did not get through."""
    return user.is_staff and user.has_perm("approvals.view_approval")


def needs(user: User) -> Listing:
    """The tab of what waits for this person."""
    mine = Approval.objects.waiting_for(user)
    return Listing("needs-me", "Needs me", mine.count, mine, MOST_PRESSING)


def tabs_of(user: User) -> list[Tab]:
    """The tabs this person has; the operators' queue is the one that lists no approvals."""
    approvals = Approval.objects.all()
    others, decided = approvals.waiting_on_others(user), approvals.decided_for(user)
    tabs: list[Tab] = [
        needs(user),
        Listing("waiting", "Waiting on others", others.count, others, MOST_PRESSING),
        Listing("decided", "Decided", None, decided, LAST_DECIDED),
    ]
    if is_operator(user):
        tabs.append(Tab("attention", "Needs attention", lambda: sum(counts().values())))
    return tabs


def page_of(tab: Listing, *, after: Approval | None = None) -> Page:
    """The first `PAGE` rows of a tab, or those that follow `after`."""
    rows = tab.order.sort(tab.approvals, behind=after)
    found = list(
        rows.select_related("caller", "decided_by", "delivery", "policy__policy")[: PAGE + 1]
    )
    return Page(found[:PAGE], found[PAGE - 1].pk if len(found) > PAGE else None)


def next_for(user: User, *, but: Approval | None = None) -> Approval | None:
    """The approval that waits for this person first, in the order of their inbox."""
    waiting = Approval.objects.waiting_for(user)
    if but:
        waiting = waiting.exclude(pk=but.pk)
    return MOST_PRESSING.sort(waiting).first()

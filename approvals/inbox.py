"""The inbox of one person: its tabs, how many are in each, and one page of a tab."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy

from approvals import orders
from approvals.attention import counts
from approvals.models import Approval, User
from approvals.models.approver import Approver
from approvals.models.querysets import ApprovalQuerySet
from approvals.models.record import Vote
from approvals.orders import MOST_PRESSING, Order

PAGE = 50
WITH = ("caller", "decided_by", "delivery", "policy__policy")
"""What is read with each row."""
MANY = 1000
"""Nothing is counted beyond this: a badge then reads “999+”."""
FEW = 5000
"""Times a person was asked, has answered or has asked, up to which all of it is looked at rather
than the last of everybody's."""


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab, and how it is counted; None for the decided, whose number only grows."""

    key: str
    label: Any
    counting: Callable[[], int] | None

    @property
    def count(self) -> int | None:
        """How many things are in it, where that number matters; of many, `MANY`."""
        return self.counting() if self.counting else None


@dataclass(frozen=True, slots=True)
class Listing(Tab):
    """A tab of approvals: which it holds, and in which orders, the usual one first.

    `finding` gives its rows; `since` names the column that says when one came into it.
    """

    finding: Callable[[], ApprovalQuerySet]
    sorts: Mapping[str, Order]
    since: str = "changed_at"

    @property
    def approvals(self) -> ApprovalQuerySet:
        """All that it holds, in no order."""
        return self.finding()

    @property
    def order(self) -> Order:
        """The usual one."""
        return next(iter(self.sorts.values()))


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
    label = gettext_lazy("Needs me")
    return Listing("needs-me", label, lambda: number(mine), lambda: mine, orders.WAITING)


def tabs_of(user: User) -> list[Tab]:
    """The tabs this person has; the operators' queue is the one that lists no approvals."""
    others = Approval.objects.waiting_on_others(user)
    tabs: list[Tab] = [
        needs(user),
        Listing(
            "waiting",
            gettext_lazy("Waiting on others"),
            lambda: number(others),
            lambda: others,
            orders.WAITING,
        ),
        Listing(
            "decided",
            gettext_lazy("Decided"),
            None,
            lambda: decided(user),
            orders.DECIDED,
            "decided_at",
        ),
    ]
    if is_operator(user):
        label = gettext_lazy("Needs attention")
        tabs.append(Tab("attention", label, lambda: sum(counts().values())))
    return tabs


def number(rows: ApprovalQuerySet) -> int:
    """How many there are; `MANY`, where it would take long to tell."""
    return rows.order_by().values("pk")[:MANY].count()


def decided(user: User) -> ApprovalQuerySet:
    """What was decided and is this person's, found the shorter way.

    Among a million approvals some people have a handful, whose last would be far to go for in the
    order of all; others half of them, which would be many to look at for the last fifty.
    """
    rows = Approval.objects.filter(decided_at__isnull=False)
    asked = Approver.objects.order_by()
    mine = (
        asked.naming(user)
        .values("approval")
        .union(
            asked.through(user).values("approval"),
            Vote.objects.standing().filter(user=user).order_by().values("approval"),
            Approval.objects.filter(requester_mailbox=user.mailbox).order_by().values("pk"),
            all=True,
        )
    )
    if mine[: FEW + 1].count() <= FEW:
        return rows.filter(pk__in=mine)
    return rows.decided_for(user)


def page_of(
    tab: Listing,
    *,
    rows: ApprovalQuerySet | None = None,
    order: Order | None = None,
    after: Approval | None = None,
) -> Page:
    """The first `PAGE` rows of a tab, or those that follow `after`.

    Args:
        rows: those of the tab that are looked for; all of them if not given.
        order: the usual one of the tab if not given.
    """
    found = (order or tab.order).sort(tab.approvals if rows is None else rows, behind=after)
    page = list(found.select_related(*WITH)[: PAGE + 1])
    return Page(page[:PAGE], page[PAGE - 1].pk if len(page) > PAGE else None)


def next_for(user: User, *, but: Approval | None = None) -> Approval | None:
    """The approval that waits for this person first, in the order of their inbox."""
    waiting = Approval.objects.waiting_for(user)
    if but:
        waiting = waiting.exclude(pk=but.pk)
    return MOST_PRESSING.sort(waiting).first()

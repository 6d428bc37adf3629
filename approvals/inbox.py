"""The inbox of one person: its tabs, and one page of a tab."""

from dataclasses import dataclass
from uuid import UUID

from approvals.models import Approval, User
from approvals.models.querysets import ApprovalQuerySet

PAGE = 50


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab: which approvals it holds, and whether their number asks for something."""

    key: str
    label: str
    approvals: ApprovalQuerySet
    counted: bool = True

    @property
    def count(self) -> int | None:
        """How many there are; None for the decided, whose number only grows."""
        return self.approvals.count() if self.counted else None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a tab, newest first, and the last of them when older ones follow."""

    rows: list[Approval]
    older: UUID | None


def is_operator(user: User) -> bool:
    """Staff who may read every approval also see what did not get through."""
    return user.is_staff and user.has_perm("approvals.view_approval")


def tabs_of(user: User) -> list[Tab]:
    """The tabs this person has."""
    approvals = Approval.objects.all()
    tabs = [
        Tab("needs-me", "Needs me", approvals.needing(user)),
        Tab("waiting", "Waiting on others", approvals.waiting_on_others(user)),
        Tab("decided", "Decided", approvals.decided_for(user), counted=False),
    ]
    if is_operator(user):
        tabs.append(Tab("attention", "Needs attention", approvals.needing_attention()))
    return tabs


def page_of(tab: Tab, *, after: Approval | None = None) -> Page:
    """The newest `PAGE` rows, or those that follow `after`."""
    rows = tab.approvals.after(after.created_at, after.pk) if after else tab.approvals
    found = list(
        rows.select_related("caller", "decided_by", "delivery").order_by("-created_at", "-pk")[
            : PAGE + 1
        ]
    )
    return Page(found[:PAGE], found[PAGE - 1].pk if len(found) > PAGE else None)


def next_for(user: User, *, but: Approval | None = None) -> Approval | None:
    """The approval that waits for this person next."""
    waiting = Approval.objects.needing(user)
    if but:
        waiting = waiting.exclude(pk=but.pk)
    return waiting.order_by("-created_at", "-pk").first()

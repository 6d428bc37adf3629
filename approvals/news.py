"""What has happened to a list since it was opened: a few cheap questions, asked every few seconds.

Rows do not move under the cursor: what is new is counted, and what was shown and has changed is
told row by row.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import Q

from approvals.inbox import WITH, number
from approvals.looking import Look
from approvals.models import Approval, User
from approvals.models.outbox import FINAL
from approvals.rows import Row, rows_of

SLACK = timedelta(seconds=30)
"""What was written before a page was made may have been committed a moment after."""
LETTERS = 22
"""Of an id in an address."""


@dataclass(frozen=True, slots=True)
class News:
    """How many rows are new, and the shown ones that are not as they were."""

    new: int
    changed: Sequence[Row]


def pack(ids: Iterable[UUID]) -> str:
    """Ids as one short text for an address."""
    return "".join(urlsafe_b64encode(pk.bytes).decode().rstrip("=") for pk in ids)


def unpack(text: str) -> list[UUID]:
    """The ids in such a text. Raises ValueError."""
    pieces = [text[start : start + LETTERS] for start in range(0, len(text), LETTERS)]
    return [UUID(bytes=urlsafe_b64decode(f"{piece}==".encode("ascii"))) for piece in pieces]


def moment(text: str) -> datetime:
    """Seconds since 1970 as a time. Raises ValueError, OverflowError."""
    return datetime.fromtimestamp(int(text), UTC) - SLACK


def news_of(look: Look, user: User, *, since: datetime, shown: Sequence[UUID], more: bool) -> News:
    """What is told of a list.

    Args:
        since: when it was opened.
        shown: the approvals whose rows are on the page.
        more: whether others follow on further pages. Such a one may have changed without being
            new, so only what was asked since then counts.
    """
    came = look.rows.filter(**{f"{look.tab.since}__gt": since}).exclude(pk__in=shown)
    if more and look.tab.key != "decided":
        came = came.filter(created_at__gt=since)
    return News(number(came), _changed(look, user, since, shown))


def _changed(look: Look, user: User, since: datetime, shown: Sequence[UUID]) -> list[Row]:
    """Those of the shown that have changed, and whether they still belong there."""
    touched = (
        Q(changed_at__gt=since) | Q(decided_at__gt=since) | Q(delivery__confirmed_at__gt=since)
    )
    on_its_way = Q(delivery__isnull=False) & ~Q(delivery__state__in=FINAL)
    rows = Approval.objects.visible_to(user).filter(touched | on_its_way, pk__in=shown)
    found = list(rows.select_related(*WITH))
    if not found:
        return []
    there = look.tab.approvals.filter(pk__in=[row.pk for row in found])
    still = set(there.values_list("pk", flat=True))
    return rows_of(found, user, look.tab.key, still=still)

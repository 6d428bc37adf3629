"""What was told to whom, for tests of notices."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from approvals.models import Approval, Notice, StandIn, User
from approvals.notices import send_due


def written(**conditions: Any) -> list[tuple[str, str]]:
    """Who is to be told what, in the order of writing: (what, name of the reader)."""
    rows = Notice.objects.filter(**conditions).order_by("event__at", "event__number", "address")
    return [(row.matter, row.address or str(row.channel)) for row in rows]


def send_all() -> None:
    """Rounds, until nothing is due."""
    while send_due():
        pass


def later(**ago: float) -> None:
    """Let this much time pass for all notices that wait."""
    rows = Notice.objects.filter(next_attempt_at__isnull=False)
    for row in rows:
        row.next_attempt_at -= timedelta(**ago)
        if row.first_failed_at:
            row.first_failed_at -= timedelta(**ago)
        row.save(update_fields=["next_attempt_at", "first_failed_at"])


def stand_in(user: User, colleague: User) -> StandIn:
    """The colleague decides for this person today."""
    now = timezone.now()
    return StandIn.objects.create(
        user=user,
        colleague=colleague,
        starts_at=now - timedelta(hours=1),
        ends_at=now + timedelta(days=1),
        created_by=user.actor,
    )


def forget(approval: Approval) -> None:
    """What was told so far is sent and done with."""
    Notice.objects.filter(approval=approval).update(state="sent", next_attempt_at=None)

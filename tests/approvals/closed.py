"""Approvals that closed at a time of one's choice, for figures that are worked out by hand."""

from datetime import datetime, timedelta
from typing import Any

from approvals.models import Approval, User
from tests.factories import make_approval


def make_closed(
    at: datetime,
    took: timedelta,
    *,
    by: User | None,
    status: str = "approved",
    **fields: Any,
) -> Approval:
    """One that was closed then, so long after it was asked; `by` nobody: its time was over."""
    approval = make_approval(**fields)
    approval.rows().update(
        status=status, decided_by=by, decided_at=at, created_at=at - took, changed_at=at
    )
    return approval

"""What is asked: defaults, digest and deadline. Pure."""

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

PENDING = "pending"
APPROVED = "approved"
# Outcomes that need no declared option, and how people read them.
OUTCOME_LABELS = {
    PENDING: "Waiting",
    "approved": "Approved",
    "rejected": "Rejected",
    "changes_requested": "Sent back",
    "expired": "Expired",
    "withdrawn": "Withdrawn",
}
NEGATIVE = ("rejected", "changes_requested")
DEFAULT_OPTIONS = [
    {"value": "approved", "label": "Approve", "consequence": ""},
    {"value": "rejected", "label": "Reject", "consequence": ""},
]


def pairs_of(fields: dict[str, Any] | list[dict[str, Any]]) -> list[list[Any]]:
    """[label, value] in reading order, from either form in which facts are sent."""
    if isinstance(fields, dict):
        return [list(item) for item in fields.items()]
    return [[fact["label"], fact["value"]] for fact in fields]


def content_digest(content: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON of all that was asked (everything but the callback URL)."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def inbox_deadline(now: datetime, expires_in: int | None) -> datetime | None:
    """Our deadline for a wait of `expires_in` seconds that begins after `now`.

    A margin of 2 %, 30 seconds at least (half of a very short wait), puts it before the
    workflow's own timeout without trusting a clock but ours.
    """
    if expires_in is None:
        return None
    margin = min(max(30.0, expires_in * 0.02), expires_in / 2)
    return now + timedelta(seconds=expires_in - margin)

"""What is asked: defaults, digest and deadline. Pure."""

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext, gettext_lazy

from countersign import tally
from countersign.phrases import phrase

PENDING = "pending"
NEGATIVE = tally.NEGATIVE
APPROVED = "approved"
# Outcomes that need no declared option, and how people read them.
OUTCOME_LABELS = {
    PENDING: gettext_lazy("Waiting"),
    "approved": gettext_lazy("Approved"),
    "rejected": gettext_lazy("Rejected"),
    "changes_requested": gettext_lazy("Sent back"),
    "expired": gettext_lazy("Expired"),
    "withdrawn": gettext_lazy("Withdrawn"),
}
# The usual words on buttons, as requests have them; a label of the author's own is another.
BUTTONS = {
    "approved": phrase("Approve"),
    "rejected": phrase("Reject"),
    "changes_requested": phrase("Send back"),
}


def button_of(option: dict[str, str]) -> str:
    """What stands on the button: the author's word, or the usual one in the reader's language."""
    label = str(option["label"])
    return gettext(label) if label == BUTTONS.get(option["value"]) else label


def pairs_of(fields: dict[str, Any] | list[dict[str, Any]]) -> list[list[Any]]:
    """[label, value] in reading order, from either form in which facts are sent."""
    if isinstance(fields, dict):
        return [list(item) for item in fields.items()]
    return [[fact["label"], fact["value"]] for fact in fields]


SEEN = (
    *("title", "summary", "fields", "links", "options", "requested_by", "form", "prefill"),
    *("stages", "reject_settles", "undo", "comment_rule", "priority", "on_expiry"),
)
"""The columns that people decide on, which with the type's version make the content's digest."""


def canonical(value: Any) -> str:
    """The one JSON text of a value, of which digests are taken.

    Names are sorted, and whole numbers have no point: a database may give 1.0 back as 1.
    """
    return json.dumps(
        _whole_numbers(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


def _whole_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _whole_numbers(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_whole_numbers(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def digest(text: str) -> str:
    """SHA-256 as 64 hexadecimal characters."""
    return hashlib.sha256(text.encode()).hexdigest()


def content_digest(content: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON of all that was asked (everything but the callback URL)."""
    return digest(canonical(content))


def inbox_deadline(now: datetime, expires_in: int | None) -> datetime | None:
    """Our deadline for a wait of `expires_in` seconds that begins after `now`.

    A margin of 2 %, 30 seconds at least (half of a very short wait), puts it before the
    workflow's own timeout without trusting a clock but ours.
    """
    if expires_in is None:
        return None
    margin = min(max(30.0, expires_in * 0.02), expires_in / 2)
    return now + timedelta(seconds=expires_in - margin)

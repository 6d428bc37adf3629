"""One approval of the inbox that tests talk to, and how the API shows it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emulator.testing.bodies import PENDING, USUAL_OPTIONS, Registration, Report, pairs_of

LABELS = {
    "approved": "Approved",
    "rejected": "Rejected",
    "changes_requested": "Sent back",
    "expired": "Expired",
    "withdrawn": "Withdrawn",
}
"""How people read outcomes that have no label of their author's own."""


@dataclass(slots=True)
class Record:
    """One approval. `payload` is the callback body, once there is an outcome.

    `execution` is the full name of the execution. `callback_url` is where the answer goes,
    `callback_urls` are all that it was registered with. `delivery` is the state of bringing the
    answer there, `due` when that is tried next (seconds since 1970).
    """

    id: str
    caller: str
    key: str | None
    execution: str
    callback_url: str
    body: Registration
    sha256: str
    url: str
    created_at: datetime
    expires_at: datetime | None
    callback_urls: set[str] = field(default_factory=set)
    status: str = PENDING
    decided_at: datetime | None = None
    decided_by: tuple[str, str] | None = None
    comment: str = ""
    payload: dict[str, Any] | None = None
    delivery: str | None = None
    tries: int = 0
    due: float | None = None
    reported: Report | None = None


def facts(record: Record) -> dict[str, Any]:
    """The facts that people see, by their labels."""
    return dict(pairs_of(record.body.fields))


def moment(at: datetime) -> str:
    """A time as the API writes it: to the millisecond, in UTC."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def payload(record: Record) -> dict[str, Any]:
    """The callback body of the contract."""
    at = moment(record.decided_at or record.created_at)
    voted = None
    if record.decided_by is not None:
        email, name = record.decided_by
        voted = {"email": email, "name": name, "on_behalf_of": None}
    vote = {"outcome": record.status, "comment": record.comment, "at": at}
    return {
        "approval_id": record.id,
        "decision_id": str(uuid.uuid4()),
        "outcome": record.status,
        "decided_at": at,
        "decided_by": voted,
        "comment": record.comment,
        "form": {},
        "votes": [{"email": voted["email"], **vote}] if voted else [],
        "content_sha256": record.sha256,
        "url": record.url,
    }


def how_it_closed(record: Record) -> str:
    at = moment(record.decided_at or record.created_at)
    if record.decided_by is not None:
        who = record.decided_by[1] or record.decided_by[0]
        return f"{who} answered “{_label(record)}” on {at}."
    if record.status == "withdrawn":
        return f"The workflow withdrew this request on {at}."
    return f"Nobody answered in time; it was closed as “{_label(record)}” on {at}."


def _label(record: Record) -> str:
    usual = {option.value: option.label for option in USUAL_OPTIONS}
    words = {option.value: option.label for option in record.body.options}
    own = words.get(record.status)
    if own is not None and own != usual.get(record.status):
        return own
    return LABELS.get(record.status, record.status)


def shown(record: Record) -> dict[str, Any]:
    """An approval as its caller sees it."""
    body = record.body
    who = None
    if record.decided_by is not None:
        who = {"email": record.decided_by[0], "name": record.decided_by[1]}
    return {
        "id": record.id,
        "status": record.status,
        "url": record.url,
        "title": body.title,
        "type": body.type,
        "requested_by": body.requested_by,
        "approvers": body.approvers,
        "revision": 1,
        "content_sha256": record.sha256,
        "execution": record.execution,
        "callback_url": record.callback_url,
        "created_at": moment(record.created_at),
        "expires_at": record.expires_at and moment(record.expires_at),
        "decided_at": record.decided_at and moment(record.decided_at),
        "decided_by": who,
        "delivery": record.delivery,
    }

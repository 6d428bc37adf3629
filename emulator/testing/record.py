"""One approval of the inbox that tests talk to, and how the API shows it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from countersign.bodies import DEFAULT_OPTIONS, PENDING, OutcomeIn, pairs_of
from countersign.terms import Asked, Stage, Terms
from emulator.testing.bodies import Registration

LABELS = {
    "approved": "Approved",
    "rejected": "Rejected",
    "changes_requested": "Sent back",
    "expired": "Expired",
    "withdrawn": "Withdrawn",
}
"""How people read outcomes that have no label of their author's own."""


@dataclass(frozen=True, slots=True)
class Cast:
    """One person's answer, in the stage of that number, from 0."""

    email: str
    name: str
    stage: int
    outcome: str
    comment: str
    form: Mapping[str, Any]
    at: datetime


@dataclass(slots=True)
class Record:
    """One approval. `payload` is the callback body, once there is an outcome.

    `terms` are those of its type and its request together, `version` is that of its type, and
    `names` are those of the people who are known, by address. `execution` is the full name of the
    execution. `callback_url` is where the answer goes, `callback_urls` are all that it was
    registered with. `delivery` is the state of bringing the answer there, `due` when that is tried
    next (seconds since 1970).
    """

    id: str
    caller: str
    key: str | None
    execution: str
    callback_url: str
    body: Registration
    terms: Terms
    sha256: str
    url: str
    created_at: datetime
    expires_at: datetime | None
    names: Mapping[str, str]
    version: int | None = None
    callback_urls: set[str] = field(default_factory=set)
    stage: int = 0
    votes: list[Cast] = field(default_factory=list)
    superseded_by: str | None = None
    status: str = PENDING
    decided_at: datetime | None = None
    decided_by: tuple[str, str] | None = None
    payload: dict[str, Any] | None = None
    delivery: str | None = None
    tries: int = 0
    due: float | None = None
    reported: OutcomeIn | None = None

    @property
    def now_asked(self) -> Stage:
        """The stage that is asked, or was asked last."""
        return self.terms.stages[self.stage]

    @property
    def comment(self) -> str:
        """What the person wrote whose answer decided it."""
        return self.votes[-1].comment if self.decided_by is not None else ""

    def votes_now(self) -> list[Cast]:
        """The answers of this stage."""
        return [vote for vote in self.votes if vote.stage == self.stage]


def facts(record: Record) -> dict[str, Any]:
    """The facts that people see, by their labels."""
    return dict(pairs_of(record.body.fields))


def moment(at: datetime) -> str:
    """A time as the API writes it: to the millisecond, in UTC."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def payload(record: Record) -> dict[str, Any]:
    """The callback body of the contract."""
    voted = None
    if record.decided_by is not None:
        email, name = record.decided_by
        voted = {"email": email, "name": name, "on_behalf_of": None}
    filled_in = [dict(vote.form) for vote in record.votes if vote.form]
    return {
        "approval_id": record.id,
        "decision_id": str(uuid.uuid4()),
        "outcome": record.status,
        "decided_at": moment(record.decided_at or record.created_at),
        "decided_by": voted,
        "comment": record.comment,
        "form": filled_in[-1] if filled_in else {},
        "votes": [_vote(vote) for vote in record.votes],
        "content_sha256": record.sha256,
        "url": record.url,
    }


def _vote(vote: Cast) -> dict[str, Any]:
    return {
        "email": vote.email,
        "on_behalf_of": None,
        "outcome": vote.outcome,
        "comment": vote.comment,
        "at": moment(vote.at),
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
    usual = {option["value"]: option["label"] for option in DEFAULT_OPTIONS}
    words = {option.value: option.label for option in record.body.options}
    own = words.get(record.status)
    if own is not None and own != usual.get(record.status):
        return own
    return LABELS.get(record.status, record.status)


def shown(record: Record) -> dict[str, Any]:
    """An approval as its caller sees it."""
    body, terms = record.body, record.terms
    who = None
    if record.decided_by is not None:
        who = {"email": record.decided_by[0], "name": record.decided_by[1]}
    asked = (asked.name for stage in terms.stages for asked in stage.asked)
    return {
        "id": record.id,
        "status": record.status,
        "url": record.url,
        "title": body.title,
        "type": body.type,
        "type_version": record.version,
        "requested_by": body.requested_by,
        "approvers": list(dict.fromkeys(asked)),
        "stage": record.stage + 1,
        "stages": [_stage(record, number) for number in range(len(terms.stages))],
        "votes": [
            {**_vote(vote), "stage": vote.stage + 1, "form": dict(vote.form)}
            for vote in record.votes
        ],
        "form": terms.form,
        "prefill": body.prefill,
        "escalations": [],
        "supersedes": str(body.supersedes) if body.supersedes else None,
        "superseded_by": record.superseded_by,
        "revision": record.stage + 1,
        "content_sha256": record.sha256,
        "execution": record.execution,
        "callback_url": record.callback_url,
        "created_at": moment(record.created_at),
        "expires_at": record.expires_at and moment(record.expires_at),
        "decided_at": record.decided_at and moment(record.decided_at),
        "decided_by": who,
        "delivery": record.delivery,
    }


def _stage(record: Record, number: int) -> dict[str, Any]:
    stage = record.terms.stages[number]
    is_open = record.status == PENDING
    state = "done" if number < record.stage or not is_open else "open"
    if number > record.stage:
        state = "later" if is_open else "left out"
    return {
        "number": number + 1,
        "name": stage.name,
        "state": state,
        "votes_needed": "everyone" if stage.votes_needed is None else stage.votes_needed,
        "votes_cast": sum(vote.stage == number for vote in record.votes),
        "approvers": [_asked(asked, record.names) for asked in stage.asked],
    }


def _asked(asked: Asked, names: Mapping[str, str]) -> dict[str, str]:
    kind, _, name = asked.name.partition(":")
    label = (names.get(name) or name) if kind == "user" else name
    return {"approver": asked.name, "name": label, "why": asked.why}

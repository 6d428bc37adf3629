"""What the API gives: approvals as their callers see them, and the recorded outcome."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from ninja import Field, Schema

from approvals.models import Approval, Vote
from approvals.models.approver import Approver
from approvals.models.content import PENDING
from approvals.models.querysets import ApprovalQuerySet
from approvals.models.timer import Timer

Needed = int | Literal["everyone"]
StageState = Literal["done", "open", "later", "left out"]


def needed(votes: int | None) -> Needed:
    """A number of votes as programs read it."""
    return "everyone" if votes is None else votes


class WhoOut(Schema):
    """A person."""

    email: str
    name: str = Field(description="First and last name, or empty.")


class AskedOut(Schema):
    """One entry of who is asked."""

    approver: str = Field(description="`user:E-MAIL` or `group:NAME`.")
    name: str = Field(description="As people read it.")
    why: str = Field(description="Why they are asked, in a sentence.")

    @classmethod
    def of(cls, approver: Approver) -> "AskedOut":
        return cls(approver=str(approver), name=approver.label, why=approver.why)


class StageOut(Schema):
    """People who are asked at the same time, and how far they are."""

    number: int = Field(description="From 1 on; stages are asked in order.")
    name: str
    state: StageState = Field(
        description="`open` is asked now, `later` is asked after it, `left out` never was."
    )
    votes_needed: Needed = Field(description="How many must agree, or `everyone`.")
    votes_cast: int = Field(description="Answers given in this stage and not taken back.")
    approvers: list[AskedOut]


class CastVote(Schema):
    """One answer that was given and not taken back."""

    email: str
    on_behalf_of: str | None = Field(description="For whom a stand-in answered.")
    stage: int = Field(description="From 1 on.")
    outcome: str
    comment: str
    form: dict[str, Any]
    at: datetime

    @classmethod
    def of(cls, vote: Vote) -> "CastVote":
        return cls(**vote.given(), at=vote.at)


class EscalationOut(Schema):
    """Somebody who is asked besides when nobody has answered for a time."""

    to: str = Field(description="`group:NAME` or `user:E-MAIL`.")
    due_at: datetime
    done_at: datetime | None = Field(description="When it happened; null while it has not.")


class ApprovalOut(Schema):
    """An approval as its caller sees it."""

    id: UUID
    status: str = Field(description="`pending` or the outcome.")
    url: str = Field(description="The page for people.")
    title: str
    type: str
    type_version: int | None = Field(description="Under which version of its type it is asked.")
    requested_by: str
    approvers: list[str] = Field(description="Everybody who is asked, in any stage.")
    stage: int = Field(description="The number of the stage that is or was asked last.")
    stages: list[StageOut]
    votes: list[CastVote] = Field(description="Oldest first.")
    form: dict[str, Any] | None = Field(description="JSON Schema of what approvers fill in.")
    prefill: dict[str, Any]
    escalations: list[EscalationOut]
    supersedes: UUID | None = Field(description="The approval that this one has replaced.")
    superseded_by: UUID | None = Field(description="The approval that has replaced this one.")
    revision: int
    content_sha256: str = Field(description="Digest of what the approvers see.")
    execution: str
    callback_url: str = Field(description="Where the answer goes.")
    created_at: datetime
    expires_at: datetime | None
    decided_at: datetime | None
    decided_by: WhoOut | None = Field(description="null while undecided, and if nobody answered.")
    delivery: str | None = Field(description="State of the delivery, once there is one.")

    @staticmethod
    def resolve_type_version(approval: Approval) -> int | None:
        return approval.policy.number if approval.policy else None

    @staticmethod
    def resolve_approvers(approval: Approval) -> list[str]:
        return list(dict.fromkeys(str(approver) for approver in _asked(approval)))

    @staticmethod
    def resolve_stage(approval: Approval) -> int:
        return approval.stage + 1

    @staticmethod
    def resolve_stages(approval: Approval) -> list[StageOut]:
        return stages_of(approval, _asked(approval), _standing(approval))

    @staticmethod
    def resolve_votes(approval: Approval) -> list[CastVote]:
        return [CastVote.of(vote) for vote in _standing(approval)]

    @staticmethod
    def resolve_escalations(approval: Approval) -> list[EscalationOut]:
        timers = approval.timers.all()
        return [
            EscalationOut(to=timer.to, due_at=timer.due_at, done_at=timer.done_at)
            for timer in timers
            if timer.kind == Timer.Kind.ESCALATE
        ]

    @staticmethod
    def resolve_supersedes(approval: Approval) -> UUID | None:
        return approval.supersedes_id

    @staticmethod
    def resolve_superseded_by(approval: Approval) -> UUID | None:
        later: Approval | None = getattr(approval, "superseded_by", None)
        return later.pk if later else None

    @staticmethod
    def resolve_decided_by(approval: Approval) -> WhoOut | None:
        person = approval.decided_by
        return WhoOut(email=person.email, name=person.get_full_name()) if person else None

    @staticmethod
    def resolve_delivery(approval: Approval) -> str | None:
        return approval.delivery.state if hasattr(approval, "delivery") else None


def with_all_that_is_shown(approvals: ApprovalQuerySet) -> ApprovalQuerySet:
    """These approvals with all that `ApprovalOut` reads, in a fixed number of queries."""
    return approvals.select_related(
        "decided_by", "delivery", "policy", "superseded_by"
    ).prefetch_related(
        "approvers__user", "approvers__group", "votes__user", "votes__principal", "timers"
    )


def _asked(approval: Approval) -> list[Approver]:
    rows: Iterable[Approver] = approval.approvers.all()
    return [row for row in rows if row.ended_at is None]


def _standing(approval: Approval) -> list[Vote]:
    rows: Iterable[Vote] = approval.votes.all()
    return [row for row in rows if row.taken_back_at is None]


def stages_of(
    approval: Approval, asked: Iterable[Approver], votes: Iterable[Vote]
) -> list[StageOut]:
    """The stages with who is asked in them, and how many have answered."""
    asked, votes = list(asked), list(votes)
    return [
        StageOut(
            number=number + 1,
            name=stage["name"],
            state=_state(approval, number),
            votes_needed=needed(stage["votes_needed"]),
            votes_cast=sum(vote.stage == number for vote in votes),
            approvers=[AskedOut.of(row) for row in asked if row.stage == number],
        )
        for number, stage in enumerate(approval.stages)
    ]


def _state(approval: Approval, number: int) -> StageState:
    if number < approval.stage:
        return "done"
    if number > approval.stage:
        return "later" if approval.status == PENDING else "left out"
    return "open" if approval.status == PENDING else "done"


class ApprovalPage(Schema):
    """Some of your approvals, newest first."""

    approvals: list[ApprovalOut]
    next_cursor: str | None = Field(description="Pass as `cursor` for the next page.")


class Pending(Schema):
    """Nobody has answered yet: wait again."""

    approval_id: UUID
    outcome: Literal["pending"]


class DecidedBy(Schema):
    """Whose answer decided it."""

    email: str
    name: str
    on_behalf_of: str | None = Field(description="For whom a stand-in answered.")


class VoteOut(Schema):
    """One answer."""

    email: str
    on_behalf_of: str | None
    outcome: str
    comment: str
    at: str


class Outcome(Schema):
    """The recorded outcome: what is posted to the callback, word for word."""

    approval_id: UUID
    decision_id: UUID = Field(description="The same on every try.")
    outcome: str
    decided_at: str
    decided_by: DecidedBy | None = Field(description="null when nobody answered.")
    comment: str
    form: dict[str, Any] = Field(description="What was filled in, in the types of the form.")
    votes: list[VoteOut]
    content_sha256: str = Field(description="Digest of what the approvers saw.")
    url: str = Field(description="The page for people.")


class Problem(Schema):
    """A refusal: a sentence that says what to do, or for a 422 a list that names each field."""

    detail: str | list[dict[str, Any]]

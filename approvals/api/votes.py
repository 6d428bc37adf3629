"""What a person's own program asks: what is there to answer, an answer, and taking it back."""

import logging
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Router, Schema
from ninja.errors import HttpError

from approvals import dispatch
from approvals.api.answers import CastVote, StageOut, stages_of
from approvals.api.auth import PersonalTokenAuth, SessionAuth
from approvals.api.documented import CHANGE, READ, documented
from approvals.api.preview import OptionOut
from approvals.filling import begins_with
from approvals.models import Approval, User
from approvals.models.content import PENDING
from approvals.models.outbox import State
from approvals.schemas import VoteIn

log = logging.getLogger(__name__)

router = Router(auth=[PersonalTokenAuth(), SessionAuth()])


class FactOut(Schema):
    """One line of what is decided on."""

    label: str
    value: Any


class LinkOut(Schema):
    """Where to read more."""

    label: str
    url: str


class Ballot(Schema):
    """An approval as the person who may answer it sees it."""

    approval_id: UUID
    url: str = Field(description="Its page.")
    status: str = Field(description="`pending` or the outcome.")
    title: str
    type: str
    summary: str = Field(description="Markdown.")
    fields: list[FactOut]
    links: list[LinkOut]
    requested_by: str
    options: list[OptionOut]
    comment: str = Field(description="When one is needed: `optional`, `on_reject` or `always`.")
    form: dict[str, Any] | None = Field(description="JSON Schema of what to fill in.")
    prefill: dict[str, Any] = Field(
        description="Values that the form begins with: what was filled in last, if it was."
    )
    revision: int = Field(description="Send it with your vote: what you have read.")
    content_sha256: str
    expires_at: datetime | None
    stages: list[StageOut]
    may_vote: bool = Field(description="Whether an answer of yours would be taken now.")
    on_behalf_of: str | None = Field(description="For whom it would be, where not for yourself.")
    your_vote: CastVote | None = Field(description="What you have answered in this stage.")
    take_back_until: datetime | None = Field(
        description="Until when you can take your answer back; null where you cannot."
    )


@router.get("/approvals/{uuid:approval_id}/vote", **documented("ballot", {200: Ballot}, *READ))
def get_ballot(request: HttpRequest, approval_id: UUID) -> Ballot:
    """What is asked, and whether it is yours to answer. For people, by session or token."""
    return _ballot(_visible(request, approval_id), _person(request))


@router.post("/approvals/{uuid:approval_id}/vote", **documented("vote", {200: Ballot}, *CHANGE))
def vote(request: HttpRequest, approval_id: UUID, body: VoteIn) -> Ballot:
    """A person's answer. Repeating one's own changes nothing; programs have no vote."""
    approval, person = _visible(request, approval_id), _person(request)
    approval.decide(
        body.outcome, by=person, revision=body.revision, comment=body.comment, form=body.form
    )
    log.info("voted", extra={"approval": str(approval.pk)})
    approval.refresh_from_db()
    if approval.status != PENDING and approval.outgoing.state == State.QUEUED:
        dispatch.deliver_now(approval.outgoing)
    return _ballot(_visible(request, approval_id), person)


@router.delete(
    "/approvals/{uuid:approval_id}/vote", **documented("take back", {200: Ballot}, *READ, 409)
)
def take_back(request: HttpRequest, approval_id: UUID) -> Ballot:
    """Take one's own answer back, as long as its type allows and it has not gone out."""
    approval, person = _visible(request, approval_id), _person(request)
    approval.take_back(by=person)
    log.info("vote taken back", extra={"approval": str(approval.pk)})
    return _ballot(_visible(request, approval_id), person)


def _person(request: HttpRequest) -> User:
    person: User = request.auth  # type: ignore[attr-defined]  # set by ninja
    return person


def _visible(request: HttpRequest, approval_id: UUID) -> Approval:
    found = Approval.objects.visible_to(_person(request)).filter(pk=approval_id).first()
    if found is None:
        raise HttpError(404, "There is no such approval among those that you may read.")
    return found


def _ballot(approval: Approval, person: User) -> Ballot:
    votes = list(approval.standing_votes().select_related("user", "principal"))
    mine = [each for each in votes if each.user_id == person.pk and each.stage == approval.stage]
    asked = approval.approvers.filter(ended_at__isnull=True).select_related("user", "group")
    principal = approval.principal_for(person) if approval.is_open else None
    return Ballot(
        approval_id=approval.pk,
        url=approval.url,
        status=approval.status,
        title=approval.title,
        type=approval.type,
        summary=approval.summary,
        fields=[FactOut(label=label, value=value) for label, value in approval.fields],
        links=[LinkOut(**link) for link in approval.links],
        requested_by=approval.requested_by,
        options=[OptionOut(**option) for option in approval.options],
        comment=approval.comment_rule,
        form=approval.form,
        prefill=begins_with(approval, votes),
        revision=approval.revision,
        content_sha256=approval.content_sha256,
        expires_at=approval.expires_at,
        stages=stages_of(approval, asked, votes),
        may_vote=principal is not None,
        on_behalf_of=principal.email if principal and principal != person else None,
        your_vote=CastVote.of(mine[-1]) if mine else None,
        take_back_until=_take_back_until(approval, mine[-1].at) if mine else None,
    )


def _take_back_until(approval: Approval, at: datetime) -> datetime | None:
    undoable = Approval.objects.undoable().filter(pk=approval.pk).exists()
    until = at + timedelta(seconds=approval.undo)
    return until if undoable else None

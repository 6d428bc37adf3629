"""What registering a request would do, told before it is done: the answer of the dry run."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from ninja import Field, Schema

from approvals.api.answers import AskedOut, DecidedBy, Needed, Outcome, VoteOut, needed
from approvals.models import User
from approvals.models.approver import Approver
from approvals.models.content import NEGATIVE
from approvals.models.timer import Timer
from approvals.models.user import mailbox
from approvals.registration import Plan

NO_ID = UUID(int=0)
"""Stands for the ids that are made when a question is registered."""


class PlannedApprover(AskedOut):
    """One entry of who would be asked."""

    people: int = Field(description="How many active people it reaches, the requester aside.")
    excluded: str | None = Field(description="The requester, where it reaches them.")
    invited: bool = Field(description="Whether they would be invited: nobody has this address yet.")


class PlannedStage(Schema):
    """People who would be asked at the same time."""

    number: int
    name: str
    votes_needed: Needed
    people: int = Field(description="How many different people could answer.")
    approvers: list[PlannedApprover]


class OptionOut(Schema):
    """One of the answers."""

    value: str
    label: str
    consequence: str


class PlannedEscalation(Schema):
    """Who would be asked besides, and when."""

    at: datetime
    to: str


class CheckOut(Schema):
    """What would happen. Times are counted from now."""

    type: str
    type_version: int | None
    stages: list[PlannedStage]
    options: list[OptionOut]
    comment: str = Field(description="`optional`, `on_reject` or `always`.")
    form: dict[str, Any] | None
    prefill: dict[str, Any]
    priority: str
    undo: int = Field(description="Seconds in which an answer could be taken back.")
    expires_at: datetime | None
    on_expiry: str = Field(description="The outcome if nobody answers in time.")
    reminders: list[datetime] = Field(description="When those who have not answered are reminded.")
    escalations: list[PlannedEscalation]
    supersedes: UUID | None = Field(description="The approval that would be closed for this one.")
    registered: UUID | None = Field(
        description="The approval that exists: registering would be answered with it (200)."
    )
    warnings: list[str] = Field(description="What will not work though it is no error.")
    content_sha256: str = Field(description="Digest of what the approvers would see.")
    callback_bodies: list[Outcome] = Field(
        description="What your callback would be sent, by example: for each option, and for the"
        " expiry where there is a deadline."
    )


def preview(planned: Plan, content: Mapping[str, Any], existing: UUID | None) -> CheckOut:
    """The plan of a request in the words of the API."""
    reached = _people_of(planned.approvers)
    stages, people = [], []
    for number, stage in enumerate(planned.terms.stages):
        rows = [row for row in planned.approvers if row.stage == number]
        asked = [_asked(row, reached, mailbox(content["requested_by"])) for row in rows]
        able = _able(rows, reached, mailbox(content["requested_by"]))
        people.append(able)
        stages.append(
            PlannedStage(
                number=number + 1,
                name=stage.name,
                votes_needed=needed(stage.votes_needed),
                people=len(able),
                approvers=asked,
            )
        )
    timers = planned.timers
    return CheckOut(
        type=content["type"],
        type_version=planned.policy.number if planned.policy else None,
        stages=stages,
        options=[OptionOut(**option) for option in content["options"]],
        comment=planned.terms.comment,
        form=dict(planned.terms.form) if planned.terms.form else None,
        prefill=content["prefill"],
        priority=planned.terms.priority,
        undo=planned.terms.undo,
        expires_at=planned.expires_at,
        on_expiry=planned.terms.on_expiry,
        reminders=[timer.due_at for timer in timers if timer.kind == Timer.Kind.REMIND],
        escalations=[
            PlannedEscalation(at=timer.due_at, to=timer.to)
            for timer in timers
            if timer.kind == Timer.Kind.ESCALATE
        ],
        supersedes=planned.supersedes.pk if planned.supersedes else None,
        registered=existing,
        warnings=list(_warnings(stages)),
        content_sha256=planned.content_sha256,
        callback_bodies=_bodies(planned, content, people),
    )


def _people_of(approvers: Iterable[Approver]) -> dict[int, list[User]]:
    """The active people of each group that is asked, in two queries."""
    groups = {row.group_id for row in approvers if row.group_id is not None}
    found: dict[int, list[User]] = {group: [] for group in groups}
    people = User.objects.filter(groups__in=groups, is_active=True).distinct()
    for person in people.prefetch_related("groups"):
        for group in person.groups.all():
            if group.pk in found:
                found[group.pk].append(person)
    return found


def _reaches(row: Approver, reached: Mapping[int, list[User]]) -> Sequence[User]:
    if row.user is not None:
        return [row.user]
    return reached[row.group_id] if row.group_id is not None else []


def _asked(row: Approver, reached: Mapping[int, list[User]], requester: str) -> PlannedApprover:
    people = _reaches(row, reached)
    own = [person for person in people if person.mailbox == requester]
    return PlannedApprover(
        **AskedOut.of(row).dict(),
        people=len(people) - len(own),
        excluded=own[0].email if own else None,
        invited=row.user is not None and row.user._state.adding,
    )


def _able(
    rows: Iterable[Approver], reached: Mapping[int, list[User]], requester: str
) -> dict[str, User]:
    """Who could answer, by address; each person once."""
    return {
        person.email: person
        for row in rows
        for person in _reaches(row, reached)
        if person.mailbox != requester
    }


def _warnings(stages: Iterable[PlannedStage]) -> Iterable[str]:
    for stage in stages:
        where = f"Stage {stage.number}: "
        wanted = 1 if stage.votes_needed == "everyone" else stage.votes_needed
        if not stage.people:
            yield where + "nobody who is asked could answer it."
        elif stage.people < wanted:
            yield where + f"{wanted} must agree, and {stage.people} could answer."


def _bodies(
    planned: Plan, content: Mapping[str, Any], people: Sequence[Mapping[str, User]]
) -> list[Outcome]:
    found = [_body(planned, content, option["value"], people) for option in content["options"]]
    if planned.expires_at is not None:
        found.append(_body(planned, content, planned.terms.on_expiry, ()))
    return found


def _body(
    planned: Plan, content: Mapping[str, Any], outcome: str, people: Sequence[Mapping[str, User]]
) -> Outcome:
    """The callback body of an outcome; `people` of each stage, none where nobody answers."""
    at = timezone.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    against = outcome in NEGATIVE
    voters: list[User] = []
    for stage, able in zip(planned.terms.stages, people, strict=False):
        voters += list(able.values())[: 1 if against else stage.votes_needed]
        if against:
            break
    comment = "Why." if voters and (against or planned.terms.comment == "always") else ""
    last = voters[-1] if voters else None
    return Outcome(
        approval_id=NO_ID,
        decision_id=NO_ID,
        outcome=outcome,
        decided_at=at,
        decided_by=DecidedBy(email=last.email, name=last.get_full_name(), on_behalf_of=None)
        if last
        else None,
        comment=comment,
        form=_filled(planned.terms.form, content["prefill"]) if voters and not against else {},
        votes=[
            VoteOut(email=each.email, on_behalf_of=None, outcome=outcome, comment=comment, at=at)
            for each in voters
        ],
        content_sha256=planned.content_sha256,
        url=f"{settings.BASE_URL}{reverse('approvals:detail', args=[NO_ID])}",
    )


def _filled(form: Mapping[str, Any] | None, prefill: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a form begins with, and one of the right type for every other field."""
    usual = {"string": "…", "integer": 1, "number": 1.5, "boolean": True}
    properties = form["properties"] if form else {}
    return {
        name: prefill.get(name, each.get("default", each.get("enum", [usual[each["type"]]])[0]))
        for name, each in properties.items()
    }

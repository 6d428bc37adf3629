"""Registering a question: the terms it is asked on, its approvers, and storing it once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.timesince import timesince

from approvals import search
from approvals.models import Approval, Caller, Event, Execution, PolicyVersion
from approvals.models.approver import Approver, resolve, welcome
from approvals.models.callback import Callback
from approvals.models.content import (
    PENDING,
    content_digest,
    inbox_deadline,
    pairs_of,
)
from approvals.models.errors import AlreadyRegistered, FormInvalid
from approvals.models.policy import Policy
from approvals.models.record import utc
from approvals.models.timer import Timer
from approvals.models.user import mailbox
from countersign.phrases import phrase
from countersign.questionnaire import check_form, fitting
from countersign.terms import (
    EVERYONE,
    NAMED_IN_REQUEST,
    Asked,
    Stage,
    Terms,
    TermsRefused,
    Wish,
    agreed,
)

SENT = ("title", "type", "summary", "links", "requested_by", "options", "prefill")
"""What is kept as it is sent; the rest follows from the terms."""
NOBODY_NAMED = phrase("Asked when nobody is named")
ASKED_ANEW = phrase("It was asked again with changes.")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a request would be asked: nothing is stored yet."""

    terms: Terms
    policy: PolicyVersion | None
    question: Mapping[str, Any]
    approvers: tuple[Approver, ...]
    expires_at: datetime | None
    content_sha256: str
    supersedes: Approval | None

    @property
    def timers(self) -> list[Timer]:
        """Reminders and escalation, as unsaved rows."""
        now, terms = timezone.now(), self.terms
        wanted = [(Timer.Kind.REMIND, after, "") for after in terms.remind_after]
        if terms.escalate_after is not None:
            wanted.append((Timer.Kind.ESCALATE, terms.escalate_after, terms.escalate_to))
        found = []
        for kind, after, to in wanted:
            due = now + timedelta(seconds=after)
            if self.expires_at is None or due < self.expires_at:
                found.append(
                    Timer(
                        kind=kind,
                        due_at=due,
                        to=to,
                        after=timesince(now - timedelta(seconds=after), now),
                    )
                )
        return found


def plan(caller: Caller, content: dict[str, Any]) -> Plan:
    """On which terms a request would be asked, and whom.

    Raises `TermsRefused`, `UnknownApprover`, `FormInvalid`.
    """
    policy = _policy(content["type"])
    wish = _wish(content)
    terms = policy.terms if policy else None
    terms = agreed(terms, wish, members=_members(terms) if terms else None)
    if terms.form is not None:
        check_form(terms.form)
        _fitting_prefill(terms.form, content["prefill"])
    elif content["prefill"]:
        raise TermsRefused("prefill", "There is no form to fill in; leave prefill out.")
    question = _question(content, policy, terms)
    return Plan(
        terms,
        policy,
        question,
        tuple(_approvers(terms)),
        inbox_deadline(timezone.now(), terms.expires_in),
        content_digest(Approval(**question).content()),
        _superseded(caller, content["supersedes"]),
    )


def _question(
    content: Mapping[str, Any], policy: PolicyVersion | None, terms: Terms
) -> dict[str, Any]:
    """What people decide on, as columns."""
    return {name: content[name] for name in SENT} | {
        "fields": pairs_of(content["fields"]),
        "policy": policy,
        "stages": [{"name": each.name, "votes_needed": each.votes_needed} for each in terms.stages],
        "reject_settles": terms.reject_settles,
        "undo": terms.undo,
        "form": terms.form,
        "comment_rule": terms.comment,
        "on_expiry": terms.on_expiry,
        "priority": terms.priority,
    }


def _fitting_prefill(form: Mapping[str, Any], prefill: dict[str, Any]) -> None:
    try:
        fitting(form, prefill)
    except FormInvalid as error:
        raise FormInvalid(error.errors, within="prefill") from None


def _policy(name: str) -> PolicyVersion | None:
    """The type of that name. A name that no type has is a label, as long as there are no types."""
    if not name:
        return None
    found = Policy.objects.current(name)
    if found is None and Policy.objects.exists():
        raise TermsRefused(
            "type", f"There is no active type “{name}” here; types are kept in the admin."
        )
    return found


def _wish(content: dict[str, Any]) -> Wish:
    stages = tuple(
        Stage(
            tuple(Asked(name, NAMED_IN_REQUEST) for name in stage["approvers"]),
            EVERYONE if stage["votes_needed"] == "everyone" else stage["votes_needed"],
            stage["name"],
        )
        for stage in content["stages"]
    )
    return Wish(
        approvers=tuple(content["approvers"]),
        votes_needed=content["votes_needed"],
        stages=stages,
        comment=content["comment"],
        expires_in=content["expires_in"],
        on_expiry=content["on_expiry"],
        priority=content["priority"],
        form=content["form"],
        facts=dict(pairs_of(content["fields"])),
    )


def _members(terms: Terms) -> dict[str, list[str]]:
    """The people of each group that the terms name, as `user:E-MAIL`."""
    named = {asked.name for stage in terms.stages for asked in stage.asked}
    named |= {name for rule in terms.rules for name in rule.approvers}
    groups = [name.removeprefix("group:") for name in named if name.startswith("group:")]
    found = Group.objects.filter(name__in=groups).prefetch_related("user_set")
    return {
        f"group:{group.name}": [f"user:{user.email}" for user in group.user_set.all()]
        for group in found
    }


def _approvers(terms: Terms) -> Iterable[Approver]:
    default = [Asked(name, NOBODY_NAMED) for name in settings.DEFAULT_APPROVERS]
    for number, stage in enumerate(terms.stages):
        asked = stage.asked or default
        if not asked:
            raise TermsRefused("approvers", "Name at least one: user:E-MAIL or group:NAME.")
        yield from resolve(asked, stage=number, invite=terms.invites)


def _superseded(caller: Caller, pk: Any) -> Approval | None:
    if pk is None:
        return None
    found = Approval.objects.filter(pk=pk, caller=caller, superseded_by__isnull=True).first()
    if found is None:
        raise TermsRefused(
            "supersedes", "No approval of yours has this id, or another has replaced it already."
        )
    return found


@dataclass(frozen=True, slots=True)
class Place:
    """Where the answer goes, and how a repetition is recognised."""

    callback_url: str
    execution: str
    key: str | None = None


def register(caller: Caller, place: Place, content: dict[str, Any]) -> tuple[Approval, bool]:
    """Store a question, once; (approval, whether it is new).

    The same callback URL, or the same key, with the same content is the same approval.
    A new URL under the same key re-arms it while it is pending. Raises `AlreadyRegistered`
    for other content, and what `plan` raises.
    """
    try:
        return _register(caller, place, content)
    except IntegrityError:
        # What came in at the same moment won: the same request, one that supersedes the same
        # approval, or one that invites the same person. It is there now, and is found.
        return _register(caller, place, content)


def _register(caller: Caller, place: Place, content: dict[str, Any]) -> tuple[Approval, bool]:
    if existing := _registered(caller, place):
        return _again(existing, caller, place, content_digest(content)), False
    with transaction.atomic():
        return _store(caller, place, content, plan(caller, content)), True


def check(caller: Caller, place: Place | None, content: dict[str, Any]) -> tuple[Plan, UUID | None]:
    """What `register` would do; (how it would be asked, the approval that exists already).

    Nothing is stored. Without a place nothing was asked there before. Raises as `register` does.
    """
    existing = _registered(caller, place) if place else None
    if place is None or existing is None:
        return plan(caller, content), None
    existing.require_same(caller, place.callback_url, place.execution, content_digest(content))
    # What it supersedes has been replaced by it, and cannot be a second time.
    return plan(caller, content | {"supersedes": None}), existing.pk


def _again(existing: Approval, caller: Caller, place: Place, sha256: str) -> Approval:
    return existing.register_again(caller, place.callback_url, place.execution, sha256)


def _store(caller: Caller, place: Place, content: dict[str, Any], planned: Plan) -> Approval:
    approval = Approval.objects.create(
        caller=caller,
        callback_url=place.callback_url,
        execution=place.execution,
        idempotency_key=place.key,
        request_sha256=content_digest(content),
        content_sha256=planned.content_sha256,
        requester_mailbox=mailbox(content["requested_by"]),
        expires_at=planned.expires_at,
        supersedes=planned.supersedes,
        votes_needed=planned.terms.stages[0].votes_needed,
        **planned.question,
    )
    Callback.objects.create(url=place.callback_url, approval=approval)
    welcome(planned.approvers)
    timers = planned.timers
    rows: list[Approver | Timer] = [*planned.approvers, *timers]
    for row in rows:
        row.approval = approval
    Approver.objects.bulk_create(planned.approvers)
    Timer.objects.bulk_create(timers)
    search.index(approval)
    told = {
        "content_sha256": planned.content_sha256,
        "approvers": [{"name": str(each), "why": each.why} for each in planned.approvers],
        "execution": place.execution,
        "expires_at": utc(planned.expires_at) if planned.expires_at else None,
    }
    if planned.policy:
        told["type"] = str(planned.policy)
    if planned.supersedes:
        told["supersedes"] = str(planned.supersedes.pk)
        _replace(planned.supersedes, approval)
    Event.append(approval.pk, Event.Kind.REGISTERED, caller.actor, data=told)
    # Last: whoever holds an execution's row waits for no approval's.
    Execution.objects.follow([place.execution])
    approval.refresh_from_db()
    return approval


def _replace(old: Approval, new: Approval) -> None:
    """Close the one that is asked anew, where it is open."""
    pending = Approval.objects.filter(pk=old.pk, status=PENDING)
    data = {"reason": ASKED_ANEW, "superseded_by": str(new.pk)}
    old.close(pending, "withdrawn", Event.Kind.WITHDRAWN, new.caller.actor, data=data)


def _registered(caller: Caller, place: Place) -> Approval | None:
    """The approval of this callback or of this key. Raises `AlreadyRegistered` for two."""
    known = models.Q(pk__in=Callback.objects.filter(url=place.callback_url).values("approval"))
    if place.key:
        known |= models.Q(caller=caller, idempotency_key=place.key)
    found = list(Approval.objects.filter(known))
    if len(found) > 1:
        raise AlreadyRegistered(
            "This callback URL belongs to one question and this Idempotency-Key to another."
            " Use a fresh callback endpoint and key for every question."
        )
    return found[0] if found else None

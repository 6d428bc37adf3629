"""The page of one approval: who, why, the facts, the answer, what happened."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from approvals.asked import Asked, asked_of
from approvals.changes import changes
from approvals.fields import Field, fields_of, sent, texts_of
from approvals.filling import begins_with, changed_by
from approvals.forms import DecisionForm, SayForm
from approvals.inbox import is_operator
from approvals.models import Approval, Event, Notice, User, Vote
from approvals.models.content import PENDING
from approvals.people import Names, address_of, names_of
from approvals.progress import look_again, steps, undoable_for
from approvals.timeline import lines
from approvals.views.attention import trouble_of, way_back
from approvals.views.common import PersonRequest, find, signed_in

MOST_BUTTONS = 3
MOST_NOTICES = 100
SPOKEN = (Event.Kind.QUESTION, Event.Kind.ANSWER)


@require_safe
@signed_in
def detail(request: PersonRequest, pk: UUID) -> HttpResponse:
    """One approval: what is asked, who decides, what happened."""
    return detail_page(request, find(request, pk))


def detail_page(
    request: PersonRequest,
    approval: Approval,
    *,
    form: DecisionForm | None = None,
    errors: dict[str, str] | None = None,
    say: SayForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page, with what was typed into its forms and what is wrong with that.

    Args:
        form: the answer that could not be saved; `errors` are those of the approval's own form.
        say: the question that could not be saved.
    """
    user = request.user
    may_decide = approval.may_be_decided_by(user)
    asked = asked_of(approval, user, may_decide=may_decide)
    mine = [vote for vote in asked.votes if vote.user_id == user.pk and not may_decide]
    fields = _fields(request, approval, asked.votes, errors) if may_decide else []
    events = list(approval.events.all())
    names = _names(approval, asked, events)
    operator = is_operator(user)
    is_requester = approval.requester_mailbox == user.mailbox
    context: dict[str, Any] = {
        "approval": approval,
        "form": form or DecisionForm(),
        "fields": fields,
        "changed_by": changed_by(approval, asked.votes) if fields else (),
        "wrong": next((field for field in fields if field.error), None),
        "form_error": (errors or {}).get("form", ""),
        "buttons": len(approval.options) <= MOST_BUTTONS,
        "names": names,
        "asked": asked,
        "is_requester": is_requester,
        "trouble": approval.trouble if approval.is_open and (operator or is_requester) else "",
        "may_decide": may_decide,
        "vote": asked.votes[-1] if asked.votes else None,
        "mine": mine[-1] if mine else None,
        "undoable": undoable_for(approval, mine[-1]) if mine else 0,
        "lines": lines(approval, events, names, operator=operator),
        "steps": steps(approval, operator=operator),
        "look_again": look_again(approval),
        "way_back": way_back(request),
        "operator": operator,
        "stuck": trouble_of(approval, user) if operator and approval.status != PENDING else None,
        "notices": _told_of(approval) if operator else (),
        "attempts": approval.delivery.attempts.all()
        if operator and approval.status != PENDING
        else (),
        "may_reassign": approval.status == PENDING and user.has_perm("approvals.change_approval"),
        "say": say or SayForm(),
        "may_say": approval.is_open and (may_decide or is_requester) and approval.requested_by,
        "asks": _open_question(events),
        **_before_and_after(approval, user),
    }
    return render(request, "approvals/detail.html", context, status=status)


def _names(approval: Approval, asked: Asked, events: list[Event]) -> Names:
    """The names of all whom the page mentions by address."""
    handed_to = [event.data.get("to", "") for event in events]
    spoken_of = [address_of(event.actor) for event in events]
    names = names_of([approval.requested_by, *spoken_of, *handed_to])
    for approver in asked.approvers:
        if approver.user:
            names[approver.user.email] = str(approver.user)
    for vote in asked.votes:
        names[vote.principal.email] = str(vote.principal)
    return names


def _fields(
    request: PersonRequest,
    approval: Approval,
    votes: Sequence[Vote],
    errors: dict[str, str] | None,
) -> list[Field]:
    """The form with what was typed into it, or with what it begins with."""
    form = approval.form
    if form is None:
        return []
    if request.method == "POST" and "outcome" in request.POST:
        return fields_of(form, sent(form, request.POST), errors)
    return fields_of(form, texts_of(form, begins_with(approval, votes)))


def _open_question(events: list[Event]) -> bool:
    """Whether the requester owes an answer: the last word was a question."""
    spoken = [event.kind for event in events if event.kind in SPOKEN]
    return bool(spoken) and spoken[-1] == Event.Kind.QUESTION


def _before_and_after(approval: Approval, user: User) -> dict[str, Any]:
    """What this request replaces, and what has replaced it; as links where one may read them."""
    older: Approval | None = approval.supersedes
    newer: Approval | None = getattr(approval, "superseded_by", None)
    around = [each.pk for each in (older, newer) if each]
    if not around:
        return {}
    readable = set(
        Approval.objects.visible_to(user).filter(pk__in=around).values_list("pk", flat=True)
    )
    return {
        "older": older,
        "changes": changes(older, approval) if older else (),
        "newer": newer,
        "readable": readable,
    }


def _told_of(approval: Approval) -> list[Notice]:
    """Who was told what, for operators; of very many the last ones."""
    found = approval.notices.select_related("user", "channel").order_by("-created_at", "pk")
    return list(found[:MOST_NOTICES])[::-1]

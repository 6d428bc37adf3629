"""The page of one approval: who, why, the facts, the answer, what happened."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from approvals.asked import Asked, asked_of
from approvals.changes import changes
from approvals.facts import facts_of
from approvals.fields import Field, fields_of, sent, texts_of
from approvals.filling import begins_with, changed_by
from approvals.forms import DecisionForm, SayForm
from approvals.inbox import is_operator
from approvals.models import Approval, Event, Notice, User, Vote
from approvals.models.content import PENDING
from approvals.people import Names, address_of, names_of
from approvals.plain import visible
from approvals.precedents import precedents_of
from approvals.progress import look_again, steps, undoable_for
from approvals.timeline import lines
from approvals.views.attention import trouble_of, way_back
from approvals.views.common import PersonRequest, came_from, find, signed_in, ways

MOST_BUTTONS = 3
MOST_NOTICES = 100
# Characters of what was sent that operators may unfold on the page.
MOST_RAW = 20_000
SPOKEN = (Event.Kind.QUESTION, Event.Kind.ANSWER)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with what was sent, and the field to mend; `at` is its id."""

    at: str
    label: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed into the forms of the page and could not be saved.

    `errors` are those of the approval's own form, `say` is a question or an answer to one.
    """

    form: DecisionForm | None = None
    errors: dict[str, str] | None = None
    say: SayForm | None = None


@require_safe
@signed_in
def detail(request: PersonRequest, pk: UUID) -> HttpResponse:
    """One approval: what is asked, who decides, what happened."""
    return detail_page(request, find(request, pk))


def detail_page(
    request: PersonRequest, approval: Approval, typed: Typed | None = None, *, status: int = 200
) -> HttpResponse:
    """The page, with what was typed into its forms and what is wrong with that."""
    user, typed = request.user, typed or Typed()
    may_decide = approval.may_be_decided_by(user)
    asked = asked_of(approval, user, may_decide=may_decide)
    events = list(approval.events.all())
    is_requester = approval.requester_mailbox == user.mailbox
    context: dict[str, Any] = {
        "approval": approval,
        "asked": asked,
        "names": _names(approval, asked, events),
        "operator": is_operator(user),
        "is_requester": is_requester,
        "may_decide": may_decide,
        "may_reassign": approval.status == PENDING and user.has_perm("approvals.change_approval"),
        "may_say": approval.is_open and (may_decide or is_requester) and approval.requested_by,
        "say": typed.say or SayForm(),
        "look_again": look_again(approval),
    }
    context |= _ways(request, approval)
    context |= _state(approval, user, asked, events, context)
    context |= _question(approval, user, context)
    context |= _before_and_after(approval, user)
    context |= _history(approval, events, context)
    if may_decide:
        context |= _answer(request, approval, asked, typed)
    return render(request, "approvals/detail.html", context, status=status)


def _ways(request: PersonRequest, approval: Approval) -> dict[str, Any]:
    """Where this page is, where it came from, and what was answered just before it."""
    people = request.GET.get("people") == "1"
    kept = {"people": "1"} if people else {}
    if search := came_from(request):
        kept["from"] = search
    just = _just_answered(request)
    if just:
        kept["answered"] = str(just["approval"].pk)
    others = {name: value for name, value in kept.items() if name != "people"}
    page = approval.get_absolute_url()
    return {
        "here": f"{page}?{urlencode(kept)}",
        "everything": f"{page}?{urlencode(others)}",
        "people_only": f"{page}?{urlencode({**others, 'people': '1'})}",
        "people": people,
        "just": just,
        "way_back": way_back(request),
        **ways(request),
    }


def _just_answered(request: HttpRequest) -> dict[str, Any] | None:
    """The request that this person answered before this one opened by itself, for one line."""
    try:
        pk = UUID(request.GET.get("answered", ""))
    except ValueError:
        return None
    mine = Vote.objects.standing().filter(approval=pk, user=request.user.pk)
    vote = mine.select_related("approval", "approval__delivery").last()
    if vote is None:
        return None
    return {
        "approval": vote.approval,
        "outcome": vote.approval.label_of(vote.outcome),
        "vote": vote,
        "undoable": undoable_for(vote.approval, vote),
    }


def _state(
    approval: Approval, user: User, asked: Asked, events: list[Event], known: dict[str, Any]
) -> dict[str, Any]:
    """How it stands: what it waits for, or what came of it."""
    may_decide = known["may_decide"]
    mine = [vote for vote in asked.votes if vote.user_id == user.pk and not may_decide]
    concerned = known["operator"] or known["is_requester"]
    stuck = known["operator"] and approval.status != PENDING
    return {
        "waits": asked.waits_for(me=may_decide),
        "trouble": approval.trouble if approval.is_open and concerned else "",
        "vote": asked.votes[-1] if asked.votes else None,
        "mine": mine[-1] if mine else None,
        "undoable": undoable_for(approval, mine[-1]) if mine else 0,
        "asks": _open_question(events),
        "steps": steps(approval, operator=known["operator"]),
        "stuck": trouble_of(approval, user) if stuck else None,
    }


def _question(approval: Approval, user: User, known: dict[str, Any]) -> dict[str, Any]:
    """What is asked, and for who may answer it what was decided in the like of it."""
    older: Approval | None = approval.supersedes
    facts = facts_of(approval.fields, older.fields if older else None)
    return {
        "facts": facts,
        "altered": sum(fact.kind != "same" for fact in facts),
        "precedents": precedents_of(approval, user) if known["may_decide"] else None,
        "raw": _raw(approval) if known["operator"] else "",
    }


def _raw(approval: Approval) -> str:
    """What people decide on, as the workflow sent it; empty where that is too much for a page."""
    text = json.dumps(approval.content(), ensure_ascii=False, indent=2)
    return visible(text) if len(text) <= MOST_RAW and not approval.removed_at else ""


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


def _history(approval: Approval, events: list[Event], known: dict[str, Any]) -> dict[str, Any]:
    """What happened, of people and of the workflow, oldest first; operators read who was told."""
    operator = known["operator"]
    notices = _told_of(approval) if operator else []
    told = lines(approval, events, known["names"], operator=operator, notices=notices)
    tried = operator and approval.status != PENDING
    return {
        "lines": [line for line in told if line.people] if known["people"] else told,
        "notices": notices,
        "attempts": approval.delivery.attempts.all() if tried else (),
    }


def _answer(request: HttpRequest, approval: Approval, asked: Asked, typed: Typed) -> dict[str, Any]:
    """The form of the answer, with what is wrong in it."""
    form = typed.form or DecisionForm()
    fields = _fields(request, approval, asked.votes, typed.errors)
    return {
        "form": form,
        "fields": fields,
        "changed_by": changed_by(approval, asked.votes) if fields else (),
        "problems": _problems(form, fields, typed.errors or {}),
        "buttons": len(approval.options) <= MOST_BUTTONS,
    }


def _problems(form: DecisionForm, fields: Sequence[Field], errors: dict[str, str]) -> list[Problem]:
    """All that is wrong, in the order of the page, each with the field to mend."""
    found = [Problem(field.id, field.label, field.error) for field in fields if field.error]
    if "form" in errors:
        found.append(Problem("", "", errors["form"]))
    found += [Problem("", "", str(sentence)) for sentence in form.non_field_errors()]
    labels = {"outcome": gettext("Answer"), "revision": "", "comment": gettext("Comment")}
    for name, label in labels.items():
        at = name if name == "comment" else ""
        found += [Problem(at, label if at else "", str(each)) for each in form.errors.get(name, ())]
    return found


def _fields(
    request: HttpRequest,
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


def _open_question(events: list[Event]) -> bool:
    """Whether the requester owes an answer: the last word was a question."""
    spoken = [event.kind for event in events if event.kind in SPOKEN]
    return bool(spoken) and spoken[-1] == Event.Kind.QUESTION


def _told_of(approval: Approval) -> list[Notice]:
    """Who was told what, for operators; of very many the last ones."""
    found = approval.notices.select_related("user", "channel").order_by("-created_at", "pk")
    return list(found[:MOST_NOTICES])[::-1]

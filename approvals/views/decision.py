"""Answering: the vote, taking it back, what is said where it does not count, the receipt."""

from typing import cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from approvals.asked import asked_of
from approvals.dispatch import deliver_now
from approvals.fields import answered, filled, sent
from approvals.filling import begins_with
from approvals.forms import DecisionForm
from approvals.inbox import is_operator, next_for
from approvals.models import (
    AlreadyClosed,
    Approval,
    ApprovalError,
    CommentRequired,
    FormInvalid,
    UnknownOption,
)
from approvals.models.content import NEGATIVE, PENDING
from approvals.models.outbox import State
from approvals.progress import look_again, said_of, steps, undoable_for
from approvals.views.common import (
    PersonRequest,
    came_from,
    find,
    refused,
    see_other,
    signed_in,
    signed_out,
    ways,
)
from approvals.views.detail import Typed, detail_page


@require_http_methods(["GET", "HEAD", "POST"])
def decide(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Record this person's answer (POST), try its delivery at once, show the receipt.

    Opened by GET, as after signing in again, it leads to the approval.
    """
    if request.method != "POST":
        return redirect("approvals:detail", pk)
    if not request.user.is_authenticated:
        return signed_out(request, reverse("approvals:detail", args=[pk]))
    return _decide(cast("PersonRequest", request), pk)


def _decide(request: PersonRequest, pk: UUID) -> HttpResponse:
    approval = find(request, pk)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return _invalid(request, approval, form)
    given = form.cleaned_data
    values = {}
    if approval.form is not None:
        texts = sent(approval.form, request.POST)
        negative = given["outcome"] in NEGATIVE
        began = begins_with(approval, list(approval.standing_votes()))
        values = answered(approval.form, began, texts, negative=negative)
    try:
        approval.decide(**given, form=values, by=request.user)
    except FormInvalid as error:
        return _invalid(request, approval, form, error.errors)
    except (CommentRequired, UnknownOption) as error:
        form.add_error("comment" if isinstance(error, CommentRequired) else None, str(error))
        return _invalid(request, approval, form)
    except ApprovalError as error:
        return refused(request, approval, error)
    if approval.status != PENDING and approval.outgoing.state == State.QUEUED:
        deliver_now(approval.outgoing)
    return see_other(_after(request, approval))


def _after(request: PersonRequest, approval: Approval) -> str:
    """Where an answer leads: to its receipt, or for who goes on at once, to the next request."""
    carried = {"from": search} if (search := came_from(request)) else {}
    preference = getattr(request.user, "preference", None)
    following = next_for(request.user, but=approval) if preference and preference.goes_on else None
    if following:
        carried = {"answered": str(approval.pk), **carried}
        return f"{following.get_absolute_url()}?{urlencode(carried)}"
    receipt = reverse("approvals:receipt", args=[approval.pk])
    return f"{receipt}?{urlencode(carried)}" if carried else receipt


def _invalid(
    request: PersonRequest,
    approval: Approval,
    form: DecisionForm,
    errors: dict[str, str] | None = None,
) -> HttpResponse:
    """The page again with what was typed; or who decided, when somebody did meanwhile."""
    if approval.is_open:
        return detail_page(request, approval, Typed(form, errors), status=422)
    if approval.status != PENDING:
        sentence = approval.how_it_closed()
    elif approval.settles_at:
        saved = gettext("Nothing of your answer was saved.")
        sentence = f"{approval.how_it_settles()} {saved}"
    else:
        sentence = gettext("The time to answer has passed.")
    return refused(request, approval, AlreadyClosed(sentence))


@require_http_methods(["GET", "HEAD", "POST"])
def take_back(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Undo this person's own answer (POST), in the time that the type gives for it."""
    if request.method != "POST" or not request.user.is_authenticated:
        return redirect("approvals:detail", pk)
    person = cast("PersonRequest", request)
    approval = find(person, pk)
    try:
        approval.take_back(by=person.user)
    except ApprovalError as error:
        return refused(person, approval, error)
    messages.success(request, gettext("Your answer was taken back. Nothing has gone out."))
    return see_other(f"{approval.get_absolute_url()}{ways(request)['carry']}")


@require_safe
@signed_in
def receipt(request: PersonRequest, pk: UUID) -> HttpResponse:
    """What I decided, on which text, and how far it has come."""
    approval = find(request, pk)
    asked = asked_of(approval, request.user, may_decide=False)
    mine = [vote for vote in asked.votes if vote.user_id == request.user.pk]
    if not mine:
        return redirect(approval)
    vote = mine[-1]
    undoable = undoable_for(approval, vote)
    began = begins_with(approval, [each for each in asked.votes if each.at < vote.at])
    operator = is_operator(request.user)
    context = {
        "approval": approval,
        "vote": vote,
        "outcome": approval.label_of(vote.outcome),
        "filled": filled(approval.form, began, vote.form),
        "asked": asked,
        "undoable": undoable,
        "steps": steps(approval, operator=operator),
        "said": said_of(approval, operator=operator),
        "look_again": look_again(approval),
        "next": next_for(request.user, but=approval),
        **ways(request),
    }
    return render(request, "approvals/receipt.html", context)

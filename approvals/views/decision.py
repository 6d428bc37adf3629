"""Answering: the vote, what is said where it does not count, and the receipt."""

from typing import cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from approvals.delivery import deliver_now
from approvals.forms import DecisionForm
from approvals.inbox import next_for
from approvals.models import AlreadyClosed, Approval, ApprovalError, CommentRequired, UnknownOption
from approvals.models.content import PENDING
from approvals.models.delivery import State
from approvals.progress import look_again, steps
from approvals.views.common import (
    PersonRequest,
    find,
    refused,
    see_other,
    signed_in,
    signed_out,
)
from approvals.views.detail import detail_page


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
    try:
        approval.decide(**form.cleaned_data, by=request.user)
    except (CommentRequired, UnknownOption) as error:
        form.add_error("comment" if isinstance(error, CommentRequired) else None, str(error))
        return _invalid(request, approval, form)
    except ApprovalError as error:
        return refused(request, approval, error)
    if approval.delivery.state == State.QUEUED:
        deliver_now(approval.delivery)
    return see_other("approvals:receipt", pk)


def _invalid(request: PersonRequest, approval: Approval, form: DecisionForm) -> HttpResponse:
    """The page again with what was typed; or who decided, when somebody did meanwhile."""
    if approval.is_open:
        return detail_page(request, approval, form, status=422)
    closed = approval.status != PENDING
    sentence = approval.how_it_closed() if closed else "The time to answer has passed."
    return refused(request, approval, AlreadyClosed(sentence))


@require_safe
@signed_in
def receipt(request: PersonRequest, pk: UUID) -> HttpResponse:
    """What I decided, on which text, and how far it has come."""
    approval = find(request, pk)
    vote = approval.votes.filter(user=request.user).first()
    if vote is None:
        return redirect(approval)
    context = {
        "approval": approval,
        "vote": vote,
        "steps": steps(approval),
        "look_again": look_again(approval),
        "next": next_for(request.user, but=approval),
    }
    return render(request, "approvals/receipt.html", context)

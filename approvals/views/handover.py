"""Giving a request to somebody else: by who may decide it, or by an operator."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from approvals.asked import asked_of
from approvals.forms import HandOverForm
from approvals.models import (
    AlreadyClosed,
    Approval,
    ApprovalError,
    CannotHandOver,
    NotYours,
    StandIn,
    User,
)
from approvals.models.approver import Approver
from approvals.models.content import PENDING
from approvals.people import colleagues
from approvals.templatetags.approvals import day
from approvals.views.common import PersonRequest, find, refused, see_other, signed_in, ways

# So many colleagues are suggested; the others are found by typing.
MOST_SUGGESTED = 100


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def hand_over(request: PersonRequest, pk: UUID) -> HttpResponse:
    """Let a colleague decide instead: who and why (GET), done (POST)."""
    approval = find(request, pk)
    again = request.method == "POST" and approval.handed_over_by(request.user)
    if not approval.may_be_decided_by(request.user) and not again:
        return refused(request, approval, _why_not(approval))

    def act(to: User, reason: str) -> None:
        approval.hand_over(by=request.user, to=to, reason=reason)

    asked = asked_of(approval, request.user, may_decide=True)
    return _page(request, approval, act, {"asked": asked})


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@permission_required("approvals.change_approval", raise_exception=True)
def reassign(request: PersonRequest, pk: UUID, approver: int) -> HttpResponse:
    """Ask somebody else in place of an approver, as for a person who has left."""
    approval = find(request, pk)
    replaced = approval.approvers.current().select_related("user", "group").filter(pk=approver)
    row: Approver | None = replaced.first()
    if row is None:
        raise Http404
    if approval.status != PENDING:
        return refused(request, approval, _why_not(approval))

    def act(to: User, reason: str) -> None:
        approval.reassign(row, to=to, by=request.user, reason=reason)

    return _page(request, approval, act, {"replaced": row})


def _page(
    request: PersonRequest,
    approval: Approval,
    act: Callable[[User, str], None],
    context: dict[str, Any],
) -> HttpResponse:
    """The form, or what it asks for done; `act` gets the colleague and the reason."""
    form = HandOverForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        to = form.cleaned_data["to"]
        try:
            act(to, form.cleaned_data["reason"])
        except CannotHandOver as error:
            form.add_error("to", str(error))
        except ApprovalError as error:
            return refused(request, approval, error)
        else:
            done = gettext("%(name)s has it now.") % {"name": to}
            messages.success(request, " ".join(filter(None, (done, _away(to)))))
            way = ways(request)
            if Approval.objects.visible_to(request.user).filter(pk=approval.pk).exists():
                return see_other(f"{approval.get_absolute_url()}{way['carry']}")
            return see_other(way["inbox"])
    looked_for = request.GET.get("to", "")
    people = colleagues(looked_for, but=[approval.requester_mailbox, request.user.email])
    context |= {"approval": approval, "form": form, "people": people[:MOST_SUGGESTED]}
    context |= ways(request)
    status = 422 if request.method == "POST" else 200
    return render(request, "approvals/hand_over.html", context, status=status)


def _away(to: User) -> str:
    """Whether whoever has it now is away, and who answers in their place."""
    absence = StandIn.objects.all().of(to)
    if absence is None:
        return ""
    said = gettext("%(name)s is away until %(day)s, and %(colleague)s stands in.")
    until = day(absence.ends_at, last=True)
    return said % {"name": to, "day": until, "colleague": absence.colleague}


def _why_not(approval: Approval) -> ApprovalError:
    """Why nobody, or not this person, can give it to somebody else."""
    if approval.status != PENDING:
        return AlreadyClosed(approval.how_it_closed())
    if approval.settles_at:
        return AlreadyClosed(approval.how_it_settles())
    if not approval.is_open:
        return AlreadyClosed(gettext("The time to answer has passed."))
    return NotYours(gettext("Only somebody who may decide this request can hand it over."))

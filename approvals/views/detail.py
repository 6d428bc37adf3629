"""The page of one approval: who, why, the facts, the answer, what happened."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from approvals.forms import DecisionForm
from approvals.inbox import is_operator
from approvals.models import Approval
from approvals.models.content import PENDING
from approvals.people import address_of, names_of
from approvals.progress import look_again, steps
from approvals.timeline import lines
from approvals.views.common import PersonRequest, find, signed_in


@require_safe
@signed_in
def detail(request: PersonRequest, pk: UUID) -> HttpResponse:
    """One approval: what is asked, who decides, what happened."""
    return detail_page(request, find(request, pk), DecisionForm())


def detail_page(
    request: PersonRequest, approval: Approval, form: DecisionForm, status: int = 200
) -> HttpResponse:
    user = request.user
    asked = list(approval.approvers.select_related("user", "group"))
    mine = set(user.groups.values_list("pk", flat=True))
    events = list(approval.events.all())
    names = names_of([approval.requested_by, *(address_of(event.actor) for event in events)])
    for approver in asked:
        if approver.user:
            names[approver.user.email] = str(approver.user)
    operator = is_operator(user)
    is_requester = approval.requester_mailbox == user.mailbox
    tells = approval.is_open and (operator or is_requester)
    context: dict[str, Any] = {
        "approval": approval,
        "form": form,
        "names": names,
        "asked": asked,
        "by_name": any(approver.user_id == user.pk for approver in asked),
        "through": [approver.group for approver in asked if approver.group_id in mine],
        "is_requester": is_requester,
        "trouble": approval.trouble if tells else "",
        "may_decide": approval.may_be_decided_by(user),
        "vote": approval.votes.select_related("user").first(),
        "lines": lines(approval, events, names),
        "steps": steps(approval),
        "look_again": look_again(approval),
        "attempts": approval.delivery.attempts.all()
        if operator and approval.status != PENDING
        else (),
    }
    return render(request, "approvals/detail.html", context, status=status)

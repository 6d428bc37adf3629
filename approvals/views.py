"""The pages: find what the person may see, tell the model, go on. GET changes nothing."""

from typing import Any, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from approvals.delivery import deliver_now
from approvals.forms import DecisionForm
from approvals.inbox import is_operator, next_for, page_of, tabs_of
from approvals.models import (
    AlreadyClosed,
    Approval,
    ApprovalError,
    CommentRequired,
    NotYours,
    UnknownOption,
    User,
    WasChanged,
)
from approvals.models.content import PENDING
from approvals.models.delivery import State
from approvals.people import address_of, names_of
from approvals.progress import look_again, steps
from approvals.timeline import lines


class PersonRequest(HttpRequest):
    """A request of somebody who has signed in."""

    user: User


def find(request: PersonRequest, pk: UUID) -> Approval:
    """The approval, if this person may read it; 404 for all others, existing or not."""
    visible = Approval.objects.visible_to(request.user)
    return get_object_or_404(visible.select_related("caller", "decided_by", "delivery"), pk=pk)


@require_safe
@login_required
def inbox(request: PersonRequest) -> HttpResponse:
    """One tab of the inbox; `?after=ID` goes on behind that approval."""
    tabs = tabs_of(request.user)
    key = request.GET.get("tab", tabs[0].key)
    tab = next((tab for tab in tabs if tab.key == key), None)
    if tab is None:
        raise Http404
    after = request.GET.get("after")
    page = page_of(tab, after=find(request, _uuid(after)) if after else None)
    context = {
        "tab": tab,
        "tabs": [(each, each.count) for each in tabs],
        "page": page,
        "names": names_of(row.requested_by for row in page.rows),
    }
    if not page.rows:
        decided = Approval.objects.decided_for(request.user).filter(decided_by=request.user)
        context["last"] = decided.order_by("-decided_at").first()
    return render(request, "approvals/inbox.html", context)


@require_safe
@login_required
def detail(request: PersonRequest, pk: UUID) -> HttpResponse:
    """One approval: what is asked, who decides, what happened."""
    return _detail(request, find(request, pk), DecisionForm())


@require_http_methods(["GET", "HEAD", "POST"])
def decide(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Record this person's answer (POST), try its delivery at once, show the receipt.

    Opened by GET, as after signing in again, it leads to the approval.
    """
    if request.method != "POST":
        return redirect("approvals:detail", pk)
    if not request.user.is_authenticated:
        context = {"pk": pk, "posted": request.POST}
        return render(request, "approvals/signed_out.html", context, status=403)
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
    except NotYours as error:
        return _refused(request, approval, error, status=403)
    except (AlreadyClosed, WasChanged) as error:
        return _refused(request, approval, error, status=409)
    if approval.delivery.state == State.QUEUED:
        deliver_now(approval.delivery)
    response = redirect("approvals:receipt", pk)
    response.status_code = 303
    return response


@require_safe
@login_required
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


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form's token is not the session's, or there is none. What was typed is shown."""
    del reason
    return render(request, "403_csrf.html", {"posted": request.POST}, status=403)


def _detail(
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


def _invalid(request: PersonRequest, approval: Approval, form: DecisionForm) -> HttpResponse:
    """The page again with what was typed; or who decided, when somebody did meanwhile."""
    if approval.is_open:
        return _detail(request, approval, form, status=422)
    closed = approval.status != PENDING
    sentence = approval.how_it_closed() if closed else "The time to answer has passed."
    return _refused(request, approval, AlreadyClosed(sentence), status=409)


def _refused(
    request: PersonRequest, approval: Approval, error: ApprovalError, *, status: int
) -> HttpResponse:
    posted = request.POST.copy()
    for option in approval.options:
        if option["value"] == posted.get("outcome"):
            posted["outcome"] = option["label"]  # what stood on the button
    context = {
        "approval": approval,
        "sentence": str(error),
        "kind": type(error).__name__,
        "posted": posted,
        "next": next_for(request.user, but=approval),
    }
    return render(request, "approvals/refused.html", context, status=status)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None

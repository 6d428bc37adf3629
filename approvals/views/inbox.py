"""The inbox: one tab of it."""

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from approvals.bulk import answers_alone, answers_together, selectable
from approvals.inbox import Listing, page_of, tabs_of
from approvals.models import Approval
from approvals.people import names_of
from approvals.rows import rows_of
from approvals.views.attention import attention_tab
from approvals.views.common import PersonRequest, find, signed_in, uuid_of


@require_safe
@signed_in
def inbox(request: PersonRequest) -> HttpResponse:
    """One tab of the inbox; `?after=ID` goes on behind that approval."""
    tabs = tabs_of(request.user)
    key = request.GET.get("tab", tabs[0].key)
    tab = next((tab for tab in tabs if tab.key == key), None)
    if tab is None:
        raise Http404
    if not isinstance(tab, Listing):
        return attention_tab(request, tab, tabs)
    after = request.GET.get("after")
    page = page_of(tab, after=find(request, uuid_of(after)) if after else None)
    decidable = [row for row in page.rows if row.requester_mailbox != request.user.mailbox]
    together = selectable(decidable) if tab.key == "needs-me" else []
    context = {
        "tab": tab,
        "tabs": [(each, each.count) for each in tabs],
        "page": page,
        "rows": rows_of(page.rows, request.user, tab.key),
        "pickable": {row.pk for row in together},
        "answers": answers_together(together),
        "alone": answers_alone(together),
        "names": names_of(row.requested_by for row in page.rows),
    }
    if not page.rows:
        decided = Approval.objects.decided_for(request.user).filter(decided_by=request.user)
        context["last"] = decided.order_by("-decided_at").first()
    return render(request, "approvals/inbox.html", context)

"""Answering several requests at once: a summary, then each by itself, then what came of it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from approvals.bulk import LeftOut, select
from approvals.models import ApprovalError
from approvals.views.common import PersonRequest, see_other, signed_in


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def bulk(request: PersonRequest) -> HttpResponse:
    """What would be answered, what not, and why (POST, from the inbox); nothing is saved."""
    if request.method != "POST":
        return redirect("approvals:inbox")
    revisions = _revisions(request)
    if not revisions:
        messages.info(request, gettext("Select the requests that you want to answer together."))
        return see_other("approvals:inbox")
    selection = select(request.user, request.POST.get("outcome", ""), revisions)
    return render(request, "approvals/bulk.html", {"selection": selection})


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def bulk_confirm(request: PersonRequest) -> HttpResponse:
    """Answer each of them (POST): its own vote, record and delivery; failures a line each.

    The worker delivers. Sending it again changes nothing: one's own answer counts once.
    """
    if request.method != "POST":
        return redirect("approvals:inbox")
    revisions = _revisions(request)
    selection = select(request.user, request.POST.get("outcome", ""), revisions)
    done, failed = [], list(selection.left_out)
    for approval in selection.chosen:
        try:
            approval.decide(selection.outcome, by=request.user, revision=revisions[approval.pk])
        except ApprovalError as error:
            failed.append(LeftOut(approval, str(error)))
        else:
            done.append(approval)
    context = {"selection": selection, "done": done, "failed": failed}
    return render(request, "approvals/bulk_done.html", context)


def _revisions(request: PersonRequest) -> dict[UUID, int]:
    """The chosen rows, each `ID:REVISION`; what is neither is left out."""
    found = {}
    for row in request.POST.getlist("row"):
        pk, _, revision = row.partition(":")
        try:
            found[UUID(pk)] = int(revision)
        except ValueError:
            continue
    return found

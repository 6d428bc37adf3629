"""Questions and answers between those who decide and the one who asked."""

from typing import cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from approvals.forms import SayForm
from approvals.models import AlreadyClosed, ApprovalError
from approvals.models.content import PENDING
from approvals.views.common import PersonRequest, find, refused, see_other, signed_out, ways
from approvals.views.detail import Typed, detail_page


@require_http_methods(["GET", "HEAD", "POST"])
def say(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Write a question, or an answer to one (POST); nothing is decided by it."""
    if request.method != "POST":
        return redirect("approvals:detail", pk)
    if not request.user.is_authenticated:
        return signed_out(request, reverse("approvals:detail", args=[pk]))
    person = cast("PersonRequest", request)
    approval = find(person, pk)
    form = SayForm(request.POST)
    if not form.is_valid():
        if approval.status != PENDING:
            return refused(person, approval, AlreadyClosed(approval.how_it_closed()))
        return detail_page(person, approval, Typed(say=form), status=422)
    try:
        approval.say(form.cleaned_data["text"], by=person.user)
    except ApprovalError as error:
        return refused(person, approval, error)
    return see_other(f"{approval.get_absolute_url()}{ways(request)['carry']}#history")

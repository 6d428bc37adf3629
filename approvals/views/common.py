"""What several pages share: who asks, which approval, the way back, and why not."""

from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from approvals.fields import PREFIX, title_of
from approvals.inbox import next_for
from approvals.models import (
    AlreadyClosed,
    Approval,
    ApprovalError,
    NotYours,
    TooLate,
    User,
    WasChanged,
)

# What is read of an approval on every page of it.
WITH = (
    "caller",
    "decided_by",
    "delivery",
    "policy__policy",
    "supersedes",
    "superseded_by",
)

HEADINGS = {
    AlreadyClosed: _("This is settled already"),
    WasChanged: _("The request has changed"),
    NotYours: _("Others decide this"),
    TooLate: _("It is too late to take it back"),
}
LONGEST_SEARCH = 1000  # characters of an address


class PersonRequest(HttpRequest):
    """A request of somebody who has signed in."""

    user: User


signed_in = login_required


def find(request: PersonRequest, pk: UUID) -> Approval:
    """The approval, if this person may read it; 404 for all others, existing or not."""
    visible = Approval.objects.visible_to(request.user)
    return get_object_or_404(visible.select_related(*WITH), pk=pk)


def came_from(request: HttpRequest) -> str:
    """The search of the inbox from which this person came, as it stands behind its “?”.

    Only ever that: whatever an address says, the way back leads to the inbox.
    """
    asked = request.GET.get("from")
    if asked is None:
        asked = _search_before(request)
    return QueryDict(asked[:LONGEST_SEARCH]).urlencode()


def _search_before(request: HttpRequest) -> str:
    """What stands behind the “?” of the page before, if that was the inbox."""
    try:
        before = urlsplit(request.headers.get("Referer", ""))
    except ValueError:
        return ""
    inbox = before.netloc == request.get_host() and before.path == reverse("approvals:inbox")
    return before.query if inbox else ""


def ways(request: HttpRequest) -> dict[str, str]:
    """The way back to that search, and what links and forms carry so that it is kept."""
    search, inbox = came_from(request), reverse("approvals:inbox")
    return {
        "inbox": f"{inbox}?{search}" if search else inbox,
        "carry": f"?{urlencode({'from': search})}" if search else "",
    }


def see_other(to: Approval | str, *args: object) -> HttpResponse:
    """The answer to a form that was saved: go there, by GET."""
    response = redirect(to, *args)
    response.status_code = 303
    return response


def signed_out(request: HttpRequest, back: str) -> HttpResponse:
    """A form of somebody who is not signed in any more: what was typed, and nothing else."""
    context = {"back": back, "posted": request.POST}
    return render(request, "approvals/signed_out.html", context, status=403)


def refused(request: PersonRequest, approval: Approval, error: ApprovalError) -> HttpResponse:
    """Why nothing was saved, in the model's own sentence, with what was typed."""
    context = {
        "approval": approval,
        "heading": HEADINGS.get(type(error), _("This cannot be saved")),
        "sentence": str(error),
        "kind": type(error).__name__,
        "posted": _in_words(request.POST, approval),
        "next": next_for(request.user, but=approval),
        **ways(request),
    }
    status = 403 if isinstance(error, NotYours) else 409
    return render(request, "approvals/refused.html", context, status=status)


def _in_words(posted: QueryDict, approval: Approval) -> QueryDict:
    """What was sent, under the labels that stood on the page."""
    shown = QueryDict(mutable=True)
    labels = {option["value"]: option["label"] for option in approval.buttons}
    form = approval.form or {"properties": {}}
    for name, value in posted.items():
        text = str(value)
        if name == "outcome":
            text = labels.get(text, text)
        elif name.startswith(PREFIX):
            name = PREFIX + title_of(form, name.removeprefix(PREFIX))  # noqa: PLW2901 - shown instead
        shown[name] = text
    return shown


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form's token is not the session's, or there is none. What was typed is shown."""
    del reason
    return render(request, "403_csrf.html", {"posted": request.POST}, status=403)


def uuid_of(text: str) -> UUID:
    """The id in a text; 404 where it is none."""
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None

"""Starting workflows: which, with what, and what came of it."""

from collections.abc import Mapping
from typing import cast
from uuid import UUID, uuid4

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from approvals.catalog import CannotRead, Startable, startable, startable_by
from approvals.fields import beginning, fields_of, sent, texts_of
from approvals.google.executions import NotStarted, execution_state
from approvals.google.wire import CannotLook
from approvals.models import Approval, FormInvalid, Started
from approvals.retold import retold
from approvals.starting import start as start_it
from approvals.views.common import PersonRequest, see_other, signed_in, signed_out
from countersign.questionnaire import filled_in, from_page

MOST_STARTED = 20
MOST_APPROVALS = 50
LOOK_AGAIN = 3  # seconds
IN_WORDS = {
    "ACTIVE": _("Running"),
    "QUEUED": _("Waiting for its turn"),
    "SUCCEEDED": _("Finished"),
    "FAILED": _("Failed"),
    "CANCELLED": _("Cancelled"),
    "GONE": _("No longer known to Google"),
}
TONES = {"SUCCEEDED": "tone-good", "FAILED": "tone-bad", "CANCELLED": "tone-warn"}


@require_safe
@signed_in
def start_list(request: PersonRequest) -> HttpResponse:
    """The workflows that this person may start, and what they have started."""
    context: dict[str, object] = {"started": request.user.started.all()[:MOST_STARTED]}
    try:
        context["workflows"] = startable_by(request.user)
        if request.user.has_perm("approvals.change_approval"):
            context["broken"] = [each for each in startable() if each.broken]
    except CannotRead as error:
        context["trouble"] = str(error)
    return render(request, "approvals/start.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def start(request: HttpRequest, workflow: str) -> HttpResponse:
    """The form of one workflow (GET); started with it, once (POST)."""
    if request.method == "POST" and not request.user.is_authenticated:
        return signed_out(request, request.path)
    act = _start if request.method == "POST" else signed_in(_empty)
    try:
        return act(cast("PersonRequest", request), workflow)
    except CannotRead as error:
        return _cannot(request, error)


def _start(request: PersonRequest, workflow: str) -> HttpResponse:
    once = _once(request)
    if before := request.user.started.filter(pk=once).first():
        return see_other(before.get_absolute_url())
    found = _find(request, workflow)
    texts = sent(found.form, request.POST)
    try:
        values = filled_in(found.form, from_page(found.form, texts), negative=False)
        started, _ = start_it(found, values, request.user, once)
    except FormInvalid as error:
        return _form(request, found, texts, error.errors)
    except NotStarted as error:
        told = {"why": retold(str(error))}
        return _form(request, found, texts, {}, gettext("It was not started: %(why)s") % told)
    return see_other(started.get_absolute_url())


@require_safe
@signed_in
def started(request: PersonRequest, pk: UUID) -> HttpResponse:
    """One start of this person's: how it stands, and the approvals it has asked for."""
    row = get_object_or_404(request.user.started, pk=pk)
    context: dict[str, object] = {"started": row}
    if row.execution:
        try:
            state = execution_state(row.execution)
            context |= {"state": IN_WORDS.get(state, state), "tone": TONES.get(state, "")}
            context["look_again"] = LOOK_AGAIN if state in {"ACTIVE", "QUEUED"} else 0
        except CannotLook as error:
            sentence = gettext("Google could not be asked (%(kind)s).") % {"kind": error}
            context |= {"trouble": sentence, "look_again": 15}
        asked = Approval.objects.visible_to(request.user).filter(execution=row.execution)
        context["approvals"] = asked.order_by("created_at")[:MOST_APPROVALS]
    return render(request, "approvals/started.html", context)


def _empty(request: PersonRequest, workflow: str) -> HttpResponse:
    found = _find(request, workflow)
    return _form(request, found, texts_of(found.form, beginning(found.form, {})))


def _find(request: PersonRequest, workflow: str) -> Startable:
    """The workflow, if this person may start it; 404 for all others. Raises `CannotRead`."""
    found = next((each for each in startable_by(request.user) if each.name == workflow), None)
    if found is None:
        raise Http404
    return found


def _once(request: PersonRequest) -> UUID:
    """The number of the form, which starts one execution at most; 404 for somebody else's."""
    try:
        once = UUID(request.POST.get("once", ""))
    except ValueError:
        raise Http404 from None
    if Started.objects.filter(pk=once).exclude(user=request.user).exists():
        raise Http404
    return once


def _form(
    request: PersonRequest,
    found: Startable,
    texts: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
    refused: str = "",
) -> HttpResponse:
    """The form with these texts; `errors` and `refused` say why it was not taken."""
    fields = fields_of(found.form, texts, errors)
    context = {
        "workflow": found,
        "fields": fields,
        "wrong": next((each for each in fields if each.error), None),
        "refused": refused or retold((errors or {}).get("form", "")),
        "once": uuid4(),
    }
    status = 200 if errors is None else 422
    return render(request, "approvals/start_form.html", context, status=status)


def _cannot(request: HttpRequest, error: CannotRead) -> HttpResponse:
    """Google does not answer; what was typed is shown."""
    context = {"trouble": str(error), "posted": request.POST}
    return render(request, "approvals/start.html", context, status=503)

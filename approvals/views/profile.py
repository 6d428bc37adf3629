"""A person's own page: who stands in for them, for whom they stand in, their tokens."""

from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from approvals.forms import AbsenceForm, TellingForm, TokenForm
from approvals.languages import asked_for
from approvals.models import PersonalToken, Preference, StandIn, User
from approvals.models.notice import reschedule
from approvals.people import colleagues
from approvals.views.common import PersonRequest, see_other, signed_in

MOST_SUGGESTED = 100
ZONES = sorted(name for name in available_timezones() if "/" in name and "Etc/" not in name)


@require_safe
@signed_in
def profile(request: PersonRequest) -> HttpResponse:
    """Absences, tokens, and what else a person sets for themselves."""
    return _page(request)


@require_POST
@signed_in
def absence(request: PersonRequest) -> HttpResponse:
    """Let a colleague decide for me, from a day to a day."""
    form = AbsenceForm(request.POST, user=request.user)
    if not form.is_valid():
        return _page(request, absence=form, status=422)
    made = StandIn.objects.create(
        user=request.user,
        colleague=form.cleaned_data["colleague"],
        starts_at=form.begins,
        ends_at=form.ends,
        reason=form.cleaned_data["reason"],
        created_by=request.user.actor,
    )
    told = {"who": made.colleague}
    messages.success(request, gettext("%(who)s decides for you in that time.") % told)
    return see_other("approvals:profile")


@require_POST
@signed_in
def end_absence(request: PersonRequest, pk: int) -> HttpResponse:
    """End one of my absences now."""
    mine = get_object_or_404(StandIn, pk=pk, user=request.user)
    if mine.end():
        told = {"who": mine.colleague}
        messages.success(request, gettext("%(who)s does not decide for you any more.") % told)
    return see_other("approvals:profile")


@require_POST
@signed_in
def token(request: PersonRequest) -> HttpResponse:
    """Make a personal token; its text is on this one page and never again."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _page(request, token=form, status=422)
    made, text = PersonalToken.objects.issue(
        request.user, form.cleaned_data["label"], days=form.cleaned_data["days"]
    )
    return render(request, "approvals/token.html", {"token": made, "text": text})


@require_POST
@signed_in
def revoke_token(request: PersonRequest, pk: int) -> HttpResponse:
    """End one of my tokens now."""
    mine = get_object_or_404(PersonalToken, pk=pk, user=request.user)
    if PersonalToken.objects.filter(pk=mine.pk).revoke():
        told = {"label": mine.label}
        messages.success(request, gettext("The token “%(label)s” is not valid any more.") % told)
    return see_other("approvals:profile")


@require_POST
@signed_in
def telling(request: PersonRequest) -> HttpResponse:
    """How often I am told, of what, and in which language; what waits to be sent follows."""
    form = TellingForm(request.POST, instance=_preference(request.user))
    if not form.is_valid():
        return _page(request, telling=form, status=422)
    chosen = form.save()
    reschedule(chosen)
    with translation.override(chosen.language or asked_for(request)):
        messages.success(request, gettext("Saved. This applies from now on."))
    return see_other("approvals:profile")


def _preference(user: User) -> Preference:
    return Preference.objects.filter(user=user).first() or Preference(user=user)


def _page(
    request: PersonRequest,
    *,
    absence: AbsenceForm | None = None,
    token: TokenForm | None = None,
    telling: TellingForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page, with what was typed into the form that could not be saved."""
    user, now = request.user, timezone.now()
    coming = StandIn.objects.filter(ends_at__gt=now, ended_at__isnull=True).order_by("starts_at")
    looked_for = request.GET.get("colleague", "")
    context: dict[str, Any] = {
        "absences": coming.filter(user=user).select_related("colleague"),
        "duties": coming.filter(colleague=user, user__is_active=True).select_related("user"),
        "absence": absence or AbsenceForm(user=user),
        "tokens": PersonalToken.objects.filter(user=user, revoked_at__isnull=True),
        "token": token or TokenForm(initial={"days": 90}),
        "telling": telling or TellingForm(instance=_preference(user)),
        "mailed": settings.TELL_BY_MAIL,
        "zones": ZONES,
        "people": colleagues(looked_for, but=[user.email])[:MOST_SUGGESTED],
        "today": timezone.localdate(),
        "now": now,
    }
    return render(request, "approvals/profile.html", context, status=status)

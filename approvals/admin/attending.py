"""What needs attention, in the operators' lists: to narrow them to it, and to put it aside."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.admin.base import MOST_LISTED, ModelAdmin, ReadOnlyAdmin, operator
from approvals.attending import DEEDS, Deed
from approvals.attention import rows_of
from approvals.reasons import Kind


class ReasonForm(forms.Form):
    """Why it is done: it goes into the record, and to those who were asked."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=500,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        error_messages={"required": gettext_lazy("Please say why: it goes into the record.")},
    )


def confirm(
    model_admin: ModelAdmin,
    request: HttpRequest,
    rows: QuerySet[Any] | list[Any],
    form: forms.Form,
    *,
    title: str,
    says: str,
) -> HttpResponse:
    """A page that says what is about to be done, to which rows, and asks why."""
    across = request.POST.get("select_across") == "1"
    chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
    found = list(rows[: MOST_LISTED + 1])
    total = len(rows) if isinstance(rows, list) else rows.count()
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "says": says,
        "opts": model_admin.opts,
        "where": f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}_changelist",
        "rows": found[:MOST_LISTED],
        "more": max(total - MOST_LISTED, 0),
        # All that the filters leave is named once more by them, not row by row.
        "across": across,
        "chosen": chosen[:1] if across else chosen,
        "form": form,
        "action": request.POST["action"],
    }
    status = 422 if form.is_bound else 200
    return TemplateResponse(request, "admin/confirm.html", context, status=status)


def asks_first(
    model_admin: ModelAdmin, request: HttpRequest, rows: QuerySet[Any], *, title: str, says: str
) -> HttpResponse | None:
    """The page that asks before something is done; None once that was confirmed."""
    if "confirmed" in request.POST:
        return None
    return confirm(model_admin, request, rows, forms.Form(), title=title, says=says)


class AttentionFilter(admin.SimpleListFilter):
    """What needs attention, by its kinds, in the words of the operators' tab."""

    title = gettext_lazy("needs attention")
    parameter_name = "attention"
    kinds: tuple[Kind, ...] = ()

    @classmethod
    def of(cls, *kinds: Kind) -> "type[AttentionFilter]":
        """A filter for these kinds."""
        return type("KindFilter", (cls,), {"kinds": kinds})

    def lookups(self, *_args: object) -> list[tuple[str, str]]:
        return [(kind.value, str(kind.label)) for kind in self.kinds]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        del request
        chosen = [kind for kind in self.kinds if kind.value == self.value()]
        return queryset.filter(pk__in=rows_of(chosen[0]).values("pk")) if chosen else queryset


class Attending(ReadOnlyAdmin):
    """A list in which operators put aside what needs attention."""

    noun = ""

    @property
    def deed(self) -> Deed:
        """What putting aside means here."""
        return DEEDS[self.noun, "aside"]

    def has_attend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(self.deed.permission)

    def get_actions(self, request: HttpRequest) -> Any:
        """As the operators' tab names it."""
        actions = super().get_actions(request)
        if found := actions.get("put_aside"):
            actions["put_aside"] = (*found[:2], str(self.deed.label))
        return actions

    @admin.action(description=gettext_lazy("Put aside"), permissions=["attend"])
    def put_aside(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """They leave the list of what needs attention; asked for on a page first."""
        form = ReasonForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            says, title = str(self.deed.does), str(self.deed.label)
            return confirm(self, request, queryset, form, title=title, says=says)
        user, why = operator(request), form.cleaned_data["reason"]
        done = [self.deed.act(row, user, why) for row in queryset]
        left = _("Skipped, as they no longer need attention: %(number)s.")
        self.report(request, f"{self.deed.label}: %(number)s.", left, done)
        return None

    def report(self, request: HttpRequest, did: str, left: str, done: list[bool]) -> None:
        """What came of it: to how many it was done, and how many were left alone."""
        self.message_user(request, did % {"number": sum(done)}, messages.SUCCESS)
        if not all(done):
            self.message_user(request, left % {"number": done.count(False)}, messages.INFO)

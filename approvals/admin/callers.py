"""Programs that may ask, and their keys; tokens of people's own programs."""

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.admin.attending import asks_first
from approvals.admin.base import ModelAdmin, ReadOnlyAdmin, ReadOnlyInline
from approvals.admin.filters import KeyStateFilter
from approvals.forms import KeyForm
from approvals.models import ApiKey, Caller, PersonalToken

if TYPE_CHECKING:
    from django.contrib.admin.options import InlineModelAdmin


class KeyInline(ReadOnlyInline):
    model = ApiKey
    fields = ("prefix", "label", "created_at", "last_used_at", "revoked_at")
    readonly_fields = fields
    show_change_link = True


@admin.register(Caller)
class CallerAdmin(ModelAdmin):
    """Programs that may register approvals, and their keys."""

    list_display = ("name", "email", "projects", "is_active", "created_at")
    list_filter = ("is_active",)
    search_fields = ("name", "email", "projects")
    readonly_fields = ("created_at",)
    inlines = (KeyInline,)
    change_form_template = "admin/caller.html"

    def get_inlines(
        self, request: HttpRequest, obj: Caller | None = None
    ) -> "tuple[type[InlineModelAdmin[Any, Any]], ...]":
        """A new caller has no keys yet."""
        del request
        return self.inlines if obj else ()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.issue_key)
        return [
            path("<int:pk>/issue-key/", view, name="approvals_caller_issue_key"),
            *super().get_urls(),
        ]

    def issue_key(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a label, make a key, and show its text on the page that answers.

        It is kept nowhere, so a reload, which sends the form again, cannot show it again; nor does
        it make another key, as the session knows which form was the last to make one.
        """
        caller = get_object_or_404(Caller, pk=pk)
        if not request.user.has_perm("approvals.add_apikey"):
            raise PermissionDenied
        form = KeyForm(request.POST if request.method == "POST" else None)
        key, text = None, ""
        if form.is_valid():
            made_by, once = f"issued-key-{pk}", str(form.cleaned_data["once"] or uuid4())
            if request.session.get(made_by) == once:
                told = _("This key was issued already, and its text is shown only once.")
                self.message_user(request, told, messages.WARNING)
                return redirect("admin:approvals_caller_change", pk)
            key, text = ApiKey.objects.issue(caller, form.cleaned_data["label"])
            self.log_change(request, caller, f"Issued the key {key.prefix}…")
            request.session[made_by] = once
        context = {
            **self.admin_site.each_context(request),
            "title": _("Issue a key for %(caller)s") % {"caller": caller},
            "opts": self.opts,
            "caller": caller,
            "form": form,
            "key": key,
            "text": text,
        }
        return TemplateResponse(request, "admin/issue_key.html", context)


class Revoking(ReadOnlyAdmin):
    """What opens a door, by its first characters. Revoking works at once; `says` what follows."""

    says: str | Promise = ""
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"approvals.change_{self.opts.model_name}")

    @admin.action(description=gettext_lazy("Revoke"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """They are good for nothing from then on; asked for on a page first."""
        title = _("Revoke")
        if page := asks_first(self, request, queryset, title=title, says=str(self.says)):
            return page
        chosen = self.model.objects.filter(pk__in=queryset)
        for each in chosen.filter(revoked_at__isnull=True):
            self.log_change(request, each, "Revoked")
        revoked = _("Revoked: %(number)s.") % {"number": chosen.revoke()}
        self.message_user(request, revoked, messages.SUCCESS)
        return None


@admin.register(ApiKey)
class ApiKeyAdmin(Revoking):
    """Keys: only their first characters are known here. Revoking works at once."""

    list_display = ("prefix", "caller", "label", "created_at", "last_used_at", "revoked_at")
    list_filter = (KeyStateFilter, "caller")
    list_select_related = ("caller",)
    search_fields = ("prefix", "label", "caller__name")
    fields = list_display
    change_list_template = "admin/api_keys.html"
    says = gettext_lazy(
        "Programs that use these keys are refused from then on. That cannot be undone."
    )


@admin.register(PersonalToken)
class PersonalTokenAdmin(Revoking):
    """Tokens with which people's programs answer: made by each person, ended here as well."""

    list_display = (
        *("prefix", "user", "label", "created_at"),
        *("expires_at", "last_used_at", "revoked_at"),
    )
    list_filter = (KeyStateFilter,)
    list_select_related = ("user",)
    search_fields = ("prefix", "label", "user__email")
    fields = list_display
    says = gettext_lazy(
        "Programs that use these tokens are refused from then on. That cannot be undone."
    )

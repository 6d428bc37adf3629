"""The operators' pages: people and callers are kept here, the record is read here.

What was asked, decided and delivered cannot be added, changed or deleted. The few things an
operator may do call the same model methods as everything else.
"""

import json
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.options import InlineModelAdmin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html

from approvals.admin_filters import KeyStateFilter, StateFilter, state_words
from approvals.forms import KeyForm
from approvals.models import ApiKey, Approval, Attempt, Caller, Delivery, Event, User, Vote
from approvals.plain import visible

if TYPE_CHECKING:  # generic for the type checker, plain classes at run time
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
    BaseUserAdmin = DjangoUserAdmin[User]
    BaseNewUserForm = AdminUserCreationForm[User]
else:
    ModelAdmin, TabularInline = admin.ModelAdmin, admin.TabularInline
    BaseUserAdmin, BaseNewUserForm = DjangoUserAdmin, AdminUserCreationForm

admin.site.site_header = "Countersign"
admin.site.site_title = "Countersign"
admin.site.index_title = "Overview"


def shown(name: str) -> Any:
    """A column or line with what a workflow sent: hidden characters marked, JSON as text.

    A callable; the type stubs know only names in lists of fields.
    """

    @admin.display(description=name.replace("_", " "), ordering=name)
    def show(row: Any) -> str:
        value = getattr(row, name)
        return visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))

    show.__name__ = name
    return show


def is_superuser(request: HttpRequest) -> bool:
    return request.user.is_active and request.user.is_superuser


class ReadOnly:
    """A record: nobody adds, changes or deletes a line of it here."""

    def has_add_permission(self, *_: object, **__: object) -> bool:
        return False

    def has_change_permission(self, *_: object, **__: object) -> bool:
        return False

    def has_delete_permission(self, *_: object, **__: object) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, ModelAdmin):
    """A list and pages to read."""


class ReadOnlyInline(ReadOnly, TabularInline):
    """Lines that belong to what is shown above them."""

    extra = 0


# --- people ---------------------------------------------------------------------------------


class NewUserForm(BaseNewUserForm):
    """A new person, by e-mail address."""

    class Meta:
        model = User
        fields = ("email", "first_name", "last_name")


@admin.register(User)
class UserAdmin(BaseUserAdmin):
    """People, who sign in with their e-mail address."""

    add_form = NewUserForm
    ordering = ("email",)
    list_display = ("email", "first_name", "last_name", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "groups")
    search_fields = ("email", "first_name", "last_name")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        ("Name", {"fields": ("first_name", "last_name")}),
        (
            "Rights",
            {
                "fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions"),
                "description": "Groups decide which approvals reach this person.",
            },
        ),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("email", "first_name", "last_name")}),
        ("Password", {"fields": ("usable_password", "password1", "password2")}),
    )
    readonly_fields = ("last_login", "date_joined")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Nobody hands out rights they do not have: a superuser alone gives those of Django.

        Membership of a group is the right to decide, so it is for those who keep the groups.
        """
        fields = (*super().get_readonly_fields(request, obj),)
        if is_superuser(request):
            return fields
        kept = () if request.user.has_perm("auth.change_group") else ("groups",)
        return (*fields, "is_staff", "is_superuser", "user_permissions", *kept)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Whose password or e-mail address one changes, as that person one may sign in."""
        protected = obj is not None and (obj.is_superuser or (obj.is_staff and obj != request.user))
        if protected and not is_superuser(request):
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, *_: object, **__: object) -> bool:
        """People stay in the record; to end an account, take away "active"."""
        return False


Membership = User.groups.through
# Django's own table has no name for a row: lists and log would say "User_groups object (1)".
Membership.__str__ = lambda row: row.user.email  # type: ignore[method-assign, attr-defined]  # above


class MemberInline(TabularInline):
    """The people of a group."""

    model = Membership
    verbose_name = "member"
    verbose_name_plural = "members"
    autocomplete_fields = ("user",)
    extra = 1

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("user")


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin):
    """Groups: an approval may be put to all members of one."""

    inlines = (MemberInline,)
    fieldsets = (
        (None, {"fields": ("name",)}),
        ("Permissions", {"fields": ("permissions",), "classes": ("collapse",)}),
    )

    def get_readonly_fields(
        self, request: HttpRequest, obj: Group | None = None
    ) -> tuple[str, ...]:
        """What members may do besides deciding is given by superusers, as to single people."""
        fields = (*super().get_readonly_fields(request, obj),)
        return fields if is_superuser(request) else (*fields, "permissions")


# --- callers and keys -----------------------------------------------------------------------


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
        """Ask for a label, make a key (POST), and show its text once, on the page that follows.

        A reload of that page neither shows the key again nor makes another.
        """
        caller = get_object_or_404(Caller, pk=pk)
        if not request.user.has_perm("approvals.add_apikey"):
            raise PermissionDenied
        form = KeyForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            key, text = ApiKey.objects.issue(caller, form.cleaned_data["label"])
            self.log_change(request, caller, f"Issued the key {key.prefix}…")
            request.session[f"issued-key-{pk}"] = {"label": key.label, "text": text}
            return redirect("admin:approvals_caller_issue_key", pk)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Issue a key for {caller}",
            "opts": self.opts,
            "caller": caller,
            "form": form,
            "key": request.session.pop(f"issued-key-{pk}", None),
        }
        return TemplateResponse(request, "admin/issue_key.html", context)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Keys: only their first characters are known here. Revoking works at once."""

    list_display = ("prefix", "caller", "label", "created_at", "last_used_at", "revoked_at")
    list_filter = (KeyStateFilter, "caller")
    list_select_related = ("caller",)
    search_fields = ("prefix", "label", "caller__name")
    fields = list_display
    actions = ("revoke",)
    change_list_template = "admin/api_keys.html"

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("approvals.change_apikey")

    @admin.action(description="Revoke the selected keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        keys = ApiKey.objects.filter(pk__in=queryset)
        for key in keys.filter(revoked_at__isnull=True):
            self.log_change(request, key, "Revoked")
        self.message_user(request, f"Revoked: {keys.revoke()}.", messages.SUCCESS)


# --- the record -----------------------------------------------------------------------------


class VoteInline(ReadOnlyInline):
    model = Vote
    fields = ("user", "outcome", "comment", "at")


class EventInline(ReadOnlyInline):
    model = Event
    readonly_fields = (shown("data"),)
    fields = ("at", "kind", "actor", *readonly_fields)


SENT = {
    name: shown(name)
    for name in ("title", "type", "summary", "fields", "links", "options", "result_message")
}


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin):
    """Approvals, to read. Their page for people has the "View on site" link."""

    date_hierarchy = "created_at"
    list_display = (
        SENT["title"],
        SENT["type"],
        "status",
        "requested_by",
        "caller",
        "created_at",
    )
    list_filter = ("status", "type", "priority", "caller")
    list_select_related = ("caller",)
    search_fields = ("title", "requested_by", "execution", "pk")
    readonly_fields = (*SENT.values(), "asked")
    fieldsets = (
        ("Question", {"fields": readonly_fields[:-2]}),
        ("People", {"fields": ("requested_by", "asked", "caller", "decided_by")}),
        ("Rules", {"fields": ("priority", "comment_rule", "votes_needed", "on_expiry")}),
        ("Times", {"fields": ("created_at", "expires_at", "decided_at")}),
        ("Outcome", {"fields": ("status", "result", SENT["result_message"], "result_url")}),
        (
            "Workflow",
            {
                "fields": (
                    "execution",
                    "callback_url",
                    "idempotency_key",
                    "content_sha256",
                    "revision",
                )
            },
        ),
    )
    inlines = (VoteInline, EventInline)

    @admin.display(description="who is asked")
    def asked(self, approval: Approval) -> str:
        """The approvers, as the API names them."""
        return ", ".join(map(str, approval.approvers.select_related("user", "group")))


class AttemptInline(ReadOnlyInline):
    model = Attempt
    fields = ("number", "started_at", "finished_at", "result", "status", "detail")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """Deliveries: read them, and start one again when its cause is mended."""

    date_hierarchy = "created_at"
    list_display = ("approval", "current", "reason", "tries", "next_attempt_at", "created_at")
    list_filter = (StateFilter,)
    list_select_related = ("approval",)
    search_fields = ("approval__title", "approval__execution", "pk", "approval__pk")
    fields = (
        "approval",
        "current",
        "reason",
        "tries",
        "next_attempt_at",
        "created_at",
        "stored_at",
        "confirmed_at",
        "payload",
    )
    readonly_fields = ("current", "payload")
    inlines = (AttemptInline,)
    actions = ("deliver_again",)
    change_form_template = "admin/delivery.html"

    @admin.display(description="state", ordering="state")
    def current(self, delivery: Delivery) -> str:
        return state_words(delivery.state)

    @admin.display(description="What is sent")
    def payload(self, delivery: Delivery) -> str:
        text = json.dumps(delivery.payload, indent=2, ensure_ascii=False)
        return format_html("<pre>{}</pre>", visible(text))

    def has_deliver_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("approvals.change_delivery")

    @admin.action(description="Deliver again", permissions=["deliver"])
    def deliver_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """Queue them once more; the worker looks at Google first. Decisions stay as they are."""
        assert isinstance(request.user, User)
        done = [delivery.requeue(actor=request.user.actor) for delivery in queryset]
        self.message_user(request, f"Queued again: {sum(done)}.", messages.SUCCESS)
        if not all(done):
            text = f"Left alone, the workflow has it: {len(done) - sum(done)}."
            self.message_user(request, text, messages.INFO)


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """The record, a line each."""

    date_hierarchy = "at"
    list_display = ("at", "kind", "actor", "approval")
    list_filter = ("kind",)
    list_select_related = ("approval",)
    search_fields = ("actor", "approval__title")


@admin.register(Vote)
class VoteAdmin(ReadOnlyAdmin):
    """Who answered what."""

    date_hierarchy = "at"
    list_display = ("at", "user", "outcome", "approval")
    list_filter = ("outcome",)
    list_select_related = ("approval", "user")
    search_fields = ("user__email", "approval__title")


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    """Single tries of deliveries."""

    date_hierarchy = "started_at"
    list_display = ("started_at", "delivery", "number", "result", "status", "detail")
    list_filter = ("result", "status")
    list_select_related = ("delivery__approval",)
    search_fields = ("delivery__approval__title",)

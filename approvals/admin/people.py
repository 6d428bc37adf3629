"""People, groups, and who stands in for whom."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.admin.attending import asks_first
from approvals.admin.base import (
    ModelAdmin,
    Named,
    ReadOnlyAdmin,
    TabularInline,
    is_superuser,
    links_to,
    operator,
)
from approvals.models import Approval, Preference, SavedView, StandIn, User
from approvals.models.approver import Approver

if TYPE_CHECKING:  # generic for the type checker, plain classes at run time
    BaseUserAdmin = DjangoUserAdmin[User]
    BaseNewUserForm = AdminUserCreationForm[User]
else:
    BaseUserAdmin, BaseNewUserForm = DjangoUserAdmin, AdminUserCreationForm


def _beyond(request: HttpRequest) -> QuerySet[Group]:
    """The groups that give their members rights which this operator does not have."""
    own = request.user.get_all_permissions()
    every = Permission.objects.select_related("content_type")
    lacking = [
        each.pk for each in every if f"{each.content_type.app_label}.{each.codename}" not in own
    ]
    return Group.objects.filter(permissions__in=lacking)


class NewUserForm(BaseNewUserForm):
    """A new person, by e-mail address."""

    class Meta:
        model = User
        fields = ("email", "first_name", "last_name")


RIGHTS = {
    "is_active": gettext_lazy(
        "Do not delete people who leave: make them inactive, as the record names them."
    ),
    "is_staff": gettext_lazy("May open these pages, as far as the rights below go."),
    "is_superuser": gettext_lazy("May do everything here."),
    "groups": gettext_lazy("Requests to any of these groups reach this person."),
    "user_permissions": gettext_lazy("What this person may do besides deciding."),
}


@admin.register(User)
class UserAdmin(Named, BaseUserAdmin):
    """People, who sign in with their e-mail address."""

    add_form = NewUserForm
    ordering = ("email",)
    list_display = ("email", "first_name", "last_name", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "groups")
    search_fields = ("email", "first_name", "last_name")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        (gettext_lazy("Name"), {"fields": ("first_name", "last_name")}),
        (
            gettext_lazy("Rights"),
            {
                "fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions"),
                "description": gettext_lazy("Groups decide which requests reach this person."),
            },
        ),
        (gettext_lazy("Dates"), {"fields": ("last_login", "date_joined")}),
        (
            gettext_lazy("Waiting requests"),
            {
                "fields": ("waiting",),
                "description": gettext_lazy(
                    "Requests that name this person. If the person has left, open each one and"
                    " ask somebody else."
                ),
            },
        ),
    )
    add_fieldsets = (
        (None, {"fields": ("email", "first_name", "last_name")}),
        (gettext_lazy("Password"), {"fields": ("usable_password", "password1", "password2")}),
    )
    readonly_fields = ("last_login", "date_joined", "waiting")

    @admin.display(description=gettext_lazy("waiting"))
    def waiting(self, user: User) -> str:
        """Open approvals that ask this person by name."""
        asked = Approver.objects.current().filter(user=user).values("approval")
        return links_to(Approval.objects.open().filter(pk__in=asked))

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """What each right means here, in place of Django's words."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and db_field.name in RIGHTS:
            field.help_text = RIGHTS[db_field.name]
        return field

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Nobody hands out rights they do not have: a superuser alone gives those of Django.

        Membership of a group is the right to decide, so it is for those who keep the groups; here
        as long as no group has rights that they do not have, and else on the page of each group.
        """
        fields = (*super().get_readonly_fields(request, obj),)
        if is_superuser(request):
            return fields
        may = request.user.has_perm("auth.change_group") and not _beyond(request).exists()
        kept = () if may else ("groups",)
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
    verbose_name = gettext_lazy("member")
    verbose_name_plural = gettext_lazy("members")
    autocomplete_fields = ("user",)
    extra = 1

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("user")


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(Named, DjangoGroupAdmin):
    """Groups: an approval may be put to all members of one."""

    inlines = (MemberInline,)
    fieldsets = (
        (None, {"fields": ("name", "waiting")}),
        (gettext_lazy("Rights"), {"fields": ("permissions",), "classes": ("collapse",)}),
    )

    @admin.display(description=gettext_lazy("waiting"))
    def waiting(self, group: Group) -> str:
        """Open approvals that ask this group."""
        asked = Approver.objects.current().filter(group=group).values("approval")
        return links_to(Approval.objects.open().filter(pk__in=asked))

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Whoever joins a group has its rights: nobody gives themselves more by that."""
        if obj and not is_superuser(request) and _beyond(request).filter(pk=obj.pk).exists():
            return False
        return super().has_change_permission(request, obj)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Group | None = None
    ) -> tuple[str, ...]:
        """What members may do besides deciding is given by superusers, as to single people."""
        fields = (*super().get_readonly_fields(request, obj), "waiting")
        return fields if is_superuser(request) else (*fields, "permissions")


class StandInFilter(admin.SimpleListFilter):
    """Those in force now, to come, or over."""

    title = gettext_lazy("when")
    parameter_name = "when"

    def lookups(self, *_args: object) -> list[tuple[str, str]]:
        return [("now", _("In force now")), ("coming", _("To come")), ("over", _("Over"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        del request
        now = timezone.now()
        match self.value():
            case "now":
                return queryset.filter(pk__in=StandIn.objects.active().values("pk"))
            case "coming":
                return queryset.filter(starts_at__gt=now, ended_at__isnull=True)
            case "over":
                return queryset.filter(Q(ends_at__lte=now) | Q(ended_at__isnull=False))
            case _:
                return queryset


@admin.register(StandIn)
class StandInAdmin(ModelAdmin):
    """Who decides for whom, from when to when. What was is kept: it explains the record."""

    list_display = ("user", "colleague", "starts_at", "ends_at", "ended_at", "reason", "created_by")
    list_filter = (StandInFilter,)
    list_select_related = ("user", "colleague")
    search_fields = ("user__email", "colleague__email", "user__last_name", "colleague__last_name")
    autocomplete_fields = ("user", "colleague")
    fields = ("user", "colleague", "starts_at", "ends_at", "reason")
    actions = ("end_now",)

    def save_model(self, request: HttpRequest, obj: StandIn, form: Any, change: Any) -> None:
        obj.created_by = operator(request).actor
        super().save_model(request, obj, form, change)

    def get_readonly_fields(
        self, request: HttpRequest, obj: StandIn | None = None
    ) -> tuple[str, ...]:
        del request
        return ("created_by", "created_at", "ended_at") if obj else ()

    def get_fields(self, request: HttpRequest, obj: StandIn | None = None) -> tuple[str, ...]:
        return (*self.fields, *self.get_readonly_fields(request, obj))

    def has_change_permission(self, *_: object, **__: object) -> bool:
        """One that was made is ended, and another one made."""
        return False

    def has_delete_permission(self, *_: object, **__: object) -> bool:
        return False

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("approvals.change_standin")

    @admin.action(description=gettext_lazy("End now"), permissions=["end"])
    def end_now(self, request: HttpRequest, queryset: QuerySet[StandIn]) -> HttpResponse | None:
        """Nobody decides for these from now on; asked for on a page first."""
        says = _("From now on nobody decides for these people in their absence.")
        if page := asks_first(self, request, queryset, title=_("End now"), says=says):
            return page
        done = [each for each in queryset if each.end()]
        for each in done:
            self.log_change(request, each, "Ended")
        ended = _("Ended: %(number)s.") % {"number": len(done)}
        self.message_user(request, ended, messages.SUCCESS)
        return None


@admin.register(Preference)
class PreferenceAdmin(ReadOnlyAdmin):
    """How each person wants to be told: their own choice, so it is only read here."""

    list_display = ("user", "pace", "hour", "time_zone", "receipts", "results")
    list_filter = ("pace", "receipts", "results")
    list_select_related = ("user",)
    search_fields = ("user__email", "user__first_name", "user__last_name")


@admin.register(SavedView)
class SavedViewAdmin(ReadOnlyAdmin):
    """What people keep in their inboxes, and with whom they share it: to read."""

    list_display = ("name", "owner", "group", "query", "is_default")
    list_filter = ("group",)
    list_select_related = ("owner", "group")
    search_fields = ("name", "owner__email")

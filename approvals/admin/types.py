"""Types: what they say now, as a form; every change is a version, and the versions are read."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpRequest
from django.utils import formats, timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.admin.base import ModelAdmin, ReadOnlyAdmin, in_lines, operator
from approvals.admin.type_form import TypeForm
from approvals.admin.type_words import changes, terms_of
from approvals.models import Policy, PolicyVersion
from approvals.models.content import PENDING

MOST_VERSIONS = 50
ABOUT = ("name", "title", "description", "is_active")
WHO = ("approvers", "votes_needed", "stages", "rules", "invites")
HOW = ("comment_rule", "reject_settles", "undo", "form", "priority")
WHEN = (
    *("expires_in", "on_expiry", "silence_approves"),
    *("remind_after", "escalate_after", "escalate_to"),
)


@admin.register(Policy)
class PolicyAdmin(ModelAdmin):
    """What a type says from now on; approvals that were asked keep what they were asked under."""

    form = TypeForm
    list_display = ("title", "name", "version", "open_now", "asked", "is_active")
    list_filter = ("is_active",)
    search_fields = ("name", "title", "description")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Policy]:
        rows: QuerySet[Policy] = super().get_queryset(request)
        waiting = Q(versions__approvals__status=PENDING)
        return rows.annotate(
            last_version=Max("versions__number"),
            count_asked=Count("versions__approvals", distinct=True),
            count_open=Count("versions__approvals", filter=waiting, distinct=True),
        )

    @admin.display(description=gettext_lazy("version"), ordering="last_version")
    def version(self, policy: Any) -> int | None:
        found: int | None = policy.last_version
        return found

    @admin.display(description=gettext_lazy("waiting"), ordering="count_open")
    def open_now(self, policy: Any) -> int:
        return int(policy.count_open)

    @admin.display(description=gettext_lazy("asked"), ordering="count_asked")
    def asked(self, policy: Any) -> int:
        return int(policy.count_asked)

    def get_fieldsets(self, request: HttpRequest, obj: Policy | None = None) -> Any:
        """Who may only look reads the terms as a table."""
        history = ((gettext_lazy("Versions"), {"fields": ("history",)}),) if obj else ()
        if obj and not self.has_change_permission(request, obj):
            return (
                (None, {"fields": ABOUT}),
                (gettext_lazy("What it says"), {"fields": ("now",)}),
                *history,
            )
        return (
            (None, {"fields": (*ABOUT, "seen")}),
            (gettext_lazy("Who decides"), {"fields": WHO}),
            (gettext_lazy("How"), {"fields": HOW}),
            (gettext_lazy("Until when"), {"fields": WHEN}),
            *history,
        )

    def get_readonly_fields(
        self, request: HttpRequest, obj: Policy | None = None
    ) -> tuple[str, ...]:
        """Workflows know a type by its name, so that stays."""
        del request
        return ("name", "now", "history") if obj else ("now", "history")

    def save_model(self, request: HttpRequest, obj: Policy, form: Any, change: Any) -> None:
        super().save_model(request, obj, form, change)
        obj.revise(operator(request).actor, **form.terms)

    def has_delete_permission(self, *_: object, **__: object) -> bool:
        """What was asked under it stays readable; to end a type, take away "active"."""
        return False

    @admin.display(description=gettext_lazy("what it says"))
    def now(self, policy: Policy) -> str:
        version = policy.versions.order_by("-number").first()
        return _table(terms_of(version)) if version else _("Nothing yet.")

    @admin.display(description=gettext_lazy("versions"))
    def history(self, policy: Policy) -> str:
        """Each version: who made it when, what it changed, and how many were asked under it."""
        counted = policy.versions.annotate(asked=Count("approvals")).select_related("policy")
        found = list(counted.order_by("-number")[: MOST_VERSIONS + 1])
        before: Sequence[PolicyVersion | None] = [*found[1:], None]
        rows = []
        for version, older in zip(found[:MOST_VERSIONS], before, strict=False):
            when = formats.date_format(timezone.localtime(version.created_at), "DATETIME_FORMAT")
            said = changes(version, older) or [_("The first version")]
            who = version.created_by.removeprefix("user:")
            rows.append(
                (
                    version.number,
                    when,
                    who,
                    in_lines("{}", ((each,) for each in said)),
                    version.asked,
                )
            )
        titles = (_("Version"), _("When"), _("Who"), _("What changed"), _("Asked"))
        head = format_html_join("", "<th>{}</th>", ((each,) for each in titles))
        cells = "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>"
        return format_html("<table><tr>{}</tr>{}</table>", head, format_html_join("", cells, rows))


@admin.register(PolicyVersion)
class PolicyVersionAdmin(ReadOnlyAdmin):
    """One version, to which approvals point."""

    list_display = ("policy", "number", "created_at", "created_by")
    list_filter = ("policy",)
    list_select_related = ("policy",)
    fields = ("policy", "number", "created_at", "created_by", "says")
    readonly_fields = ("says",)

    @admin.display(description=gettext_lazy("what it says"))
    def says(self, version: PolicyVersion) -> str:
        return _table(terms_of(version))


def _table(rows: Any) -> str:
    body = format_html_join("", "<tr><th>{}</th><td>{}</td></tr>", rows)
    return format_html("<table>{}</table>", body)

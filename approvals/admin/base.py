"""What the operators' pages share: records that are only read, texts of strangers, who may what."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.models import Approval, User
from approvals.operators_site import ABOUT
from approvals.plain import visible

if TYPE_CHECKING:  # generic for the type checker, plain classes at run time
    Base = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    Base, TabularInline = admin.ModelAdmin, admin.TabularInline


class Named(Base):
    """A list is headed by what is in it and what one does there."""

    # How many there are in all would be counted for each page of a search.
    show_full_result_count = False
    list_per_page = 50

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, by its name."""
        named = {
            "title": capfirst(self.opts.verbose_name_plural),
            "about": ABOUT.get(str(self.opts.object_name), ""),
        }
        return super().changelist_view(request, named | (extra_context or {}))


class ModelAdmin(Named):
    """A list of what is kept here, and pages to change it."""


def chip(text: object, tone: str = "") -> str:
    """A state in its colour, as in the inbox.

    Args:
        tone: `good`, `bad`, `warn`, `accent`, or nothing.
    """
    return format_html('<span class="chip{}">{}</span>', tone and f" tone-{tone}", text)


def shown(name: str) -> Any:
    """A column or line with what a workflow sent: hidden characters marked, JSON as text.

    A callable; the type stubs know only names in lists of fields.
    """

    @admin.display(description=gettext_lazy(name.replace("_", " ")), ordering=name)
    def show(row: Any) -> str:
        value = getattr(row, name)
        return visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))

    show.__name__ = name
    return show


def is_superuser(request: HttpRequest) -> bool:
    return request.user.is_active and request.user.is_superuser


def in_lines(form: str, rows: Iterable[tuple[str, ...]]) -> str:
    """A line for each, escaped; a dash for none."""
    return format_html_join("", f"<div>{form}</div>", rows) or "-"


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


def operator(request: HttpRequest) -> User:
    """Who acts. The admin has let in nobody else."""
    assert isinstance(request.user, User)
    return request.user


MOST_LISTED = 20


def links_to(approvals: "QuerySet[Approval]") -> str:
    """The first of these approvals as links to their pages here, and how many more there are."""
    found = list(approvals.order_by("-created_at")[: MOST_LISTED + 1])
    if not found:
        return _("None.")
    entries = (
        (reverse("admin:approvals_approval_change", args=[each.pk]), visible(each.title))
        for each in found[:MOST_LISTED]
    )
    listed = in_lines('<a href="{}">{}</a>', entries)
    if len(found) <= MOST_LISTED:
        return listed
    return format_html(
        "{}<div>{}</div>",
        listed,
        _("and %(number)s more") % {"number": approvals.count() - MOST_LISTED},
    )

"""What the operators' pages share: records that are only read, texts of strangers, who may what."""

import json
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from approvals.models import Approval, User
from approvals.plain import visible

if TYPE_CHECKING:  # generic for the type checker, plain classes at run time
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    ModelAdmin, TabularInline = admin.ModelAdmin, admin.TabularInline


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


def operator(request: HttpRequest) -> User:
    """Who acts. The admin has let in nobody else."""
    assert isinstance(request.user, User)
    return request.user


MOST_LISTED = 20


def links_to(approvals: "QuerySet[Approval]") -> str:
    """The first of these approvals as links to their pages here, and how many more there are."""
    found = list(approvals.order_by("-created_at")[: MOST_LISTED + 1])
    if not found:
        return "None."
    entries = (
        (reverse("admin:approvals_approval_change", args=[each.pk]), visible(each.title))
        for each in found[:MOST_LISTED]
    )
    listed = format_html_join("", '<div><a href="{}">{}</a></div>', entries)
    if len(found) <= MOST_LISTED:
        return listed
    return format_html("{}<div>and {} more</div>", listed, approvals.count() - MOST_LISTED)

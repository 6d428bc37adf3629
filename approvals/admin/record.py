"""The record, a line each, and who answered what."""

from django.contrib import admin

from approvals.admin.base import ReadOnlyAdmin
from approvals.models import Event, Vote


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

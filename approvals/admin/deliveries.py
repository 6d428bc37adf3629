"""Deliveries: read them, and start one again when its cause is mended."""

import json

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.admin.attending import Attending, AttentionFilter, asks_first
from approvals.admin.base import ReadOnlyAdmin, ReadOnlyInline, chip, operator
from approvals.admin.filters import StateFilter, state_words
from approvals.models import Attempt, Delivery
from approvals.models.outbox import State
from approvals.plain import visible
from approvals.reasons import Kind
from approvals.retold import retold


class AttemptInline(ReadOnlyInline):
    model = Attempt
    fields = ("number", "started_at", "finished_at", "result", "status", "detail")


TONES = {State.CONFIRMED: "good", State.STORED: "accent"} | dict.fromkeys(
    (State.BLOCKED, State.MISSED), "bad"
)


@admin.register(Delivery)
class DeliveryAdmin(Attending):
    """Deliveries: read them, start one again when its cause is mended, put its trouble aside."""

    noun = "delivery"
    date_hierarchy = "created_at"
    list_display = ("approval", "current", "why", "tries", "next_attempt_at", "created_at")
    list_filter = (
        AttentionFilter.of(Kind.UNDELIVERABLE, Kind.UNREAD, Kind.MISSED),
        StateFilter,
        "trouble",
    )
    list_select_related = ("approval",)
    search_fields = ("approval__title", "approval__execution", "pk", "approval__pk")
    fields = (
        "approval",
        "current",
        "trouble",
        "why",
        "tries",
        "next_attempt_at",
        "created_at",
        "stored_at",
        "confirmed_at",
        "attended_at",
        "payload",
    )
    readonly_fields = ("current", "why", "payload")
    inlines = (AttemptInline,)
    actions = ("deliver_again", "put_aside")
    change_form_template = "admin/delivery.html"

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def current(self, delivery: Delivery) -> str:
        if delivery.state == State.MISSED and not delivery.needs_attention:
            ended = _("The workflow had ended")
            return chip(f"{ended} ({delivery.state})", "")
        return chip(state_words(delivery.state), TONES.get(State(delivery.state), ""))

    @admin.display(description=gettext_lazy("reason"))
    def why(self, delivery: Delivery) -> str:
        return visible(retold(delivery.reason))

    @admin.display(description=gettext_lazy("payload"))
    def payload(self, delivery: Delivery) -> str:
        text = json.dumps(delivery.payload, indent=2, ensure_ascii=False)
        return format_html("<pre>{}</pre>", visible(text))

    def has_deliver_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("approvals.change_delivery")

    @admin.action(description=gettext_lazy("Deliver again"), permissions=["deliver"])
    def deliver_again(
        self, request: HttpRequest, queryset: QuerySet[Delivery]
    ) -> HttpResponse | None:
        """Queue them once more; the worker looks at Google first. Decisions stay as they are."""
        says = _(
            "These answers are sent once more, after checking whether Google already has them. No"
            " decision changes."
        )
        if page := asks_first(self, request, queryset, title=_("Deliver again"), says=says):
            return page
        done = [delivery.requeue(actor=operator(request).actor) for delivery in queryset]
        left = _("Skipped, as the workflow has the answer: %(number)s.")
        self.report(request, _("Queued again: %(number)s."), left, done)
        return None


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    """Single tries of deliveries."""

    date_hierarchy = "started_at"
    list_display = ("started_at", "delivery", "number", "result", "status", "detail")
    list_filter = ("result", "status")
    list_select_related = ("delivery__approval",)
    search_fields = ("delivery__approval__title",)

"""Approvals: to read, and the few things an operator may do with them."""

from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.admin.attending import AttentionFilter, ReasonForm, confirm
from approvals.admin.base import ReadOnlyAdmin, ReadOnlyInline, chip, in_lines, operator, shown
from approvals.admin.exporting import Exporting
from approvals.admin.type_words import form_in_words, stage_in_words
from approvals.facts import lines_of
from approvals.forms import PersonField
from approvals.insights import OTHER, OUTCOMES
from approvals.models import Approval, ApprovalError, Event, Policy, Vote
from approvals.models.approver import Approver
from approvals.models.content import OUTCOME_LABELS, PENDING
from approvals.plain import visible
from approvals.reasons import Kind
from approvals.templatetags.approvals import TONES


class ReassignForm(ReasonForm):
    """Who is asked no more, and who instead."""

    instead_of = forms.ChoiceField(label=gettext_lazy("In place of"))
    to = PersonField()
    field_order = ("instead_of", "to", "reason")

    def __init__(self, *args: Any, rows: Sequence[Approval], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        asked = Approver.objects.current().filter(approval__in=rows)
        self._asked = list(asked.select_related("user", "group"))
        names = {str(each): each.label for each in self._asked}
        choice = self.fields["instead_of"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = sorted(names.items())
        self.fields["to"].widget.attrs["class"] = "vTextField"
        self.fields["to"].help_text = _("E-mail address or name of a colleague, not yourself.")

    def replaced(self, approval: Approval) -> list[Approver]:
        """The entries of this approval that are replaced."""
        name = self.cleaned_data["instead_of"]
        return [row for row in self._asked if row.approval_id == approval.pk and str(row) == name]


class VoteInline(ReadOnlyInline):
    model = Vote
    fields = ("user", "principal", "outcome", "comment", "at", "taken_back_at")


class EventInline(ReadOnlyInline):
    model = Event
    readonly_fields = (shown("data"),)
    fields = ("at", "kind", "actor", *readonly_fields)


SENT = {name: shown(name) for name in ("title", "type", "summary", "result_message")}
TERMS = ("steps", "fill_in", shown("on_expiry"), "reject_settles", "undo")


ALL_TONES = {PENDING: "accent", **TONES}


class StateFilter(admin.SimpleListFilter):
    """How requests stand, as the inbox names it."""

    title = gettext_lazy("state")
    parameter_name = "status"

    def lookups(self, *_args: object) -> list[tuple[str, str]]:
        usual = [(status, str(label)) for status, label in OUTCOME_LABELS.items()]
        return [*usual, (OTHER, str(OUTCOMES[OTHER]))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        del request
        if self.value() == OTHER:
            return queryset.exclude(status__in=OUTCOME_LABELS)
        return queryset.filter(status=self.value()) if self.value() else queryset


class TypeFilter(admin.SimpleListFilter):
    """The types that are kept, by their titles; not those that a workflow alone has named."""

    title = gettext_lazy("type")
    parameter_name = "type"

    def lookups(self, *_args: object) -> list[tuple[str, str]]:
        return list(Policy.objects.titles().items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        del request
        return queryset.filter(type=self.value()) if self.value() else queryset


@admin.register(Approval)
class ApprovalAdmin(Exporting, ReadOnlyAdmin):
    """Approvals, to read. Their page for people has the "View on site" link."""

    date_hierarchy = "created_at"
    list_display = (
        SENT["title"],
        SENT["type"],
        "state",
        "requested_by",
        "caller",
        "created_at",
    )
    list_filter = (AttentionFilter.of(Kind.NOBODY), StateFilter, TypeFilter, "priority", "caller")
    list_select_related = ("caller",)
    search_fields = ("title", "requested_by", "execution", "pk")
    readonly_fields = (*SENT.values(), "facts", "pages", "answers", "state", "asked", *TERMS)
    fieldsets = (
        (
            gettext_lazy("Question"),
            {"fields": (*tuple(SENT.values())[:-1], "facts", "pages", "answers")},
        ),
        (gettext_lazy("People"), {"fields": ("requested_by", "asked", "caller", "decided_by")}),
        (
            gettext_lazy("Rules"),
            {"fields": ("policy", "priority", "comment_rule", "votes_needed", *TERMS)},
        ),
        (gettext_lazy("Times"), {"fields": ("created_at", "expires_at", "decided_at")}),
        (
            gettext_lazy("Outcome"),
            {"fields": ("state", "result", SENT["result_message"], "result_url")},
        ),
        (
            gettext_lazy("Workflow"),
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
    actions = ("ask_somebody_else", "withdraw", "export_csv", "export_json")
    change_form_template = "admin/approval.html"

    @admin.display(description=gettext_lazy("state"), ordering="status")
    def state(self, approval: Approval) -> str:
        """As the inbox names it."""
        return chip(visible(approval.status_label), ALL_TONES.get(approval.status, ""))

    @admin.display(description=gettext_lazy("facts"))
    def facts(self, approval: Approval) -> str:
        """Each with its label, as people read them."""
        return in_lines("{}: {}", lines_of(approval.fields))

    @admin.display(description=gettext_lazy("links"))
    def pages(self, approval: Approval) -> str:
        """Where they lead, as text: nobody is sent there from here."""
        rows = ((visible(link["label"]), visible(link["url"])) for link in approval.links)
        return in_lines("{}: {}", rows)

    @admin.display(description=gettext_lazy("answers to choose from"))
    def answers(self, approval: Approval) -> str:
        """Each with what follows from it."""
        rows = (
            (visible(option["label"]), visible(option.get("consequence") or option["value"]))
            for option in approval.buttons
        )
        return in_lines("{}: {}", rows)

    @admin.display(description=gettext_lazy("stages"))
    def steps(self, approval: Approval) -> str:
        """How many must agree in each."""
        return in_lines("{}", ((visible(stage_in_words(each)),) for each in approval.stages))

    @admin.display(description=gettext_lazy("form"))
    def fill_in(self, approval: Approval) -> str:
        """What the approver fills in."""
        return visible(form_in_words(approval.form))

    @admin.display(description=gettext_lazy("who is asked"))
    def asked(self, approval: Approval) -> str:
        """The approvers, as the API names them."""
        return ", ".join(map(str, approval.approvers.select_related("user", "group")))

    def has_move_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("approvals.change_approval")

    @admin.action(description=gettext_lazy("Ask somebody else"), permissions=["move"])
    def ask_somebody_else(
        self, request: HttpRequest, queryset: QuerySet[Approval]
    ) -> HttpResponse | None:
        """In place of one who is asked, as for a person who has left; asked for on a page first."""
        open_ones = list(queryset.filter(status=PENDING))
        form = ReassignForm(request.POST if "confirmed" in request.POST else None, rows=open_ones)
        if not form.is_valid():
            says = _("In these, the colleague is asked instead:")
            return self._confirm(request, open_ones, form, _("Ask somebody else"), says)
        to, reason = form.cleaned_data["to"], form.cleaned_data["reason"]

        def act(approval: Approval) -> None:
            for approver in form.replaced(approval):
                approval.reassign(approver, to=to, by=operator(request), reason=reason)

        asking = [approval for approval in open_ones if form.replaced(approval)]
        self._each(request, asking, act, _("%(who)s is asked instead") % {"who": to})
        return None

    @admin.action(description=gettext_lazy("Withdraw"), permissions=["move"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Approval]) -> HttpResponse | None:
        """Close them unanswered; the workflow gets “withdrawn”. Asked for on a page first."""
        open_ones = list(queryset.filter(status=PENDING))
        form = ReasonForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            says = _("These close unanswered, and their workflows get “withdrawn”:")
            return self._confirm(request, open_ones, form, _("Withdraw"), says)
        reason = form.cleaned_data["reason"]

        def act(approval: Approval) -> None:
            approval.withdraw(reason, actor=operator(request).actor)

        self._each(request, open_ones, act, _("Withdrawn"))
        return None

    def _confirm(
        self,
        request: HttpRequest,
        approvals: list[Approval],
        form: forms.Form,
        title: str,
        says: str,
    ) -> HttpResponse | None:
        """What is about to be done, to which approvals; or that there is nothing to do."""
        if not approvals:
            self.message_user(request, _("None of these is open any more."), messages.WARNING)
            return None
        return confirm(self, request, approvals, form, title=title, says=says)

    def _each(
        self,
        request: HttpRequest,
        approvals: list[Approval],
        act: Callable[[Approval], None],
        done: str,
    ) -> None:
        """Each by itself: one that cannot be done leaves the others as they are."""
        count = 0
        for approval in approvals:
            try:
                act(approval)
            except ApprovalError as error:
                self.message_user(request, f"{approval}: {error}", messages.ERROR)
            else:
                count += 1
                self.log_change(request, approval, done)
        self.message_user(request, f"{done}: {count}.", messages.SUCCESS)

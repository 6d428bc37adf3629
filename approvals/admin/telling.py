"""Channels, and the outbox of notices."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.admin.attending import Attending, AttentionFilter, asks_first
from approvals.admin.base import ModelAdmin, chip, operator
from approvals.audience import LABELS
from approvals.models import Channel, Notice
from approvals.models.notice import NoticeState
from approvals.plain import visible
from approvals.reasons import Kind
from approvals.retold import retold
from approvals.senders import problem_with

if TYPE_CHECKING:  # generic for the type checker, a plain class at run time
    ModelForm = forms.ModelForm[Channel]
else:
    ModelForm = forms.ModelForm


class ChannelForm(ModelForm):
    """A channel. Its address is written and never read: empty keeps the one that is there."""

    url = forms.CharField(
        label=gettext_lazy("Address"),
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "class": "vLargeTextField"}),
        help_text=gettext_lazy(
            "As Apprise writes it: gchat://…, slack://…, workflows://… for Teams."
            ' <a href="https://appriseit.com/services/">All of them</a>. It is a secret:'
            " it is not shown again. The message goes to that host."
        ),
    )
    matters = forms.MultipleChoiceField(
        label=gettext_lazy("Told of"),
        choices=[(matter, gettext_lazy(label)) for matter, label in LABELS.items()],
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = Channel
        fields = ("name", "url", "group", "policy", "matters", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["url"] = ""
            self.fields["url"].required = False
            kept = _("An address of %(service)s:// is kept. Write another to replace it.")
            self.fields["url"].help_text = kept % {"service": self.instance.service}

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"].strip()
        if not url and self.instance.pk:
            return self.instance.url
        if problem := problem_with(url):
            raise forms.ValidationError(problem)
        return url


@admin.register(Channel)
class ChannelAdmin(ModelAdmin):
    """Rooms of chats. Who may set them decides to which hosts the worker speaks."""

    form = ChannelForm
    list_display = ("name", "service", "group", "policy", "told_of", "is_active")
    list_filter = ("is_active", "group", "policy")
    list_select_related = ("group", "policy")
    search_fields = ("name",)
    autocomplete_fields = ("group", "policy")
    fields = ChannelForm.Meta.fields

    @admin.display(description=gettext_lazy("told of"))
    def told_of(self, channel: Channel) -> str:
        return ", ".join(_(LABELS[each]) for each in channel.matters if each in LABELS)

    def get_fields(self, request: HttpRequest, obj: Channel | None = None) -> Any:
        """Who may only look does not see the address either."""
        if obj is None or self.has_change_permission(request, obj):
            return self.fields
        return ("name", "service", "group", "policy", "told_of", "is_active")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Channel | None = None
    ) -> tuple[str, ...]:
        may = obj is None or self.has_change_permission(request, obj)
        return () if may else ("service", "told_of")

    def has_delete_permission(self, *_: object, **__: object) -> bool:
        """What was told there stays in the outbox; to end a channel, take away "active"."""
        return False


TONES = {NoticeState.SENT: "good", NoticeState.FAILED: "bad"}


@admin.register(Notice)
class NoticeAdmin(Attending):
    """Who was told what: read it, tell again, or put it aside."""

    noun = "notice"
    date_hierarchy = "created_at"
    list_display = ("told", "matter", "approval", "current", "why", "tries", "created_at")
    list_filter = (AttentionFilter.of(Kind.NOTICE), "state", "matter", "channel")
    list_select_related = ("approval", "user", "channel")
    search_fields = ("approval__title", "approval__pk", "address", "channel__name")
    fields = (
        *("told", "matter", "approval", "current", "why", "tries"),
        *("created_at", "digest_at", "next_attempt_at", "sent_at"),
    )
    readonly_fields = ("told", "current", "why")
    actions = ("tell_again", "put_aside")
    change_form_template = "admin/notice.html"

    @admin.display(description=gettext_lazy("who is told"))
    def told(self, notice: Notice) -> str:
        return visible(notice.recipient)

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def current(self, notice: Notice) -> str:
        return chip(notice.get_state_display(), TONES.get(NoticeState(notice.state), ""))

    @admin.display(description=gettext_lazy("reason"))
    def why(self, notice: Notice) -> str:
        return visible(retold(notice.reason))

    @admin.action(description=gettext_lazy("Tell again"), permissions=["attend"])
    def tell_again(self, request: HttpRequest, queryset: QuerySet[Notice]) -> HttpResponse | None:
        """Queue them once more; what has left stays as it is."""
        says = _("These messages are sent once more, except those already sent.")
        if page := asks_first(self, request, queryset, title=_("Tell again"), says=says):
            return page
        by = str(operator(request))
        done = [notice.again(by=by) for notice in queryset]
        left = _("Skipped, as already sent: %(number)s.")
        self.report(request, _("Queued again: %(number)s."), left, done)
        return None

"""What is asked of the insights: which days, which type, which group."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from approvals.forms import DayField
from approvals.insights import Selection
from approvals.models import Approval, Policy, User

RANGES = {"7": 7, "30": 30, "90": 90, "year": 365}
RANGE_LABELS = {
    "7": _("7 days"),
    "30": _("30 days"),
    "90": _("90 days"),
    "year": _("A year"),
}
USUAL = "30"
LONGEST = 2 * 366  # days


class InsightsForm(forms.Form):
    """Which approvals the figures are of. Days that are written out go before a range."""

    range = forms.ChoiceField(
        choices=list(RANGE_LABELS.items()),
        required=False,
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": _("Choose one of 7, 30, 90 and year.")},
    )
    since = DayField(required=False, label=_("From"))
    until = DayField(required=False, label=_("To (inclusive)"))
    type = forms.CharField(max_length=100, required=False, label=_("Type"))
    group = forms.CharField(max_length=150, required=False, label=_("Group"))

    def __init__(self, data: Mapping[str, Any], user: User) -> None:
        super().__init__(data)
        self.user = user
        self.groups = user.groups_in_sight()
        self._types = Policy.objects.titles()
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"

    @property
    def types(self) -> list[tuple[str, str]]:
        """Name and title of the types to choose from, and of what was chosen."""
        chosen = self.data.get("type", "")
        return list((({chosen: chosen} if chosen else {}) | self._types).items())

    def clean_type(self) -> str:
        """A type that is kept in the admin, or that a workflow has named."""
        name: str = self.cleaned_data["type"]
        seen = Approval.objects.visible_to(self.user).filter(type=name)
        if name and name not in self._types and not seen.exists():
            raise forms.ValidationError(_("There is no such type. Choose another, or all."))
        return name

    def clean_group(self) -> str:
        name: str = self.cleaned_data["group"]
        if name and name not in self.groups:
            text = _("There is no such group, or you are not in it. Choose another, or all.")
            raise forms.ValidationError(text)
        return name

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        since, until = given.get("since"), given.get("until")
        if self.errors:
            return given
        if until and not since:
            self.add_error("since", _("Please say from which day on."))
        elif since and since > (until or timezone.localdate()):
            self.add_error("since", _("The first day is after the last one."))
        elif since and ((until or timezone.localdate()) - since).days >= LONGEST:
            self.add_error("since", _("Please choose two years at most."))
        return given

    @property
    def is_own(self) -> bool:
        """Whether the days were written out."""
        return bool(self.cleaned_data.get("since"))

    @property
    def chosen_range(self) -> str:
        """The range whose days are meant; empty where they were written out."""
        return "" if self.is_own else self.cleaned_data["range"] or USUAL

    @property
    def selection(self) -> Selection:
        """What was asked for. The form is valid."""
        given, today = self.cleaned_data, timezone.localdate()
        last: date = today
        if self.is_own:
            first, last = given["since"], given["until"] or today
        else:
            first = today - timedelta(days=RANGES[self.chosen_range] - 1)
        return Selection(first, last, given["type"], given["group"])

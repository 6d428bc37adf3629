"""What is asked of an export: which approvals."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from approvals.forms import DayField
from approvals.models import Approval
from approvals.models.querysets import ApprovalQuerySet
from approvals.times import midnight


class ExportForm(forms.Form):
    """Which approvals go into an export: what the API's list can be filtered by, and days."""

    status = forms.CharField(
        max_length=50, required=False, label=_("State"), help_text="pending, approved, …"
    )
    type = forms.CharField(max_length=100, required=False, label=_("Type"))
    execution = forms.CharField(max_length=400, required=False, label=_("Execution"))
    requested_by = forms.CharField(max_length=254, required=False, label=_("Requested by"))
    since = DayField(required=False, label=_("Asked from"), help_text="2026-01-31")
    until = DayField(required=False, label=_("Asked until"), help_text=_("inclusive"))

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"

    @property
    def approvals(self) -> ApprovalQuerySet:
        """Those that fit."""
        given = {name: value for name, value in self.cleaned_data.items() if value}
        days = {name: given.pop(name) for name in DAYS if name in given}
        found = Approval.objects.filter(**given)
        if "since" in days:
            found = found.filter(created_at__gte=midnight(days["since"]))
        if "until" in days:
            found = found.filter(created_at__lt=midnight(days["until"] + timedelta(days=1)))
        return found


DAYS = ("since", "until")

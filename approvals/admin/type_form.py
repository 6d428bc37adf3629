"""The form of a type: what it says, in words, checked at its place; saving makes a version."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from approvals.durations import in_words, seconds_of
from approvals.models import Approval, FormInvalid, Policy, PolicyVersion, UnknownApprover
from approvals.models.approver import resolve
from countersign.questionnaire import check_form
from countersign.terms import OPERATORS, Asked

if TYPE_CHECKING:  # generic for the type checker, a plain class at run time
    ModelForm = forms.ModelForm[Policy]
else:
    ModelForm = forms.ModelForm

STAGES_HELP = _(
    'Only for several stages, in order: [{"name": "Team", "approvers": ["group:team"],'
    ' "votes_needed": 1}, {"name": "Board", "approvers": ["group:board"],'
    ' "votes_needed": "everyone"}]. Then leave the two fields above empty.'
)
RULES_HELP = format_lazy(
    "{} {}",
    _(
        "The first that is true names the approvers of the first stage:"
        ' [{"field": "Amount", "operator": ">", "value": 10000, "approvers": ["group:cfo"],'
        ' "votes_needed": 1}]. Operators:'
    ),
    " ".join(OPERATORS),
)


class DurationField(forms.CharField):
    """A length of time in words; empty is `empty`."""

    def __init__(self, *, empty: int | None = None, **options: Any) -> None:
        super().__init__(required=False, max_length=100, **options)
        self.empty = empty

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if text in {"", "0", "none"}:
            return self.empty
        return _understood(seconds_of, text)

    def prepare_value(self, value: Any) -> Any:
        return in_words(value) if isinstance(value, int) else value


class DurationsField(forms.CharField):
    """Several lengths of time, a line each."""

    widget = forms.Textarea(attrs={"rows": 3})

    def clean(self, value: Any) -> Any:
        lines = [line for line in super().clean(value).splitlines() if line.strip()]
        return sorted({_understood(seconds_of, line) for line in lines})

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, list):
            return "\n".join(in_words(each) for each in value)
        return value


class LinesField(forms.CharField):
    """Approvers, a line each."""

    widget = forms.Textarea(attrs={"rows": 4})

    def clean(self, value: Any) -> Any:
        lines = [line.strip() for line in super().clean(value).splitlines()]
        return [line for line in lines if line]

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value


def _understood(read: Callable[[str], int], text: str) -> int:
    try:
        return read(text)
    except ValueError as error:
        raise ValidationError(str(error)) from None


class DataField(forms.JSONField):
    """JSON, set out in lines."""

    def __init__(self, rows: int, help_text: Any) -> None:
        widget = forms.Textarea(attrs={"rows": rows, "class": "vLargeTextField code"})
        super().__init__(required=False, widget=widget, help_text=help_text)

    def prepare_value(self, value: Any) -> Any:
        if value is None or isinstance(value, InvalidJSONInput):
            return value
        return json.dumps(value, indent=2, ensure_ascii=False)


class TypeForm(ModelForm):
    """A type with all that it says now."""

    approvers = LinesField(
        required=False,
        help_text=_("A line each: group:NAME or user:E-MAIL. All are asked at once."),
    )
    votes_needed = forms.CharField(
        required=False, max_length=10, help_text=_("How many must agree: a number, or “everyone”.")
    )
    stages = DataField(6, STAGES_HELP)
    rules = DataField(4, RULES_HELP)
    comment_rule = forms.ChoiceField(label=_("Comment"), choices=Approval.CommentRule.choices)
    reject_settles = forms.BooleanField(
        required=False, label=_("One rejection settles it, whatever others say")
    )
    undo = DurationField(
        empty=0,
        label=_("Undo window"),
        help_text=_("How long an answer can be taken back, like “20 seconds”. Empty: not at all."),
    )
    form = DataField(8, _("JSON Schema of what the approver fills in. Empty: no form."))
    expires_in = DurationField(
        label=_("Time limit"),
        help_text=_("Like “3 days”. A request may ask for less. Empty: none."),
    )
    on_expiry = forms.CharField(
        max_length=50,
        label=_("When nobody answers"),
        help_text=_("The outcome then: expired, rejected, or a value of the request's options."),
    )
    silence_approves = forms.BooleanField(
        required=False, label=_("A request may say that no answer in time means yes")
    )
    remind_after = DurationsField(
        required=False, label=_("Reminders"), help_text=_("After the asking, a line each: “1 day”.")
    )
    escalate_after = DurationField(label=_("Escalation after"), help_text=_("Like “2 days”."))
    escalate_to = forms.CharField(
        required=False,
        max_length=254,
        label=_("Escalation to"),
        help_text=_("group:NAME or user:E-MAIL"),
    )
    priority = forms.ChoiceField(choices=Approval.Priority.choices)
    invites = forms.BooleanField(
        required=False, label=_("Unknown e-mail addresses are invited instead of refused")
    )
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Policy
        fields = ("name", "title", "description", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.last = self._last()
        version = self.last or PolicyVersion()
        self.initial = {**_shown(version), **self.initial, "seen": version.number or 0}

    def _last(self) -> PolicyVersion | None:
        if not self.instance.pk:
            return None
        return self.instance.versions.order_by("-number").first()

    def clean(self) -> dict[str, Any]:
        super().clean()
        given = self.cleaned_data
        if self.last and given.get("seen") != self.last.number:
            self.add_error(
                None,
                gettext(
                    "%(who)s made version %(number)s meanwhile. Open the type again; nothing was"
                    " saved."
                )
                % {"who": self.last.created_by, "number": self.last.number},
            )
        if not self.errors:
            self._check_people(given)
        if not self.errors:
            self._check_form(given["form"])
        if not self.errors:
            self._check_version()
        return given

    def _check_people(self, given: dict[str, Any]) -> None:
        """Who is named exists, and somebody is."""
        if given["stages"] and (given["approvers"] or given["votes_needed"]):
            self.add_error("stages", gettext("Either approvers and votes above, or stages here."))
            return
        stages = given["stages"] or []
        for name, rows in (("stages", stages), ("rules", given["rules"] or [])):
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                self.add_error(
                    name, gettext("A list in brackets, of entries in braces, as shown below.")
                )
                return
        named = {
            "approvers": given["approvers"],
            "stages": _named(stages),
            "rules": _named(given["rules"] or []),
            "escalate_to": [given["escalate_to"]] if given["escalate_to"] else [],
        }
        for name, people in named.items():
            try:
                resolve((Asked(each, "") for each in people), invite=given["invites"])
            except UnknownApprover as error:
                self.add_error(name, str(error))
        if not any(named[name] for name in ("approvers", "stages", "rules")):
            self.add_error("approvers", gettext("Name at least one: group:NAME or user:E-MAIL."))

    def _check_form(self, form: Any) -> None:
        if form is not None:
            try:
                check_form(form if isinstance(form, dict) else {})
            except FormInvalid as error:
                for text in error.errors.values():
                    self.add_error("form", text)

    def _check_version(self) -> None:
        """What the version itself refuses, at the field that it is about."""
        version = PolicyVersion(policy=self.instance, number=1, created_by="-", **self.terms)
        try:
            version.full_clean(exclude=["policy", "number", "created_by"])
        except ValidationError as error:
            simple = {"stages": "approvers"} if self.cleaned_data["approvers"] else {}
            for name, texts in error.message_dict.items():
                self.add_error(simple.get(name, name), texts)

    @property
    def terms(self) -> dict[str, Any]:
        """What was written, as the columns of a version."""
        given = self.cleaned_data
        terms = {name: given[name] for name in PolicyVersion.TERMS}
        terms["rules"] = given["rules"] or []
        terms["stages"] = given["stages"] or []
        if given["approvers"]:
            needed = given["votes_needed"] or "1"
            votes = int(needed) if needed.isdecimal() else needed
            terms["stages"] = [{"approvers": given["approvers"], "votes_needed": votes}]
        return terms


def _named(rows: list[dict[str, Any]]) -> list[str]:
    """The approvers in stages or rules, as far as they are names."""
    found = []
    for row in rows:
        names = row.get("approvers")
        found += (
            [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
        )
    return found


def _shown(version: PolicyVersion) -> dict[str, Any]:
    """What a version says, as the form writes it: one stage as lines, several as JSON."""
    data = version.as_data()
    stages = data["stages"]
    if len(stages) == 1 and not stages[0].get("name"):
        data["approvers"] = stages[0].get("approvers", [])
        data["votes_needed"] = str(stages[0].get("votes_needed", 1))
        data["stages"] = None
    data["stages"] = data["stages"] or None
    data["rules"] = data["rules"] or None
    data["undo"] = data["undo"] or ""
    return data

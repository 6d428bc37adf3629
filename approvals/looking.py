"""What is looked for in the inbox: kept in its address, said in words, and the rows that fit.

It narrows what a tab holds and never widens it: nobody finds what they may not see.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef
from django.utils import formats, timezone
from django.utils.choices import CallableChoiceIterator
from django.utils.translation import gettext, gettext_lazy

from approvals.forms import DayField
from approvals.inbox import Listing
from approvals.models import Approval, Policy, User
from approvals.models.approver import Approver
from approvals.models.content import OUTCOME_LABELS, PENDING
from approvals.models.querysets import ApprovalQuerySet
from approvals.models.user import mailbox
from approvals.orders import Order
from approvals.people import called_so
from approvals.plain import visible
from approvals.search import matching
from approvals.times import SOON, midnight

ANY = ("", gettext_lazy("Any"))
STATES = (
    ("soon", gettext_lazy("Due within 4 hours")),
    ("question", gettext_lazy("Question open")),
    ("going", gettext_lazy("Answered, can be taken back")),
)
NO_CHOICE = {"invalid_choice": gettext_lazy("There is no such choice.")}
# What there is to look for in one kind of tab alone.
OF_THE_WAITING, OF_THE_DECIDED = ("state", "due_from", "due_to"), ("outcome",)
Narrowing = Callable[[ApprovalQuerySet, Any], ApprovalQuerySet]


class LookForm(forms.Form):
    """All that can be looked for. Each by itself may be wrong, and is then left out."""

    q = forms.CharField(max_length=200, label=gettext_lazy("Search words"))
    type = forms.CharField(max_length=100, label=gettext_lazy("Type"))
    requester = forms.CharField(max_length=254, label=gettext_lazy("Asked by"))
    state = forms.ChoiceField(
        choices=(ANY, *STATES), label=gettext_lazy("State"), error_messages=NO_CHOICE
    )
    outcome = forms.ChoiceField(label=gettext_lazy("Outcome"), error_messages=NO_CHOICE)
    priority = forms.ChoiceField(label=gettext_lazy("Priority"), error_messages=NO_CHOICE)
    group = forms.ChoiceField(label=gettext_lazy("Group asked"), error_messages=NO_CHOICE)
    due_from = DayField(label=gettext_lazy("Due from"))
    due_to = DayField(label=gettext_lazy("Due until"))
    asked_from = DayField(label=gettext_lazy("Asked from"))
    asked_to = DayField(label=gettext_lazy("Asked until"))

    def __init__(self, params: Mapping[str, Any], *, tab: str, user: User) -> None:
        super().__init__({name: params[name] for name in self.base_fields if name in params})
        for name in OF_THE_WAITING if tab == "decided" else OF_THE_DECIDED:
            del self.fields[name]
        # Asked for where they are needed: to show the form, or to look for one of them.
        self._offer("outcome", _outcomes)
        self._offer("priority", lambda: [*Approval.Priority.choices])
        self._offer("group", cache(lambda: [(name, name) for name in user.groups_in_sight()]))
        types = cache(lambda: _types(str(params.get("type", ""))))
        choices = CallableChoiceIterator(lambda: [ANY, *types()])
        self.fields["type"].widget = forms.Select(choices=choices)
        for field in self.fields.values():
            field.required = False
            field.widget.attrs["class"] = "input"

    def _offer(self, name: str, choices: Callable[[], list[tuple[str, Any]]]) -> None:
        field = self.fields.get(name)
        if isinstance(field, forms.ChoiceField):
            field.choices = lambda: [ANY, *choices()]

    def shown(self, name: str) -> str:
        """The value of a field that is right, as a person reads it."""
        value = self.cleaned_data[name]
        if isinstance(value, date):
            return formats.date_format(value, "SHORT_DATE_FORMAT")
        choices: Iterable[Any] = getattr(self.fields[name].widget, "choices", ())
        return str(dict(choices).get(value, visible(str(value))))


def _outcomes() -> list[tuple[str, Any]]:
    return [(key, label) for key, label in OUTCOME_LABELS.items() if key != PENDING]


def _types(given: str) -> list[tuple[str, Any]]:
    """All that are kept, and the one that is looked for, which may be a mere label."""
    found: dict[str, Any] = Policy.objects.titles()
    if given:
        found.setdefault(given, visible(given))
    return list(found.items())


# --- what each of them narrows to ---------------------------------------------------------------


def _asked_by(rows: ApprovalQuerySet, value: str) -> ApprovalQuerySet:
    """An address, whole; or the people of whose name this is a part."""
    if "@" in value:
        return rows.filter(requester_mailbox=mailbox(value))
    people = [person.mailbox for person in called_so(value)]
    return rows.filter(requester_mailbox__in=people)


def _in_state(rows: ApprovalQuerySet, value: str) -> ApprovalQuerySet:
    if value == "question":
        return rows.with_open_question()
    if value == "going":
        return rows.filter(settles_at__isnull=False)
    return rows.filter(expires_at__lte=timezone.now() + SOON)


def _asking_group(rows: ApprovalQuerySet, name: str) -> ApprovalQuerySet:
    """Those that ask this group, or did."""
    group = Group.objects.filter(name=name).first()
    return rows.filter(Exists(Approver.objects.filter(approval=OuterRef("pk"), group=group)))


def _day(column: str, *, last: bool = False) -> Narrowing:
    """From a day on, or with `last` until its end, as the clock of the reader has it."""

    def narrow(rows: ApprovalQuerySet, value: date) -> ApprovalQuerySet:
        if last:
            return rows.filter(**{f"{column}__lt": midnight(value + timedelta(days=1))})
        return rows.filter(**{f"{column}__gte": midnight(value)})

    return narrow


NARROW: Mapping[str, Narrowing] = {
    "q": matching,
    "type": lambda rows, value: rows.filter(type=value),
    "requester": _asked_by,
    "state": _in_state,
    "outcome": lambda rows, value: rows.filter(status=value),
    "priority": lambda rows, value: rows.filter(priority=value),
    "group": _asking_group,
    "due_from": _day("expires_at"),
    "due_to": _day("expires_at", last=True),
    "asked_from": _day("created_at"),
    "asked_to": _day("created_at", last=True),
}


# --- what is looked for now ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Chip:
    """One thing that is looked for, and the address of the same without it."""

    name: str
    label: str
    value: str
    without: str


class Look:
    """What the address of a listing says: what is looked for, and in which order.

    Args:
        params: the parameters of the address.
    """

    def __init__(self, params: Mapping[str, Any], tab: Listing, user: User) -> None:
        self.tab = tab
        self.form = LookForm(params, tab=tab.key, user=user)
        self.form.is_valid()
        self.given = {
            name: str(params[name]).strip()
            for name in self.form.fields
            if self.form.cleaned_data.get(name)
        }
        self.usual = next(iter(tab.sorts))
        asked = str(params.get("sort", ""))
        self.sort = asked if asked in tab.sorts else self.usual
        self.wrong = [
            self._left_out(
                str(self.form.fields[name].label), str(params.get(name, "")), str(errors[0])
            )
            for name, errors in self.form.errors.items()
        ]
        # That is said in words; the form shows what is looked for.
        right = {name: value for name, value in self.form.data.items() if name in self.given}
        self.form.data = right
        self.form.errors.clear()
        if asked and asked not in tab.sorts:
            choice = gettext("This list cannot be sorted that way.")
            self.wrong.append(self._left_out(gettext("Order"), asked, choice))

    def __bool__(self) -> bool:
        """Whether anything narrows the list; an order does not."""
        return bool(self.given)

    @staticmethod
    def _left_out(label: str, value: str, why: str) -> str:
        return gettext("%(label)s “%(value)s” was ignored. %(why)s") % {
            "label": label,
            "value": visible(value[:60]),
            "why": why,
        }

    @property
    def is_sorted(self) -> bool:
        """Whether the order is another than the usual one."""
        return self.sort != self.usual

    @property
    def is_changed(self) -> bool:
        """Whether the list is another than the tab as it opens."""
        return bool(self) or self.is_sorted

    @property
    def order(self) -> Order:
        """How the rows are sorted."""
        return self.tab.sorts[self.sort]

    @property
    def rows(self) -> ApprovalQuerySet:
        """The rows of the tab that fit."""
        return self.rows_without("")

    def rows_without(self, left_out: str) -> ApprovalQuerySet:
        """Those that would fit if one thing were not looked for."""
        rows = self.tab.approvals
        for name in self.given:
            if name != left_out:
                rows = NARROW[name](rows, self.form.cleaned_data[name])
        return rows

    @property
    def query(self) -> str:
        """The address of this list behind “?”, always in the same words: what a view keeps."""
        return self.query_with()

    @property
    def unsorted(self) -> str:
        """The same in the usual order."""
        return self.query_with(without="sort")

    def query_with(self, *, without: str = "", tab: str = "") -> str:
        """The same without one thing or the order, or in the usual order of another tab."""
        order = {"sort": self.sort} if self.is_sorted and not tab else {}
        said = {"tab": tab or self.tab.key, **self.given, **order}
        return urlencode({name: value for name, value in said.items() if name != without})

    @property
    def chips(self) -> list[Chip]:
        """What is looked for, each with the way to leave it out."""
        return [
            Chip(
                name,
                str(self.form.fields[name].label),
                self.form.shown(name),
                self.query_with(without=name),
            )
            for name in self.given
        ]

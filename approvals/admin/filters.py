"""What the operators' lists can be narrowed to, in the words of their columns."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.models.outbox import State


class SinceFilter(SimpleListFilter):
    """Rows to which something has happened, or has not: `column` says when it did."""

    column = ""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        del request
        if self.value() not in {"no", "yes"}:
            return queryset
        return queryset.filter(**{f"{self.column}__isnull": self.value() == "no"})


class KeyStateFilter(SinceFilter):
    """Keys in use, or revoked ones."""

    title = gettext_lazy("state")
    parameter_name = "revoked"
    column = "revoked_at"

    def lookups(self, *_args: object) -> list[tuple[str, str]]:
        return [("no", _("In use")), ("yes", _("Revoked"))]


def state_words(state: str) -> str:
    """A state as people read it; several read the same, and operators must tell them apart."""
    return f"{State(state).label} ({state})"


class StateFilter(SimpleListFilter):
    """Deliveries by state, in the words of the column."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, *_args: object) -> list[tuple[str, str]]:
        return [(state, state_words(state)) for state in State.values]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        del request
        return queryset.filter(state=self.value()) if self.value() else queryset

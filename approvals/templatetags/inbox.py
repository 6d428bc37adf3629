"""What the templates of lists need beyond the others."""

from collections.abc import Collection

from django import template
from django.forms import BoundField

from approvals.inbox import MANY
from approvals.looking import Look

register = template.Library()


@register.filter
def capped(number: int) -> str:
    """A number on a badge; nothing is counted beyond what it can show."""
    return str(number) if number < MANY else f"{MANY - 1}+"


@register.filter
def among(value: object, values: Collection[object] | None) -> bool:
    """Whether it is one of these; of none, where there are none."""
    return value in (values or ())


@register.filter
def into(look: Look, tab: str) -> str:
    """The address of the same search in another tab."""
    return look.query_with(tab=tab)


@register.filter
def offers(field: BoundField) -> bool:
    """Whether there is anything to choose, or the field takes any text."""
    choices = getattr(field.field.widget, "choices", None)
    return choices is None or len(list(choices)) > 1

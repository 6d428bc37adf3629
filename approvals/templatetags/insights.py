"""What the pages of the insights need: a number out of several, a length of time in words."""

from collections import Counter

from django import template

from approvals.templatetags.approvals import span

register = template.Library()


@register.filter
def number(counts: "Counter[str]", of: str) -> int:
    """How many there are of this."""
    return counts[of]


@register.filter
def lasting(seconds: float) -> str:
    """A length of time: 1 h 38 min."""
    return span(seconds)

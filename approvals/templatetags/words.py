"""Sentences of the record as pages show them."""

from django import template

from approvals import retold as retold_

register = template.Library()


@register.filter
def retold(text: object) -> str:
    """A sentence that was kept in English, in the language of who reads it."""
    return retold_.retold(str(text))

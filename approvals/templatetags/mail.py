"""What the texts of mails need beyond the pages' own."""

from django import template

register = template.Library()


@register.filter
def indented(text: str) -> str:
    """Further lines of a value, set under the first."""
    return text.replace("\n", "\n    ")

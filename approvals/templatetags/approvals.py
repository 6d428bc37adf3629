"""What the templates need beyond Django's own: times in words, others' text made harmless."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from django import template
from django.http import QueryDict
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from approvals import markdown as markdown_
from approvals.fields import PREFIX
from approvals.google.console import execution_page
from approvals.models import Approval
from approvals.people import Names
from approvals.plain import visible
from approvals.progress import in_trouble, in_words

register = template.Library()


@register.filter
def plain(text: object) -> str:
    """Text of a workflow, with hidden characters shown as marks."""
    return visible(str(text))


@register.filter
def markdown(text: str) -> SafeString:
    """Markdown of a workflow as harmless HTML."""
    return markdown_.render(text)


@register.filter
def host(url: str) -> str:
    """The host a link leads to; empty when it must not be a link."""
    return markdown_.host_of(url)


@register.filter
def fact(value: object) -> str:
    """The value of a field for people: text, number, yes or no, or a list a line each."""
    match value:
        case None | "" | []:
            return "not given"
        case bool():
            return "Yes" if value else "No"
        case list():
            return "\n".join(fact(item) for item in value)
        case dict():
            return visible(json.dumps(value, ensure_ascii=False))
    return visible(str(value))


@register.filter
def amount(number: float) -> str:
    """A sum, with separators: 3,120 or 3,120.50."""
    return f"{number:,}" if isinstance(number, int) else f"{number:,.2f}"


@register.filter
def workflow(execution: str) -> str:
    """The workflow's name in the name of an execution."""
    found = re.search(r"/workflows/([^/]+)/", execution)
    return found[1] if found else execution


@register.filter
def read_at(execution: str) -> str:
    """Where operators read this execution; empty where that is nowhere."""
    return execution_page(execution)


@register.filter
def called(address: str, names: Names) -> str:
    """The name of the person with this address, or the address."""
    return names.get(address.lower()) or visible(address)


@register.filter
def typed(posted: QueryDict | None) -> Iterator[tuple[str, str]]:
    """What a person wrote in a form that could not be saved; never a password or a token."""
    for name, value in (posted or {}).items():
        text = str(value)
        if text.strip() and not re.search("password|token|revision|next|^once$", name):
            label = name.removeprefix(PREFIX)
            yield "Answer" if name == "outcome" else label[:1].upper() + label[1:], text


@register.filter
def delivery_words(approval: Approval) -> str:
    """Where the answer is, in words."""
    return in_words(approval)


@register.filter
def delivery_trouble(approval: Approval) -> bool:
    """Whether a person's answer did not get through."""
    return in_trouble(approval)


@register.filter
def comment_hint(approval: Approval) -> str:
    """When the comment is required, in words: "required for “Reject” or “Send back”"."""
    needing = [option for option in approval.options if approval.needs_comment(option["value"])]
    if not needing:
        return "optional"
    if len(needing) == len(approval.options):
        return "required"
    return "required for " + " or ".join(f"“{visible(option['label'])}”" for option in needing)


@register.filter
def outcome(approval: Approval, value: str) -> str:
    """An outcome of this approval as people read it."""
    return visible(approval.label_of(value))


@register.filter
def type_title(approval: Approval) -> str:
    """What people call the type."""
    return visible(str(approval.policy.policy) if approval.policy else approval.type)


@register.filter
def seconds(count: int) -> str:
    """A short time in words: 12 s, 3 min."""
    return f"{count} s" if count < 100 else span(count)


@register.filter
def goes_out(until: datetime) -> str:
    """When an answer goes out, without seconds: it stands in a region that is read aloud."""
    left = (until - timezone.now()).total_seconds()
    return "goes out in a moment" if left < 60 else f"goes out in {span(left)}"


@register.filter
def tone(status: str) -> str:
    """The colour class of an outcome."""
    tones = {"approved": "good", "rejected": "bad", "changes_requested": "warn"}
    return f"tone-{tones[status]}" if status in tones else ""


def exact(moment: datetime) -> str:
    """A moment in the configured time zone, with the zone: 31 January 2026, 16:04 UTC."""
    return formats.date_format(timezone.localtime(moment), "j F Y, H:i e")


def span(seconds: float) -> str:
    """A length of time in its two largest units: 25 min, 1 h 38 min, 2 days 22 h."""
    minutes = int(seconds // 60)
    hours, days = minutes // 60, minutes // (24 * 60)
    if minutes < 1:
        return "less than a minute"
    found = (
        (days, f"{days} day{'s' if days > 1 else ''}"),
        (hours % 24, f"{hours % 24} h"),
        (minutes % 60, f"{minutes % 60} min"),
    )
    largest = next(n for n, (count, _) in enumerate(found) if count)
    return " ".join(text for count, text in found[largest : largest + 2] if count)


@register.simple_tag
def when(moment: datetime | None) -> str:
    """The exact time, as text."""
    if moment is None:
        return ""
    return format_html('<time datetime="{}">{}</time>', moment.isoformat(), exact(moment))


@register.simple_tag
def day(moment: datetime, *, last: bool = False) -> str:
    """The day of a moment; `last`: the day that ends then."""
    local = timezone.localtime(moment - timedelta(seconds=1) if last else moment)
    return formats.date_format(local, "j F Y")


@register.simple_tag
def clock(moment: datetime, since: datetime) -> str:
    """The exact time; without the date when it is the day of `since`."""
    local = timezone.localtime(moment)
    same = local.date() == timezone.localtime(since).date()
    text = formats.date_format(local, "H:i e") if same else exact(moment)
    return format_html('<time datetime="{}">{}</time>', moment.isoformat(), text)


@register.simple_tag
def ago(moment: datetime) -> str:
    """How long ago, with the exact time in the title."""
    seconds = (timezone.now() - moment).total_seconds()
    text = "just now" if seconds < 60 else f"{span(seconds)} ago"
    return _relative(moment, text)


@register.simple_tag
def due(moment: datetime) -> str:
    """How soon the time to answer ends, with the exact time in the title."""
    seconds = (moment - timezone.now()).total_seconds()
    return _relative(moment, f"due in {span(seconds)}" if seconds > 0 else "time is up")


@register.filter
def soon(moment: datetime) -> bool:
    """Whether less than four hours are left."""
    return (moment - timezone.now()).total_seconds() < 4 * 3600


def _relative(moment: datetime, text: str) -> SafeString:
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact(moment), text
    )

"""What the templates need beyond Django's own: times in words, others' text made harmless."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from django import template
from django.http import QueryDict
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext, npgettext

from approvals import markdown as markdown_
from approvals.facts import key_fact_of, shown
from approvals.fields import NOT_TYPED, PREFIX
from approvals.google.console import execution_page
from approvals.models import Approval
from approvals.models.content import OUTCOME_LABELS
from approvals.people import Names
from approvals.plain import visible
from approvals.progress import in_trouble, in_words
from approvals.times import SOON, clock_of, exact, fully

register = template.Library()

TONES = {"approved": "good", "rejected": "bad", "changes_requested": "warn"}
"""The colour of an outcome; all others have none."""


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
def fact(value: object, label: str) -> str:
    """The value of a field as text, as its label has it: a list a line each."""
    return str(shown(label, value))


@register.filter
def key_fact(approval: Approval) -> tuple[str, str] | None:
    """The label and the value of the fact that stands beside the title."""
    return key_fact_of(approval.fields)


@register.filter
def number(approval: Approval) -> str:
    """The short number by which people speak of a request: how its id begins."""
    return str(approval.pk)[:8]


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
        if not text.strip() or re.search(NOT_TYPED, name):
            continue
        if name == "outcome":
            yield gettext("Answer"), str(OUTCOME_LABELS.get(text, text))
        elif name == "comment":
            yield gettext("Comment"), text
        else:
            label = name.removeprefix(PREFIX)
            yield label[:1].upper() + label[1:], text


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
    needing = [option for option in approval.buttons if approval.needs_comment(option["value"])]
    if not needing:
        return gettext("optional")
    if len(needing) == len(approval.options):
        return gettext("required")
    labels = [gettext("“%(label)s”") % {"label": visible(each["label"])} for each in needing]
    return gettext("required for %(answers)s") % {"answers": gettext(" or ").join(labels)}


@register.filter
def needing_comment(approval: Approval, outcome: str) -> bool:
    """Whether this answer must come with a comment."""
    return approval.needs_comment(outcome)


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
    return gettext("%(count)d s") % {"count": count} if count < 100 else span(count, bent=True)


@register.filter
def goes_out(until: datetime) -> str:
    """When an answer goes out, without seconds: it stands in a region that is read aloud."""
    left = (until - timezone.now()).total_seconds()
    if left < 60:
        return gettext("goes out in a moment")
    return gettext("goes out in %(time)s") % {"time": span(left, bent=True)}


@register.filter
def tone(status: str) -> str:
    """The colour class of an outcome."""
    return f"tone-{TONES[status]}" if status in TONES else ""


def span(seconds: float, *, bent: bool = False) -> str:
    """A length of time in its two largest units: 25 min, 1 h 38 min, 2 days 22 h.

    Args:
        bent: it stands behind “in”, or before “ago”, which bends words in many languages.
    """
    minutes = int(seconds // 60)
    hours, days = minutes // 60, minutes // (24 * 60)
    if minutes < 1:
        return gettext("less than a minute")
    found = (
        (days, _days(days, bent=bent)),
        (hours % 24, gettext("%(count)d h") % {"count": hours % 24}),
        (minutes % 60, gettext("%(count)d min") % {"count": minutes % 60}),
    )
    largest = next(n for n, (count, _) in enumerate(found) if count)
    return " ".join(text for count, text in found[largest : largest + 2] if count)


def _days(count: int, *, bent: bool) -> str:
    if bent:
        text = npgettext("in or ago", "%(count)d day", "%(count)d days", count)
    else:
        text = ngettext("%(count)d day", "%(count)d days", count)
    return text % {"count": count}


@register.simple_tag
def when(moment: datetime | None) -> str:
    """The exact time, as text."""
    if moment is None:
        return ""
    return _time(moment, exact(moment))


@register.simple_tag
def day(moment: datetime, *, last: bool = False) -> str:
    """The day of a moment; `last`: the day that ends then."""
    local = timezone.localtime(moment - timedelta(seconds=1) if last else moment)
    return formats.date_format(local, "DATE_FORMAT")


@register.simple_tag
def clock(moment: datetime, since: datetime) -> str:
    """The exact time; without the date when it is the day of `since`."""
    same = timezone.localtime(moment).date() == timezone.localtime(since).date()
    return _time(moment, clock_of(moment) if same else exact(moment))


@register.simple_tag
def ago(moment: datetime) -> str:
    """How long ago."""
    seconds = (timezone.now() - moment).total_seconds()
    if seconds < 60:
        return _time(moment, gettext("just now"))
    return _time(moment, gettext("%(time)s ago") % {"time": span(seconds, bent=True)})


@register.simple_tag
def due(moment: datetime) -> str:
    """How soon the time to answer ends."""
    seconds = (moment - timezone.now()).total_seconds()
    if seconds <= 0:
        return _time(moment, gettext("time is up"))
    return _time(moment, gettext("due in %(time)s") % {"time": span(seconds, bent=True)})


@register.filter
def soon(moment: datetime) -> bool:
    """Whether little time is left."""
    return moment - timezone.now() < SOON


def _time(moment: datetime, text: str) -> SafeString:
    """A time in these words, with all of it for programs and for who points at it."""
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', moment.isoformat(), fully(moment), text
    )

"""Notices as mails: text and HTML of one letter, or of a summary; threads, and what is no reply."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext, ngettext

from approvals.audience import TO_ANSWER
from approvals.languages import language_of
from approvals.letters import Letter, key_fact, letter_of
from approvals.models import Approval, Notice, Preference, User
from approvals.orders import MOST_PRESSING
from approvals.people import Names, names_of
from approvals.plain import visible
from approvals.senders import Mail
from approvals.times import exact

MOST_LISTED = 50


@dataclass(frozen=True, slots=True)
class Waiting:
    """One request in a summary."""

    title: str
    asked_by: str
    until: str
    url: str


def zone_of(user: User | None) -> ZoneInfo:
    """Where this reader's clock stands."""
    preference: Preference | None = getattr(user, "preference", None) if user else None
    return (preference or Preference()).zone


@contextmanager
def as_read_by(user: User | None) -> Iterator[None]:
    """In the language of this reader, with times as their clock has them."""
    with translation.override(language_of(user)), timezone.override(zone_of(user)):
        yield


def mail_of(notice: Notice) -> Mail:
    """The mail of one notice."""
    with as_read_by(notice.user):
        letter = letter_of(notice)
        root = message_id(f"approval-{notice.approval_id}")
        headers = _headers(message_id(str(notice.pk)), account=notice.user is not None)
        headers |= {"In-Reply-To": root, "References": root}
        context = {"letter": letter, "approval": letter.approval}
        return _mail(notice.address, letter.subject, "letter", context, headers)


def summary_of(notices: Sequence[Notice]) -> Mail | None:
    """One mail for all that waits for a person, and what has happened; None for nothing.

    Args:
        notices: of one person, at least one.
    """
    first = notices[0]
    user = first.user
    assert user is not None  # only people with an account choose summaries
    with as_read_by(user):
        needing = Approval.objects.needing(user)
        waiting = list(MOST_PRESSING.sort(needing)[: MOST_LISTED + 1])
        news = [letter_of(each) for each in notices if each.matter not in TO_ANSWER]
        if not waiting and not news:
            return None
        count = needing.count() if len(waiting) > MOST_LISTED else len(waiting)
        subject = _summary_subject(count, news)
        context = {
            "waiting": _lines(waiting[:MOST_LISTED]),
            "more": max(count - MOST_LISTED, 0),
            "news": news,
            "inbox_url": f"{settings.BASE_URL}{reverse('approvals:inbox')}",
        }
        # The same summary again has the same name; the next one has another.
        moment = max(each.digest_at or each.created_at for each in notices)
        name = f"summary-{user.pk}-{moment:%Y%m%dT%H%M%S}"
        headers = _headers(message_id(name), account=True)
        return _mail(first.address, subject, "summary", context, headers)


def _lines(approvals: Sequence[Approval]) -> list[Waiting]:
    names: Names = names_of(each.requested_by for each in approvals)
    return [
        Waiting(
            visible(", ".join(part for part in (each.title, key_fact(each)) if part)),
            names.get(each.requested_by.lower()) or visible(each.requested_by),
            exact(each.expires_at) if each.expires_at else "",
            each.url,
        )
        for each in approvals
    ]


def _summary_subject(count: int, news: Sequence[Letter]) -> str:
    if not count:
        return gettext("News of your requests") if len(news) > 1 else news[0].subject
    text = ngettext(
        "%(count)d request is waiting for you", "%(count)d requests are waiting for you", count
    )
    return text % {"count": count}


def message_id(name: str) -> str:
    """A name that mail programs thread and fold by: the same for the same notice."""
    return f"<{name}@{urlsplit(settings.BASE_URL).hostname}>"


def _headers(name: str, *, account: bool) -> dict[str, str]:
    found = {
        "Message-ID": name,
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
    }
    if account:
        # A page on which a person chooses; one click would be a mail program's, not theirs.
        found["List-Unsubscribe"] = f"<{settings.BASE_URL}{reverse('approvals:profile')}>"
    return found


def _mail(
    to: str, subject: str, template: str, context: dict[str, Any], headers: dict[str, str]
) -> Mail:
    account = "List-Unsubscribe" in headers
    context |= {"subject": subject, "base_url": settings.BASE_URL, "account": account}
    return Mail(
        to,
        subject,
        _tidy(render_to_string(f"mail/{template}.txt", context)),
        render_to_string(f"mail/{template}.html", context),
        headers,
    )


def _tidy(text: str) -> str:
    """Without the empty lines that parts leave which are not there."""
    lines = "\n".join(line if line == "-- " else line.rstrip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines).strip() + "\n"

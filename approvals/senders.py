"""What carries notices out: a mail server, and chat services through Apprise.

Beside the package `google` the one module that opens connections. It never has Google's tokens:
it knows addresses and texts, not approvals.
"""

import re
import smtplib
from dataclasses import dataclass, field

from apprise import Apprise, AppriseAsset
from django.core.mail import EmailMultiAlternatives

from approvals.plain import visible
from countersign.phrases import phrase

CHAT_TIMEOUT = 15.0  # seconds for all of one message
# Services of Apprise that are no services: they act on the machine itself.
LOCAL = frozenset(
    {"blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"}
)
_NEVER = range(500, 600)  # statuses of SMTP that another try does not change


# What is kept with a notice that did not leave: its words are read in many languages.
MAIL_REFUSED = phrase("The mail server refused %(address)s: %(said)s")
NO_MAIL_FROM_HERE = phrase("The mail server does not take mail from this inbox: %(said)s")
THIS_MAIL_REFUSED = phrase("The mail server refused the mail: %(said)s")
NO_MAIL_SERVER = phrase("The mail server cannot be reached: %(said)s.")
NO_ROOM = phrase("The channel's address is none that Apprise knows.")
CHAT_REFUSED = phrase("The chat did not take it: %(said)s")
NO_ANSWER = phrase("no answer")


class NotSent(Exception):
    """It did not leave, and may the next time; the text says why, for people."""


class Refused(NotSent):
    """It never will."""


class ServerAway(NotSent):
    """It is the server's trouble: no other message would leave either."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail in two forms."""

    to: str
    subject: str
    text: str
    html: str
    headers: dict[str, str] = field(default_factory=dict)


def send_mail(mail: Mail) -> None:
    """Give it to the mail server. Raises `NotSent`, `Refused`, `ServerAway`."""
    message = EmailMultiAlternatives(mail.subject, mail.text, to=[mail.to], headers=mail.headers)
    message.attach_alternative(mail.html, "text/html")
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        text = MAIL_REFUSED % {"address": mail.to, "said": _words(code, said)}
        raise _answered(text, code) from error
    except (smtplib.SMTPAuthenticationError, smtplib.SMTPSenderRefused) as error:
        why = _words(error.smtp_code, error.smtp_error)
        raise ServerAway(NO_MAIL_FROM_HERE % {"said": why}) from error
    except smtplib.SMTPDataError as error:
        text = THIS_MAIL_REFUSED % {"said": _words(error.smtp_code, error.smtp_error)}
        raise _answered(text, error.smtp_code) from error
    except (smtplib.SMTPException, OSError) as error:
        raise ServerAway(NO_MAIL_SERVER % {"said": _short(str(error))}) from error


def _answered(text: str, code: int) -> NotSent:
    kind = Refused if code in _NEVER else NotSent
    return kind(text)


def _words(code: int, said: object) -> str:
    """The server's own words."""
    words = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    return f"{code} {_short(words)}"


def _short(text: str) -> str:
    return visible(" ".join(text.split()))[:200]


def send_chat(url: str, title: str, text: str) -> None:
    """Write into a room. Raises `NotSent`, without the address; `Refused` for no address."""
    room = Apprise(asset=_asset())
    if problem_with(url) or not room.add(url):
        raise Refused(NO_ROOM)
    result = room.notify(body=text, title=title, body_format="text", timeout=CHAT_TIMEOUT)
    if not result:
        said = [entry.message for entry in result.logs()]
        reason = _without(url, said[-1]) if said else NO_ANSWER
        raise NotSent(CHAT_REFUSED % {"said": _short(reason)})


def problem_with(url: str) -> str:
    """Why this is no address of a room, as a sentence; empty where it is one."""
    scheme = url.partition("://")[0].lower().rstrip("s")
    if scheme in LOCAL or f"{scheme}s" in LOCAL:
        return "That acts on this machine itself; use the address of a chat."
    if "," in url or len(url.split()) > 1:
        return "One address, without blanks and commas."
    if Apprise.instantiate(url, asset=_asset(), suppress_exceptions=True) is None:
        return "Apprise does not know such an address; its documentation lists them by service."
    return ""


def _asset() -> AppriseAsset:
    """Nothing is kept, nothing followed, no picture fetched from elsewhere."""
    return AppriseAsset(
        app_id="Countersign",
        app_desc="Approvals",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        http_redirects=False,
        async_mode=False,
        storage_mode="memory",
    )


def _without(url: str, text: str) -> str:
    """A service's words without any piece of the secret address."""
    for piece in sorted(re.split(r"[:/?&=@]+", url), key=len, reverse=True):
        if len(piece) > 5:
            text = text.replace(piece, "…")
    return text

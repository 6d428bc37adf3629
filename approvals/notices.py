"""Sending notices: a round takes one, or one person's summary, and writes down what became of it.

Nothing here can hold up a decision or its delivery: rows are written with their event, and sent
by a thread of the worker that shares nothing with the deliveries but the database.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from approvals import senders
from approvals.alarms import raise_alarms
from approvals.audience import Matter
from approvals.chats import message_of
from approvals.letters import overtaken
from approvals.mails import mail_of, summary_of
from approvals.models import Approval, Delivery, Notice
from approvals.models.notice import NoticeState, begin, dropped, postponed, refused, sent
from approvals.models.sentences import ALL_ANSWERED, NOT_WRITTEN, PERHAPS_SENT
from approvals.models.telling import tell_operators
from approvals.trouble import TROUBLE

log = logging.getLogger(__name__)


def send_due() -> bool:
    """One round for mails and one for channels, so that neither waits for the other's trouble.

    True where something was done and the servers answer: there may be more at once.
    """
    due = Notice.objects.by_mail().claim_next() if settings.TELL_BY_MAIL else []
    mails = _round(due, _send_mails)
    messages = _round(Notice.objects.to_channels().claim_next(), _send_message)
    return mails or messages


def _round(notices: list[Notice], send: Callable[[Sequence[Notice]], None]) -> bool:
    """Send what was claimed; False where there was nothing, or the server is away."""
    wanted = [notice for notice in notices if not _drop_if_overtaken(notice)]
    if not wanted:
        return bool(notices)
    about = {"approval": str(wanted[0].approval_id), "notices": len(wanted)}
    try:
        send(wanted)
    except TROUBLE:
        raise  # the database's trouble, and no notice's: its lease gives it back
    except senders.Refused as error:
        log.warning("notice refused", extra=about)
        refused(wanted, str(error))
    except senders.NotSent as error:
        log.warning("notice not sent", extra=about)
        postponed(wanted, str(error))
        return not isinstance(error, senders.ServerAway)
    except Exception:
        # Whatever is wrong with this one, the others have their turn.
        log.exception("notice not written", extra=about)
        postponed(wanted, NOT_WRITTEN)
    return True


def _drop_if_overtaken(notice: Notice) -> bool:
    reason = overtaken(notice)
    if reason:
        dropped([notice], reason)
    return bool(reason)


def _send_mails(notices: Sequence[Notice]) -> None:
    """One mail: of the one notice, or of all that go into a summary.

    A sender that died may have sent it: it leaves once more under its old Message-ID.
    """
    mail = mail_of(notices[0]) if notices[0].digest_at is None else summary_of(notices)
    if mail is None:
        dropped(notices, ALL_ANSWERED)
    elif begin(notices):
        senders.send_mail(mail)
        sent(notices)


def _send_message(notices: Sequence[Notice]) -> None:
    """One message into a room."""
    (notice,) = notices
    assert notice.channel is not None
    if notice.state == NoticeState.SENDING:
        # A chat has no names of messages by which a repetition would be seen.
        raise senders.Refused(PERHAPS_SENT)
    title, text = message_of(notice)
    if begin(notices):
        senders.send_chat(notice.channel.url, title, text)
        sent(notices)


# Approvals that operators are told of in an hour: an outage with thousands of late answers is one
# trouble, and the queue has them all.
MOST_TOLD = 20


def tell_of_trouble() -> int:
    """Tell operators of approvals that came to need attention without an event: nobody is left
    who could answer, or an answer is late. Once until the approval changes; how many there were.
    Whatever needs attention is a line of the log besides, and in the operators' queue.
    """
    raise_alarms()
    hour_ago = timezone.now() - timedelta(hours=1)
    lately = Notice.objects.filter(matter=Matter.ATTENTION, created_at__gte=hour_ago)
    room = MOST_TOLD - lately.values("approval").distinct().count()
    told = Notice.objects.filter(
        approval=OuterRef("pk"), matter=Matter.ATTENTION, created_at__gte=OuterRef("changed_at")
    )
    nobody = Approval.objects.nobodys().values("pk")
    stuck = Delivery.objects.needing_attention().values("approval")
    troubled = Approval.objects.filter(Q(pk__in=nobody) | Q(pk__in=stuck), ~Exists(told))
    found = list(troubled.order_by(F("changed_at").desc())[: max(0, room)])
    for approval in found:
        tell_operators(approval)
    return len(found)

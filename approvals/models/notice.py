"""The outbox of notices: one tells one person, or one channel, of one event."""

import random
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext_lazy as _

from approvals.audience import LABELS
from approvals.models.channel import Channel
from approvals.models.preference import Preference
from approvals.models.record import Event
from approvals.models.sentences import ASKED_FOR, GIVEN_UP, PUT_ASIDE, UNWANTED
from approvals.models.user import User


class NoticeState(models.TextChoices):
    """States of a notice; the labels are what people read."""

    QUEUED = "queued", gettext_lazy("Waiting to be sent")
    SENDING = "sending", gettext_lazy("Being sent")
    SENT = "sent", gettext_lazy("Sent")
    FAILED = "failed", gettext_lazy("Not sent")
    DROPPED = "dropped", gettext_lazy("Not needed any more")


OVER = (NoticeState.SENT, NoticeState.FAILED, NoticeState.DROPPED)
# Minutes before each further try; the last one again and again, until it is given up.
PAUSES = (0.5, 1, 2, 5, 10, 30, 60)
GIVEN_UP_AFTER = timedelta(hours=24)
# After so many tries an operator is asked to look, though it is still tried.
LATE_TRIES = 4


def pause(tries: int, chance: Callable[[], float] = random.random) -> timedelta:
    """How long to wait after this many tries: growing, +-20 % jitter."""
    minutes = PAUSES[min(tries, len(PAUSES) - 1)]
    return timedelta(minutes=minutes * (0.8 + 0.4 * chance()))


class NoticeQuerySet(models.QuerySet["Notice"]):
    def due(self, now: datetime | None = None) -> "NoticeQuerySet":
        """Those to be sent now, or whose sender has died."""
        return self.filter(next_attempt_at__lte=now or timezone.now())

    def needing_attention(self) -> "NoticeQuerySet":
        """What an operator should look at: given up, or not through after several tries."""
        unsent = (NoticeState.QUEUED, NoticeState.SENDING)
        stuck = models.Q(state__in=unsent, tries__gte=LATE_TRIES)
        return self.filter(models.Q(state=NoticeState.FAILED) | stuck)

    def by_mail(self) -> "NoticeQuerySet":
        return self.filter(channel__isnull=True)

    def to_channels(self) -> "NoticeQuerySet":
        return self.filter(channel__isnull=False)

    def claim_next(self) -> "list[Notice]":
        """Take the most overdue notice, and with one of a summary all that go with it; none
        where nothing is due.

        The conditional UPDATE is the lock, and the lease is `next_attempt_at`: a sender that
        dies gives its rows back. A later write names `lease`, so that a late one changes nothing.
        """
        while due := self.due().order_by("next_attempt_at", "pk").first():
            lease = uuid.uuid4()
            seen = models.Q(pk=due.pk, lease=due.lease, next_attempt_at=due.next_attempt_at)
            if due.digest_at is not None:
                seen |= models.Q(user=due.user_id, digest_at__isnull=False)
            until = timezone.now() + timedelta(seconds=settings.NOTICE_LEASE)
            if self.due().filter(seen).update(lease=lease, next_attempt_at=until):
                mine = self.filter(lease=lease).select_related(*READ_WITH)
                return list(mine.order_by("event__at", "pk"))
        return []


READ_WITH = ("approval", "event", "user", "channel")


class Notice(models.Model):
    """One row of the outbox, written in the transaction of its event. It is sent once.

    A worker that dies between the sending and the note of it leaves a doubt. A mail is sent
    again then, under the same Message-ID, by which mail programs fold repetitions; into a chat,
    which has no such thing, nothing is sent again by itself.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    approval = models.ForeignKey("Approval", models.PROTECT, related_name="notices")
    event = models.ForeignKey(Event, models.PROTECT, related_name="notices")
    matter = models.CharField(
        gettext_lazy("what"),
        max_length=20,
        choices=[(matter, gettext_lazy(label)) for matter, label in LABELS.items()],
    )
    address = models.CharField(max_length=254, blank=True, help_text=_("Of the mail."))
    user = models.ForeignKey(User, models.PROTECT, null=True, related_name="notices")
    channel = models.ForeignKey(Channel, models.CASCADE, null=True, related_name="notices")
    state = models.CharField(max_length=10, choices=NoticeState, default=NoticeState.QUEUED)
    reason = models.TextField(blank=True, help_text=_("In words: why it is in this state."))
    tries = models.PositiveIntegerField(default=0)
    digest_at = models.DateTimeField(
        _("with the summary of"), null=True, help_text=_("Empty: it goes out by itself, at once.")
    )
    next_attempt_at = models.DateTimeField(null=True, default=timezone.now, db_index=True)
    lease = models.UUIDField(null=True, db_index=True)
    created_at = models.DateTimeField(default=timezone.now)
    first_failed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)

    objects: ClassVar[NoticeQuerySet] = NoticeQuerySet.as_manager()  # type: ignore[assignment]  # typed queryset

    class Meta:
        ordering = ("-created_at",)
        indexes = (models.Index(fields=["state", "tries"], name="notice_by_state"),)
        constraints = (
            models.UniqueConstraint(
                fields=["event", "matter", "address"],
                condition=models.Q(channel__isnull=True),
                name="one_notice_per_address",
            ),
            models.UniqueConstraint(
                fields=["event", "matter", "channel"],
                condition=models.Q(channel__isnull=False),
                name="one_notice_per_channel",
            ),
            models.CheckConstraint(
                condition=models.Q(address="") ^ models.Q(channel__isnull=True),
                name="notice_to_address_or_channel",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=OVER) ^ models.Q(next_attempt_at__isnull=False),
                name="notice_over_or_scheduled",
            ),
        )

    def __str__(self) -> str:
        told = {"what": self.get_matter_display(), "who": self.recipient}
        return gettext("%(what)s to %(who)s") % told

    @property
    def recipient(self) -> str:
        """Who is told, by name."""
        return str(self.user or self.channel or self.address)

    @property
    def needs_attention(self) -> bool:
        """As `NoticeQuerySet.needing_attention` says of a row."""
        return self.state == NoticeState.FAILED or (
            self.state not in OVER and self.tries >= LATE_TRIES
        )

    def again(self, *, by: str) -> bool:
        """Send it, though that was given up or is not due yet; False where it is sent."""
        return self._change(
            Notice.objects.exclude(state=NoticeState.SENT),
            state=NoticeState.QUEUED,
            reason=ASKED_FOR % {"who": by},
            tries=0,
            first_failed_at=None,
            digest_at=None,
            next_attempt_at=timezone.now(),
        )

    def give_up(self, *, by: str, why: str) -> bool:
        """Send it no more; False where it is sent or needed no more."""
        return self._change(
            Notice.objects.exclude(state__in=(NoticeState.SENT, NoticeState.DROPPED)),
            state=NoticeState.DROPPED,
            reason=PUT_ASIDE % {"who": by, "reason": why},
            next_attempt_at=None,
        )

    def _change(self, rows: NoticeQuerySet, **changes: Any) -> bool:
        changed = rows.filter(pk=self.pk).update(lease=None, **changes)
        self.refresh_from_db()
        return bool(changed)


def begin(notices: Sequence[Notice]) -> list[Notice]:
    """Write down that these are about to leave; those of them that are still ours."""
    lease = notices[0].lease
    with transaction.atomic():
        mine = Notice.objects.filter(lease=lease, pk__in=[each.pk for each in notices])
        mine.update(state=NoticeState.SENDING)
        still = set(mine.values_list("pk", flat=True))
    return [each for each in notices if each.pk in still]


def sent(notices: Sequence[Notice], reason: str = "") -> None:
    """They have left."""
    _finish(notices, state=NoticeState.SENT, reason=reason, sent_at=timezone.now())


def dropped(notices: Sequence[Notice], reason: str) -> None:
    """Nobody needs them any more."""
    _finish(notices, state=NoticeState.DROPPED, reason=reason)


def refused(notices: Sequence[Notice], reason: str) -> None:
    """They cannot be sent: an operator has to look."""
    _finish(notices, state=NoticeState.FAILED, reason=reason)


def postponed(notices: Sequence[Notice], reason: str) -> None:
    """It did not work this time; after a day of that they are given up.

    The day begins with the first try: one that waited for a worker has all of it.
    """
    now = timezone.now()
    for notice in notices:
        since = notice.first_failed_at or now
        if now - since > GIVEN_UP_AFTER:
            refused([notice], GIVEN_UP % {"why": reason})
            continue
        due = {"next_attempt_at": now + pause(notice.tries), "first_failed_at": since}
        _finish([notice], state=NoticeState.QUEUED, reason=reason, **due)


def _finish(notices: Sequence[Notice], **changes: Any) -> None:
    """Write what became of them, where they are still ours."""
    if notices:
        mine = Notice.objects.filter(lease=notices[0].lease, pk__in=[row.pk for row in notices])
        tries = models.F("tries") + 1
        mine.update(**{"next_attempt_at": None, "lease": None, "tries": tries, **changes})


def reschedule(preference: Preference) -> None:
    """What waits for this person follows what they have chosen now."""
    now = timezone.now()
    waiting = Notice.objects.filter(user=preference.user, state=NoticeState.QUEUED)
    if preference.pace == Preference.Pace.NONE:
        reason = UNWANTED % {"who": preference.user}
        changes: dict[str, Any] = {"state": NoticeState.DROPPED, "reason": reason}
        waiting.update(next_attempt_at=None, lease=None, **changes)
        return
    digest_at = preference.next_digest(now)
    waiting.filter(digest_at__isnull=False).update(
        digest_at=digest_at, next_attempt_at=digest_at or now, first_failed_at=None, lease=None
    )

"""The queue of the outbox: which deliveries are due, whose they are, what needs a person."""

import time
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from approvals.models.delivery import Delivery


class State(models.TextChoices):
    """States of a delivery; the labels are what people read."""

    QUEUED = "queued", gettext_lazy("Sending")
    SENDING = "sending", gettext_lazy("Sending")
    STORED = "stored", gettext_lazy("Google has it")
    CONFIRMED = "confirmed", gettext_lazy("The workflow has it")
    UNKNOWN = "unknown", gettext_lazy("Sending")
    BLOCKED = "blocked", gettext_lazy("Needs attention")
    MISSED = "missed", gettext_lazy("Needs attention")


class Trouble(models.TextChoices):
    """Why an operator should look at a delivery; the labels are what operators read."""

    CREDENTIALS = (
        "credentials",
        gettext_lazy("Google does not accept the credentials of this inbox"),
    )
    ROLE = "role", gettext_lazy("Google does not let this inbox answer the workflow")
    REFUSED = "refused", gettext_lazy("Google refused the answer")
    ADDRESS = "address", gettext_lazy("Answers may not be sent to this address")
    FOREIGN = "foreign", gettext_lazy("Somebody else has answered the workflow directly")
    NO_CALLBACK = "no_callback", gettext_lazy("Google does not know the question any more")
    NOT_LISTENING = "not_listening", gettext_lazy("The workflow is not listening for the answer")
    MISSED = "missed", gettext_lazy("The workflow had ended")


FINAL = (State.CONFIRMED, State.MISSED)
UNDER_WAY = (State.QUEUED, State.SENDING, State.UNKNOWN)
# After this an operator is asked to look: not through, or kept by Google and not read.
LATE = timedelta(minutes=5)
UNREAD = timedelta(minutes=10)


# No row is put off for longer than this: one that seems to be was written before the clock was
# set back. The longest pauses are ten minutes and their jitter.
LONGEST = timedelta(minutes=15)
# So many of the most overdue are tried in turn: other workers take the same ones.
CANDIDATES = 8


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def due(self, until: datetime | None = None) -> "DeliveryQuerySet":
        """Rows somebody should work on: their time has come, or their lease has run out.

        Args:
            until: due at that time already; else now.
        """
        now = timezone.now()
        overdue = models.Q(next_attempt_at__lte=until or now)
        return self.filter(overdue | models.Q(next_attempt_at__gt=_too_far(now)))

    def needing_attention(self) -> "DeliveryQuerySet":
        """What an operator should look at; `Delivery.needs_attention` says the same of a row."""
        now = timezone.now()
        waiting = models.Q(state__in=UNDER_WAY, created_at__lte=now - LATE)
        unread = models.Q(state=State.STORED, stored_at__lte=now - UNREAD)
        missed = models.Q(state=State.MISSED, approval__decided_by__isnull=False)
        # The version before, which may still run while this one is rolled out, names no trouble.
        unnamed = models.Q(state=State.BLOCKED) | missed
        trouble = models.Q(trouble__gt="") | unnamed | waiting | unread
        return self.filter(trouble, attended_at__isnull=True)

    def claim(self, delivery: "Delivery") -> bool:
        """Take this row for `DELIVERY_LEASE` seconds, if nobody has it.

        The conditional UPDATE is the lock, and the lease is `next_attempt_at` itself: a worker
        that dies gives the row back by letting it fall due. Later writes name `lease`, so a
        late one changes nothing.
        """
        lease, claimed_at = uuid.uuid4(), time.monotonic()
        until = timezone.now() + timedelta(seconds=settings.DELIVERY_LEASE)
        seen = {"next_attempt_at": delivery.next_attempt_at, "lease": delivery.lease}
        won = self.due().filter(pk=delivery.pk, **seen).update(lease=lease, next_attempt_at=until)
        if won:
            delivery.lease, delivery.next_attempt_at = lease, until
            delivery.claimed_at = claimed_at
        return bool(won)

    def due_lanes(self, until: datetime | None = None) -> list[str]:
        """The lanes of rows that are due, that of the most overdue one first.

        Args:
            until: due at that time already; else now.
        """
        lanes = self.due(until).order_by().values_list("lane")
        first = lanes.annotate(first=models.Min("next_attempt_at")).order_by("first")
        return [lane for lane, _ in first]

    def claim_next(
        self, lane: str | None = None, until: datetime | None = None
    ) -> "Delivery | None":
        """Take the most overdue delivery, or None when nothing is due.

        Args:
            lane: of this lane only; else of any.
            until: due at that time already; else now.
        """
        rows = self if lane is None else self.filter(lane=lane)
        now = timezone.now()
        # Two walks along the index, each with its own end; together they would be a full one.
        for due in (
            rows.filter(next_attempt_at__lte=until or now),
            rows.filter(next_attempt_at__gt=_too_far(now)),
        ):
            short = due.order_by("next_attempt_at").only("next_attempt_at", "lease")
            for row in short[:CANDIDATES]:
                if self.claim(row) and (whole := self._claimed(row)):
                    return whole
        return None

    def _claimed(self, row: "Delivery") -> "Delivery | None":
        """All of a row that was just claimed; None where its workflow settled meanwhile."""
        whole = self.select_related("approval").filter(pk=row.pk, lease=row.lease).first()
        if whole is not None:
            whole.claimed_at = row.claimed_at
        return whole

    def give_back(self, deliveries: Iterable["Delivery"], *, wait: float = 0.0) -> int:
        """End the leases of claimed rows, so that others may take them; how many there were.

        Args:
            wait: seconds until they may.
        """
        at = timezone.now() + timedelta(seconds=wait)
        return sum(
            self.filter(pk=each.pk, lease=each.lease, next_attempt_at__isnull=False)
            .exclude(lease=None)
            .update(lease=None, next_attempt_at=at)
            for each in deliveries
        )


def _too_far(now: datetime) -> datetime:
    """After this no row waits, unless the clock was set back; a lease may be set to be longer."""
    return now + max(LONGEST, timedelta(seconds=settings.DELIVERY_LEASE))

"""The queue of the outbox: which deliveries are due, whose they are, what needs a person."""

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone

if TYPE_CHECKING:
    from approvals.models.delivery import Delivery


class State(models.TextChoices):
    """States of a delivery; the labels are what people read."""

    QUEUED = "queued", "Sending"
    SENDING = "sending", "Sending"
    STORED = "stored", "Google has it"
    CONFIRMED = "confirmed", "The workflow has it"
    UNKNOWN = "unknown", "Sending"
    BLOCKED = "blocked", "Needs attention"
    MISSED = "missed", "Needs attention"


class Trouble(models.TextChoices):
    """Why an operator should look at a delivery; the labels are what operators read."""

    CREDENTIALS = "credentials", "Google does not accept the credentials of this inbox"
    ROLE = "role", "Google does not let this inbox answer the workflow"
    REFUSED = "refused", "Google refused the answer"
    ADDRESS = "address", "Answers may not be sent to this address"
    FOREIGN = "foreign", "Somebody else has answered the workflow directly"
    NO_CALLBACK = "no_callback", "Google does not know the question any more"
    NOT_LISTENING = "not_listening", "The workflow is not listening for the answer"
    MISSED = "missed", "The workflow ended before it had the answer"


FINAL = (State.CONFIRMED, State.MISSED)
UNDER_WAY = (State.QUEUED, State.SENDING, State.UNKNOWN)
# After this an operator is asked to look: not through, or kept by Google and not read.
LATE = timedelta(minutes=5)
UNREAD = timedelta(minutes=10)


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def due(self, now: datetime | None = None) -> "DeliveryQuerySet":
        """Rows somebody should work on: their time has come, or their lease has run out."""
        return self.filter(next_attempt_at__lte=now or timezone.now())

    def needing_attention(self) -> "DeliveryQuerySet":
        """What an operator should look at; `Delivery.needs_attention` says the same of a row."""
        now = timezone.now()
        waiting = models.Q(state__in=UNDER_WAY, created_at__lte=now - LATE)
        unread = models.Q(state=State.STORED, stored_at__lte=now - UNREAD)
        missed = models.Q(state=State.MISSED, approval__decided_by__isnull=False)
        trouble = models.Q(state=State.BLOCKED) | missed | waiting | unread
        return self.filter(trouble, attended_at__isnull=True)

    def claim(self, delivery: "Delivery") -> bool:
        """Take this row for `DELIVERY_LEASE` seconds, if nobody has it.

        The conditional UPDATE is the lock, and the lease is `next_attempt_at` itself: a worker
        that dies gives the row back by letting it fall due. Later writes name `lease`, so a
        late one changes nothing.
        """
        lease = uuid.uuid4()
        until = timezone.now() + timedelta(seconds=settings.DELIVERY_LEASE)
        seen = {"next_attempt_at": delivery.next_attempt_at, "lease": delivery.lease}
        won = self.due().filter(pk=delivery.pk, **seen).update(lease=lease, next_attempt_at=until)
        if won:
            delivery.lease, delivery.next_attempt_at = lease, until
        return bool(won)

    def claim_next(self) -> "Delivery | None":
        """Take the most overdue delivery, or None when nothing is due."""
        while due := self.due().select_related("approval").order_by("next_attempt_at").first():
            if self.claim(due):
                return due
        return None

"""The outbox: one delivery carries an outcome to its callback, one attempt is one HTTP try."""

import json
import time
import uuid
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext_lazy as _

from approvals.models.outbox import (
    FINAL,
    LATE,
    UNDER_WAY,
    UNREAD,
    DeliveryQuerySet,
    State,
    Trouble,
)
from approvals.models.record import Event
from countersign.phrases import phrase

# Reasons that are not of the table of verdicts.
ITS_TURN = phrase("Waiting for its turn.")
WAS_GIVEN_IT = phrase("The workflow asked for the outcome and was given it.")
ONCE_MORE = phrase("Delivering again.")


def lane_of(callback_url: str, execution: str) -> str:
    """Host and workflow of a callback: what one of them does never holds up another's."""
    return f"{urlsplit(callback_url).netloc}/{execution.partition('/executions/')[0]}"[:300]


class Delivery(models.Model):
    """The outbox row of one outcome. Its id is the `decision_id`, the same on every try."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    approval = models.OneToOneField("Approval", models.PROTECT, related_name="delivery")
    body = models.TextField(help_text=_("The JSON that is sent, byte for byte on every try."))
    state = models.CharField(max_length=20, choices=State, default=State.QUEUED)
    reason = models.TextField(default=ITS_TURN, help_text=_("In words: why it is in this state."))
    trouble = models.CharField(
        max_length=20,
        choices=Trouble,
        blank=True,
        default="",
        db_default="",
        db_index=True,
    )
    lane = models.CharField(
        max_length=300,
        default="",
        db_default="",
        help_text=_("Host and workflow: deliveries of one lane never hold up another's."),
    )
    tries = models.PositiveIntegerField(default=0, help_text=_("Rounds since it was last queued."))
    next_attempt_at = models.DateTimeField(null=True, default=timezone.now, db_index=True)
    lease = models.UUIDField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    stored_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    unheard = models.BooleanField(
        default=False,
        db_default=False,
        help_text=_("When last seen it was unread, and nobody listened for it."),
    )
    attended_at = models.DateTimeField(
        null=True, help_text=_("When an operator put its trouble aside.")
    )
    # When its lease was taken, on the clock that nobody sets; of this object, not of the row.
    claimed_at: float | None = None

    objects: ClassVar[DeliveryQuerySet] = DeliveryQuerySet.as_manager()  # type: ignore[assignment]  # typed queryset

    class Meta:
        verbose_name_plural = _("deliveries")
        ordering = ("-created_at",)
        indexes = (
            models.Index(fields=["state", "created_at"], name="delivery_by_state"),
            models.Index(
                fields=["lane", "next_attempt_at"],
                name="delivery_by_lane",
                condition=models.Q(next_attempt_at__isnull=False),
            ),
            models.Index(fields=["stored_at"], name="delivery_by_stored"),
            models.Index(fields=["confirmed_at"], name="delivery_by_confirmed"),
        )
        constraints = (
            models.CheckConstraint(
                condition=models.Q(state__in=State.values), name="delivery_state_known"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=FINAL) ^ models.Q(next_attempt_at__isnull=False),
                name="delivery_final_or_scheduled",
            ),
        )

    def __str__(self) -> str:
        return f"{self.approval} ({self.get_state_display()})"

    @property
    def payload(self) -> dict[str, Any]:
        """The callback body as data."""
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded

    @property
    def needs_attention(self) -> bool:
        """Whether an operator should look at it: in trouble, late or unread, and not put aside."""
        now = timezone.now()
        if self.attended_at is not None:
            return False
        if self.trouble or self.state == State.BLOCKED:
            return True
        if self.state == State.MISSED:
            return self.approval.decided_by_id is not None
        if self.state == State.STORED:
            return self.stored_at is not None and self.stored_at <= now - UNREAD
        return self.state in UNDER_WAY and self.created_at <= now - LATE

    def lease_serves(self) -> bool:
        """Whether there is time left to send: less than half of the lease has passed.

        By both clocks: neither tells of every way in which a process is frozen.
        """
        if self.claimed_at is None or self.next_attempt_at is None:
            return True
        half = float(settings.DELIVERY_LEASE) / 2
        left = (self.next_attempt_at - timezone.now()).total_seconds()
        return time.monotonic() - self.claimed_at < half < left

    def begin_attempt(self) -> "Attempt | None":
        """Write down that a POST is about to leave; without a finish it is a doubt for ever.

        None where the lease is lost: somebody else sends it, or it has arrived. Send nothing.
        """
        if not self.lease_serves():
            return None
        with transaction.atomic():
            mine = Delivery.objects.filter(pk=self.pk, lease=self.lease)
            if not mine.update(state=State.SENDING):
                return None
            return Attempt.objects.create(delivery=self, number=self.attempts.count() + 1)

    def has_landed(self) -> bool:
        """Whether Google accepted it once, also where that was noted and no more."""
        if self.stored_at is not None:
            return True
        return self.attempts.filter(result=Attempt.Result.STORED).exists()

    def in_doubt(self) -> bool:
        """Whether an earlier POST may have arrived without our knowing."""
        return self.attempts.filter(result__in=Attempt.DOUBTFUL).exists()

    def move(
        self,
        state: str,
        reason: str,
        *,
        next_attempt_at: datetime | None,
        trouble: str = "",
        unheard: bool = False,
    ) -> bool:
        """Write the result of a round, if the lease is still ours; True when it was.

        `next_attempt_at` is None for the final states only. That a run ended first is a trouble
        where a person had decided, and nobody's otherwise. Another trouble than before is shown
        to operators again, also where they had put the last one aside: to be late has no name,
        nor has to be unread, and only the moment between them tells one from the other. A state
        that people should know of is also a line of the record, in the same transaction.
        """
        now = timezone.now()
        first_stored = state == State.STORED and self.stored_at is None
        if state == State.MISSED and self.approval.decided_by_id is None:
            trouble = ""
        changes: dict[str, Any] = {
            "state": state,
            "reason": reason,
            "trouble": trouble,
            "unheard": unheard,
            # The looks at a stored answer are counted anew, whatever it took to store it.
            "tries": 0 if first_stored else models.F("tries") + 1,
            "next_attempt_at": None if state in FINAL else next_attempt_at,
            "lease": None,
        }
        if first_stored:
            changes["stored_at"] = now
        if state == State.CONFIRMED:
            changes["confirmed_at"] = now
        if first_stored or trouble != self.trouble:
            changes["attended_at"] = None
        with transaction.atomic():
            mine = Delivery.objects.filter(pk=self.pk, lease=self.lease)
            if not mine.update(**changes):
                return False
            if state in Event.Kind.values and not self._was_told(state, reason):
                Event.append(self.approval_id, state, "system", data={"reason": reason})
        self.refresh_from_db()
        return True

    def _was_told(self, state: str, reason: str) -> bool:
        """Whether the record says this already: once for "stored", once per reason otherwise."""
        last = Event.objects.filter(approval_id=self.approval_id, kind=state).last()
        return last is not None and (state == State.STORED or last.data.get("reason") == reason)

    @staticmethod
    def confirm(approval_id: uuid.UUID, *, actor: str) -> None:
        """The workflow has asked for its outcome: proof that it arrived. Repeats change nothing."""
        with transaction.atomic():
            if (
                Delivery.objects.filter(approval_id=approval_id)
                .exclude(state=State.CONFIRMED)
                .update(
                    state=State.CONFIRMED,
                    reason=WAS_GIVEN_IT,
                    trouble="",
                    unheard=False,
                    next_attempt_at=None,
                    lease=None,
                    confirmed_at=timezone.now(),
                )
            ):
                Event.append(approval_id, Event.Kind.CONFIRMED, actor)

    def requeue(self, *, actor: str) -> bool:
        """Deliver again, by hand. The delivery asks Google first and never changes the decision."""
        with transaction.atomic():
            changed = (
                Delivery.objects.filter(pk=self.pk)
                .exclude(state=State.CONFIRMED)
                .update(
                    state=State.UNKNOWN,
                    reason=ONCE_MORE,
                    trouble="",
                    attended_at=None,
                    tries=0,
                    next_attempt_at=timezone.now(),
                    lease=None,
                )
            )
            if changed:
                Event.append(self.approval_id, Event.Kind.REQUEUED, actor)
        return bool(changed)


class Attempt(models.Model):
    """One HTTP try of a delivery, written before the POST leaves and completed after."""

    class Result(models.TextChoices):
        STARTED = "started", gettext_lazy("no answer recorded")
        STORED = "stored", gettext_lazy("accepted")
        RETRY = "retry", gettext_lazy("not accepted, tried again later")
        UNKNOWN = "unknown", gettext_lazy("the answer was lost")
        REFUSED = "refused", gettext_lazy("refused")
        GONE = "gone", gettext_lazy("the execution had ended")
        FULL = "full", gettext_lazy("an unread answer is there already")

    # An attempt that may have arrived: never finished, its answer lost, or refused because of what
    # is there already, which somebody on the way may have made of the very same try.
    DOUBTFUL = (Result.STARTED, Result.UNKNOWN, Result.FULL)

    delivery = models.ForeignKey(Delivery, models.PROTECT, related_name="attempts")
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    result = models.CharField(max_length=20, choices=Result, default=Result.STARTED)
    status = models.PositiveIntegerField(null=True, help_text=_("HTTP status of the answer."))
    detail = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("number",)
        indexes = (models.Index(fields=["result"], name="attempt_by_result"),)
        constraints = (
            models.UniqueConstraint(fields=["delivery", "number"], name="attempt_number_once"),
        )

    def __str__(self) -> str:
        told = {"number": self.number, "result": self.get_result_display()}
        return gettext("try %(number)d: %(result)s") % told

    def finish(self, result: str, *, status: int | None, detail: str) -> None:
        """Record what came back."""
        self.result, self.status, self.detail = result, status, detail[:200]
        self.finished_at = timezone.now()
        self.save(update_fields=["result", "status", "detail", "finished_at"])

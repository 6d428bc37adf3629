"""Votes, and the append-only record of an approval, each line chained to the one before it."""

import uuid
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from approvals.models.content import OUTCOME_LABELS, canonical, digest
from approvals.origin import origin

BEGINNING = "0" * 64
"""What stands before the first line of a record."""


REMOVED = {"removed": True}
"""What retention leaves of a line's data."""


def utc(at: datetime) -> str:
    """A time as digests have it: UTC, to the microsecond."""
    return str(at.astimezone(UTC).isoformat(timespec="microseconds"))


class VoteQuerySet(models.QuerySet["Vote"]):
    def standing(self) -> "VoteQuerySet":
        """Those that were not taken back."""
        return self.filter(taken_back_at__isnull=True)


class Vote(models.Model):
    """One approver's answer. In a stage a person answers once, and is answered for once.

    `principal` is the person whose right it was: the stand-in's colleague, or the voter.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    approval = models.ForeignKey("Approval", models.PROTECT, related_name="votes")
    stage = models.PositiveIntegerField(default=0)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="votes")
    principal = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="votes_in_their_right",
    )
    outcome = models.CharField(max_length=50)
    comment = models.TextField(blank=True)
    form = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(help_text=_("The revision the person saw."))
    content_sha256 = models.CharField(max_length=64, help_text=_("Digest of what the person saw."))
    at = models.DateTimeField(default=timezone.now)
    taken_back_at = models.DateTimeField(null=True)

    objects: ClassVar[VoteQuerySet] = VoteQuerySet.as_manager()  # type: ignore[assignment]  # typed queryset

    class Meta:
        ordering = ("at",)
        # Whether a person has answered this one, of the thousands that they have answered.
        indexes = (models.Index(fields=("user", "approval"), name="vote_by_user_and_approval"),)
        constraints = tuple(
            models.UniqueConstraint(
                fields=["approval", "stage", person],
                condition=models.Q(taken_back_at__isnull=True),
                name=f"one_vote_per_{person}",
            )
            for person in ("user", "principal")
        )

    def __str__(self) -> str:
        return f"{self.user}: {OUTCOME_LABELS.get(self.outcome, self.outcome)}"

    @property
    def on_behalf_of(self) -> Any:
        """The person for whom a stand-in answered, or None."""
        return self.principal if self.principal_id != self.user_id else None

    @property
    def behalf(self) -> str | None:
        """The address of the person for whom a stand-in answered, or None."""
        return self.on_behalf_of.email if self.on_behalf_of else None

    def given(self) -> dict[str, Any]:
        """Who answered what, as everything that leaves the inbox names it."""
        return {
            "email": self.user.email,
            "on_behalf_of": self.behalf,
            "stage": self.stage + 1,
            "outcome": self.outcome,
            "comment": self.comment,
            "form": self.form,
        }

    def computed(self) -> str:
        """The digest of all that was answered, which the record keeps. Not of its taking back."""
        return digest(
            canonical(
                [
                    *(str(self.pk), str(self.approval_id), self.stage),
                    *(self.user_id, self.principal_id, self.outcome, self.comment, self.form),
                    *(self.revision, self.content_sha256, utc(self.at)),
                ]
            )
        )


class Event(models.Model):
    """One line of the record: who did what, when, from where. Never changed, never deleted.

    `sha256` covers the line and the one before it, and `data` through its own digest, so that
    retention may empty `data` and the chain still holds. The database refuses other changes.
    """

    class Kind(models.TextChoices):
        REGISTERED = "registered", _("Asked")
        REARMED = "rearmed", _("Asked again")
        VOTED = "voted", _("Answered")
        TAKEN_BACK = "taken_back", _("Taken back")
        STAGE = "stage", _("Next stage")
        DECIDED = "decided", _("Decided")
        EXPIRED = "expired", _("Expired")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        REMINDED = "reminded", _("Reminded")
        ESCALATED = "escalated", _("Escalated")
        HANDED_OVER = "handed_over", _("Handed over")
        QUESTION = "question", _("Question")
        ANSWER = "answer", _("Answer")
        STORED = "stored", _("Google has it")
        CONFIRMED = "confirmed", _("The workflow has it")
        BLOCKED = "blocked", _("Needs attention")
        MISSED = "missed", _("The workflow had ended")
        REQUEUED = "requeued", _("Delivered again")
        ATTENDED = "attended", _("Put aside")
        ENDED = "ended", _("The workflow ended")
        OUTCOME = "outcome", _("The workflow reported")
        REMOVED = "removed", _("Contents removed")

    approval = models.ForeignKey("Approval", models.PROTECT, related_name="events")
    number = models.PositiveIntegerField(help_text=_("Its place in the record, from 1 on."))
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=20, choices=Kind)
    actor = models.CharField(max_length=300, help_text=_("user:…, caller:… or system"))
    old_status = models.CharField(max_length=50)
    new_status = models.CharField(max_length=50)
    client = models.CharField(max_length=45, blank=True, help_text=_("Address it came from."))
    request = models.CharField(max_length=100, blank=True, help_text=_("ID that the logs show."))
    data = models.JSONField(default=dict)
    data_sha256 = models.CharField(max_length=64)
    previous_sha256 = models.CharField(max_length=64)
    sha256 = models.CharField(max_length=64)

    class Meta:
        ordering = ("approval", "number")
        # Few lines are reminders, and the insights ask for those of some days.
        indexes = (
            models.Index(
                fields=["at"], condition=models.Q(kind="reminded"), name="event_reminded_by_at"
            ),
        )
        constraints = (
            models.UniqueConstraint(fields=["approval", "number"], name="event_number_once"),
        )

    def __str__(self) -> str:
        told = {"what": self.get_kind_display(), "who": self.actor}
        return gettext("%(what)s by %(who)s") % told

    @classmethod
    def append(
        cls,
        approval_id: uuid.UUID,
        kind: str,
        actor: str,
        *,
        data: dict[str, Any] | None = None,
        was: str | None = None,
        at: datetime | None = None,
    ) -> "Event":
        """Add a line in the caller's transaction, and the notices of it.

        The UPDATE of the approval's row comes first: it is the lock that puts lines in order.

        Args:
            was: the status before, where this line tells of a change.
        """
        from approvals.models.approval import Approval  # noqa: PLC0415 - they know each other
        from approvals.models.telling import tell  # noqa: PLC0415 - it tells of events

        with transaction.atomic():
            mine = Approval.objects.filter(pk=approval_id)
            mine.update(record_length=models.F("record_length") + 1)
            length, head, status = mine.values_list("record_length", "record_head", "status")[0]
            source = origin()
            line = cls(
                approval_id=approval_id,
                number=length,
                at=at or timezone.now(),
                kind=kind,
                actor=actor,
                old_status=status if was is None else was,
                new_status=status,
                client=source.client,
                request=source.request,
                data=data or {},
                previous_sha256=head,
            )
            line.data_sha256 = digest(canonical(line.data))
            line.sha256 = line.computed()
            line.save(force_insert=True)
            mine.update(record_head=line.sha256)
            tell(line)
        return line

    def computed(self) -> str:
        """The digest that this line must have."""
        return digest(
            canonical(
                [
                    *(str(self.approval_id), self.number, utc(self.at), str(self.kind), self.actor),
                    *(self.old_status, self.new_status, self.client, self.request),
                    *(self.data_sha256, self.previous_sha256),
                ]
            )
        )

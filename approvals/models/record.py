"""Votes, and the append-only record of an approval."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone


class Vote(models.Model):
    """One approver's answer. A person has one vote on an approval."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    approval = models.ForeignKey("Approval", models.PROTECT, related_name="votes")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="votes")
    on_behalf_of = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="votes_by_stand_in"
    )
    outcome = models.CharField(max_length=50)
    comment = models.TextField(blank=True)
    form = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(help_text="The revision the person saw.")
    content_sha256 = models.CharField(max_length=64, help_text="Digest of what the person saw.")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("at",)
        constraints = (
            models.UniqueConstraint(fields=["approval", "user"], name="one_vote_per_person"),
        )

    def __str__(self) -> str:
        return f"{self.user}: {self.outcome}"


class Event(models.Model):
    """One line of the record: who did what, when. Never changed, never deleted."""

    class Kind(models.TextChoices):
        REGISTERED = "registered", "Asked"
        REARMED = "rearmed", "Asked again"
        DECIDED = "decided", "Decided"
        EXPIRED = "expired", "Expired"
        WITHDRAWN = "withdrawn", "Withdrawn"
        STORED = "stored", "Google has it"
        CONFIRMED = "confirmed", "The workflow has it"
        BLOCKED = "blocked", "Needs attention"
        MISSED = "missed", "The workflow ended first"
        REQUEUED = "requeued", "Delivered again"
        OUTCOME = "outcome", "The workflow reported"

    approval = models.ForeignKey("Approval", models.PROTECT, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=20, choices=Kind)
    actor = models.CharField(max_length=300, help_text="user:…, caller:… or system")
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.kind} by {self.actor}"

"""Executions of workflows as Google last described them, and those that wait for nobody."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.utils import timezone

ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "GONE")


class ExecutionQuerySet(models.QuerySet["Execution"]):
    def to_look_at(self, now: datetime | None = None) -> "ExecutionQuerySet":
        """Those whose state should be asked for now."""
        return self.filter(look_at__lte=now or timezone.now())

    def needing_attention(self) -> "ExecutionQuerySet":
        """Those that wait at a callback nobody registered, unless an operator put them aside."""
        return self.filter(unregistered_since__isnull=False, dismissed_at__isnull=True).exclude(
            state__in=ENDED
        )


class Execution(models.Model):
    """What Google said of one execution, and when. Several approvals may be of one execution."""

    name = models.CharField(max_length=400, primary_key=True, help_text="Google's resource name.")
    state = models.CharField(
        max_length=20,
        default="",
        db_default="",
        blank=True,
        help_text="As Google names it; GONE: Google does not know it; empty: not asked yet.",
    )
    looked_at = models.DateTimeField(null=True, help_text="When Google was asked last.")
    look_at = models.DateTimeField(
        null=True, db_index=True, help_text="When to ask next; empty: there is no more to know."
    )
    looks = models.PositiveIntegerField(default=0, db_default=0)
    unregistered_since = models.DateTimeField(
        null=True,
        db_index=True,
        help_text="Since when it is seen to wait at a callback that nobody registered.",
    )
    dismissed_at = models.DateTimeField(
        null=True, help_text="When an operator said that this wait is not for this inbox."
    )

    objects: ClassVar[ExecutionQuerySet] = ExecutionQuerySet.as_manager()  # type: ignore[assignment]  # typed queryset

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def workflow(self) -> str:
        """The resource name of its workflow."""
        return self.name.partition("/executions/")[0]

    @property
    def ended(self) -> bool:
        """Whether it is over, as far as is known."""
        return self.state in ENDED

    def dismiss(self) -> bool:
        """Its wait is not for this inbox; False where it needs no attention any more."""
        waiting = Execution.objects.needing_attention().filter(pk=self.pk)
        return bool(waiting.update(dismissed_at=timezone.now()))

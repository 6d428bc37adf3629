"""Workflows that this inbox knows, whose executions are listed now and then."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

# No workflow and no execution is put off for longer, by six hours and their jitter at most: one
# that seems to be was written before the clock was set back.
FARTHEST = timedelta(hours=7)


class WorkflowQuerySet(models.QuerySet["Workflow"]):
    def to_list(self, now: datetime | None = None) -> "WorkflowQuerySet":
        """Those whose executions should be listed now."""
        now = now or timezone.now()
        return self.filter(models.Q(list_at__lte=now) | models.Q(list_at__gt=now + FARTHEST))

    def know(self, names: Iterable[str]) -> None:
        """Remember these, by resource name; those that are new are listed soon. One statement."""
        rows = [Workflow(name=name) for name in sorted(set(names))]
        self.bulk_create(rows, ignore_conflicts=True)

    def listen(self) -> int:
        """List waits of these again that an operator had said are not for this inbox."""
        return self.filter(silenced_at__isnull=False).update(silenced_at=None)


class Workflow(models.Model):
    """One workflow: one with approvals, or one that is deployed where ours are."""

    name = models.CharField(
        max_length=400, primary_key=True, help_text=_("Google's resource name.")
    )
    listed_at = models.DateTimeField(
        null=True, help_text=_("When its executions were listed last.")
    )
    list_at = models.DateTimeField(
        null=True,
        default=timezone.now,
        db_index=True,
        help_text=_("When to list them next; empty: it is listed under another name."),
    )
    trouble = models.CharField(
        max_length=200,
        blank=True,
        default="",
        help_text=_("Why they could not be listed."),
    )
    silenced_at = models.DateTimeField(
        null=True,
        help_text=_("When an operator said that its waits are not for this inbox."),
    )

    objects: ClassVar[WorkflowQuerySet] = WorkflowQuerySet.as_manager()  # type: ignore[assignment]  # typed queryset

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def claim(self, until: datetime) -> bool:
        """Take it until then, if nobody else does; who dies gives it back by that."""
        won = self.mine().update(list_at=until)
        if won:
            self.list_at = until
        return bool(won)

    def mine(self) -> WorkflowQuerySet:
        """This row, as long as it is as it was when it was read or claimed."""
        return Workflow.objects.filter(pk=self.pk, list_at=self.list_at)

"""Workers: which of them run, as they say themselves."""

import uuid
from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

# A worker says every few seconds that it is there; after this long it is taken for dead.
SILENT = timedelta(seconds=60)
# Rows of workers that were not heard of for so long are removed.
FORGOTTEN = timedelta(days=1)


class WorkerQuerySet(models.QuerySet["Worker"]):
    def beat(self, worker: "Worker") -> None:
        """Say that this worker is there, and what it leaves alone; its first word makes the row."""
        if not self.filter(pk=worker.pk).update(seen_at=timezone.now(), paused=worker.paused):
            worker.save(force_insert=True)

    def say_goodbye(self, worker: "Worker") -> None:
        """Say that this worker has ended, and forget those of long ago."""
        now = timezone.now()
        self.filter(pk=worker.pk).update(seen_at=now, stopped_at=now, paused=[])
        self.filter(seen_at__lt=now - FORGOTTEN).delete()

    def alive(self) -> "WorkerQuerySet":
        """Those that were heard of lately and have not said goodbye."""
        return self.filter(stopped_at__isnull=True, seen_at__gt=timezone.now() - SILENT)


class Worker(models.Model):
    """One run of `manage.py deliver`, and its heartbeat."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200, help_text=_("Host and process."))
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now, db_index=True)
    stopped_at = models.DateTimeField(null=True)
    paused = models.JSONField(
        default=list,
        help_text=_("Hosts that it leaves alone for a moment, as they do not answer."),
    )

    objects: ClassVar[WorkerQuerySet] = WorkerQuerySet.as_manager()  # type: ignore[assignment]  # typed queryset

    class Meta:
        ordering = ("-seen_at",)

    def __str__(self) -> str:
        return self.name

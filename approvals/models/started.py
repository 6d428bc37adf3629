"""Executions that people started from the pages."""

import uuid
from typing import ClassVar

from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from approvals.models.user import User


class Started(models.Model):
    """One start. It is kept before Google is asked, so that the same form starts nothing twice.

    `execution` stays empty while there is no answer; `trouble` says why none came.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.PROTECT, related_name="started")
    workflow = models.CharField(max_length=128)
    title = models.CharField(max_length=200)
    execution = models.CharField(max_length=400, blank=True)
    argument_sha256 = models.CharField(max_length=64)
    trouble = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager["Started"]] = models.Manager()

    class Meta:
        verbose_name = _("started execution")
        verbose_name_plural = _("started executions")
        ordering = ("-at",)
        indexes = (models.Index(fields=("user", "-at"), name="started_by_person"),)

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("approvals:started", args=[self.pk])

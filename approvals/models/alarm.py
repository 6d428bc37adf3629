"""What the log has told of: a row for each thing in the operators' queue while it is there."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Alarm(models.Model):
    """One thing that needs attention, and that the log has a line of. Its row makes it one line."""

    key = models.CharField(
        max_length=450, primary_key=True, help_text=_("Its kind and its id in the queue.")
    )
    batch = models.UUIDField(
        default=uuid.uuid4, db_index=True, help_text=_("Of the look that saw it first.")
    )
    raised_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("raised_at", "key")

    def __str__(self) -> str:
        return self.key

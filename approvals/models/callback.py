"""Callback URLs that were ever registered."""

from django.db import models
from django.utils import timezone


class Callback(models.Model):
    """A callback URL that was ever registered: it carries one approval, for ever."""

    url = models.CharField(max_length=700, primary_key=True)
    approval = models.ForeignKey("Approval", models.PROTECT, related_name="callbacks")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.url

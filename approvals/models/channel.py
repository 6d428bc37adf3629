"""Channels: rooms of a chat that are told what happens to approvals."""

from typing import ClassVar

from django.contrib.auth.models import Group
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from approvals.audience import Matter
from approvals.models.policy import Policy


def _usual() -> list[str]:
    return [Matter.ASKED, Matter.RESULT]


class ChannelQuerySet(models.QuerySet["Channel"]):
    def active(self) -> "ChannelQuerySet":
        return self.filter(is_active=True)


class Channel(models.Model):
    """One room: which approvals it is told of, and what of them.

    `url` is Apprise's, and a secret: who has it may write into the room. It is sent to that
    host only, never shown again, and never written into a log or the record.
    """

    name = models.CharField(max_length=100, unique=True)
    url = models.TextField(_("address"), help_text=_("Apprise's URL, as gchat://… or slack://…"))
    group = models.ForeignKey(
        Group,
        models.CASCADE,
        null=True,
        blank=True,
        help_text=_("Approvals that ask this group."),
    )
    policy = models.ForeignKey(
        Policy,
        models.CASCADE,
        null=True,
        blank=True,
        verbose_name=_("type"),
        help_text=_("Approvals of this type. Neither group nor type: all."),
    )
    matters = models.JSONField(_("told of"), default=_usual)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[ChannelQuerySet] = ChannelQuerySet.as_manager()  # type: ignore[assignment]  # typed queryset

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def service(self) -> str:
        """Which service it is, as the address begins: all of it that may be shown."""
        return self.url.partition("://")[0]

"""Personal tokens: by them a program of a person's own votes in that person's name."""

import secrets
from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from approvals.models.caller import digest
from approvals.models.user import User

TOKEN_PREFIX = "csp_"  # noqa: S105 - how one is told from an API key, not a secret
DAYS = 90
"""For how long a token is good, if nothing else is said."""


class PersonalTokenQuerySet(models.QuerySet["PersonalToken"]):
    def usable(self) -> "PersonalTokenQuerySet":
        """Those that are neither revoked nor expired, of people who may sign in."""
        return self.filter(
            revoked_at__isnull=True, expires_at__gt=timezone.now(), user__is_active=True
        )

    def issue(self, user: User, label: str, *, days: int = DAYS) -> tuple["PersonalToken", str]:
        """Make a token; its text is returned here and never again, only its hash is kept."""
        text = TOKEN_PREFIX + secrets.token_urlsafe(32)
        token = self.create(
            user=user,
            label=label,
            prefix=text[:10],
            digest=digest(text),
            expires_at=timezone.now() + timedelta(days=days),
        )
        return token, text

    def of(self, text: str) -> "PersonalToken | None":
        """The usable token of that text, with its person; None for all others."""
        return self.usable().filter(digest=digest(text)).select_related("user").first()

    def revoke(self) -> int:
        """End these, now; the number of those that were not ended before."""
        return self.filter(revoked_at__isnull=True).update(revoked_at=timezone.now())


class PersonalToken(models.Model):
    """A secret that answers in a person's name where they are not at a page; nothing else."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tokens")
    label = models.CharField(max_length=100, help_text=_("Where it is kept."))
    prefix = models.CharField(max_length=10, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[PersonalTokenQuerySet] = PersonalTokenQuerySet.as_manager()  # type: ignore[assignment]  # typed queryset

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.label})"

    @property
    def is_usable(self) -> bool:
        """Whether it would be accepted now, its person being active."""
        return self.revoked_at is None and self.expires_at > timezone.now()

    def note_use(self) -> None:
        """Remember when it was used last, to the minute: not every call is a write."""
        now = timezone.now()
        if self.last_used_at is None or now - self.last_used_at > timedelta(minutes=1):
            PersonalToken.objects.filter(pk=self.pk).update(last_used_at=now)

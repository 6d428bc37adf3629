"""Who may register approvals: service accounts and API keys, each bound to projects."""

import hashlib
import secrets
from datetime import timedelta
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

KEY_PREFIX = "csk_"


def split_projects(text: str) -> frozenset[str]:
    """The projects in a text of one per line, or separated by commas or blanks."""
    return frozenset(text.replace(",", " ").split())


class Caller(models.Model):
    """A program that registers approvals, for the callbacks of its own projects only.

    Callback URLs name the project by number, so the list should hold numbers
    (the emulator and some URLs use the id; both may stand there).
    """

    name = models.CharField(max_length=100, unique=True)
    email = models.EmailField(
        _("service account"),
        max_length=254,
        unique=True,
        null=True,
        blank=True,
        help_text=_("The service account of the workflow. Empty: API keys only."),
    )
    projects = models.TextField(
        help_text=_("Project numbers (or ids) whose callbacks it may name, one per line."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(email__isnull=True) | models.Q(email=Lower("email")),
                name="caller_email_lower_case",
            ),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        self.email = self.email.strip().lower() if self.email else None
        if not split_projects(self.projects):
            raise ValidationError({"projects": _("Name at least one project.")})

    def owns(self, project: str) -> bool:
        """Whether a callback of this project may be named by this caller."""
        return project in split_projects(self.projects)

    @property
    def actor(self) -> str:
        """How the record names this caller."""
        return f"caller:{self.email or self.name}"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self) -> "ApiKeyQuerySet":
        """Keys that are not revoked, of active callers."""
        return self.filter(revoked_at__isnull=True, caller__is_active=True)

    def issue(self, caller: Caller, label: str = "") -> tuple["ApiKey", str]:
        """Make a key; its text is returned here and never again, only its hash is kept."""
        text = KEY_PREFIX + secrets.token_urlsafe(32)
        key = self.create(caller=caller, label=label, prefix=text[:10], digest=digest(text))
        return key, text

    def revoke(self) -> int:
        """End these keys, now; the number of keys that were still usable."""
        return self.filter(revoked_at__isnull=True).update(revoked_at=timezone.now())


def digest(text: str) -> str:
    """What is stored of a key. Keys are 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(text.encode()).hexdigest()


class ApiKey(models.Model):
    """A secret by which a caller that has no service account proves itself."""

    caller = models.ForeignKey(Caller, models.CASCADE, related_name="keys")
    label = models.CharField(max_length=100, blank=True)
    prefix = models.CharField(max_length=10, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[models.Manager["ApiKey"]] = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.caller})"

    def note_use(self) -> None:
        """Remember when it was used last, to the minute: not every call is a write."""
        now = timezone.now()
        if self.last_used_at is None or now - self.last_used_at > timedelta(minutes=1):
            ApiKey.objects.filter(pk=self.pk).update(last_used_at=now)

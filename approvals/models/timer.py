"""What is to happen to an undecided approval later: reminders and escalation."""

from datetime import datetime
from typing import ClassVar

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from approvals.models.content import PENDING
from approvals.retold import length_retold


class TimerQuerySet(models.QuerySet["Timer"]):
    def due(self, now: datetime | None = None) -> "TimerQuerySet":
        """Those whose time has come, of approvals that are pending.

        Not while an answer can be taken back: it waits, in case that happens.
        """
        return self.filter(
            due_at__lte=now or timezone.now(),
            done_at__isnull=True,
            approval__status=PENDING,
            approval__settles_at__isnull=True,
        )


class Timer(models.Model):
    """One moment of one approval, as its type says. It rings once."""

    class Kind(models.TextChoices):
        REMIND = "remind", _("Reminder")
        ESCALATE = "escalate", _("Escalation")

    approval = models.ForeignKey("Approval", models.CASCADE, related_name="timers")
    kind = models.CharField(max_length=10, choices=Kind)
    due_at = models.DateTimeField()
    to = models.CharField(max_length=254, blank=True, help_text=_("Whom to ask besides."))
    after = models.CharField(max_length=50, help_text=_("In words, how long after the asking."))
    done_at = models.DateTimeField(null=True)

    objects: ClassVar[TimerQuerySet] = TimerQuerySet.as_manager()  # type: ignore[assignment]  # typed queryset

    class Meta:
        ordering = ("due_at",)
        indexes = (
            models.Index(
                fields=["due_at"],
                condition=models.Q(done_at__isnull=True),
                name="timer_to_ring",
            ),
        )

    def __str__(self) -> str:
        told = {"what": self.get_kind_display(), "after": length_retold(self.after)}
        return gettext("%(what)s after %(after)s") % told

    def ring(self) -> bool:
        """Do what it is for, once; False where that was done, or where nobody is to be asked."""
        with transaction.atomic():
            mine = Timer.objects.filter(pk=self.pk, done_at__isnull=True)
            if not mine.update(done_at=timezone.now()):
                return False
            if self.kind == self.Kind.ESCALATE:
                return self.approval.escalate(self.to, after=self.after)
            return self.approval.remind(after=self.after)

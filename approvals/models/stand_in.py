"""Stand-ins: "from … to …, this colleague decides for me"."""

from datetime import datetime
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from approvals.models.user import User


class StandInQuerySet(models.QuerySet["StandIn"]):
    def active(self, now: datetime | None = None) -> "StandInQuerySet":
        """Those in force: begun, not over, not ended early."""
        now = now or timezone.now()
        return self.filter(starts_at__lte=now, ends_at__gt=now, ended_at__isnull=True)

    def principals_of(self, user: User) -> list[User]:
        """The active people for whom this person decides now."""
        for_them = self.active().filter(colleague=user, user__is_active=True)
        return list(User.objects.filter(pk__in=for_them.values("user")).order_by("email"))

    def of(self, user: User) -> "StandIn | None":
        """The absence of this person that is in force, of several the one that ends last."""
        found = self.active().filter(user=user, colleague__is_active=True)
        return found.select_related("colleague").order_by("ends_at").last()


class StandIn(models.Model):
    """One absence: in that time the colleague may decide what the person was asked.

    It is not passed on: a stand-in's own stand-in does not decide for the person.
    """

    user = models.ForeignKey(User, models.PROTECT, related_name="stand_ins")
    colleague = models.ForeignKey(User, models.PROTECT, related_name="stands_in_for")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=200, blank=True)
    created_by = models.CharField(max_length=300)
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[StandInQuerySet] = StandInQuerySet.as_manager()  # type: ignore[assignment]  # typed queryset

    class Meta:
        verbose_name = _("stand-in")
        ordering = ("-starts_at",)
        constraints = (
            models.CheckConstraint(
                condition=~models.Q(user=models.F("colleague")), name="stand_in_is_somebody_else"
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")), name="stand_in_ends_later"
            ),
        )

    def __str__(self) -> str:
        told = {"colleague": self.colleague, "user": self.user}
        return gettext("%(colleague)s for %(user)s") % told

    def clean(self) -> None:
        if self.user_id and self.user_id == self.colleague_id:
            raise ValidationError({"colleague": gettext("Choose somebody else.")})
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValidationError({"ends_at": gettext("The end must be later than the beginning.")})

    def end(self) -> bool:
        """End it now; False where it had ended."""
        changed = StandIn.objects.filter(pk=self.pk, ended_at__isnull=True)
        return bool(changed.update(ended_at=timezone.now()))

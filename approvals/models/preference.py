"""How often a person wants to be told, and where their clock stands."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from approvals.models.user import User


def _known_zone(name: str) -> None:
    if name not in available_timezones():
        sentence = gettext("“%(name)s” is no time zone; one is Europe/Lisbon.")
        raise ValidationError(sentence % {"name": name})


class Preference(models.Model):
    """What one person has chosen. Who has chosen nothing is told of each event at once."""

    class Pace(models.TextChoices):
        EACH = "each", _("Immediately")
        HOURLY = "hourly", _("Once an hour")
        DAILY = "daily", _("Once a day")
        NONE = "none", _("Never")

    user = models.OneToOneField(
        User,
        models.CASCADE,
        primary_key=True,
        related_name="preference",
        editable=False,
    )
    pace = models.CharField(
        _("e-mail"),
        max_length=10,
        choices=Pace,
        default=Pace.EACH,
        help_text=_("What would be over before the next summary is told at once."),
    )
    hour = models.PositiveSmallIntegerField(
        _("daily at"),
        default=8,
        validators=[MaxValueValidator(23)],
        help_text=_("Hour, from 0 to 23."),
    )
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        validators=[_known_zone],
        help_text=_("As Europe/Lisbon; empty for the one of this inbox."),
    )
    language = models.CharField(
        max_length=10,
        blank=True,
        default="",
        db_default="",
        help_text=_("Empty: as the browser asks."),
    )
    goes_on = models.BooleanField(
        _("after an answer, open the next request at once"), default=False, db_default=False
    )
    receipts = models.BooleanField(_("receipts of my own answers"), default=True)
    results = models.BooleanField(_("results of what I asked or answered"), default=True)

    def __str__(self) -> str:
        return f"{self.user}: {self.get_pace_display()}"

    @property
    def zone(self) -> ZoneInfo:
        """Where this person's clock stands."""
        return ZoneInfo(self.time_zone or timezone.get_default_timezone_name())

    def next_digest(self, now: datetime) -> datetime | None:
        """When the next summary goes out; None where each is told at once, or nothing."""
        local = now.astimezone(self.zone)
        full = local.replace(minute=0, second=0, microsecond=0)
        match self.pace:
            case self.Pace.HOURLY:
                return (now + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
            case self.Pace.DAILY:
                today = full.replace(hour=self.hour)
                return today if today > local else today + timedelta(days=1)
            case _:
                return None

"""Moments and days as people write them, in the active language and time zone."""

from datetime import date, datetime, time, timedelta

from django.utils import formats, timezone
from django.utils.translation import gettext, gettext_noop

# What is due sooner is marked, and can be looked for.
SOON = timedelta(hours=4)
# Short names of zones that have others elsewhere; all that are not here are the same everywhere.
ZONES = frozenset(
    (
        gettext_noop("CET"),
        gettext_noop("CEST"),
        gettext_noop("WET"),
        gettext_noop("WEST"),
        gettext_noop("EET"),
        gettext_noop("EEST"),
    )
)


def midnight(day: date) -> datetime:
    """The beginning of a day on the clock of the reader."""
    return timezone.make_aware(datetime.combine(day, time.min))


def exact(moment: datetime) -> str:
    """A moment with its zone: 31 January 2026, 16:04 UTC."""
    return gettext("%(day)s, %(clock)s") % {"day": day_of(moment), "clock": clock_of(moment)}


def fully(moment: datetime) -> str:
    """All of it, for who points at a time: Saturday, 31 January 2026, 16:04:09 CET (Europe/Berlin).

    Short names such as IST stand for several zones; the long one stands for one.
    """
    return gettext("%(weekday)s, %(day)s, %(clock)s (%(zone)s)") % {
        "weekday": formats.date_format(timezone.localtime(moment), "l"),
        "day": day_of(moment),
        "clock": clock_of(moment, seconds=True),
        "zone": timezone.get_current_timezone_name(),
    }


def day_of(moment: datetime) -> str:
    """Its day: 31 January 2026."""
    return formats.date_format(timezone.localtime(moment), "DATE_FORMAT")


def short_day(day: date) -> str:
    """A day of about now, without the year: 31 January."""
    return formats.date_format(day, "MONTH_DAY_FORMAT")


def clock_of(moment: datetime, *, seconds: bool = False) -> str:
    """Its time with the zone: 16:04 UTC, or 16:04:09 UTC."""
    local = timezone.localtime(moment)
    time = formats.date_format(local, "H:i:s" if seconds else "H:i")
    # Translators: a time of day and its zone, as 16:04 UTC
    return gettext("%(time)s %(zone)s") % {"time": time, "zone": zone_of(local)}


def zone_of(local: datetime) -> str:
    """The short name of its zone, as this language has it; UTC-03 where the zone has no name."""
    name = local.tzname() or ""
    if name.startswith(("+", "-")):
        return f"UTC{name[:3]}:{name[3:]}".rstrip(":")
    return gettext(name) if name in ZONES else name

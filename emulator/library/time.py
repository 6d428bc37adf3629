"""`time`: seconds since 1970 to text and back."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from emulator.errors import error
from emulator.library.registry import function

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[-+][0-9]{2}:[0-9]{2})",
    re.IGNORECASE,
)
_OF_THE_MACHINE = frozenset(("localtime", "posix", "posixrules", "right"))


@function('time.format(seconds: number, timezone: string="UTC")')
def format_time(seconds: float, timezone: str) -> str:
    """Return ISO 8601 text with microseconds.

    Raises ValueError for an unknown time zone and for a time outside the years 1 to 9999.
    """
    zone = _zone(timezone)
    try:
        moment = (_EPOCH + timedelta(seconds=seconds)).astimezone(zone)
    except (OverflowError, ValueError):
        raise error("ValueError", "time out of range") from None
    text = moment.isoformat(timespec="microseconds")
    return f"{text.removesuffix('+00:00')}Z" if text.endswith("+00:00") else text


def _zone(name: str) -> ZoneInfo:
    """Return the zone of an IANA name, UTC for none.

    What else this machine has files for is unknown.
    """
    try:
        found = ZoneInfo(name or "UTC")
    except (LookupError, ValueError, OSError):
        found = None
    if found is None or name.partition("/")[0] in _OF_THE_MACHINE:
        raise error("ValueError", f"unknown time zone: {name[:100]}")
    return found


@function("time.parse(value: string)")
def parse_time(value: str) -> float:
    """Return the seconds of a time in the form of RFC 3339, section 5.6."""
    try:
        if _RFC_3339.fullmatch(value):
            return datetime.fromisoformat(value.upper()).timestamp()
    except ValueError:
        pass  # a day or an hour that there is not
    raise error("ValueError", f"cannot parse time: {value[:100]!r}")

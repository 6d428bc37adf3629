"""`time`: seconds since 1970 to text and back."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from emulator.errors import error
from emulator.library.registry import function

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OF_THE_MACHINE = frozenset(("localtime", "posix", "posixrules", "right"))


@function('time.format(seconds: number, timezone: string="UTC")')
def format_time(seconds: float, timezone: str) -> str:
    """Return ISO 8601 text with microseconds, none where they are zero.

    Raises ValueError for an unknown time zone and for a time outside the years 1 to 9999.
    """
    zone = _zone(timezone)
    try:
        text = (_EPOCH + timedelta(seconds=seconds)).astimezone(zone).isoformat()
    except (OverflowError, ValueError):
        raise error("ValueError", "time out of range") from None
    return f"{text.removesuffix('+00:00')}Z" if text.endswith("+00:00") else text


def _zone(name: str) -> ZoneInfo:
    """Return the zone of an IANA name. What else this machine has files for is unknown."""
    try:
        found = ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        found = None
    if found is None or name.partition("/")[0] in _OF_THE_MACHINE:
        raise error("ValueError", f"unknown time zone: {name[:100]}")
    return found


@function("time.parse(value: string)")
def parse_time(value: str) -> float:
    """Return the seconds of ISO 8601 text; without a time zone it is UTC."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise error("ValueError", f"cannot parse time: {value[:100]!r}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

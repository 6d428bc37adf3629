"""Lengths of time as people write them: "3 days", "1 day 12 hours", in their own language."""

import re

from django.utils.translation import gettext, npgettext, pgettext

UNITS = {
    "week": 7 * 24 * 3600,
    "day": 24 * 3600,
    "hour": 3600,
    "minute": 60,
    "second": 1,
}
SHORT = {"w": "week", "d": "day", "h": "hour", "min": "minute", "m": "minute", "s": "second"}
SHORT |= {"sec": "second", "hr": "hour"}
LONGEST = 10 * 365 * UNITS["day"]
_PART = re.compile(r"(\d+)\s*([^\W\d_]+)")


def seconds_of(text: str) -> int:
    """The seconds in a text like "3 days" or "1 h 30 min". Raises ValueError with a sentence.

    Units may be given in the active language, and in English always.
    """
    rest = text.strip().lower()
    parts = _PART.findall(rest)
    own_and = pgettext("between two lengths of time", "and")
    between = rf"[\s,]|\b(and|{re.escape(own_and)})\b"
    if not parts or re.sub(between, "", _PART.sub("", rest)):
        raise ValueError(gettext("Write a length of time, like “3 days” or “1 hour 30 minutes”."))
    names = _names()
    total = 0
    for number, unit in parts:
        if unit not in names:
            units = ", ".join(_word(each, 2) for each in UNITS)
            sentence = gettext("“%(unit)s” is not a unit. Use one of these: %(units)s.")
            raise ValueError(sentence % {"unit": unit, "units": units})
        total += int(number) * UNITS[names[unit]]
    if not 0 < total <= LONGEST:
        raise ValueError(gettext("It has to be more than nothing and less than ten years."))
    return total


def in_words(seconds: int) -> str:
    """The same back: "1 day 12 hours"."""
    found = []
    for unit, length in UNITS.items():
        if unit == "week" and seconds % length:
            continue  # "10 days" reads better than "1 week 3 days"
        number, seconds = divmod(seconds, length)
        if number:
            found.append(_part(unit, number))
    return " ".join(found)


def _names() -> dict[str, str]:
    """Every word for a unit that is understood, in lower case."""
    english = SHORT | {f"{unit}{end}": unit for unit in UNITS for end in ("", "s")}
    own = {_word(unit, number).lower(): unit for unit in UNITS for number in (1, 2)}
    return english | own


def _word(unit: str, number: int) -> str:
    """A unit alone, in the form of this number."""
    return _part(unit, number).partition(" ")[2]


def _part(unit: str, number: int) -> str:
    match unit:
        case "week":
            text = npgettext("length of time", "%(number)d week", "%(number)d weeks", number)
        case "day":
            text = npgettext("length of time", "%(number)d day", "%(number)d days", number)
        case "hour":
            text = npgettext("length of time", "%(number)d hour", "%(number)d hours", number)
        case "minute":
            text = npgettext("length of time", "%(number)d minute", "%(number)d minutes", number)
        case _:
            text = npgettext("length of time", "%(number)d second", "%(number)d seconds", number)
    return text % {"number": number}

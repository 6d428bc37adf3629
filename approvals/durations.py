"""Lengths of time as people write them: "3 days", "1 day 12 hours". Pure."""

import re

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
_PART = re.compile(r"(\d+)\s*([a-z]+)")


def seconds_of(text: str) -> int:
    """The seconds in a text like "3 days" or "1 h 30 min". Raises ValueError with a sentence."""
    rest = text.strip().lower()
    parts = _PART.findall(rest)
    if not parts or re.sub(r"[\s,]|\band\b", "", _PART.sub("", rest)):
        raise ValueError("Write a length of time, like “3 days” or “1 hour 30 minutes”.")
    total = 0
    for number, unit in parts:
        name = SHORT.get(unit, unit.removesuffix("s"))
        if name not in UNITS:
            raise ValueError(
                f"“{unit}” is no unit here: {', '.join(f'{each}s' for each in UNITS)}."
            )
        total += int(number) * UNITS[name]
    if not 0 < total <= LONGEST:
        raise ValueError("More than nothing, and less than ten years.")
    return total


def in_words(seconds: int) -> str:
    """The same back: "1 day 12 hours"."""
    found = []
    for unit, length in UNITS.items():
        if unit == "week" and seconds % length:
            continue  # "10 days" reads better than "1 week 3 days"
        number, seconds = divmod(seconds, length)
        if number:
            found.append(f"{number} {unit}{'s' if number > 1 else ''}")
    return " ".join(found)

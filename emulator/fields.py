"""Fields of request bodies: which there are, and what each may hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from emulator.limits import Limits
from emulator.refusal import invalid

Check = Callable[[object], object]
"""Gives the value to keep, or None for "not set"; raises ValueError with what it must be."""

_LIMITS = Limits()
_LABEL_KEY = re.compile(r"[^\W\d_][\w-]{0,62}")
_LABEL_VALUE = re.compile(r"[\w-]{0,63}")


def text(most: int) -> Check:
    """A string of at most so many characters; empty means not set."""

    def check(value: object) -> object:
        if not isinstance(value, str) or len(value) > most:
            raise ValueError(f"must be a string of at most {most} characters")
        return value or None

    return check


def one_of(*names: str) -> Check:
    """An enum, by its name or by its number; the first name is the unspecified one."""

    def check(value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
            value = names[value]
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return None if value == names[0] else value

    return check


def flag(value: object) -> object:
    """A boolean; false means not set."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - the client's mistake, see Check
    return value or None


def strings(value: object) -> Mapping[str, str]:
    """A map of strings.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
        return value
    raise ValueError("must be a map of strings")


def labels(value: object) -> object:
    """Labels, with Google's rules for their keys and values; letters of any alphabet."""
    given = strings(value)
    if len(given) > 64:
        raise ValueError("must have at most 64 entries")
    for key, item in given.items():
        fits = _LABEL_KEY.fullmatch(key) and _LABEL_VALUE.fullmatch(item)
        if not fits or (key + item) != (key + item).lower():
            raise ValueError(
                f"has the entry {key!r}: {item!r}, but keys and values are up to 63 lower-case"
                " letters, digits, '_' and '-', and keys start with a letter"
            )
    return dict(given) or None


def environment(value: object) -> object:
    """Environment variables of a workflow."""
    given = strings(value)
    if len(given) > _LIMITS.environment_variables:
        raise ValueError(f"must have at most {_LIMITS.environment_variables} entries")
    for key, item in given.items():
        if not key or key.startswith(("GOOGLE", "WORKFLOWS")):
            raise ValueError(f"must not have the key {key!r}")
        if len(item.encode()) > _LIMITS.environment_bytes:
            raise ValueError(f"is too large at {key!r}: {_LIMITS.environment_bytes} bytes at most")
    return dict(given) or None


LOG_LEVEL = one_of("CALL_LOG_LEVEL_UNSPECIFIED", "LOG_ALL_CALLS", "LOG_ERRORS_ONLY", "LOG_NONE")
HISTORY_LEVEL = one_of(
    "EXECUTION_HISTORY_LEVEL_UNSPECIFIED",
    "EXECUTION_HISTORY_BASIC",
    "EXECUTION_HISTORY_DETAILED",
)


def read(
    body: Mapping[str, object], checks: Mapping[str, Check], output: Collection[str], what: str
) -> dict[str, object]:
    """The fields of a body that are set, by their JSON names; output fields are ignored.

    Raises:
        Refusal: INVALID_ARGUMENT, an unknown field or a value that its field cannot hold.
    """
    kept: dict[str, object] = {}
    for given, value in body.items():
        name = json_name(given)
        if name in output:
            continue
        if name not in checks:
            raise invalid(
                f"Invalid JSON payload received. Unknown name \"{given}\" at '{what}':"
                " Cannot find field."
            )
        if value is None:
            continue
        try:
            checked = checks[name](value)
        except ValueError as wrong:
            raise invalid(f"{what}.{name} {wrong}") from None
        if checked is not None:
            kept[name] = checked
    return kept


def json_name(name: str) -> str:
    """The JSON name of a field, which may be given as in the protocol buffer: `source_contents`."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)

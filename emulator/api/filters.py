"""`filter` and `orderBy` of lists: the part of AIP-160 and AIP-132 that is understood.

Comparisons joined by AND. Whatever is not understood is refused, never ignored.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from emulator.clock import parse_timestamp
from emulator.refusal import Refusal, Status, invalid

Resource = Mapping[str, object]

_TERM = re.compile(
    r"""\s*(?P<field>[A-Za-z][\w.]*)\s*(?P<operator><=|>=|!=|=|<|>|:)\s*
    (?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s"()]+))\s*""",
    re.VERBOSE,
)
_AND = re.compile(r"\s*AND\b\s*")
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    ":": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def filtered(text: str, fields: Collection[str]) -> Callable[[Resource], bool]:
    """A test for resources that the filter lets through; an empty filter lets all through.

    Args:
        fields: the fields that may be compared; `labels` means any `labels.KEY`.

    Raises:
        Refusal: INVALID_ARGUMENT for an unknown field, UNIMPLEMENTED for another form.
    """
    tests: list[Callable[[Resource], bool]] = []
    rest = text.strip()
    while rest:
        term = _TERM.match(rest)
        if term is None:
            raise Refusal(
                Status.UNIMPLEMENTED,
                'the emulator understands filters such as state="ACTIVE" AND'
                f' createTime>"2026-01-31T00:00:00Z", but not {text!r}',
            )
        tests.append(_test(term, fields))
        rest = rest[term.end() :]
        joint = _AND.match(rest)
        if rest and (joint is None or joint.end() == len(rest)):
            raise Refusal(Status.UNIMPLEMENTED, f"filter: terms are joined by AND only: {text!r}")
        rest = rest[joint.end() :] if joint else ""
    return lambda resource: all(test(resource) for test in tests)


def _test(term: re.Match[str], fields: Collection[str]) -> Callable[[Resource], bool]:
    field, sign = term["field"], term["operator"]
    if field not in fields and field.partition(".")[0] + ".*" not in fields:
        raise invalid(f"filter: no field {field!r}; there are {', '.join(sorted(fields))}")
    quoted = term["quoted"]
    wanted = term["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    try:
        _comparable(field, wanted)
    except ValueError:
        raise invalid(f"filter: {field} cannot be compared with {wanted!r}") from None
    compare = _OPERATORS[sign]

    def test(resource: Resource) -> bool:
        found = value_of(resource, field)
        if found is None:
            return sign == "!="
        return compare(_comparable(field, found), _comparable(field, wanted))

    return test


def ordered(text: str, fields: Collection[str]) -> list[tuple[str, bool]]:
    """The fields to sort by, each with whether it descends.

    Raises:
        Refusal: INVALID_ARGUMENT.
    """
    keys = []
    for part in filter(None, map(str.strip, text.split(","))):
        field, _, direction = part.partition(" ")
        if field not in fields or direction.strip().lower() not in ("", "asc", "desc"):
            raise invalid(
                f"orderBy: cannot sort by {part!r}; there are {', '.join(sorted(fields))}"
            )
        keys.append((field, direction.strip().lower() == "desc"))
    return keys


def sort_key(resource: Resource, field: str) -> tuple[bool, object]:
    """What to compare when sorting by a field; resources without it come first."""
    found = value_of(resource, field)
    return (found is not None, "" if found is None else _comparable(field, found))


def value_of(resource: Resource, field: str) -> object:
    """A field of a resource, `labels.KEY` included; None when it is not set."""
    found: object = resource
    for part in field.split(".", 1):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _comparable(field: str, value: object) -> object:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if field.endswith("Time"):
        return parse_timestamp(text)
    if field == "duration":
        return float(text.removesuffix("s"))
    return text

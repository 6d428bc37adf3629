"""`filter` and `orderBy` of lists: AIP-160 and AIP-132, without functions and free text.

What is not understood is refused, never ignored. `OR` binds tighter than `AND`, as AIP-160 says.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from emulator.clock import parse_timestamp
from emulator.refusal import Refusal, Status, invalid

Resource = Mapping[str, object]
Test = Callable[[Resource], bool]

_LONGEST = 4000  # characters
_DEEPEST = 50  # parentheses in parentheses

_SPACE = re.compile(r"\s*")
_JOINT = re.compile(r"(AND|OR)(?=[\s(])\s*")
_NOT = re.compile(r"NOT(?=[\s(])\s*|-")
_FIELD = re.compile(r"[A-Za-z][\w-]*(?:\.(?:[\w-]+|\"[^\"]*\"))*")
_OPERATOR = re.compile(r"\s*(<=|>=|!=|=|<|>|:)\s*")
_VALUE = re.compile(
    r"""\"(?P<double>(?:[^"\\]|\\.)*)\"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<bare>[^\s"'()]+)"""
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def filtered(text: str, fields: Collection[str]) -> Test:
    """A test for resources that the filter lets through; an empty filter lets all through.

    Args:
        fields: the fields that may be compared; `labels.*` means `labels` and any `labels.KEY`.

    Raises:
        Refusal: INVALID_ARGUMENT for what is no filter or an unknown field, UNIMPLEMENTED for a
            form of AIP-160 that is not understood here.
    """
    if len(text) > _LONGEST:
        raise invalid(f"filter: {_LONGEST} characters at most")
    if not text.strip():
        return lambda _resource: True
    reader = _Reader(text, fields)
    test = reader.conjunction(0)
    if reader.rest():
        raise reader.wrong("unexpected")
    return test


class _Reader:
    """Reads a filter from left to right."""

    def __init__(self, text: str, fields: Collection[str]) -> None:
        self._text = text
        self._fields = fields
        self._place = 0

    def rest(self) -> str:
        """What has not been read yet, from its first character on."""
        self._take(_SPACE)
        return self._text[self._place :]

    def wrong(self, what: str) -> Refusal:
        """The filter cannot be read on."""
        return invalid(f"filter: {what} at {self.rest()[:40]!r} in {self._text!r}")

    def conjunction(self, depth: int) -> Test:
        """Terms joined by AND, or by nothing, which means the same."""
        tests = [self._disjunction(depth)]
        while (rest := self.rest()) and rest[0] != ")":
            joint = self._take(_JOINT)
            if joint is not None and joint[1] == "OR":
                raise self.wrong("misplaced OR")
            tests.append(self._disjunction(depth))
        return lambda resource: all(test(resource) for test in tests)

    def _disjunction(self, depth: int) -> Test:
        tests = [self._term(depth)]
        while self.rest().startswith("OR") and self._take(_JOINT) is not None:
            tests.append(self._term(depth))
        return lambda resource: any(test(resource) for test in tests)

    def _term(self, depth: int) -> Test:
        if not self.rest():
            raise self.wrong("a comparison is missing")
        negated = self._take(_NOT) is not None
        if self.rest().startswith("("):
            if depth >= _DEEPEST:
                raise self.wrong("too many parentheses")
            self._place += 1
            test = self.conjunction(depth + 1)
            if not self.rest().startswith(")"):
                raise self.wrong("a closing parenthesis is missing")
            self._place += 1
        else:
            test = self._comparison()
        return (lambda resource: not test(resource)) if negated else test

    def _comparison(self) -> Test:
        field = self._take(_FIELD)
        sign = self._take(_OPERATOR) if field is not None else None
        if field is None or sign is None:
            raise Refusal(
                Status.UNIMPLEMENTED,
                'the emulator understands comparisons such as state="ACTIVE" AND createTime>'
                f'"2026-01-31T00:00:00Z", but neither text alone nor functions: {self._text!r}',
            )
        value = self._take(_VALUE)
        if value is None:
            raise self.wrong("a value is missing")
        quoted = value["double"] if value["single"] is None else value["single"]
        wanted = value["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        return _comparison(field[0].replace('"', ""), sign[1], wanted, self._fields)

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._place)
        if found is not None:
            self._place = found.end()
        return found


def _comparison(field: str, sign: str, wanted: str, fields: Collection[str]) -> Test:
    """A test of one field.

    Raises:
        Refusal: INVALID_ARGUMENT, an unknown field or a value that it is not compared with.
    """
    if field not in fields and field.partition(".")[0] + ".*" not in fields:
        raise invalid(f"filter: no field {field!r}; there are {', '.join(sorted(fields))}")
    if (sign, wanted) == (":", "*"):
        return lambda resource: value_of(resource, field) not in (None, "")
    try:
        _comparable(field, wanted)
    except ValueError:
        raise invalid(f"filter: {field} cannot be compared with {wanted!r}") from None

    def test(resource: Resource) -> bool:
        found = value_of(resource, field)
        if sign == "!=":
            return not _holds("=", field, found, wanted)
        return _holds(sign, field, found, wanted)

    return test


def _holds(sign: str, field: str, found: object, wanted: str) -> bool:
    """Whether a comparison with a value that is there is true; one of several is enough."""
    if found is None:
        return False
    if isinstance(found, Mapping):
        return sign in ":=" and wanted in found
    if isinstance(found, list | tuple):
        return any(_holds(sign, field, each, wanted) for each in found)
    left, right = _comparable(field, found), _comparable(field, wanted)
    if isinstance(found, int | float) and not isinstance(found, bool):
        left, right = found, _number(field, wanted)
    if sign in _COMPARED:
        return _COMPARED[sign](left, right)
    if not isinstance(left, str):
        return left == right
    if sign == ":":
        return wanted in left
    pieces = map(re.escape, wanted.split("*"))
    return re.fullmatch(".*".join(pieces), left, re.DOTALL) is not None


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
    """A value in the form in which values of the field are compared.

    Raises:
        ValueError: no value of the field looks like that.
    """
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if field.endswith("Time"):
        return parse_timestamp(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
    if field == "duration":
        return float(text.removesuffix("s"))
    return text


def _number(field: str, wanted: str) -> float:
    try:
        return float(wanted)
    except ValueError:
        raise invalid(f"filter: {field} cannot be compared with {wanted!r}") from None

"""Values of the language: their names, when two are equal, and their two forms as text.

`to_json` and `from_json` are what users see; `dump` and `load` keep everything, for the journal.
"""

import base64
import json
import math
import re
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, Final

Value = None | bool | int | float | str | bytes | list[Any] | dict[str, Any]

MAX_DEPTH: Final = 100
MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**63 - 1

_TYPE_NAMES: Final[tuple[tuple[type, str], ...]] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "double"),
    (str, "string"),
    (bytes, "bytes"),
    (list, "list"),
    (dict, "map"),
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class Beyond(ValueError):
    """JSON beyond what a value can be: nested too deeply, or with a number beyond a double."""


def type_name(value: Value) -> str:
    """Return what `get_type` says: integer, double, string, boolean, null, list, map, bytes."""
    return next((name for kind, name in _TYPE_NAMES if isinstance(value, kind)), "null")


def equals(left: Value, right: Value) -> bool:
    """Compare as `==` does: numbers by value, booleans apart from them, the rest deeply."""
    if left is right:
        return True
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equals, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equals(left[key], right[key]) for key in left)
    return left == right


def number_text(number: float) -> str:
    """Write a number as Go's JSON does: the shortest digits that read back, 5.0 as "5".

    An exponent appears only below 1e-6 and from 1e21 on.
    """
    if isinstance(number, int):
        return str(number)
    if number and not 1e-6 <= abs(number) < 1e21:
        return re.sub(r"e([+-])0", r"e\1", repr(number))
    text = format(Decimal(repr(number)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def scalar_text(text: str) -> str:
    """Return the text without lone surrogates, which UTF-8 has no form for.

    Halves of a pair that were written as two escapes, as JSON does, are joined.
    """
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def to_json(value: Value) -> str:
    """Return compact JSON with sorted keys. Raises TypeError for bytes, which JSON lacks."""
    pieces: list[str] = []
    _write(value, pieces)
    return "".join(pieces)


def _write(value: Value, pieces: list[str]) -> None:
    if isinstance(value, str):
        pieces.append(encode_basestring(value))
    elif value is None or isinstance(value, bool):
        pieces.append({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, int | float):
        pieces.append(number_text(value))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            pieces.append("," if index else "[")
            _write(item, pieces)
        pieces.append("]" if value else "[]")
    elif isinstance(value, dict):
        for index, key in enumerate(sorted(value)):
            pieces.append("," if index else "{")
            pieces.append(encode_basestring(key) + ":")
            _write(value[key], pieces)
        pieces.append("}" if value else "{}")
    else:
        raise TypeError(f"{type_name(value)} cannot be written as JSON")


def from_json(text: str, depth: int = MAX_DEPTH) -> Value:
    """Read JSON: a whole number is an integer if it fits 64 bits, and else a double.

    Raises ValueError for what is no JSON; Beyond, which is one too, for numbers beyond a double
    and for lists and maps nested more than `depth` deep.
    """
    try:
        value: Value = json.loads(
            text, parse_int=_integer, parse_float=_double, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise Beyond(f"nested more than {depth} deep") from None
    return _checked(value, depth, bool(_SURROGATE_ESCAPE.search(text) or _SURROGATE.search(text)))


def _checked(value: Value, depth: int, surrogates: bool) -> Value:
    """Refuse what is too deep, and mend strings where the text had surrogates."""
    if isinstance(value, list | dict) and not depth:
        raise Beyond("nested too deeply")
    if isinstance(value, list):
        return [_checked(item, depth - 1, surrogates) for item in value]
    if isinstance(value, dict):
        checked = {key: _checked(item, depth - 1, surrogates) for key, item in value.items()}
        return {scalar_text(key): item for key, item in checked.items()} if surrogates else checked
    return scalar_text(value) if surrogates and isinstance(value, str) else value


def _integer(digits: str) -> int | float:
    if len(digits) <= len(str(MIN_INTEGER)) and MIN_INTEGER <= int(digits) <= MAX_INTEGER:
        return int(digits)
    return _double(digits)


def _double(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise Beyond(f"number out of range: {digits[:40]}")
    return number


def _refuse_constant(name: str) -> Value:
    raise ValueError(f"{name} is not JSON")


def dump(value: Value) -> str:
    """Return text from which `load` makes the same value: bytes, doubles, order of keys."""
    return json.dumps(tagged(value), ensure_ascii=False, separators=(",", ":"))


def tagged(value: Value) -> Value:
    """Write bytes as {"$bytes": …}; keys that begin with $ get one more. The rest is JSON."""
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return [tagged(item) for item in value]
    if isinstance(value, dict):
        return {
            f"${key}" if key.startswith("$") else key: tagged(item) for key, item in value.items()
        }
    return value


def load(text: str) -> Value:
    """Read what `dump` wrote."""
    value: Value = json.loads(text, object_hook=_untagged)
    return value


def _untagged(entries: dict[str, Any]) -> Value:
    if entries.keys() == {"$bytes"}:
        return base64.b64decode(entries["$bytes"])
    return {key.removeprefix("$"): value for key, value in entries.items()}

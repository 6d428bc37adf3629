"""JSON of requests, read strictly: what both databases can keep, and nothing else."""

import json
import math
from typing import Any

MAX_DEPTH = 16


class BadBody(ValueError):
    """A body that is not JSON, or none that both databases can keep; the message says why."""


def read_json(raw: bytes) -> Any:
    """The value of a body: no NaN, no infinity, no repeated keys, not deep. Raises `BadBody`."""
    try:
        body = json.loads(
            raw,
            parse_constant=_no_constant,
            parse_float=_finite,
            object_pairs_hook=_no_repeats,
        )
    except BadBody:
        raise
    except (ValueError, RecursionError):
        raise BadBody("The body is not JSON.") from None
    if _depth(body) > MAX_DEPTH:
        raise BadBody(f"The body is nested deeper than {MAX_DEPTH} levels.")
    return body


def _no_constant(name: str) -> Any:
    raise BadBody(f"{name} is not a JSON number.")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise BadBody("A number is too large.")
    return number


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadBody("A key stands twice in one object.")
    return found


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        depth += 1
    return depth

"""Bodies of requests to the inbox's API: JSON that it keeps, and what it says of others."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

MAX_BODY = 256 * 1024
MAX_DEPTH = 16

Body = TypeVar("Body", bound=BaseModel)


class Refused(Exception):
    """A request that is refused: its HTTP status, and the `detail` of the answer."""

    def __init__(
        self, status: int, detail: object, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


async def read(
    request: web.Request,
    model: type[Body],
    context: Mapping[str, object] | None = None,
    problems: list[dict[str, Any]] | None = None,
) -> Body:
    """The body of a request, and `problems` with other parts of it beside those of the body."""
    found: list[dict[str, Any]] = []
    raw = await request.read()
    if len(raw) > MAX_BODY:
        raise Refused(413, "The body is larger than 256 kB. Link to large texts instead.")
    if not raw:
        found.append(problem("missing", ("body",), "Field required"))
        raise Refused(422, [*found, *(problems or ())])
    try:
        body = model.model_validate(_json(raw), context=dict(context or {}))
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False, include_input=False):
            ctx = dict(error.get("ctx", {}))
            if "error" in ctx:  # an exception of a rule of ours
                ctx["error"] = str(ctx["error"])
            found.append(problem(error["type"], ("body", *error["loc"]), error["msg"], ctx))
    found += problems or ()
    if found:
        raise Refused(422, found)
    return body


def _json(raw: bytes) -> object:
    try:
        body = json.loads(
            raw,
            parse_constant=_no_constant,
            parse_float=_finite,
            object_pairs_hook=_no_repeats,
        )
    except Refused:
        raise
    except (ValueError, RecursionError):
        raise Refused(400, "The body is not JSON.") from None
    if _depth(body) > MAX_DEPTH:
        raise Refused(400, f"The body is nested deeper than {MAX_DEPTH} levels.")
    return body


def _no_constant(name: str) -> object:
    raise Refused(400, f"{name} is not a JSON number.")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Refused(400, "A number is too large.")
    return number


def _no_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Refused(400, "A key stands twice in one object.")
    return found


def _depth(value: object) -> int:
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


def problem(
    kind: str, place: tuple[object, ...], told: str, ctx: Mapping[str, object] | None = None
) -> dict[str, Any]:
    told_so: dict[str, Any] = {"type": kind, "loc": list(place), "msg": told}
    return {**told_so, "ctx": dict(ctx)} if ctx else told_so

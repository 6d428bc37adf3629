"""Bodies of requests to the inbox's API: JSON that it keeps, and what it says of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from countersign.strict_json import BadBody, read_json

MAX_BODY = 256 * 1024

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
        body = model.model_validate(read_json(raw), context=dict(context or {}))
    except BadBody as bad:
        raise Refused(400, str(bad)) from None
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


def problem(
    kind: str, place: tuple[object, ...], told: str, ctx: Mapping[str, object] | None = None
) -> dict[str, Any]:
    told_so: dict[str, Any] = {"type": kind, "loc": list(place), "msg": told}
    return {**told_so, "ctx": dict(ctx)} if ctx else told_so

"""What the OpenAPI document says of each call: every status, and an example of every body."""

from http import HTTPStatus
from typing import Any

from approvals.api.answers import Problem
from approvals.api.examples import EXAMPLES, Examples

JSON = "application/json"
REFUSED = {
    400: "The body is not JSON that can be kept, or a cursor is not one of ours.",
    401: "No credentials, or bad ones.",
    403: "Good credentials of somebody who may not do this.",
    404: "No such approval among yours.",
    409: "It conflicts with what is on record; the sentence says how.",
    413: "The body is larger than 256 kB.",
    422: "A field is wrong; each is named.",
    429: "Too many requests; `Retry-After` says for how many seconds to wait.",
    503: "Trouble on our side: the same request again is safe.",
}
WHY = {
    400: "The body is not JSON.",
    401: "This API key is unknown or was revoked.",
    403: "workflow@example.com may not register approvals. An operator can add it as a caller.",
    404: "There is no such approval among those that you registered.",
    409: "Ana Almeida answered “Approved” on 31 January 2026, 09:12 UTC.",
    413: "The body is larger than 256 kB. Link to large texts instead.",
    422: [
        {
            "type": "value_error",
            "loc": ["body", "approvers"],
            "msg": "Nobody here is called group:nobody. Use user:E-MAIL of an active person"
            " or group:NAME; both are kept in the admin.",
        }
    ],
    429: "Too many requests. Please wait 12 seconds.",
    503: "Something is wrong on our side just now. Please try again.",
}
READ = (401, 403, 404, 429, 503)
LIST = (400, 401, 403, 422, 429, 503)
REGISTER = (400, 401, 403, 409, 413, 422, 429, 503)
CHANGE = (*REGISTER, 404)


def documented(call: str, answers: dict[int, Any], *refusals: int) -> dict[str, Any]:
    """The arguments of a route that tell of it.

    Args:
        call: its name among the examples.
        answers: status -> schema, of what is no refusal.
        refusals: the statuses of its refusals.
    """
    examples = EXAMPLES[call]
    responses: dict[int, Any] = {
        status: {"description": HTTPStatus(status).phrase, "content": {JSON: _shown(examples)}}
        for status in answers
    }
    for status in refusals:
        responses[status] = {
            "description": REFUSED[status],
            "content": {JSON: {"example": {"detail": WHY[status]}}},
        }
        if status in {429, 503}:
            responses[status]["headers"] = {"Retry-After": RETRY_AFTER}
    extra: dict[str, Any] = {"responses": responses}
    if examples.request is not None:
        extra["requestBody"] = {"content": {JSON: {"example": examples.request}}}
    return {
        "summary": examples.summary,
        "response": {**answers, **dict.fromkeys(refusals, Problem)},
        "openapi_extra": extra,
        "tags": [examples.tag],
    }


RETRY_AFTER = {
    "description": "Seconds to wait before the next try.",
    "schema": {"type": "integer", "minimum": 0},
}


def _shown(examples: Examples) -> dict[str, Any]:
    if len(examples.answers) == 1:
        return {"example": next(iter(examples.answers.values()))}
    return {"examples": {name: {"value": value} for name, value in examples.answers.items()}}

"""What is refused, in the one shape that every refusal has: `{"detail": …}`."""

import logging
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from approvals.api.limits import TooMany
from approvals.models import (
    ApprovalError,
    CommentRequired,
    FormInvalid,
    NotYours,
    UnknownApprover,
    UnknownOption,
)
from approvals.trouble import TROUBLE, unavailable
from countersign.strict_json import BadBody
from countersign.terms import TermsRefused

log = logging.getLogger(__name__)

BODY = "body"
"""Where the fields of a request are, in `loc`."""


class Invalid(Exception):
    """422: what stands in these places of the body is wrong; for each the sentence that says so."""

    def __init__(self, wrong: Mapping[tuple[str, ...], str]) -> None:
        super().__init__("; ".join(wrong.values()))
        self.wrong = wrong


def say(status: int, detail: str) -> HttpResponse:
    """A refusal of one sentence."""
    return JsonResponse({"detail": detail}, status=status)


def invalid(wrong: Mapping[tuple[str, ...], str]) -> HttpResponse:
    """The 422 of `unreadable`, for rules that ninja does not know."""
    problems = [
        {"type": "value_error", "loc": [BODY, *place], "msg": sentence}
        for place, sentence in wrong.items()
    ]
    return JsonResponse({"detail": problems}, status=422)


def unreadable(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """422. Ninja names the body twice, as the part of the request and as our parameter."""
    del request
    problems = []
    for problem in error.errors:
        part, *place = problem["loc"]
        problems.append(problem | {"loc": [part, *(place[1:] if part == BODY else place)]})
    return JsonResponse({"detail": problems}, status=422)


def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Ninja hides why a body could not be parsed behind one sentence; ours says it."""
    del request
    why = error.__cause__ if isinstance(error.__cause__, BadBody) else error
    response = say(error.status_code, str(why))
    if error.status_code == 401:
        response["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooMany):
        response["Retry-After"] = str(error.wait)
    return response


def too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    """413."""
    del request, error
    return say(413, "The body is larger than 256 kB. Link to large texts instead.")


def not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    """404, the same for what is unknown and for what belongs to somebody else."""
    del request, error
    return say(404, "There is no such approval among those that you registered.")


def wrong_fields(request: HttpRequest, error: Invalid) -> HttpResponse:
    """422."""
    del request
    return invalid(error.wrong)


def terms_refused(request: HttpRequest, error: TermsRefused) -> HttpResponse:
    """422: the request does not fit its type."""
    del request
    return invalid({(error.field,): str(error)})


def refused(request: HttpRequest, error: ApprovalError) -> HttpResponse:
    """What the rules of approvals refuse: 422 for a field, 403 for a person, else 409."""
    del request
    match error:
        case FormInvalid():
            return invalid(_in_the_form(error))
        case UnknownApprover():
            return invalid({("approvers",): str(error)})
        case UnknownOption():
            return invalid({("outcome",): str(error)})
        case CommentRequired():
            return invalid({("comment",): str(error)})
    return say(403 if isinstance(error, NotYours) else 409, str(error))


def _in_the_form(error: FormInvalid) -> dict[tuple[str, ...], str]:
    """Each wrong field by its name, below the part of the request that it stands in."""
    return {
        (error.within,) if name == "form" else (error.within, name): sentence
        for name, sentence in error.errors.items()
    }


def trouble(request: HttpRequest, error: Exception) -> HttpResponse:
    """Whatever else goes wrong is ours: a 503, which workflows try again, never a 500."""
    if isinstance(error, DataError):
        return say(400, "The request holds text that cannot be kept.")
    log.error("trouble", extra={"path": request.path, "kind": type(error).__name__})
    return unavailable(request)


def passed_on(request: HttpRequest, error: Exception) -> HttpResponse:
    """The database's trouble, which the middleware answers, here as for pages."""
    del request
    raise error


HANDLERS: dict[type[Exception], Any] = {
    HttpError: http_error,
    ValidationError: unreadable,
    RequestDataTooBig: too_large,
    Http404: not_found,
    Invalid: wrong_fields,
    TermsRefused: terms_refused,
    ApprovalError: refused,
    **dict.fromkeys(TROUBLE, passed_on),
    Exception: trouble,
}


def answer_with_sentences(api: NinjaAPI) -> None:
    """Let every exception become a refusal in our shape."""
    for kind, handler in HANDLERS.items():
        api.add_exception_handler(kind, handler)

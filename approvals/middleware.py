"""Answers that are the same for every address: database trouble, and what browsers may keep."""

import logging
from collections.abc import Callable

from django.db import DataError, InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.shortcuts import render

log = logging.getLogger(__name__)

Handler = Callable[[HttpRequest], HttpResponse]


class DatabaseTroubleMiddleware:
    """Trouble on our side is a 503, which workflows' retry policies try again, never a 500.

    Outermost of those that may ask the database, so that it sees their trouble as well.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, TROUBLE):
            log.error("database unavailable", extra={"path": request.path})
            return unavailable(request)
        if isinstance(exception, DataError):
            # Text that PostgreSQL cannot keep, NUL above all, in a place nothing else looks at.
            return HttpResponseBadRequest("This text cannot be kept.", content_type="text/plain")
        return None


# Away, locked, full; connection broken; read-only after a failover.
TROUBLE = (OperationalError, InterfaceError, InternalError)


def unavailable(request: HttpRequest) -> HttpResponse:
    """A 503 that promises nothing: an error at the very end may come after the writing."""
    response: HttpResponse
    if request.path.startswith("/api/"):
        sentence = "Something is wrong on our side just now. Please try again."
        response = JsonResponse({"detail": sentence}, status=503)
    else:
        response = render(request, "503.html", {"posted": request.POST}, status=503)
    response["Retry-After"] = "5"
    return response


class JsonErrorsMiddleware:
    """Below /api/ every refusal has the one shape, those that Django makes itself as well."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        ours = request.path.startswith("/api/")
        if not ours or response.status_code < 400 or "json" in response["Content-Type"]:
            return response
        sentence = SENTENCES.get(response.status_code, f"{response.reason_phrase}.")
        refusal = JsonResponse({"detail": sentence}, status=response.status_code)
        if "Allow" in response:
            refusal["Allow"] = response["Allow"]
        return refusal


SENTENCES = {
    404: "There is nothing at this address. /api/v1/docs lists what there is.",
    405: "This address does not take this method. /api/v1/docs lists what there is.",
}


class NoStoreMiddleware:
    """Pages and answers are personal: shared computers and proxies must not keep them."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.setdefault("Cache-Control", "no-store")
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response

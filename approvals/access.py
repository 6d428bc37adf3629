"""A line of the log for each request: what was asked, what came of it, who asked, how long."""

import logging
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from approvals.models import Caller, User

log = logging.getLogger(__name__)

# Asked every few seconds by machines: a line only where the answer is a bad one.
PROBES = ("/healthz", "/readyz", "/metrics")


class AccessMiddleware:
    """Writes the line; static files, which are served before it, have none.

    The path stands without its query, for what people look for is nobody's business; who asked
    is an id, never an e-mail address.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        begun = time.monotonic()
        response = self.get_response(request)
        took, status, path = time.monotonic() - begun, response.status_code, request.path[:500]
        level = logging.DEBUG if path in PROBES else logging.INFO
        http = {
            "requestMethod": request.method,
            "requestUrl": path,
            "status": status,
            "latency": f"{took:.3f}s",
        }
        log.log(
            logging.WARNING if status >= 500 else level,
            "%s %s %s",
            *(request.method, path, status),
            extra={"http": http, **who(request), **about(request)},
        )
        return response


def who(request: HttpRequest) -> dict[str, str]:
    """The id of the person or the caller, where the answer has looked for one; asks nobody."""
    found = request.__dict__.get("user")  # whoever it is by now, unless nobody has asked yet
    if type(found) is not User:
        found = getattr(request, "auth", None) or getattr(request, "_cached_user", None)
    if isinstance(found, Caller):
        return {"caller": str(found.pk)}
    return {"person": str(found.pk)} if isinstance(found, User) else {}


def about(request: HttpRequest) -> dict[str, str]:
    """The approval that the address names."""
    match = request.resolver_match
    if match is None or "approvals" not in match.route:
        return {}
    found = match.kwargs.get("approval_id") or match.kwargs.get("pk")
    return {"approval": str(found)} if found else {}

"""What is the same for every address: where it comes from, how it is refused, what is kept."""

from collections.abc import Callable
from functools import cache
from ipaddress import ip_address
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from approvals.origin import coming_from, traced

Handler = Callable[[HttpRequest], HttpResponse]


class OriginMiddleware:
    """Says where each request comes from: the record names it, and so do the logs.

    Behind `CLIENT_HOPS` proxies the client's address is that many entries from the end of
    `X-Forwarded-For`, for each proxy appends whom it saw; what stands before, anybody can write.
    The request's ID is that of Google's trace, so that its own lines can be found, or one of ours.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        headers = [request.headers.get(name, "") for name in TRACE_HEADERS]
        found = traced(client_of(request), *headers)
        request.origin = found  # type: ignore[attr-defined]  # Django logs some lines further out
        with coming_from(found):
            response = self.get_response(request)
        response["X-Request-ID"] = found.request
        return response


def client_of(request: HttpRequest) -> str:
    """The client's address, or nothing where it is not known."""
    address = request.META.get("REMOTE_ADDR", "")
    if hops := settings.CLIENT_HOPS:
        passed = request.headers.get("X-Forwarded-For", "").split(",")
        address = passed[-hops].strip() if len(passed) >= hops else ""
    try:
        return str(ip_address(address))
    except ValueError:
        return ""


TRACE_HEADERS = ("traceparent", "X-Cloud-Trace-Context")


class ZoneMiddleware:
    """Writes times as the clock of the browser shows them, which tells its zone in a cookie.

    Whoever has chosen a zone in their profile has that one, everywhere. Without script and without
    a choice it is the zone of this inbox. Programs read the zone of the inbox too, or UTC.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = request.COOKIES.get("zone", "")
        if request.path.startswith("/api/") or name not in known_zones():
            return self.get_response(request)
        with timezone.override(ZoneInfo(name)):
            return self.get_response(request)


@cache
def known_zones() -> frozenset[str]:
    """The zones that there are: reading them takes a while, and they stay the same."""
    return frozenset(available_timezones())


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
        response.setdefault("Permissions-Policy", NOTHING_OF_THE_BROWSER)
        return response


NOTHING_OF_THE_BROWSER = ", ".join(
    f"{feature}=()"
    for feature in (
        *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "hid"),
        *("magnetometer", "microphone", "midi", "payment", "serial", "usb", "xr-spatial-tracking"),
    )
)

"""Sign-in by Identity-Aware Proxy: its signed assertion, checked on every request for a page."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from approvals import identity
from approvals.models import User
from approvals.trouble import unavailable

log = logging.getLogger(__name__)

Handler = Callable[[HttpRequest], HttpResponse]
BACKEND = "approvals.backends.PersonBackend"
# What proves itself in another way, or has nothing to hide.
OTHER_DOORS = ("/api/", "/healthz", "/readyz", "/metrics", "/static/")


class IapMiddleware:
    """Signs in the known, active person whom the proxy names; nobody else sees any page.

    The plain `X-Goog-Authenticated-User-Email` header proves nothing and is not read.
    The API has its own authentication and is left alone. No password is asked for: the pages that
    would do so lead on, or refuse.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(OTHER_DOORS):
            return self.get_response(request)
        try:
            answer = self.refuse(request) or self.in_place_of_a_password(request)
        except identity.KeysUnavailable:
            log.error("proxy keys unavailable", extra={"path": request.path})  # noqa: TRY400 - the traceback says no more
            return unavailable(request)
        return answer or self.get_response(request)

    def refuse(self, request: HttpRequest) -> HttpResponse | None:
        """Make `request.user` the person of the assertion, or refuse (403).

        Raises `identity.KeysUnavailable` when nobody can tell; sessions then stay as they are.
        """
        assertion = request.headers.get("X-Goog-Iap-Jwt-Assertion", "")
        email = ""
        try:
            email = identity.proxy_user(assertion, settings.IAP_AUDIENCE)
        except identity.Rejected as error:
            log.warning("assertion rejected", extra={"word": str(error)})
        known = User.objects.select_related("preference").filter(email=email, is_active=True)
        person = known.first() if email else None
        if person is None:
            if email:
                log.warning("unknown person", extra={"email": email})
            if request.user.is_authenticated:
                logout(request)
            context = {"email": email, "posted": request.POST}
            return render(request, "not_known.html", context, status=403)
        if request.user != person:
            login(request, person, backend=BACKEND)
        return None

    def in_place_of_a_password(self, request: HttpRequest) -> HttpResponse | None:
        """The way on from the two sign-in pages, for somebody who is signed in."""
        if request.path == reverse("login"):
            return redirect(settings.LOGIN_REDIRECT_URL)
        if request.path != reverse("admin:login"):
            return None
        if admin.site.has_permission(request):
            return redirect("admin:index")
        return render(request, "403.html", status=403)

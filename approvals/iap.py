"""Sign-in by Identity-Aware Proxy: its signed assertion, checked on every request."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse

from approvals import identity
from approvals.models import User

Handler = Callable[[HttpRequest], HttpResponse]
BACKEND = "django.contrib.auth.backends.ModelBackend"


class IapMiddleware:
    """Signs in the known, active person whom the proxy names; nobody else stays signed in.

    The plain `X-Goog-Authenticated-User-Email` header proves nothing and is not read.
    The API has its own authentication and is left alone.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(("/api/", "/healthz", "/readyz", "/static/")):
            self.authenticate(request)
        return self.get_response(request)

    def authenticate(self, request: HttpRequest) -> None:
        """Make `request.user` the person of the assertion, or nobody."""
        assertion = request.headers.get("X-Goog-Iap-Jwt-Assertion", "")
        try:
            email = identity.proxy_user(assertion, settings.IAP_AUDIENCE)
        except (identity.Rejected, identity.KeysUnavailable):
            email = ""
        person = User.objects.filter(email=email, is_active=True).first() if email else None
        if person is None:
            if request.user.is_authenticated:
                logout(request)
        elif request.user != person:
            login(request, person, backend=BACKEND)

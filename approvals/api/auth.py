"""Who asks: programs by an ID token or an API key, people by a personal token or their session."""

import logging
from typing import Any, NoReturn

from django.conf import settings
from django.http import HttpRequest
from ninja.errors import AuthenticationError, HttpError
from ninja.security import HttpBearer
from ninja.security.apikey import APIKeyCookie

from approvals import identity
from approvals.api import limits
from approvals.models import ApiKey, Caller, PersonalToken, User
from approvals.models.caller import KEY_PREFIX, digest
from approvals.models.token import TOKEN_PREFIX
from approvals.trouble import TROUBLE

log = logging.getLogger(__name__)

FOR_PROGRAMS = "Send `Authorization: Bearer` with an OIDC ID token or an API key."
FOR_PEOPLE = "Sign in on the pages, or send `Authorization: Bearer` with a personal token."

FOR_PERSONAL_TOKENS = (
    "This call is for programs. A personal token reads what waits for you at"
    " /api/v1/me/approvals, and answers at /api/v1/approvals/ID/vote."
)


class CallerAuth(HttpBearer):
    """A program: a Google-signed ID token whose e-mail is a known caller's, or an API key."""

    openapi_description = (
        "An OIDC ID token signed by Google (audience `BASE_URL`, e-mail of a known caller),"
        " or an API key (`csk_…`)."
    )

    def __call__(self, request: HttpRequest) -> Any:
        try:
            caller = super().__call__(request)
            if caller is None:
                raise AuthenticationError(401, FOR_PROGRAMS)
        except HttpError as error:
            _refuse(request, error)
        limits.count_for(caller, request)
        return caller

    def authenticate(self, request: HttpRequest, token: str) -> Caller:
        del request
        return caller_of(token)


class PersonalTokenAuth(HttpBearer):
    """A person's own program: one of the tokens of their profile. A caller's are refused."""

    openapi_description = "A personal token (`csp_…`), made on the page `/profile/`."

    def __call__(self, request: HttpRequest) -> Any:
        try:
            person = super().__call__(request)
        except HttpError as error:
            _refuse(request, error)
        if person is not None:
            limits.count_for(person, request)
        return person

    def authenticate(self, request: HttpRequest, token: str) -> User:
        del request
        if not token.startswith(TOKEN_PREFIX):
            caller = caller_of(token)
            log.warning("a program tried to answer", extra={"caller": str(caller)})
            raise HttpError(
                403, f"{caller} is a program. Only people answer: use a personal token instead."
            )
        found = PersonalToken.objects.of(token)
        if found is None:
            raise HttpError(401, "This personal token is unknown, has expired or was revoked.")
        _note_use(found)
        return found.user


class SessionAuth(APIKeyCookie):
    """A person who has signed in on the pages; what changes anything needs their CSRF token."""

    param_name = settings.SESSION_COOKIE_NAME
    openapi_description = (
        "The session of somebody signed in on the pages; with a POST or DELETE"
        " also the header `X-CSRFToken`."
    )

    def __call__(self, request: HttpRequest) -> Any:
        try:
            person = super().__call__(request)
            if person is None:
                raise AuthenticationError(401, FOR_PEOPLE)
        except HttpError as error:
            _refuse(request, error)
        limits.count_for(person, request)
        return person

    def _get_key(self, request: HttpRequest) -> str | None:
        if request.COOKIES.get(self.param_name) is None:
            return None
        try:
            return super()._get_key(request)
        except HttpError:
            raise HttpError(
                403, "Send the session's CSRF token in the header X-CSRFToken, as the pages do."
            ) from None

    def authenticate(self, request: HttpRequest, key: str | None) -> User | None:
        """The person, where the proxy vouches for them if there is one."""
        if key is None or not isinstance(request.user, User):
            return None
        if settings.IAP_AUDIENCE and _vouched_for(request) != request.user.email:
            return None
        return request.user


def _vouched_for(request: HttpRequest) -> str:
    assertion = request.headers.get("X-Goog-Iap-Jwt-Assertion", "")
    try:
        return identity.proxy_user(assertion, settings.IAP_AUDIENCE)
    except (identity.Rejected, identity.KeysUnavailable):
        return ""


def _refuse(request: HttpRequest, error: HttpError) -> NoReturn:
    """Raise the error, or `TooMany` from an address of which too many have failed."""
    if error.status_code in {401, 403}:
        limits.count_failure(request)
    raise error


def _note_use(credential: PersonalToken | ApiKey) -> None:
    """For its list. Where nothing can be written, what only reads is answered all the same."""
    try:
        credential.note_use()
    except TROUBLE as error:
        log.warning("use not noted", extra={"kind": type(error).__name__})


def caller_of(token: str) -> Caller:
    """The active caller who has this key or ID token. Raises `HttpError`: 401, 403 or 503."""
    if token.startswith(KEY_PREFIX):
        return _by_key(token)
    if token.startswith(TOKEN_PREFIX):
        known = PersonalToken.objects.of(token) is not None
        raise HttpError(403 if known else 401, FOR_PERSONAL_TOKENS)
    try:
        email = identity.service_account(token, settings.BASE_URL)
    except identity.Rejected as error:
        log.warning("token rejected", extra={"word": str(error)})
        raise HttpError(
            401,
            "The token was not accepted. Send an OIDC ID token with"
            f" audience {settings.BASE_URL}, or an API key.",
        ) from None
    except identity.KeysUnavailable:
        raise HttpError(503, "The token cannot be checked just now. Please try again.") from None
    caller = Caller.objects.filter(email=email, is_active=True).first()
    if caller is None:
        log.warning("unknown caller", extra={"email": email})
        raise HttpError(
            403, f"{email} may not register approvals. An operator can add it as a caller."
        )
    return caller


def _by_key(token: str) -> Caller:
    keys = ApiKey.objects.usable().filter(digest=digest(token))
    key = keys.select_related("caller").first()
    if key is None:
        raise HttpError(401, "This API key is unknown or was revoked.")
    _note_use(key)
    return key.caller

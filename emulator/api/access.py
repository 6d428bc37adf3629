"""Who may do what: bearer tokens, permissions, and which hosts are spoken to at all."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import urlsplit

from aiohttp import web

from emulator.identity import InvalidToken
from emulator.refusal import Refusal, Status, invalid
from emulator.services import Services
from emulator.settings import Auth, Settings

SERVICES = web.AppKey("services", Services)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LOOPBACK_NAMES = ("localhost", ".localhost")
IMPERSONATION = "/v1/projects/-/serviceAccounts/"
_NEVER_REMOTE = ("/computeMetadata", "/emulator", "/ui", IMPERSONATION)
"""What the paths begin with where tokens are given to whoever asks."""


def guarded(permission: str, handler: Handler) -> Handler:
    """The handler behind a check of project, location, token and permission."""

    async def checked(request: web.Request) -> web.StreamResponse:
        services = request.app[SERVICES]
        require_place(request, services)
        require_permission(request, services, permission, request.path.removeprefix("/v1/"))
        return await handler(request)

    return checked


def settings_for(request: web.Request) -> Settings:
    """The settings, with the names of project and location that answers to this request use.

    With authentication switched off whatever the client calls them are names of the one project
    and the one location: test suites of others bring their own.
    """
    settings = request.app[SERVICES].settings
    if settings.auth is not Auth.OFF:
        return settings
    project = request.match_info.get("project", settings.project)
    location = request.match_info.get("location", "-")
    known = project in settings.projects
    return replace(
        settings,
        project=settings.project if known else project,
        project_number=settings.project_number if known else project,
        location=settings.location if location == "-" else location,
    )


def require_place(request: web.Request, services: Services) -> None:
    """Make sure that the path names the one project and location of this emulator.

    With authentication switched off every name is one of theirs.

    Raises:
        Refusal: PERMISSION_DENIED for another project, NOT_FOUND for another location.
    """
    settings = services.settings
    if settings.auth is Auth.OFF:
        return
    project = request.match_info.get("project", settings.project)
    if project not in settings.projects:
        raise Refusal(
            Status.PERMISSION_DENIED,
            f"project '{project}' is not this emulator's: it plays '{settings.project}'"
            f" (number {settings.project_number}). Use that one, or start it with --project",
        )
    location = request.match_info.get("location", settings.location)
    if location not in (settings.location, "-"):
        raise Refusal(
            Status.NOT_FOUND,
            f"location '{location}' is not this emulator's: it plays '{settings.location}'."
            " Use that one, or start it with --location",
        )


def require_permission(
    request: web.Request, services: Services, permission: str, resource: str
) -> None:
    """Make sure that the caller has shown who it is, and may do this.

    Raises:
        Refusal: INVALID_ARGUMENT, UNAUTHENTICATED or PERMISSION_DENIED.
    """
    if "access_token" in request.query or "oauth_token" in request.query:
        raise invalid(
            "tokens in the query land in logs and are refused: send an Authorization header"
        )
    if services.settings.auth is Auth.OFF:
        return
    email = _account(request, services)
    if services.settings.auth is Auth.IAM and not services.grants.allow(email, permission):
        raise Refusal(
            Status.PERMISSION_DENIED,
            f"Permission '{permission}' denied on resource '{resource}' for {email}"
            " (or it may not exist)",
        )


def _account(request: web.Request, services: Services) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _unauthenticated("the request has no bearer token")
    try:
        return services.issuer.account_of(token.strip())
    except InvalidToken as reason:
        raise _unauthenticated(str(reason)) from None


def _unauthenticated(reason: str) -> Refusal:
    return Refusal(
        Status.UNAUTHENTICATED,
        f"Request had invalid authentication credentials: {reason}. Expected an OAuth 2 access"
        " token of this emulator, as its metadata server gives it (GCE_METADATA_HOST and _IP)",
        headers={"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'},
    )


def require_admitted(request: web.Request) -> None:
    """Refuse what does not come from this machine or was not meant for it.

    With `allow_remote` others may call the APIs, with a token. What gives tokens, and the list of
    workflows at the root, stays for this machine, and web pages of others stay out.

    The Host header is looked at because a web page can point a name of its own to 127.0.0.1, the
    Origin header because a page may send requests here without any such trick.

    Raises:
        Refusal: PERMISSION_DENIED.
    """
    origin = request.headers.get("Origin")
    if origin is not None and not is_loopback(_host(origin)):
        raise _refuse_remote(f"a web page of {origin!r}", "no option changes that")
    advice = "start it with --allow-remote to serve others"
    if request.app[SERVICES].settings.allow_remote:
        if request.path != "/" and not request.path.startswith(_NEVER_REMOTE):
            return
        advice = "with --allow-remote too, metadata and tokens are for this machine alone"
    if not is_loopback(request.remote or ""):
        raise _refuse_remote(f"a connection from {request.remote}", advice)
    if not is_loopback(_host(f"//{request.headers.get('Host', '')}")):
        raise _refuse_remote(f"the Host header {request.headers.get('Host')!r}", advice)


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    name = host.lower().rstrip(".")
    if name == _LOOPBACK_NAMES[0] or name.endswith(_LOOPBACK_NAMES[1]):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _refuse_remote(what: str, advice: str) -> Refusal:
    return Refusal(
        Status.PERMISSION_DENIED,
        f"the emulator serves this machine only and refuses {what}; {advice}",
    )

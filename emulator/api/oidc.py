"""The OpenID provider: certificates and keys of the issuer, and tokens for tests."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from functools import partial

from aiohttp import web

from emulator.api.access import IMPERSONATION, SERVICES, require_permission
from emulator.api.answers import answer, json_body
from emulator.identity import ISSUER, LIFETIME, SCOPE, InvalidToken, account_number
from emulator.refusal import invalid

_LONGEST_LIFE = 12 * 3600
"""Seconds of an access token of another account, as Google allows at most."""

_CACHED = {"Cache-Control": "public, max-age=3600"}


def routes() -> list[web.RouteDef]:
    """Google's paths for keys and discovery, and our own for tokens of any account."""
    get = partial(web.get, allow_head=False)
    return [
        get("/oauth2/v1/certs", certificates),
        get("/oauth2/v3/certs", keys),
        get("/.well-known/openid-configuration", discovery),
        get("/tokeninfo", describe),
        web.post(IMPERSONATION + "{account}:generateAccessToken", impersonate),
        web.post("/emulator/tokens", issue),
    ]


async def certificates(request: web.Request) -> web.Response:
    """The certificates, by key name."""
    return web.json_response(request.app[SERVICES].issuer.certificates(), headers=_CACHED)


async def keys(request: web.Request) -> web.Response:
    """The same keys as a JWKS."""
    jwks = {"keys": [request.app[SERVICES].issuer.key.jwk()]}
    return web.json_response(jwks, headers=_CACHED)


async def discovery(request: web.Request) -> web.Response:
    """Where the keys are, and what the tokens look like."""
    base = request.app[SERVICES].settings.base_url
    return web.json_response(
        {
            "issuer": ISSUER,
            "jwks_uri": f"{base}/oauth2/v3/certs",
            "id_token_signing_alg_values_supported": ["RS256"],
            "subject_types_supported": ["public"],
            "response_types_supported": ["id_token"],
            "claims_supported": ["aud", "email", "email_verified", "exp", "iat", "iss", "sub"],
        },
        headers=_CACHED,
    )


async def describe(request: web.Request) -> web.Response:
    """What an access token says, as `oauth2.googleapis.com/tokeninfo` shows it.

    Raises:
        Refusal: INVALID_ARGUMENT.
    """
    issuer = request.app[SERVICES].issuer
    try:
        token = issuer.read(request.query.get("access_token", ""))
    except InvalidToken as reason:
        raise invalid(str(reason)) from None
    number = account_number(str(token["email"]))
    shown = {
        "azp": number,
        "aud": number,
        "scope": token["scope"],
        "exp": str(token["exp"]),
        "expires_in": str(max(0, int(token["exp"] - time.time()))),
        "email": token["email"],
        "email_verified": "true",
    }
    return answer(shown)


async def impersonate(request: web.Request) -> web.Response:
    """An access token of another account, as the IAM Credentials API gives it; for this machine.

    Raises:
        Refusal: UNAUTHENTICATED, INVALID_ARGUMENT.
    """
    services = request.app[SERVICES]
    account = request.match_info["account"]
    require_permission(request, services, "iam.serviceAccounts.getAccessToken", account)
    body = await json_body(request)
    scopes, life = body.get("scope"), str(body.get("lifetime") or f"{LIFETIME}s")
    if not isinstance(scopes, list) or not scopes:
        raise invalid("scope must be a list of scopes")
    seconds = int(life[:-1]) if re.fullmatch(r"\d{1,5}s", life, re.ASCII) else 0
    if not 0 < seconds <= _LONGEST_LIFE:
        raise invalid(f"lifetime must be from 1s to {_LONGEST_LIFE}s")
    token = services.issuer.access_token(account, map(str, scopes), seconds)
    # google-auth reads whole seconds and nothing else.
    expires = datetime.fromtimestamp(int(time.time()) + seconds, UTC)
    return answer({"accessToken": token, "expireTime": f"{expires:%Y-%m-%dT%H:%M:%SZ}"})


async def issue(request: web.Request) -> web.Response:
    """Tokens for any account, so that tests can be somebody else; never for other machines.

    `{"email": …}` gives an access token; with `audience`, an ID token. `expires_in` is in seconds
    and may be negative.

    Raises:
        Refusal: INVALID_ARGUMENT, a field is wrong.
    """
    body = await json_body(request)
    email, audience = body.get("email"), body.get("audience")
    life = body.get("expires_in", LIFETIME)
    if not isinstance(email, str) or not email:
        raise invalid("email must be the address of an account")
    if audience is not None and not isinstance(audience, str):
        raise invalid("audience must be a string")
    if not isinstance(life, int) or isinstance(life, bool):
        raise invalid("expires_in must be a whole number of seconds")
    issuer = request.app[SERVICES].issuer
    if audience:
        return answer({"id_token": issuer.id_token(email, audience, life), "expires_in": life})
    token = issuer.access_token(email, (SCOPE,), life)
    return answer({"access_token": token, "expires_in": life, "token_type": "Bearer"})

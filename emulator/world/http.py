"""`http.*`: what a workflow asks for, checked and made into the request that is sent."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from urllib.parse import urlencode

from multidict import CIMultiDict
from yarl import URL

from emulator.addresses import target
from emulator.bodies import is_json, media_type
from emulator.callbacks import METHODS
from emulator.errors import error
from emulator.identity import SCOPE
from emulator.limits import Limits
from emulator.protocol import Request
from emulator.stubs.stub import http_arguments
from emulator.values import Value, to_json, type_name
from emulator.world import hosts
from emulator.world.arguments import number, optional_map, query_text, text
from emulator.world.exchange import Prepared, exchange
from emulator.world.site import Call, Performed, Site
from emulator.world.stubbed import stubbed

USER_AGENT = "GoogleCloudWorkflows; (+https://cloud.google.com/workflows/docs)"
_LIMITS = Limits()
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SCOPE = re.compile(r"openid|email|profile|https?://[!-~]+")
_OURS = frozenset({"content-length", "transfer-encoding", "connection"})


def send(request: Request, site: Site) -> Performed:
    """Any function of the module: check the arguments now, make the call after the commit.

    A call that a stub fits is never made.

    Raises:
        WorkflowError: TypeError, ValueError or AuthError, an argument is wrong; SystemError, there
            is no stub, and calls without one are not wanted.
    """
    prepared = prepare(request, site)
    name = f"{prepared.method} {prepared.url}"
    answered = stubbed(name, _seen(prepared, request.args), site, prepared.timeout)
    if answered is not None:
        return answered
    if site.stubs.strict and not hosts.leads_somewhere(prepared.url, site.settings):
        site.stubs.miss(name)
        raise error(
            "SystemError",
            f"no stub fits {name}, and HTTP calls without one are refused here (strict: true)",
        )
    for private in ("private_service_name", "ca_certificate"):
        if request.args.get(private) is not None:
            raise error("ValueError", f"{private} is available in the emulator with a stub only")
    reached = functools.partial(hosts.reached, settings=site.settings)
    return Call(functools.partial(exchange, prepared, reached, site.client))


def _seen(prepared: Prepared, args: Mapping[str, Value]) -> Mapping[str, Value]:
    """What the conditions of stubs look at."""
    sent = prepared.url.query
    query = {name: sent.getall(name) for name in sent}
    return http_arguments(query, prepared.headers, args.get("body"), args.get("auth"))


def prepare(request: Request, site: Site) -> Prepared:
    """The request that a workflow asks for.

    Raises:
        WorkflowError: TypeError, ValueError or AuthError, an argument is wrong.
    """
    args = request.args
    method = request.function.removeprefix("http.").upper()
    if method == "REQUEST":
        method = text(args, "method").upper()
    if method not in METHODS:
        raise error("ValueError", f"method must be one of {', '.join(METHODS)}")
    timeout = number(args, "timeout")
    if not 0 < timeout <= _LIMITS.http_timeout:
        raise error("ValueError", f"timeout must be up to {_LIMITS.http_timeout:.0f} seconds")
    url = text(args, "url")
    headers = _headers(args)
    body = _encode(args.get("body"), headers)
    if args.get("auth") is not None:
        headers["Authorization"] = f"Bearer {_token(optional_map(args, 'auth'), url, site)}"
    address, basic = target(url, _query(optional_map(args, "query")))
    if basic is not None:
        headers.setdefault("Authorization", basic)
    return Prepared(method, address, headers, body, timeout)


def _query(query: Mapping[str, Value]) -> str:
    pairs = [
        (name, query_text(name, item))
        for name, value in query.items()
        for item in (value if isinstance(value, list) else [value])
    ]
    return URL.build(query=pairs).raw_query_string if pairs else ""


def _headers(args: Mapping[str, Value]) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in optional_map(args, "headers").items():
        if not isinstance(value, str):
            raise error("TypeError", f"header {name} must be a string, not {type_name(value)}")
        if _HEADER_NAME.fullmatch(name) is None or re.search(r"[\x00\r\n]", value):
            raise error("ValueError", f"header {name!r} is malformed")
        if name.lower() not in _OURS:
            headers[name] = value
    headers["User-Agent"] = f"{headers.get('User-Agent', '')} {USER_AGENT}".strip()
    return headers


def _encode(body: Value, headers: CIMultiDict[str]) -> bytes | None:
    """The body as its Content-Type says; without one, bytes as they are and the rest as JSON."""
    if body is None:
        return None
    declared = headers.get("Content-Type")
    if declared is None:
        headers["Content-Type"] = (
            "application/octet-stream"
            if isinstance(body, bytes)
            else "application/json; charset=utf-8"
        )
        return body if isinstance(body, bytes) else _json(body)
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    media, _charset = media_type(declared)
    if is_json(media):
        return _json(body)
    if media == "application/x-www-form-urlencoded" and isinstance(body, dict):
        pairs = {
            key: item.encode() if isinstance(item, str) else _json(item)
            for key, item in body.items()
        }
        return urlencode(pairs).encode()
    raise error("TypeError", f"a body of type {type_name(body)} does not fit {declared}")


def _json(body: Value) -> bytes:
    try:
        return to_json(body).encode()
    except TypeError as wrong:
        raise error("TypeError", f"body: {wrong}") from None


def _token(auth: Mapping[str, Value], url: str, site: Site) -> str:
    kind = text(auth, "type")
    if kind == "OIDC":
        audience = auth.get("audience")
        if audience is not None and not isinstance(audience, str):
            raise error("TypeError", f"audience must be a string, not {type_name(audience)}")
        return site.issuer.id_token(site.account, audience or url)
    if kind == "OAuth2":
        wanted = auth.get("scopes") or auth.get("scope") or SCOPE
        return site.issuer.access_token(site.account, _scopes(wanted))
    raise error("ValueError", f"auth.type must be OIDC or OAuth2, not {kind!r}")


def _scopes(wanted: Value) -> list[str]:
    """The scopes of a token: a text of one or several, or a list.

    Raises:
        WorkflowError: TypeError, they are neither; AuthError, Google would make no such token.
    """
    items = re.split(r"[,\s]+", wanted.strip()) if isinstance(wanted, str) else wanted
    if not isinstance(items, list):
        raise error("TypeError", f"scopes must be a string or a list, not {type_name(wanted)}")
    scopes = []
    for item in items:
        if not isinstance(item, str):
            raise error("TypeError", f"a scope must be a string, not {type_name(item)}")
        if _SCOPE.fullmatch(item) is None:
            raise error("AuthError", f"no access token: {item!r} is no OAuth scope")
        scopes.append(item)
    return scopes

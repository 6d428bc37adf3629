"""The metadata server: how programs on Google Cloud get tokens, project and location."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from aiohttp import web

from emulator.api.access import SERVICES
from emulator.identity import LIFETIME, SCOPE, account_number
from emulator.services import Services
from emulator.settings import APP_ACCOUNT

ROOT = "/computeMetadata/v1"
FLAVOR = {"Metadata-Flavor": "Google", "Server": "Metadata Server for VM"}

Tree = Mapping[str, object]


def routes() -> list[web.RouteDef]:
    """Every path below the root of the metadata server."""
    get = partial(web.get, allow_head=False)
    account = ROOT + "/instance/service-accounts/{account}"
    return [
        get("/computeMetadata", redirect),
        get("/computeMetadata/", root),
        get(f"{account}/token", token),
        get(f"{account}/identity", identity),
        get(ROOT + "{path:(/.*)?}", read),
    ]


async def root(request: web.Request) -> web.Response:
    """The versions there are."""
    return _refusal(request) or _text("v1/\n")


async def token(request: web.Request) -> web.Response:
    """An access token of the account, for the scopes asked for."""
    refusal = _refusal(request) or _unknown_account(request)
    if refusal is not None:
        return refusal
    scopes = [scope for scope in request.query.get("scopes", SCOPE).split(",") if scope]
    issued = request.app[SERVICES].issuer.access_token(APP_ACCOUNT, scopes)
    body = {"access_token": issued, "expires_in": LIFETIME - 1, "token_type": "Bearer"}
    return web.json_response(body, headers=FLAVOR)


async def identity(request: web.Request) -> web.Response:
    """An ID token of the account for the audience; with `format=full`, the instance in it too."""
    refusal = _refusal(request) or _unknown_account(request)
    if refusal is not None:
        return refusal
    audience = request.query.get("audience")
    if not audience:
        return _text("non-empty audience parameter required", 400)
    services = request.app[SERVICES]
    extra: dict[str, object] = {}
    if request.query.get("format") == "full":
        extra = {"google": {"compute_engine": _instance_claims(services)}}
    return _text(services.issuer.id_token(APP_ACCOUNT, audience, extra=extra))


async def read(request: web.Request) -> web.Response:
    """A value, a listing, or with `recursive=true` a tree as JSON."""
    refusal = _refusal(request)
    if refusal is not None:
        return refusal
    path = request.match_info["path"]
    node: object = _tree(request.app[SERVICES])
    for part in filter(None, path.split("/")):
        if not isinstance(node, Mapping) or part not in node:
            return _text(f"{request.path} is not known to this metadata server\n", 404)
        node = node[part]
    if not isinstance(node, Mapping):
        return _text(str(node))
    if not path.endswith("/"):
        return await redirect(request)
    if request.query.get("recursive", "").lower() == "true":
        return web.json_response(_recursive(node), headers=FLAVOR)
    lines = [f"{name}/" if isinstance(child, Mapping) else name for name, child in node.items()]
    return _text("".join(f"{line}\n" for line in lines))


async def redirect(request: web.Request) -> web.Response:
    """A directory without its trailing slash."""
    location = request.rel_url.with_path(request.path + "/").with_query(request.query)
    return web.Response(status=301, headers={**FLAVOR, "Location": str(location)})


def _refusal(request: web.Request) -> web.Response | None:
    """What guards a metadata server against being asked by way of others."""
    if request.headers.get("Metadata-Flavor") != "Google":
        return _text("Missing required header: Metadata-Flavor: Google\n", 403)
    if "X-Forwarded-For" in request.headers:
        return _text("Requests with an X-Forwarded-For header are refused\n", 403)
    return None


def _unknown_account(request: web.Request) -> web.Response | None:
    if request.match_info["account"] in ("default", APP_ACCOUNT):
        return None
    return _text(f"service account {request.match_info['account']} not found\n", 404)


def _tree(services: Services) -> Tree:
    settings = services.settings
    account = {
        "aliases": "default\n",
        "email": APP_ACCOUNT,
        "identity": "",
        "scopes": f"{SCOPE}\n",
        "token": "",
    }
    number = settings.project_number
    return {
        "instance": {
            "id": account_number(settings.project)[:19],
            "name": "workflows-emulator",
            "region": f"projects/{number}/regions/{settings.location}",
            "service-accounts": {"default": account, APP_ACCOUNT: account},
            "zone": f"projects/{number}/zones/{settings.location}-a",
        },
        "project": {"numeric-project-id": number, "project-id": settings.project},
        "universe": {"universe-domain": "googleapis.com"},
    }


def _recursive(node: Tree) -> dict[str, object]:
    """A tree as the metadata server writes it: lists for lines, camelCase names, no secrets."""
    shown: dict[str, object] = {}
    for name, child in node.items():
        if name in ("token", "identity"):
            continue
        first, *rest = name.split("-") if "@" not in name else [name]
        key = first + "".join(part.capitalize() for part in rest)
        if isinstance(child, Mapping):
            shown[key] = _recursive(child)
        elif name in ("aliases", "scopes"):
            shown[key] = str(child).splitlines()
        else:
            shown[key] = child
    return shown


def _instance_claims(services: Services) -> dict[str, object]:
    settings = services.settings
    return {
        "instance_creation_timestamp": 0,
        "instance_id": account_number(settings.project)[:19],
        "instance_name": "workflows-emulator",
        "project_id": settings.project,
        "project_number": int(settings.project_number),
        "zone": f"{settings.location}-a",
    }


def _text(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="application/text", headers=FLAVOR)

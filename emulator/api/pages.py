"""The root, which is the ping of metadata servers too, and the health check."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from emulator.api.access import SERVICES
from emulator.api.metadata import FLAVOR


def routes() -> list[web.RouteDef]:
    """`/` and `/healthz`."""
    get = partial(web.get, allow_head=True)
    return [get("/", index), get("/healthz", health)]


async def index(request: web.Request) -> web.Response:
    """What is deployed, as text. google-auth takes the answer as "here is a metadata server"."""
    services = request.app[SERVICES]
    lines = ["Workflows emulator", f"project {services.settings.project}", "", "Workflows:"]
    lines += [
        f"  {definition.workflow} {definition.revision} updated {definition.updated}"
        for definition in services.catalog.all()
    ]
    return web.Response(text="\n".join(lines) + "\n", headers=FLAVOR)


async def health(_request: web.Request) -> web.Response:
    """Whether the emulator answers at all."""
    return web.Response(text="ok\n")

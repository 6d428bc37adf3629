"""The stubs of the emulator: to be read, added and taken away while it runs."""

from __future__ import annotations

from aiohttp import web

from emulator.api.access import SERVICES
from emulator.api.answers import answer
from emulator.refusal import invalid
from emulator.services import Services
from emulator.stubs import UnusableStubs, read
from emulator.values import tagged


def routes() -> list[web.RouteDef]:
    """One resource."""
    return [
        web.get("/emulator/stubs", show, allow_head=False),
        web.post("/emulator/stubs", add),
        web.delete("/emulator/stubs", clear),
    ]


async def show(request: web.Request) -> web.Response:
    """The stubs in the order in which they are tried, and the calls that none fitted."""
    return answer(_shown(request.app[SERVICES]))


async def add(request: web.Request) -> web.Response:
    """Put stubs in front of those that are there; the body is a stub file, as JSON or YAML.

    Raises:
        Refusal: INVALID_ARGUMENT, with the place of the mistake.
    """
    services = request.app[SERVICES]
    raw = await request.read()
    try:
        reading = read(raw.decode(), "body")
    except (UnusableStubs, UnicodeDecodeError) as wrong:
        raise invalid(str(wrong)) from None
    services.stubs.take(reading)
    return answer(_shown(services))


async def clear(request: web.Request) -> web.Response:
    """Forget all stubs, and the calls that none fitted."""
    services = request.app[SERVICES]
    services.stubs.clear()
    return answer(_shown(services))


def _shown(services: Services) -> dict[str, object]:
    stubs = services.stubs
    return {
        "strict": stubs.strict,
        "stubs": [
            {
                "call": entry.stub.call,
                **({"when": tagged(entry.stub.when)} if entry.stub.when else {}),
                "answers": len(entry.stub.answers),
                "used": entry.used,
            }
            for entry in stubs.entries
        ],
        "missed": list(stubs.missed),
    }

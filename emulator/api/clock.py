"""The clock of the emulator, to be read and, where time is virtual, to be moved."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine

from aiohttp import web

from emulator.api.access import SERVICES
from emulator.api.answers import answer, json_body, take_time
from emulator.clock import timestamp_of
from emulator.refusal import Refusal, Status, invalid
from emulator.services import Services
from emulator.settings import Time

PATIENCE = 30.0
"""Seconds that an advance may stand at one moment because outside calls get no answer."""

_DURATION = re.compile(r"(?P<seconds>[0-9]{1,12}(\.[0-9]{1,9})?)s", re.ASCII)


def routes() -> list[web.RouteDef]:
    """One resource."""
    return [
        web.get("/emulator/clock", read, allow_head=False),
        web.post("/emulator/clock", move),
    ]


async def read(request: web.Request) -> web.Response:
    """How time passes, what it is, whether all is settled, and when the next wait is over."""
    return answer(_shown(request.app[SERVICES]))


async def move(request: web.Request) -> web.Response:
    """`{"advance": "3600s"}` or `{"advance": "next"}`: answered once all is settled.

    Raises:
        Refusal: INVALID_ARGUMENT; FAILED_PRECONDITION, time is real; DEADLINE_EXCEEDED.
    """
    services = request.app[SERVICES]
    body = await json_body(request)
    if set(body) != {"advance"}:
        raise invalid('the body must be {"advance": "3600s"} or {"advance": "next"}')
    asked = body["advance"]
    given = _DURATION.fullmatch(asked) if isinstance(asked, str) else None
    if given is None and asked != "next":
        raise invalid(f'advance must be a duration such as "3600s", or "next", not {asked!r}')
    if services.settings.time is Time.REAL:
        raise Refusal(
            Status.FAILED_PRECONDITION,
            "time is real here and goes on by itself: start the emulator with --time virtual",
        )
    take_time(request)
    engine = services.engine
    if given is None:
        await _patiently(services, engine.advance_to_next())
    else:
        await _patiently(services, engine.advance(float(given["seconds"])))
    return answer(_shown(services))


async def _patiently(services: Services, going_on: Coroutine[None, None, object]) -> None:
    """Wait until time has gone on as it was told.

    Raises:
        Refusal: INVALID_ARGUMENT, it cannot go on by so much; DEADLINE_EXCEEDED, it is held up.
    """
    task = asyncio.create_task(going_on)
    try:
        while True:
            before = services.clock.seconds()
            done, _ = await asyncio.wait({task}, timeout=PATIENCE)
            if done:
                task.result()
                return
            if services.engine.is_calling and services.clock.seconds() == before:
                break
    except ValueError as wrong:
        raise invalid(str(wrong)) from None
    finally:
        task.cancel()
    raise Refusal(
        Status.DEADLINE_EXCEEDED,
        f"time stands at {services.clock.stamp()}, and has for {PATIENCE:g} seconds:"
        " an execution waits for the answer to an HTTP call",
    )


def _shown(services: Services) -> dict[str, object]:
    shown: dict[str, object] = {
        "time": services.settings.time.value,
        "now": services.clock.stamp(),
        "settled": services.engine.is_settled,
    }
    due = services.store.next_due()
    if due is not None:
        shown["nextDue"] = timestamp_of(due)
    return shown

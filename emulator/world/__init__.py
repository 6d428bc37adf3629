"""The world as workflows see it: a request of a run is answered, armed or becomes a call."""

from __future__ import annotations

from collections.abc import Callable

from emulator.errors import WorkflowError
from emulator.protocol import Raised, Request
from emulator.world import basics, connectors, events, http
from emulator.world.site import Performed, Site

__all__ = ["Performed", "Site", "perform", "performs"]

_PERFORMERS: dict[str, Callable[[Request, Site], Performed]] = {
    "sys.log": basics.log,
    "sys.now": basics.now,
    "sys.sleep": basics.sleep,
    "sys.sleep_until": basics.sleep_until,
    "uuid.generate": basics.generate_uuid,
    "events.create_callback_endpoint": events.create_callback_endpoint,
    "events.await_callback": events.await_callback,
    "http.get": http.send,
    "http.post": http.send,
    "http.put": http.send,
    "http.patch": http.send,
    "http.delete": http.send,
    "http.request": http.send,
    "experimental.executions.run": connectors.perform,
    "experimental.executions.map": connectors.perform,
}


def performs(function: str) -> bool:
    """Whether there is somebody here for a function or connector, without a stub."""
    return function in _PERFORMERS or connectors.performs(function)


def perform(request: Request, site: Site) -> Performed:
    """Answer a request now, say what it waits for, or give the call to make after the commit."""
    performer = _PERFORMERS.get(request.function, connectors.perform)
    try:
        return performer(request, site)
    except WorkflowError as raised:
        return Raised(raised.value)

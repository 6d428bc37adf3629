"""`events.*`: callback endpoints of an execution, and waiting for their requests."""

from __future__ import annotations

from emulator import callbacks
from emulator.errors import error
from emulator.limits import Limits
from emulator.protocol import Request, Returned
from emulator.values import type_name
from emulator.world.arguments import number, text
from emulator.world.site import Armed, Performed, Site


def create_callback_endpoint(request: Request, site: Site) -> Performed:
    """`events.create_callback_endpoint`: an endpoint that lives as long as the execution."""
    method = text(request.args, "http_callback_method")
    if method not in callbacks.METHODS:
        raise error(
            "ValueError", f"http_callback_method must be one of {', '.join(callbacks.METHODS)}"
        )
    owner = site.execution
    callback = callbacks.new_id()
    site.store.add_callback(callback, owner.id, method)
    path = callbacks.path(site.settings, owner.workflow, owner.id, callback)
    return Returned({"url": site.settings.base_url + path})


def await_callback(request: Request, site: Site) -> Performed:
    """`events.await_callback`: the stored request if there is one, else the next to come.

    The endpoint is found from its URL, since authors may build the map anew.
    """
    given = request.args.get("callback")
    if not isinstance(given, dict) or not isinstance(given.get("url"), str):
        raise error("TypeError", f"callback must be a map with a url, not {type_name(given)}")
    timeout = number(request.args, "timeout")
    if not 0 <= timeout <= Limits().sleep:
        raise error("ValueError", f"timeout must be between 0 and {Limits().sleep:.0f} seconds")
    found = callbacks.endpoint_of(str(given["url"]))
    if found is None or found[0] != site.execution.id:
        raise error("ValueError", "callback is not an endpoint of this execution")
    endpoint = site.store.callback(*found)
    if endpoint is None:
        raise error("ValueError", "callback is not an endpoint of this execution")
    if endpoint.stored is not None:
        site.store.put_in_slot(endpoint.id, None)
        site.store.take_received(site.execution.id, endpoint.id, site.clock.stamp())
        return Returned(endpoint.stored)
    return Armed("callback", site.clock.due(timeout), endpoint.id)

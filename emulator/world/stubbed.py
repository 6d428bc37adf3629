"""Calls that a stub answers: at once, or as a sleep that gives the answer when it is over."""

from __future__ import annotations

from collections.abc import Mapping

from emulator.errors import error
from emulator.protocol import Raised
from emulator.values import Value, dump
from emulator.world.site import Armed, Performed, Site


def stubbed(name: str, args: Mapping[str, Value], site: Site, timeout: float) -> Performed | None:
    """What a stub makes of a call; None where none fits.

    Args:
        name: of a connector, or method and URL.
        args: as `Stubs.answer` takes them.
        timeout: seconds after which the call ends with a TimeoutError.
    """
    answer = site.stubs.answer(name, args)
    if answer is None:
        return None
    reply, after = answer.reply, answer.after
    if after > timeout:
        message = f"{name}: no answer within {timeout:g} seconds"
        reply, after = Raised(error("TimeoutError", message).value), timeout
    if not after:
        return reply
    kept = dump({"raised": isinstance(reply, Raised), "value": reply.value})
    return Armed("sleep", site.clock.due(after), kept)

"""Calls that a stub answers: at once, or as a sleep that gives the answer when it is over."""

from __future__ import annotations

from collections.abc import Mapping

from emulator.protocol import Raised
from emulator.values import Value, dump
from emulator.world.site import Armed, Performed, Site


def stubbed(name: str, args: Mapping[str, Value], site: Site) -> Performed | None:
    """What a stub makes of a call; None where none fits.

    Args:
        name: of a connector, or method and URL.
        args: as `Stubs.answer` takes them.
    """
    answer = site.stubs.answer(name, args)
    if answer is None:
        return None
    if not answer.after:
        return answer.reply
    kept = dump({"raised": isinstance(answer.reply, Raised), "value": answer.reply.value})
    return Armed("sleep", site.clock.due(answer.after), kept)

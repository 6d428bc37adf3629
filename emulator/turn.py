"""One turn of a run: apply recorded replies and run until there is nothing left to do right now."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from emulator.interpreter import Run
from emulator.protocol import Reply, Request
from emulator.replies import Replies

SLICE = 0.01
"""Seconds after which a turn stops in the middle, so that a long loop holds nothing else up."""

_STEPS = 16
_SLOW = SLICE / 4
"""Steps between two looks at the clock, and seconds after which the next look comes at once."""

_TICK = 2.0**-13  # a power of two: sums of it are exact, so every slice has as many

Look = Callable[[], float]
"""A look at a clock that measures slices: seconds from some moment on."""


def ticks() -> Look:
    """A count of looks, so that slices do not depend on how quick the machine is."""
    return count(0.0, _TICK).__next__


@dataclass(slots=True)
class Live:
    """A run in memory.

    `replies` are recorded and not applied yet. `settled` are keys of requests for which nothing
    has to be done when the run, built again from its journal, makes them once more: they are
    answered, armed, or being called. `steps` is how many are run between two looks at the clock.
    `to_be_called` are keys of requests whose calls begin as soon as the turn is on disk.
    """

    run: Run
    replies: Replies
    settled: set[str]
    steps: int = 1
    to_be_called: set[str] = field(default_factory=set)


def take_turn(
    live: Live, deal_with: Callable[[Request], Reply | None], look: Look = time.monotonic
) -> bool:
    """Run until everything waits, the run is over, or the slice of time is used up.

    Replies are applied one at a time, and only when no thread of the run is ready: the course of
    the run then depends on nothing but their order.

    Args:
        deal_with: sees to a new request; gives the reply, already recorded, if there is one now.
        look: the time by which the slice is measured.

    Returns:
        Whether there is more to do right now.
    """
    now = look()
    end = now + SLICE
    run = live.run
    while True:
        if not run.advance(live.steps):
            for request in run.take_requests():
                if request.key in live.settled:
                    live.settled.discard(request.key)
                elif (reply := deal_with(request)) is not None:
                    live.replies.add(request.key, reply)
            following = None if run.outcome is not None else live.replies.take()
            if following is None:
                return False
            run.reply(*following)
        before, now = now, look()
        live.steps = 1 if now - before > _SLOW else min(2 * live.steps, _STEPS)
        if now >= end:
            return True

"""Scenarios in virtual time, and what is seen of them."""

import asyncio
import heapq
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from emulator.services import Services
from emulator.settings import Time
from tests.emulator.engines import emulator

DAY = 86400.0

SLEEPER = """
main:
  params: [naps]
  steps:
    - all:
        for:
          in: ${naps}
          value: nap
          steps:
            - rest: {call: sys.sleep, args: {seconds: "${nap}"}}
            - say: {call: sys.log, args: {data: "${nap}"}}
    - done: {return: "${sys.now()}"}
"""

NUMBERED = """
main:
  params: [given]
  steps:
    - all:
        for:
          range: ${[1, len(given) - 1]}
          value: i
          steps:
            - rest: {call: sys.sleep, args: {seconds: "${given[i]}"}}
            - say: {call: sys.log, args: {data: "${[given[0], i]}"}}
"""


def foreseen(naps: list[list[int]]) -> list[list[int]]:
    """Which nap of which execution ends after which, by the rule alone."""
    begun = count()
    waiting = [(some[0], next(begun), number, 1) for number, some in enumerate(naps) if some]
    heapq.heapify(waiting)
    ended = []
    while waiting:
        due, _, number, nap = heapq.heappop(waiting)
        ended.append([number, nap])
        if nap < len(naps[number]):
            heapq.heappush(waiting, (due + naps[number][nap], next(begun), number, nap + 1))
    return ended


def virtually(
    path: Path, scenario: Callable[[Services], Awaitable[Any]], how: Time = Time.VIRTUAL
) -> Any:
    """What comes of a scenario in an emulator whose time is virtual, within real seconds."""

    async def play() -> Any:
        async with asyncio.timeout(60), emulator(path, time=how) as services:
            return await scenario(services)

    return asyncio.run(play())


def said(services: Services) -> list[tuple[float, Any]]:
    """What all executions logged, in the order in which it happened, with the times."""
    rows = services.database.rows("SELECT time, payload FROM logs ORDER BY sequence")
    return [(moment(row["time"]), json.loads(row["payload"])) for row in rows]


def moment(text: str) -> float:
    """Seconds since 1970 of a timestamp."""
    return datetime.fromisoformat(text).timestamp()

"""Which lanes may go now: a place for each round, breakers for what is silent, and a pace.

A lane is host and workflow of a callback (`Delivery.lane`). No thread, no database and no network
here: whoever asks begins and ends rounds, and `clock` and `chance` are given.

- Lanes go in turns: ten thousand rows of one workflow hold up none of another.
- A lane earns its threads: one at first, twice as many after each quick round, at most half.
- Some threads are never for one and the same host.
- A lane whose round took long, or takes long now, is *slow* until one is quick again. It goes
  one at a time, and all slow lanes together have a quarter of the threads: however many
  workflows stall, the others find threads free.
- A lane or host that does not answer several times in a row is paused (`Breaker`). For a host the
  failures must be of several lanes: one broken workflow is not Google's fault.
  By its turn each probe of a host is of another lane: one that never answers proves nothing.
"""

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from approvals.breaker import Breaker

SLOW = 5.0  # seconds that a round may take until its lane is slow
HOST_LANES = 3  # of so many lanes the failures of a host must be
REMEMBERED = 1000  # lanes; the quiet ones among more are forgotten


class Pacing(Protocol):
    """`approvals.pace.Pace`."""

    def wait(self) -> float: ...
    def take(self) -> bool: ...


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A round under way."""

    lane: str
    host: str
    begun: float


@dataclass(frozen=True, slots=True)
class Change:
    """A host or lane was paused, for so many seconds, or resumed (0)."""

    name: str
    is_host: bool
    seconds: float


@dataclass(slots=True)
class Lane:
    """What is known of a lane: how many of it may go at once, when it last went, how it answers."""

    window: int = 1
    begun: float = -math.inf
    slow: bool = False
    breaker: Breaker = field(default_factory=Breaker)


@dataclass(frozen=True, slots=True)
class View:
    """All rounds at one moment: how many of each lane and host, and which lanes are slow."""

    now: float
    lanes: Counter[str]
    hosts: Counter[str]
    slow: set[str]

    @property
    def slow_running(self) -> int:
        """How many rounds are of slow lanes."""
        return sum(count for name, count in self.lanes.items() if name in self.slow)


def host_of(lane: str) -> str:
    """The host of a lane; every host has its own lanes."""
    return lane.partition("/")[0]


class Lanes:
    """The places of one process. Safe to use from several threads."""

    def __init__(
        self,
        threads: int,
        pace: Pacing,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.threads = threads
        self.per_lane = max(1, threads // 2)
        self.for_slow = max(1, threads // 4)
        self.per_host = max(1, threads - self.for_slow)
        self._pace, self._clock, self._chance = pace, clock, chance
        self._lock = threading.Lock()
        self._running: set[Place] = set()
        self._lanes: dict[str, Lane] = {}
        self._hosts: dict[str, Breaker] = {}

    def has_room(self) -> bool:
        """Whether there is a thread free, and the pace lets one more go."""
        with self._lock:
            return self._has_room(self._view())

    def order(self, names: Iterable[str]) -> list[str]:
        """Which of these lanes may go now; whose last turn is longest ago is first."""
        with self._lock:
            view = self._view()
            if not self._has_room(view):
                return []
            ready = (name for name in names if self._lane_and_host_may_go(name, view))
            return sorted(ready, key=lambda name: self._lane(name).begun)

    def may_go(self, name: str) -> bool:
        """Whether a round of this lane may begin now."""
        with self._lock:
            return self._may_go(name, self._view())

    def begin(self, name: str) -> Place | None:
        """Take a place for a round that begins; None where it may not."""
        with self._lock:
            view = self._view()
            if not self._may_go(name, view) or not self._pace.take():
                return None
            place, lane = Place(name, host_of(name), view.now), self._lane(name)
            self._running.add(place)
            lane.begun = view.now
            lane.breaker.begin(place)
            self._host(place.host).begin(place)
            return place

    def end(self, place: Place, answered: bool | None) -> list[Change]:
        """Give a place back; what was paused or resumed by that.

        Args:
            answered: whether the host did; None where it was not asked.
        """
        with self._lock:
            now = self._clock()
            self._running.discard(place)
            lane, host = self._lane(place.lane), self._host(place.host)
            is_slow = now - place.begun > SLOW
            if answered and not is_slow:
                lane.window, lane.slow = min(lane.window * 2, self.per_lane), False
            else:
                lane.window, lane.slow = 1, lane.slow or is_slow
            changes = []
            for name, breaker in ((place.lane, lane.breaker), (place.host, host)):
                seconds = self._judge(breaker, place, answered, now)
                if seconds is not None:
                    changes.append(Change(name, breaker is host, seconds))
            self._forget()
            return changes

    def wait(self) -> float:
        """Seconds until the pace lets one more go; 0 if it does now."""
        return self._pace.wait()

    def paused(self) -> list[str]:
        """The hosts that are left alone; of others the lanes that have been so for minutes.

        A lane may be silent for one execution's sake, which is no news of its host.
        """
        with self._lock:
            now = self._clock()
            hosts = {name for name, breaker in self._hosts.items() if breaker.is_open}
            lanes = {name for name, lane in self._lanes.items() if lane.breaker.lasts(now)}
            return sorted(hosts | {name for name in lanes if host_of(name) not in hosts})

    # Below, the lock is held.

    def _view(self) -> View:
        now = self._clock()
        stalled = {place.lane for place in self._running if now - place.begun > SLOW}
        return View(
            now,
            Counter(place.lane for place in self._running),
            Counter(place.host for place in self._running),
            stalled | {name for name, lane in self._lanes.items() if lane.slow},
        )

    def _has_room(self, view: View) -> bool:
        return view.lanes.total() < self.threads and not self._pace.wait()

    def _may_go(self, name: str, view: View) -> bool:
        return self._has_room(view) and self._lane_and_host_may_go(name, view)

    def _lane_and_host_may_go(self, name: str, view: View) -> bool:
        return self._host_may_go(host_of(name), view) and self._lane_may_go(name, view)

    def _host_may_go(self, host: str, view: View) -> bool:
        return view.hosts[host] < self.per_host and self._host(host).may_go(view.now)

    def _lane_may_go(self, name: str, view: View) -> bool:
        lane = self._lane(name)
        if name in view.slow and (view.lanes[name] or view.slow_running >= self.for_slow):
            return False
        return view.lanes[name] < lane.window and lane.breaker.may_go(view.now)

    def _judge(
        self, breaker: Breaker, place: Place, answered: bool | None, now: float
    ) -> float | None:
        """What a round tells of its lane or host: seconds of a pause, 0 for its end, or None."""
        if answered is None:
            breaker.unasked(place)
            return None
        if answered:
            return 0.0 if breaker.answered() else None
        return breaker.failed(place, place.lane, now, self._chance) or None

    def _lane(self, name: str) -> Lane:
        return self._lanes.setdefault(name, Lane())

    def _host(self, name: str) -> Breaker:
        return self._hosts.setdefault(name, Breaker(enough=HOST_LANES))

    def _forget(self) -> None:
        """Keep no lane for ever of which there is nothing to remember."""
        if len(self._lanes) > REMEMBERED:
            running = {place.lane for place in self._running}
            self._lanes = {
                name: lane
                for name, lane in self._lanes.items()
                if name in running or lane.slow or lane.breaker.failures
            }

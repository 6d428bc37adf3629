"""Rounds of delivery in a small pool of threads: which rows go, and what becomes of those in hand.

The worker takes what is due (`fill`), the web process the one row that was just decided
(`deliver_now`). Both ask the lanes of their process first; a claim is for a round that begins now.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from queue import Empty, SimpleQueue

from django.conf import settings
from django.db import close_old_connections, connection, connections

from approvals.delivery import deliver
from approvals.lanes import Change, Lanes, Place
from approvals.models import Delivery
from approvals.origin import Origin, one_round, origin
from approvals.pace import Pace
from approvals.trouble import TROUBLE, let_go

log = logging.getLogger(__name__)

# The person who clicked waits this long, in seconds, for the first try.
IN_REQUEST = 3.0
# A round that is broken off by the end of its process may still arrive: seconds until another
# worker looks.
LANDING = 2.0
# What is due is looked for anew so often, in seconds, while there is something.
LOOK_EVERY = 1.0
# A web process that ends has let its requests end before; rounds in hand get these seconds more.
LAST_MOMENT = 1.0
# A thread without work keeps its connection to the database so long, in seconds.
KEEP_CONNECTION = 1.0


@dataclass(slots=True, eq=False)
class Flight:
    """A claimed delivery on its way through a round, and its place in the lanes."""

    delivery: Delivery
    place: Place
    has_begun: bool = False
    asked_for_in: Origin = field(default_factory=origin)
    done: threading.Event = field(default_factory=threading.Event)


class Dispatcher:
    """The lanes of a process, and the threads that play its rounds.

    The threads are daemons: one that hangs in a network call never keeps a process from ending.
    """

    def __init__(self, lanes: Lanes, play: Callable[[Delivery], bool | None] = deliver) -> None:
        self.lanes = lanes
        self._play = play
        self._lock = threading.Lock()
        self._in_hand: set[Flight] = set()
        self._queue: SimpleQueue[Flight | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._stopping = False
        self._due: list[str] = []
        self._look_at = 0.0
        self._freed = threading.Event()

    @classmethod
    def of_settings(cls) -> "Dispatcher":
        """With as many threads, and at the pace, that the settings say."""
        return cls(Lanes(settings.DELIVERY_THREADS, Pace(settings.DELIVERY_RATE)))

    @property
    def in_hand(self) -> int:
        """How many rounds have a place: begun, or about to."""
        with self._lock:
            return len(self._in_hand)

    def fill(self, until: datetime | None = None) -> bool:
        """Begin a round of each delivery that is due and may go.

        True where no more was found, False where no more may go just now.

        Args:
            until: due at that time already; else now.
        """
        while not self._stopping and self.lanes.has_room():
            for lane in self.lanes.order(self._due_lanes(until)):
                if (delivery := Delivery.objects.claim_next(lane, until)) is not None:
                    self._begin(delivery)
                    break
                self._due.remove(lane)  # others have taken the rest
            else:
                return True
        return False

    def _due_lanes(self, until: datetime | None) -> list[str]:
        """Lanes with rows that are due, as of a moment ago: it takes a look at all of them."""
        if not self._due or time.monotonic() >= self._look_at:
            self._due = Delivery.objects.due_lanes(until)
            self._look_at = time.monotonic() + LOOK_EVERY
        return self._due

    def send(self, delivery: Delivery) -> Flight | None:
        """Begin a round of this delivery; None where its lane may not go, or others have it."""
        if not self.lanes.may_go(delivery.lane) or not Delivery.objects.claim(delivery):
            return None
        return self._begin(delivery)

    def wait(self, seconds: float) -> None:
        """Until a round has ended, or it is time to look for what else is due, or so long.

        Rows of a lane that may not go stay due: rounds that end would put off that look each time.
        """
        look = self._look_at - time.monotonic()
        if self._due and look > 0:
            seconds = min(seconds, look)
        self._freed.wait(min(seconds, self.lanes.wait() or seconds))
        self._freed.clear()

    def wake(self) -> None:
        """End a `wait`."""
        self._freed.set()

    def all_due(self, until: datetime, stop: threading.Event) -> None:
        """A round of each delivery that was due at a time; but not of what is paused."""
        while not stop.is_set():
            if self.fill(until) and not self.in_hand:
                return
            self.wait(1.0)

    def stop(self, grace: float) -> None:
        """Begin nothing more, let the rounds in hand end, and give back those that do not.

        An attempt that is broken off stays a doubt, which the next worker looks into.

        Args:
            grace: seconds that rounds in hand may take.
        """
        self._stopping = True
        deadline = time.monotonic() + grace
        while self._under_way() and (left := deadline - time.monotonic()) > 0:
            self.wait(left)
        with self._lock:
            rounds = list(self._in_hand)
            for _ in self._threads:
                self._queue.put(None)
        if rounds:
            begun = [each.delivery for each in rounds if each.has_begun]
            others = [each.delivery for each in rounds if not each.has_begun]
            count = Delivery.objects.give_back(begun, wait=LANDING)
            count += Delivery.objects.give_back(others)
            log.info("rows given back", extra={"rows": count, "begun": len(begun)})

    def _under_way(self) -> bool:
        """Whether a round has begun: one that has not when the process ends, never does."""
        with self._lock:
            return any(each.has_begun for each in self._in_hand)

    def _begin(self, delivery: Delivery) -> Flight | None:
        place = None if self._stopping else self.lanes.begin(delivery.lane)
        if place is None:
            Delivery.objects.give_back([delivery])
            return None
        one = Flight(delivery, place)
        with self._lock:
            late = self._stopping  # all that was in hand may have been given back already
            if not late:
                self._in_hand.add(one)
                self._grow()
        if late:
            self.lanes.end(place, None)
            Delivery.objects.give_back([delivery])
            return None
        self._queue.put(one)
        return one

    def _grow(self) -> None:
        """A thread for each round in hand. The lock is held."""
        if len(self._threads) < len(self._in_hand):
            name = f"delivery-{len(self._threads) + 1}"
            self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
            self._threads[-1].start()

    def _work(self) -> None:
        try:
            while (one := self._next()) is not None:
                with one_round(one.asked_for_in):
                    self._do(one)
        finally:
            connections.close_all()

    def _do(self, one: Flight) -> None:
        answered = None
        try:
            if self._starts(one):
                answered = self._play(one.delivery)
        except TROUBLE as error:
            log.exception("database unavailable")
            let_go(error)
        except Exception:  # whatever is wrong with it stays with it: its lease holds it
            log.exception("row left for later", extra=_about(one.delivery))
        finally:
            self._end(one, answered)

    def _next(self) -> Flight | None:
        """The next round; the connection to the database is not kept for nothing."""
        try:
            return self._queue.get(timeout=KEEP_CONNECTION)
        except Empty:
            connections.close_all()
            return self._queue.get()

    def _starts(self, one: Flight) -> bool:
        """Whether it may begin: what has not when the process ends is given back."""
        with self._lock:
            one.has_begun = not self._stopping
            return one.has_begun

    def _end(self, one: Flight, answered: bool | None) -> None:
        with self._lock:
            if one.has_begun:
                self._in_hand.discard(one)
            is_last = not self._in_hand
        if is_last:
            connections.close_all()
        else:
            close_old_connections()
        for change in self.lanes.end(one.place, answered):
            _tell(change)
        one.done.set()
        self._freed.set()


def _about(delivery: Delivery) -> dict[str, str]:
    return {"approval": str(delivery.approval_id)}


def _tell(change: Change) -> None:
    """A line of the log: what is left alone and for how long, or that it answers again."""
    kind = "host" if change.is_host else "workflow"
    about: dict[str, object] = {kind: change.name}
    if change.seconds:
        log.warning("%s paused", kind, extra=about | {"seconds": round(change.seconds, 1)})
    else:
        log.warning("%s resumed", kind, extra=about)


def end_of_process() -> None:
    """A web process ends: what it has in hand has a moment, and is given back."""
    if of_this_process.cache_info().currsize:
        of_this_process().stop(LAST_MOMENT)


@cache
def of_this_process() -> Dispatcher:
    """The dispatcher of the web process, made when the first decision is sent."""
    return Dispatcher.of_settings()


def deliver_now(delivery: Delivery) -> None:
    """Try at once, for at most `IN_REQUEST` seconds of the caller's time; never raises.

    What is not done by then goes on in its thread. What may not go now, since its lane is paused
    or has no place left, is due and a worker's to send: no request waits for another's host.
    Inside a transaction nothing is sent: the outcome is not committed yet.
    """
    if connection.in_atomic_block:
        return
    try:
        one = of_this_process().send(delivery)
        if one is not None and not one.done.wait(IN_REQUEST):
            log.info("delivery goes on", extra=_about(delivery))
    except Exception:  # the decision is saved; whatever is wrong now is the worker's to try again
        log.exception("delivery not tried", extra=_about(delivery))

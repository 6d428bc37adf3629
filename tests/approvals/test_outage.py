"""A day without Google, on a clock that the test sets: who is asked when, and how the rest leaves.

The lanes, breakers, pace and pauses are the product's; the outbox is a few heaps, and time jumps
from one event to the next.
"""

import heapq
import itertools
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from limits.storage import memory

from approvals.lanes import Lanes, host_of
from approvals.pace import Pace
from approvals.verdicts import HOUR_OF_MINUTES, PAUSES, SLOW, pause

HOUR = 3600.0
DAY = 24 * HOUR
START = 1_000_000.0
RATE, THREADS, SEED = 20, 8, 20260801


@dataclass(eq=False)
class Row:
    """A delivery: its lane, the rounds it had, and when each began and ended."""

    lane: str
    due: float
    tries: int = 0
    began: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    arrived: float | None = None


class Inbox:
    """One worker and its outbox.

    `answer(row, now)` is (whether the host answers, whether it takes the answer, seconds).
    """

    def __init__(self, answer):
        self.now, self.answer = START, answer
        self.chance = random.Random(SEED).random
        clock = self.time
        self.lanes = Lanes(THREADS, Pace(RATE), clock=clock, chance=self.chance)
        self.due = defaultdict(list)  # lane -> heap of rows whose time has come
        self.events = []
        self.number = itertools.count()
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.looks_at = 0.0

    def time(self):
        return self.now

    def at(self, when, act, *given):
        heapq.heappush(self.events, (when, next(self.number), act, given))

    def add(self, row):
        self.at(row.due, self._falls_due, row)

    def run(self, until):
        """Let time pass until then, or until nothing more happens."""
        while self.events and self.events[0][0] <= until:
            self.now, _, act, given = heapq.heappop(self.events)
            act(*given)
            self._fill()
        self.now = until

    def _falls_due(self, row):
        heapq.heappush(self.due[row.lane], (row.due, next(self.number), row))

    def _fill(self):
        while self.lanes.has_room() and (names := self.lanes.order(filter(self.due.get, self.due))):
            row = heapq.heappop(self.due[names[0]])[2]
            if not self._begin(row):  # the second is not quite over: it is given back
                self._falls_due(row)
                break
        self._look_again_in(self.lanes.wait())

    def _look_again_in(self, seconds):
        if seconds and self.looks_at <= self.now:
            self.looks_at = self.now + seconds
            self.at(self.looks_at, self._look)

    def _look(self):
        """Nothing has happened but time: `run` looks whether more may go."""

    def _begin(self, row):
        place = self.lanes.begin(row.lane)
        if place is None:
            self._look_again_in(0.001)
            return False
        row.began.append(self.now)
        for name in (row.lane, host_of(row.lane)):
            self.running[name] += 1
            self.most[name] = max(self.most[name], self.running[name])
        answered, takes, seconds = self.answer(row, self.now)
        self.at(self.now + seconds, self._end, row, place, answered, takes)
        return True

    def _end(self, row, place, answered, takes):
        for name in (row.lane, host_of(row.lane)):
            self.running[name] -= 1
        row.ended.append(self.now)
        for change in self.lanes.end(place, answered):
            if change.seconds:
                self.at(self.now + change.seconds, self._look)
        if takes:
            row.arrived = self.now
            return
        row.due = self.now + pause(row.tries, chance=self.chance())
        row.tries += 1
        self.add(row)


@pytest.fixture
def inbox(monkeypatch):
    """Makes an inbox whose pace goes by the same clock as all the rest."""

    def make(answer):
        now = SimpleNamespace(time=lambda: made[0].now)
        monkeypatch.setattr(memory, "time", now)
        monkeypatch.setattr("approvals.pace.time", now)
        made.append(Inbox(answer))
        return made[0]

    made = []
    return make


def schedule(tries):
    """Seconds after this many rounds, without jitter."""
    if tries < len(PAUSES):
        return PAUSES[tries]
    return 60.0 if tries < HOUR_OF_MINUTES else SLOW


def pauses_of(row):
    """How long it waited between two rounds, beside the schedule."""
    pairs = zip(row.ended, row.began[1:], strict=False)
    return [(began - ended, schedule(number)) for number, (ended, began) in enumerate(pairs)]


def most_in_a_second(times):
    times = sorted(times)
    first = most = 0
    for last, when in enumerate(times):
        while when - times[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


class TestTenThousandDueWhileTheHostIsDead:
    """10,000 deliveries of 100 workflows, 24 hours without an answer; another host is well."""

    @pytest.fixture(params=["refuses", "hangs"])
    def day(self, inbox, request):
        seconds = {"refuses": 0.05, "hangs": 25.0}[request.param]
        back = START + DAY

        def answer(row, now):
            well = now >= back or host_of(row.lane) == "other"
            return well, well, 0.2 if well else seconds

        running = inbox(answer)
        rows = [Row(f"google/{number % 100}", START + number / 1000) for number in range(10_000)]
        others = [Row("other/well", START + HOUR + 60.0 * number) for number in range(1400)]
        for row in (*rows, *others):
            running.add(row)
        running.run(back + HOUR)
        return SimpleNamespace(rows=rows, others=others, back=back, inbox=running)

    def test_it_is_left_alone_the_others_flow_and_then_all_leaves_at_the_pace(self, day):
        during = [began for row in day.rows for began in row.began if began < day.back]
        after = [began for row in day.rows for began in row.began if began >= day.back]

        # The dead host is asked about once a minute, not 10,000 times every ten minutes.
        assert 1000 < len(during) < 4000
        # No row is tried before its time.
        assert all(
            waited >= 0.8 * planned - 1e-6 for row in day.rows for waited, planned in pauses_of(row)
        )
        # The other host's rows have not noticed.
        assert max(row.began[0] - row.due for row in day.others) < 1.0
        # Once it is back all arrive, at the pace, and in ten minutes.
        assert most_in_a_second(after) <= RATE
        assert max(row.arrived for row in day.rows) - day.back < 600
        assert len(after) < 10_000 * 1.01
        # At no time one workflow or one host had more than its places.
        most, lanes = day.inbox.most, day.inbox.lanes
        assert most["google"] <= lanes.per_host
        assert max(most[f"google/{number}"] for number in range(100)) <= lanes.per_lane


class TestADayOfBusyAnswers:
    """Google answers, but takes nothing for 24 hours (429): every row keeps to its schedule."""

    def test_all_rounds_are_within_a_fifth_of_the_schedule(self, inbox):
        running = inbox(lambda row, now: (True, now >= START + DAY, 0.2))
        chance = random.Random(SEED)
        rows = [
            Row(f"google/{number % 20}", START + chance.uniform(0, HOUR)) for number in range(60)
        ]
        for row in rows:
            running.add(row)
        running.run(START + DAY + HOUR)

        found = [pair for row in rows for pair in pauses_of(row)]
        assert len(found) > 60 * 190
        assert all(planned * 0.8 - 1e-6 <= waited for waited, planned in found)
        # Nor late: where others go first it is by a moment, whatever the pause.
        assert all(waited <= planned * 1.2 + 1.0 for waited, planned in found)
        assert sum(waited > planned * 1.2 + 1e-6 for waited, planned in found) < len(found) / 100
        assert most_in_a_second(began for row in rows for began in row.began) <= RATE
        assert all(row.arrived is not None for row in rows)

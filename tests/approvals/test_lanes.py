"""Which lanes may go: places, slow lanes, breakers, the pace; with a clock that the test sets."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits.storage import memory

from approvals.breaker import FAILURES, LASTING, LONGEST_PAUSE, UNTRIED
from approvals.lanes import HOST_LANES, REMEMBERED, SLOW, Change, Lanes, Place
from approvals.pace import Pace

GOOD, POISONED = "google/good", "google/poisoned"


class Clock:
    """A time that passes when the test says so, in seconds."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def passes(self, seconds):
        self.now += seconds


class Unpaced:
    """As fast as can be."""

    def wait(self):
        return 0.0

    def take(self):
        return True


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lanes(clock):
    return make_lanes(clock)


def make_lanes(clock, threads=8, pace=None):
    return Lanes(threads, pace or Unpaced(), clock=clock, chance=lambda: 1.0)


def begun(lanes, lane, most=100):
    """All rounds of a lane that may begin now, begun."""
    places: list[Place] = []
    while len(places) < most and (place := lanes.begin(lane)):
        places.append(place)
    return places


def play(lanes, clock, lane, answered=True, seconds=0.1):
    """One round; what it changed."""
    place = lanes.begin(lane)
    assert place is not None, f"{lane} may not go"
    clock.passes(seconds)
    return lanes.end(place, answered)


def warm(lanes, clock, *names):
    """Lanes that have earned all their places."""
    for name in names:
        for _ in range(4):
            play(lanes, clock, name)


def fail(lanes, clock, *names):
    """Rounds without an answer, in turn; the last changes."""
    changes = []
    for name in names:
        changes = play(lanes, clock, name, answered=False)
    return changes


def taken(lanes, due):
    """Of which of these lanes a row would be taken now."""
    return next(iter(lanes.order(due)), None)


class TestTurns:
    def test_whose_last_turn_is_longest_ago_is_first(self, lanes, clock):
        due = ["google/a", "google/b", "google/c"]
        order = []
        for _ in range(6):
            order.append(taken(lanes, due))
            play(lanes, clock, order[-1])

        assert order == due * 2

    def test_one_that_has_just_come_goes_before_those_with_many_rows(self, lanes, clock):
        play(lanes, clock, GOOD)

        assert taken(lanes, [GOOD, "google/new"]) == "google/new"


class TestPlaces:
    def test_a_lane_earns_its_places_by_quick_answers(self, lanes, clock):
        sizes = []
        for _ in range(4):
            places = begun(lanes, GOOD)
            sizes.append(len(places))
            lanes.end(places.pop(), True)
            for place in places:
                lanes.end(place, None)
            play(lanes, clock, GOOD)

        assert sizes[0] == 1
        assert max(sizes) <= lanes.per_lane == 4

    def test_a_lane_never_has_more_than_half_the_threads(self, lanes, clock):
        warm(lanes, clock, GOOD)

        assert len(begun(lanes, GOOD)) == 4

    def test_a_host_never_has_all_threads(self, lanes, clock):
        names = [f"google/{number}" for number in range(20)]

        assert sum(len(begun(lanes, name)) for name in names) == 6
        assert len(begun(lanes, "elsewhere/1")) == 1

    def test_there_are_no_more_places_than_threads(self, lanes):
        for number in range(50):
            lanes.begin(f"host{number}/lane")

        assert not lanes.has_room()
        assert lanes.order(["another/lane"]) == []
        assert lanes.begin("another/lane") is None

    def test_one_thread_serves_everybody_in_turn(self, clock):
        lanes = make_lanes(clock, threads=1)

        for name in (GOOD, POISONED, GOOD):
            play(lanes, clock, name)

    def test_lanes_of_which_nothing_need_be_known_are_forgotten(self, lanes, clock):
        fail(lanes, clock, POISONED)
        for number in range(2 * REMEMBERED):
            play(lanes, clock, f"google/{number}")

        assert len(lanes._lanes) <= REMEMBERED + 1
        assert lanes._lanes[POISONED].breaker.failures == 1


class TestSlow:
    def test_a_lane_that_stalls_begins_no_more_while_it_does(self, lanes, clock):
        warm(lanes, clock, GOOD)
        lanes.begin(GOOD)
        assert lanes.may_go(GOOD)

        clock.passes(SLOW + 1)

        assert not lanes.may_go(GOOD)

    def test_then_it_goes_one_at_a_time_until_it_is_quick_again(self, lanes, clock):
        warm(lanes, clock, GOOD)
        play(lanes, clock, GOOD, seconds=SLOW + 1)

        assert len(begun(lanes, GOOD)) == 1

    def test_a_quick_answer_ends_it(self, lanes, clock):
        warm(lanes, clock, GOOD)
        play(lanes, clock, GOOD, seconds=SLOW + 1)
        play(lanes, clock, GOOD)

        assert len(begun(lanes, GOOD)) == 2

    def test_a_quick_failure_does_not(self, lanes, clock):
        play(lanes, clock, POISONED, answered=False, seconds=25)
        play(lanes, clock, POISONED, answered=False)

        warm(lanes, clock, GOOD)
        assert len(begun(lanes, GOOD)) == 4
        clock.passes(SLOW + 1)  # one that stalls has all places of slow lanes
        assert not lanes.may_go(POISONED)

    def test_however_many_stall_the_others_find_places(self, lanes, clock):
        stalling = [f"google/stalls{number}" for number in range(100)]
        good = [f"google/good{number}" for number in range(100)]
        for name in stalling:
            play(lanes, clock, name, seconds=SLOW + 1)

        held = [place for name in stalling for place in begun(lanes, name)]

        assert len(held) == lanes.for_slow == 2
        assert sum(len(begun(lanes, name)) for name in good) == 4

    def test_slow_lanes_have_their_turns_whatever_is_most_overdue(self, lanes, clock):
        """The first in the queue always stalls; the last is well again and must not wait long."""
        due = [f"google/slow{number}" for number in range(10)]
        for name in due:
            play(lanes, clock, name, seconds=SLOW + 1)

        order = []
        for _ in due:
            name = taken(lanes, due)
            order.append(name)
            play(lanes, clock, name, seconds=SLOW + 1)

        assert sorted(order) == due


class TestOneHostOneStallingWorkflow:
    def test_hundreds_of_workflows_flow_while_one_stalls(self, clock):
        """Ten minutes at one host: the poisoned lane's rows are always the most overdue."""
        lanes = make_lanes(clock)
        good = [f"google/good{number}" for number in range(300)]
        waiting: list[tuple[float, str]] = []
        under_way: list[tuple[Place, float, bool]] = []
        waits, turn = [], 0
        end = clock.now + 600
        step = 0
        while clock.now < end:
            clock.passes(0.1)
            step += 1
            for place, until, answered in list(under_way):
                if until <= clock.now:
                    under_way.remove((place, until, answered))
                    lanes.end(place, answered)
            if step % 2 == 0:  # five decisions a second
                waiting.append((clock.now, good[turn % 300]))
                turn += 1
            while name := taken(lanes, [POISONED, *(name for _, name in waiting)]):
                place = lanes.begin(name)
                if name == POISONED:
                    under_way.append((place, clock.now + 25, False))
                    continue
                under_way.append((place, clock.now + 0.3, True))
                first = next(each for each in waiting if each[1] == name)
                waiting.remove(first)
                waits.append(clock.now - first[0])

        assert len(waits) > 2_900
        assert max(waits) < 0.5
        assert lanes.paused() == [POISONED]


class TestBreaker:
    def test_a_lane_is_paused_after_failures_in_a_row(self, lanes, clock):
        changes = fail(lanes, clock, *[POISONED] * FAILURES)

        assert changes == [Change(POISONED, False, 1.0)]
        assert not lanes.may_go(POISONED)
        assert lanes.may_go(GOOD)

    def test_an_answer_between_them_starts_the_count_anew(self, lanes, clock):
        fail(lanes, clock, *[POISONED] * (FAILURES - 1))
        play(lanes, clock, POISONED)

        assert fail(lanes, clock, *[POISONED] * (FAILURES - 1)) == []

    def test_a_round_that_asked_nobody_tells_nothing(self, lanes, clock):
        fail(lanes, clock, *[POISONED] * (FAILURES - 1))
        play(lanes, clock, POISONED, answered=None)

        assert fail(lanes, clock, POISONED) == [Change(POISONED, False, 1.0)]

    def test_after_the_pause_one_probe_goes(self, lanes, clock):
        fail(lanes, clock, *[POISONED] * FAILURES)
        clock.passes(1.0)

        assert len(begun(lanes, POISONED)) == 1

    def test_a_probe_that_asked_nobody_leaves_its_place_to_another(self, lanes, clock):
        fail(lanes, clock, *[POISONED] * FAILURES)
        clock.passes(1.0)
        play(lanes, clock, POISONED, answered=None)

        assert lanes.may_go(POISONED)

    def test_pauses_grow_up_to_a_minute(self, lanes, clock):
        fail(lanes, clock, *[POISONED] * FAILURES)
        pauses = []
        for _ in range(10):
            clock.passes(LONGEST_PAUSE)
            [change] = fail(lanes, clock, POISONED)
            pauses.append(change.seconds)

        assert pauses == [2, 4, 8, 16, 32, 60, 60, 60, 60, 60]

    def test_pauses_have_jitter(self, clock):
        chances = iter([0.0, 0.5])
        lanes = Lanes(8, Unpaced(), clock=clock, chance=lambda: next(chances))

        first = fail(lanes, clock, *[GOOD] * FAILURES)
        second = fail(lanes, clock, *[POISONED] * FAILURES)

        assert (first[0].seconds, second[0].seconds) == (0.5, 0.75)

    def test_an_answer_ends_the_pause(self, lanes, clock):
        fail(lanes, clock, *[POISONED] * FAILURES)
        clock.passes(1.0)

        assert play(lanes, clock, POISONED) == [Change(POISONED, False, 0.0)]
        assert lanes.paused() == []

    def test_a_silent_workflow_is_told_of_after_minutes_alone(self, lanes, clock):
        fail(lanes, clock, *[POISONED] * FAILURES)
        told = []
        for _ in range(6):
            told.append(lanes.paused())
            clock.passes(LONGEST_PAUSE)
            fail(lanes, clock, POISONED)

        assert told == [[]] * 5 + [[POISONED]]
        assert lanes.paused() == [POISONED]
        clock.passes(LONGEST_PAUSE + UNTRIED)
        assert lanes.paused() == []  # nothing of it is left to be asked for

    def test_what_answered_meanwhile_is_silent_anew(self, lanes, clock):
        fail(lanes, clock, *[POISONED] * FAILURES)
        clock.passes(LASTING)
        play(lanes, clock, POISONED)
        fail(lanes, clock, *[POISONED] * FAILURES)

        assert lanes.paused() == []

    def test_one_or_two_silent_workflows_are_not_the_hosts_fault(self, lanes, clock):
        fail(lanes, clock, *[POISONED, "google/other"] * FAILURES)

        assert lanes.may_go(GOOD)

    def test_a_silent_host_is_paused_whatever_its_lanes(self, lanes, clock):
        names = [f"google/{number}" for number in range(FAILURES)]
        assert len(names) >= HOST_LANES

        assert fail(lanes, clock, *names) == [Change("google", True, 1.0)]
        assert not lanes.may_go(GOOD)
        assert lanes.may_go("elsewhere/lane")
        assert lanes.paused() == ["google"]

    def test_what_began_before_the_pause_does_not_make_it_longer(self, lanes, clock):
        late = lanes.begin("google/late")
        fail(lanes, clock, *[f"google/{number}" for number in range(FAILURES)])

        assert lanes.end(late, False) == []
        clock.passes(1.0)
        assert lanes.may_go(GOOD)

    def test_but_its_answer_ends_the_pause(self, lanes, clock):
        late = lanes.begin("google/late")
        fail(lanes, clock, *[f"google/{number}" for number in range(FAILURES)])

        assert lanes.end(late, True) == [Change("google", True, 0.0)]

    def test_while_the_probe_of_a_host_is_out_no_other_lane_goes(self, lanes, clock):
        fail(lanes, clock, *[f"google/{number}" for number in range(FAILURES)])
        clock.passes(1.0)
        probe = lanes.begin("google/first")
        assert probe

        assert not lanes.may_go(GOOD)
        lanes.end(probe, True)
        assert lanes.may_go(GOOD)

    def test_each_probe_of_a_host_is_of_another_lane(self, lanes, clock):
        """A workflow that never answers, first in the queue, must not keep its host paused."""
        due = [f"google/{number}" for number in range(FAILURES + 3)]
        fail(lanes, clock, *due[:FAILURES])
        probes = []
        for _ in due:
            clock.passes(LONGEST_PAUSE)
            probes.append(taken(lanes, due))
            fail(lanes, clock, probes[-1])

        assert probes[:3] == due[FAILURES:]  # of those nothing is known: they go first
        assert sorted(probes) == due


class TestPace:
    @pytest.fixture
    def walls(self, monkeypatch):
        """The wall clock, by which the library counts."""
        clock = Clock()
        monkeypatch.setattr(memory, "time", SimpleNamespace(time=clock))
        monkeypatch.setattr("approvals.pace.time", SimpleNamespace(time=clock))
        return clock

    def test_in_no_second_more_begin_than_the_rate(self, walls):
        pace, began = Pace(20), []
        for _ in range(1000):
            if pace.wait() == 0 and pace.take():
                began.append(walls.now)
            walls.passes(0.013)

        assert len(began) > 240
        for first, last in zip(began, began[20:], strict=False):
            assert last - first >= 1.0

    def test_it_says_how_long_to_wait(self, walls):
        pace = Pace(1)
        pace.take()
        walls.passes(0.25)

        assert pace.wait() == pytest.approx(0.75)
        assert not pace.take()

    def test_a_clock_that_is_set_back_stops_nothing(self, walls):
        pace = Pace(1)
        pace.take()
        walls.passes(-3600)

        assert pace.wait() == 0
        assert pace.take()

    def test_lanes_wait_for_it(self, walls, clock):
        lanes = make_lanes(clock, pace=Pace(2))
        assert begun(lanes, GOOD)
        assert begun(lanes, POISONED)

        assert not lanes.has_room()
        assert not lanes.may_go("google/third")
        assert lanes.wait() > 0
        walls.passes(1.1)
        assert lanes.may_go("google/third")


names = st.sampled_from([f"{host}/{lane}" for host in "ab" for lane in range(4)])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), names),
        st.tuples(st.just("end"), st.sampled_from([True, False, None])),
        st.tuples(st.just("pass"), st.floats(0.01, 70)),
    ),
    max_size=200,
)


class TestAlways:
    @given(steps=steps, threads=st.integers(1, 12))
    def test_limits_are_kept_and_nobody_waits_for_ever(self, steps, threads):
        clock = Clock()
        lanes, running = make_lanes(clock, threads), []
        for step, value in steps:
            if step == "pass":
                clock.passes(value)
            elif step == "begin":
                may_go = lanes.may_go(value)
                place = lanes.begin(value)
                assert may_go == (place is not None)
                running += [place] if place else []
            elif running:
                lanes.end(running.pop(0), value)
            assert len(running) <= threads
            for name in {place.lane for place in running}:
                assert sum(place.lane == name for place in running) <= lanes.per_lane
            for host in "ab":
                assert sum(place.host == host for place in running) <= lanes.per_host

        for place in running:
            lanes.end(place, None)
        clock.passes(LONGEST_PAUSE)
        for name in ("a/0", "b/3"):
            assert lanes.may_go(name) == (taken(lanes, [name]) == name)
            assert play(lanes, clock, name) is not None
            assert taken(lanes, [name]) == name

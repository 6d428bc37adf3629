"""Which deliveries go, by whom, and what is given back: with a server that hangs where told."""

import logging
import threading
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from approvals import dispatch
from approvals.dispatch import LANDING, Dispatcher, deliver_now
from approvals.lanes import Lanes
from approvals.models import Attempt, Delivery
from approvals.models.outbox import State
from approvals.pace import Pace
from tests.approvals.racing import at_once
from tests.emulators import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def make_dispatcher(google):
    """Makes dispatchers, whose threads end with the test."""

    def make(threads=8, rate=1000, lanes=None, **options):
        made.append(Dispatcher(lanes or Lanes(threads, Pace(rate)), **options))
        return made[-1]

    made: list[Dispatcher] = []
    yield make
    google.released.set()
    for each in made:
        each.stop(0)
        for thread in each._threads:
            thread.join(10)


@pytest.fixture
def dispatcher(make_dispatcher):
    return make_dispatcher()


def states(*deliveries):
    rows = dict(Delivery.objects.values_list("pk", "state"))
    return [rows[delivery.pk] for delivery in deliveries]


def drain(dispatcher):
    """Everything that is due now, delivered; its rounds have ended."""
    dispatcher.all_due(timezone.now(), threading.Event())


def wait_for(google, count):
    eventually(lambda: len(google.seen) >= count, f"{count} requests")


class TestFill:
    def test_what_is_due_is_delivered_the_most_overdue_first(self, make_dispatcher, decide, google):
        late, later, latest = decide(), decide(), decide()
        for ago, delivery in ((3, latest), (2, later), (1, late)):
            due = timezone.now() - timedelta(minutes=ago)
            Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=due)

        drain(make_dispatcher(threads=1))

        order = [said.body for said in google.seen]
        assert order == [each.body.encode() for each in (latest, later, late)]
        assert states(late, later, latest) == ["stored"] * 3

    def test_what_is_not_due_waits(self, dispatcher, decide, google):
        delivery = decide()
        due = timezone.now() + timedelta(minutes=1)
        Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=due)

        drain(dispatcher)

        assert google.seen == []

    def test_good_workflows_go_through_while_one_of_the_same_host_hangs(
        self, dispatcher, decide, google
    ):
        google.stalling = "/workflows/poisoned/"
        poisoned = [decide("poisoned") for _ in range(10)]
        good = [decide(f"good{number}") for number in range(10)]

        started = time.monotonic()
        while set(states(*good)) != {"stored"}:
            dispatcher.fill()
            dispatcher.wait(0.1)
            assert time.monotonic() - started < 60

        assert sum("poisoned" in said.path for said in google.seen) == 1
        assert dispatcher.in_hand == 1
        assert states(*poisoned).count("sending") == 1

    def test_what_hangs_does_not_put_off_the_look_for_what_is_new(self, dispatcher, decide, google):
        google.stalling = "/workflows/poisoned/"
        for _ in range(2):
            decide("poisoned")
        dispatcher.fill()
        wait_for(google, 1)
        good = decide("good")

        dispatcher.wait(3600)

        assert dispatcher.in_hand == 1
        dispatcher.fill()
        eventually(lambda: states(good) == ["stored"], "the good one")

    def test_two_workers_at_once_never_send_one_row_twice(self, make_dispatcher, decide, google):
        rows = [decide(f"w{number % 5}") for number in range(30)]
        workers = [make_dispatcher(threads=4) for _ in range(3)]

        at_once(*(lambda worker=worker: drain(worker) for worker in workers))
        for worker in workers:
            drain(worker)  # what one of them had in hand when the others looked

        posted = [said.body for said in google.seen if said.method == "POST"]
        assert sorted(posted) == sorted(row.body.encode() for row in rows)
        assert set(states(*rows)) == {"stored"}

    def test_it_begins_no_more_in_a_second_than_the_pace(self, make_dispatcher, decide, google):
        for number in range(5):
            decide(f"w{number}")
        dispatcher = make_dispatcher(rate=2)

        assert not dispatcher.fill()
        assert dispatcher.lanes.wait() > 0
        drain(dispatcher)

        assert len(google.seen) == 5

    def test_a_silent_host_is_left_alone_and_then_all_of_it_arrives(
        self, make_dispatcher, decide, google, caplog
    ):
        now = [0.0]
        lanes = Lanes(8, Pace(1000), clock=lambda: now[0], chance=lambda: 0.0)
        dispatcher = make_dispatcher(lanes=lanes)
        rows = [decide(f"w{number}") for number in range(20)]
        for _ in rows:
            google.answer(500)
        caplog.set_level(logging.WARNING)

        drain(dispatcher)
        tried = len(google.seen)
        drain(dispatcher)

        assert 5 <= tried <= 12
        assert len(google.seen) == tried
        assert lanes.paused() == [google.origin.removeprefix("http://")]
        assert [record.message for record in caplog.records] == ["host paused"]
        assert caplog.records[0].seconds == 0.5

        google.answers.clear()
        now[0] += 1.0
        Delivery.objects.update(next_attempt_at=timezone.now(), state=State.QUEUED)
        Attempt.objects.all().delete()
        drain(dispatcher)

        assert set(states(*rows)) == {"stored"}
        assert caplog.records[-1].message == "host resumed"

    def test_a_row_that_breaks_keeps_its_lease_and_no_place(self, make_dispatcher, decide):
        def broken(delivery):
            raise RuntimeError("it cannot be done")

        dispatcher = make_dispatcher(play=broken)
        poison = decide()

        drain(dispatcher)

        assert dispatcher.in_hand == 0
        assert dispatcher.lanes.may_go(poison.lane)
        assert not Delivery.objects.due().exists()


class TestStop:
    def test_a_round_in_hand_may_end(self, dispatcher, decide, google):
        google.stalling = "/callbacks/"
        delivery = decide()
        dispatcher.fill()
        wait_for(google, 1)
        threading.Timer(0.3, google.released.set).start()

        dispatcher.stop(30)

        assert dispatcher.in_hand == 0
        assert states(delivery) == ["unknown"]  # the server hung up, and that was written down

    def test_one_that_does_not_end_stays_a_doubt_and_is_anothers_in_a_moment(
        self, dispatcher, make_dispatcher, decide, google
    ):
        google.stalling = "/callbacks/"
        delivery = decide()
        dispatcher.fill()
        wait_for(google, 1)

        started = time.monotonic()
        dispatcher.stop(0.2)

        assert time.monotonic() - started < 2
        row = Delivery.objects.get(pk=delivery.pk)
        assert row.lease is None
        assert row.next_attempt_at <= timezone.now() + timedelta(seconds=LANDING)
        assert Attempt.objects.get().result == "started"

        Delivery.objects.update(next_attempt_at=timezone.now())
        google.stalling = ""
        google.answer(200, {"state": "ACTIVE"}).answer(200, {"callbacks": []})
        drain(make_dispatcher())

        assert [said.method for said in google.seen][:2] == ["POST", "GET"]  # it looks first

    def test_what_has_not_begun_is_given_back_at_once(self, dispatcher, decide, google):
        delivery = decide()
        thread = threading.Thread(target=google.released.wait)
        thread.start()
        dispatcher._threads = [thread]  # busy with something else
        dispatcher.fill()
        assert not Delivery.objects.due().exists()

        started = time.monotonic()
        dispatcher.stop(30)

        assert time.monotonic() - started < 10
        assert Delivery.objects.due().get() == delivery
        assert google.seen == []
        assert not Attempt.objects.exists()

    def test_what_is_claimed_at_that_moment_is_given_back_too(
        self, dispatcher, decide, google, monkeypatch
    ):
        delivery = decide()
        begin = dispatcher.lanes.begin

        def at_that_moment(lane):
            place = begin(lane)
            dispatcher.stop(0)
            return place

        monkeypatch.setattr(dispatcher.lanes, "begin", at_that_moment)
        dispatcher.fill()

        assert Delivery.objects.due().get() == delivery
        assert dispatcher.in_hand == 0
        assert dispatcher.lanes.may_go(delivery.lane)
        assert google.seen == []

    def test_then_it_takes_nothing_more(self, dispatcher, decide, google):
        dispatcher.stop(0)
        delivery = decide()

        assert not dispatcher.fill()
        assert dispatcher.send(delivery) is None
        assert Delivery.objects.due().count() == 1


class TestDeliverNow:
    @pytest.fixture(autouse=True)
    def process(self, make_dispatcher, monkeypatch):
        """The dispatcher of this web process."""
        made = make_dispatcher(threads=4)
        monkeypatch.setattr(dispatch, "of_this_process", lambda: made)
        monkeypatch.setattr(dispatch, "IN_REQUEST", 0.3)
        return made

    def test_the_click_waits_a_moment_and_the_round_goes_on(self, decide, google, process):
        google.stalling = "/callbacks/"
        delivery = decide()

        started = time.monotonic()
        deliver_now(delivery)

        assert 0.3 <= time.monotonic() - started < 2
        assert process.in_hand == 1

    def test_clicks_do_not_pile_up_behind_a_host_that_hangs(self, decide, google, process):
        google.stalling = "/callbacks/"
        rows = [decide(f"w{number}") for number in range(12)]

        at_once(*(lambda row=row: deliver_now(row) for row in rows))

        assert process.in_hand <= 4
        assert Delivery.objects.due().count() == 12 - process.in_hand

    def test_one_whose_lane_is_busy_is_left_to_a_worker_at_once(self, decide, google, process):
        google.stalling = "/callbacks/"
        deliver_now(decide())
        second = decide()

        started = time.monotonic()
        deliver_now(second)

        assert time.monotonic() - started < 0.25
        assert Delivery.objects.due().get() == second

    def test_trouble_of_any_kind_is_no_trouble_of_the_click(self, decide, monkeypatch):
        monkeypatch.setattr(Lanes, "begin", lambda *_: 1 / 0)

        deliver_now(decide())

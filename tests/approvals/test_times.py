"""Lengths of time as people read them; deadlines and leases, whatever the clocks show."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.conf import settings
from django.utils import timezone
from django.utils.html import strip_tags

from approvals.models import AlreadyClosed, Delivery
from approvals.models.outbox import State
from approvals.templatetags.approvals import ago, due, span
from tests.approvals.racing import assert_whole, fresh
from tests.factories import make_approval

MINUTE, HOUR, DAY = 60, 3600, 86400
SLOWEST = 1.2 * 10 * MINUTE  # seconds: the longest pause there is, with its jitter


class TestSpan:
    @pytest.mark.parametrize(
        ("seconds", "words"),
        [
            (0, "less than a minute"),
            (59.9, "less than a minute"),
            (MINUTE, "1 min"),
            (98 * MINUTE, "1 h 38 min"),
            (HOUR + 59, "1 h"),
            (23 * HOUR + 59 * MINUTE, "23 h 59 min"),
            (DAY, "1 day"),
            (DAY + 59 * MINUTE, "1 day"),
            (2 * DAY + 22 * HOUR + 30 * MINUTE, "2 days 22 h"),
            (400 * DAY, "400 days"),
        ],
    )
    def test_it_is_told_in_its_two_largest_units(self, seconds, words):
        assert span(seconds) == words

    def test_a_deadline_and_an_age_are_told_in_it(self):
        now = timezone.now()

        assert strip_tags(due(now + timedelta(seconds=30))) == "due in less than a minute"
        assert strip_tags(due(now + timedelta(hours=70, minutes=1))) == "due in 2 days 22 h"
        assert strip_tags(due(now - timedelta(seconds=1))) == "time is up"
        assert strip_tags(ago(now - timedelta(minutes=98))) == "1 h 38 min ago"
        assert strip_tags(ago(now - timedelta(seconds=30))) == "just now"


NOW = datetime(2027, 6, 1, 12, tzinfo=UTC)
SKEW = timedelta(minutes=5)


@pytest.fixture
def travel():
    """Sets the one clock there is; it stands still in between."""
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def voting(approval, person):
    return lambda: fresh(approval).decide("approved", by=person, revision=1)


@pytest.mark.usefixtures("managers")
class TestDeadline:
    """A deadline is ours: what the workflow waits, less a margin, from when we were asked."""

    @pytest.mark.parametrize(
        ("asked", "left"),
        [
            (1, 0.5),
            (20, 10),
            (60, 30),
            (1500, 1470),
            (1501, 1470.98),
            (DAY, DAY * 0.98),
            (365 * DAY, 365 * DAY * 0.98),
        ],
    )
    def test_it_lies_before_the_workflows_own_by_a_margin(self, travel, asked, left):
        approval = make_approval(expires_in=asked)

        assert approval.expires_at == NOW + timedelta(seconds=left)

    @pytest.mark.parametrize(
        "begins",
        [
            pytest.param("2027-06-01T12:00:00", id="any day"),
            pytest.param("2028-02-28T23:00:00", id="over a leap day"),
            pytest.param("2027-02-28T23:00:00", id="over no leap day"),
            pytest.param("2027-03-28T00:30:00", id="into summer time"),
            pytest.param("2027-10-31T00:30:00", id="out of summer time"),
            pytest.param("2027-12-31T23:59:59", id="over the year's end"),
        ],
    )
    @pytest.mark.parametrize("zone", ["UTC", "Europe/Lisbon", "America/New_York"])
    def test_not_a_second_early_not_a_moment_late(self, travel, ana, settings, begins, zone):
        settings.TIME_ZONE = zone
        begins = datetime.fromisoformat(begins).replace(tzinfo=UTC)
        travel.move_to(begins)
        early, late = make_approval(expires_in=DAY), make_approval(expires_in=DAY)
        deadline = begins + timedelta(seconds=DAY * 0.98)

        travel.move_to(deadline - timedelta(seconds=1))
        assert not early.expire()
        voting(early, ana)()
        travel.move_to(deadline)
        with pytest.raises(AlreadyClosed, match="time to answer has passed"):
            voting(late, ana)()
        assert fresh(late).expire()

        assert (fresh(early).status, fresh(late).status) == ("approved", "expired")
        travel.move_to(deadline + timedelta(seconds=1))
        with pytest.raises(AlreadyClosed):
            voting(late, ana)()
        for approval in (early, late):
            assert_whole(approval)

    def test_a_request_of_a_year_is_open_to_its_last_second(self, travel, ana):
        approval = make_approval(expires_in=365 * DAY)

        for day in range(0, 357, 51):
            travel.move_to(NOW + timedelta(days=day))
            assert fresh(approval).is_open
            assert not fresh(approval).expire()
        travel.move_to(approval.expires_at - timedelta(seconds=1))
        voting(approval, ana)()

        assert assert_whole(approval).status == "approved"


@pytest.mark.usefixtures("managers")
class TestSkew:
    """Clocks of Google and of the browser may be wrong by minutes: no deadline is theirs."""

    @pytest.mark.parametrize("ours", [-SKEW, timedelta(0), SKEW], ids=str)
    def test_a_wrong_clock_of_ours_shortens_and_lengthens_nothing(self, travel, ana, ours):
        travel.move_to(NOW + ours)
        approval = make_approval(expires_in=600)

        travel.shift(569)
        assert fresh(approval).is_open
        travel.shift(1)
        assert not fresh(approval).is_open
        # The workflow waits for 600 seconds of its own clock, whatever that shows.
        assert fresh(approval).expire()

    @pytest.mark.parametrize("theirs", [-SKEW, SKEW], ids=str)
    def test_a_workflow_that_gives_up_early_or_late_is_told_the_one_outcome(
        self, travel, ana, theirs
    ):
        given_up, answered = make_approval(expires_in=600), make_approval(expires_in=600)
        voting(answered, ana)()

        travel.shift(timedelta(seconds=600) + theirs)
        told = [
            fresh(each).settle(timed_out=True, actor="caller:x") for each in (given_up, answered)
        ]

        assert [each["outcome"] for each in told] == ["expired", "approved"]
        with pytest.raises(AlreadyClosed):
            voting(given_up, ana)()
        assert_whole(given_up)

    @pytest.mark.parametrize("browsers", [-SKEW, SKEW], ids=str)
    def test_a_page_that_was_opened_long_ago_is_taken_by_our_clock(
        self, travel, ana, client, browsers
    ):
        approval = make_approval(expires_in=600)
        client.force_login(ana)
        stamp = (NOW + browsers).strftime("%a, %d %b %Y %H:%M:%S GMT")

        travel.shift(569)
        answer = client.post(
            f"/approvals/{approval.pk}/decide/",
            {"outcome": "approved", "revision": 1, "comment": ""},
            headers={"Date": stamp},
        )

        assert answer.status_code == 303
        assert fresh(approval).status == "approved"


@pytest.mark.usefixtures("managers")
class TestClockJumps:
    """The machine's clock is set back or forward by an hour while things are on their way."""

    JUMP = timedelta(hours=1)

    @pytest.fixture
    def delivery(self, travel, ana):
        approval = make_approval(expires_in=6 * HOUR)
        voting(approval, ana)()
        return Delivery.objects.get()

    @pytest.mark.parametrize("jump", [-JUMP, JUMP], ids=str)
    def test_a_lease_that_was_taken_before_holds_up_nobody_for_an_hour(
        self, travel, delivery, jump
    ):
        dead = Delivery.objects.claim_next()

        travel.shift(jump)
        travel.shift(settings.DELIVERY_LEASE + 1)

        taken = Delivery.objects.claim_next()
        assert taken.pk == dead.pk
        assert dead.begin_attempt() is None  # its lease is another's now

    @pytest.mark.parametrize("jump", [-JUMP, JUMP], ids=str)
    @pytest.mark.parametrize("pause", [1, 60, 600])
    def test_the_next_try_is_due_within_its_pause(self, travel, delivery, jump, pause):
        claimed = Delivery.objects.claim_next()
        due = NOW + timedelta(seconds=pause)
        assert claimed.move(State.QUEUED, "Trying again.", next_attempt_at=due)

        travel.shift(jump)
        travel.shift(SLOWEST)

        assert Delivery.objects.claim_next() is not None

    @pytest.mark.parametrize("jump", [-JUMP, JUMP], ids=str)
    def test_what_is_decided_stays_decided_and_in_order(self, travel, ana, ben, jump):
        approval = make_approval(expires_in=6 * HOUR, votes_needed=2)
        voting(approval, ana)()
        travel.shift(jump)
        voting(approval, ben)()

        closed = assert_whole(approval)
        assert [str(vote.user) for vote in closed.votes.order_by("at")] == [
            "Ana Almeida",
            "Ben Okafor",
        ]
        assert closed.status == "approved"

    def test_set_back_over_a_deadline_it_is_no_more_open_than_what_is_recorded(self, travel, ana):
        approval = make_approval(expires_in=600)
        travel.shift(570)
        assert fresh(approval).expire()

        travel.shift(-self.JUMP)

        with pytest.raises(AlreadyClosed):
            voting(approval, ana)()
        assert assert_whole(approval).status == "expired"

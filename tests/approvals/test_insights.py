"""The figures of the insights, against such as were worked out by hand and by Python."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from statistics import quantiles
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Permission
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from approvals.insights import (
    EXPIRED,
    OTHER,
    SECONDS,
    WITHDRAWN,
    Insights,
    Pace,
    Reminders,
    Selection,
)
from approvals.models import Approval, Event, StandIn, Vote
from approvals.spreads import Spread, spreads_of
from tests.approvals.closed import make_closed
from tests.factories import make_approval, make_caller, make_group, make_type, make_user

pytestmark = pytest.mark.django_db

MAY = Selection(date(2026, 5, 1), date(2026, 5, 31))
HOUR = timedelta(hours=1)
STAGES = [
    {"name": "Managers", "approvers": ["group:managers"]},
    {"name": "Board", "approvers": ["group:board"]},
]


@pytest.fixture
def rita(db):
    """May read every approval."""
    person = make_user("rita@example.com")
    person.user_permissions.add(Permission.objects.get(codename="view_approval"))
    return person


def at(day, hour=12, minute=0):
    return datetime(2026, 5, day, hour, minute, tzinfo=UTC)


def hours(number):
    """So many hours in seconds, to the millisecond, as SQLite knows them."""
    return pytest.approx(number * 3600, abs=0.002)


def as_python_has_them(values):
    """Median and 95th percentile as Python has them."""
    if len(values) == 1:
        return values[0], values[0]
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[94]


class TestSpread:
    @settings(
        max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
    )
    @given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=60))
    def test_the_database_agrees_with_python(self, managers, took):
        caller = make_caller()
        with transaction.atomic():
            Approval.objects.bulk_create(
                Approval(
                    caller=caller,
                    callback_url=f"https://example.com/{number}",
                    execution="e",
                    title="One",
                    type=f"type {number % 2}",
                    status="approved",
                    created_at=at(1) - timedelta(seconds=seconds),
                    decided_at=at(1),
                    request_sha256="0" * 64,
                    content_sha256="0" * 64,
                )
                for number, seconds in enumerate(took)
            )
            rows = Approval.objects.annotate(label=F("type"), seconds=SECONDS)
            found = {each.label: each for each in spreads_of(rows.values("label", "seconds"))}
            transaction.set_rollback(True)

        for number, values in enumerate((took[::2], took[1::2])):
            if values:
                spread = found[f"type {number}"]
                assert spread.number == len(values)
                assert (spread.median, spread.high) == pytest.approx(
                    as_python_has_them(values), abs=0.01
                )

    def test_of_nothing_there_is_none(self):
        rows = Approval.objects.annotate(label=F("type"), seconds=SECONDS)

        assert spreads_of(rows.values("label", "seconds")) == []


class TestDecided:
    def test_times_by_type_and_group_are_those_worked_out_by_hand(self, managers, ana, rita):
        make_type("trip", "group:managers")
        make_group("board", ana)
        for number in (1, 2, 3, 4):
            make_closed(at(4), number * HOUR, by=ana, type="trip", approvers=[])
        make_closed(at(5), 10 * HOUR, by=ana, approvers=["group:managers", "group:board"])
        make_closed(at(5), 99 * HOUR, by=None, status="expired", type="trip", approvers=[])
        make_approval(type="trip", approvers=[])

        insights = Insights(rita, MAY)

        # Of 1, 2, 3, 4 and 10 hours: the third; and 0.8 of the way from the fourth to the fifth.
        assert insights.spread == Spread("", 5, hours(3), hours(8.8))
        trip, none = insights.types
        assert trip == Pace("trip", "Trip", 1, Spread("trip", 4, hours(2.5), hours(3.85)))
        assert (none.label, none.waiting, none.spread.median) == ("", 0, hours(10))
        named, board = insights.groups
        assert (named.name, named.waiting, named.spread.number) == ("managers", 1, 5)
        assert (board.name, board.waiting, board.spread.number) == ("board", 0, 1)

    def test_a_group_that_is_asked_in_two_stages_counts_once(self, managers, ana, rita):
        approval = make_closed(at(4), HOUR, by=ana)
        approval.approvers.create(group=managers, stage=1)
        approval.rows().update(stage=1)

        (found,) = Insights(rita, MAY).groups

        assert found.spread.number == 1

    def test_a_group_has_nothing_of_a_request_that_ended_before_its_stage(
        self, managers, ana, ben, rita
    ):
        make_group("board", ben)
        today = timezone.localdate()
        days = (today, today + timedelta(days=1))
        through, ended, _pending = (make_approval(stages=STAGES, approvers=[]) for _ in range(3))
        through.decide("approved", by=ana, revision=1)
        through.decide("approved", by=ben, revision=2)
        ended.decide("rejected", by=ana, revision=1, comment="No.")

        first, board = Insights(rita, Selection(*days)).groups
        chosen = Insights(rita, Selection(*days, group="board"))

        assert (first.name, first.waiting, first.spread.number) == ("managers", 1, 2)
        assert (board.name, board.waiting, board.spread.number) == ("board", 0, 1)
        assert chosen.closed == Counter({"approved": 1})
        assert (chosen.waiting.number, chosen.spread.number) == (0, 1)

    def test_outcomes_are_told_apart_by_who_closed_it(self, managers, ana, rita):
        for status in ("approved", "approved", "rejected", "changes_requested", "partly"):
            make_closed(at(4), HOUR, by=ana, status=status)
        make_closed(at(4), HOUR, by=None, status="expired")
        make_closed(at(4), HOUR, by=None, status="approved")
        make_closed(at(4), HOUR, by=None, status="withdrawn")
        make_closed(datetime(2026, 4, 30, 23, 59, tzinfo=UTC), HOUR, by=ana)
        make_closed(datetime(2026, 6, 1, tzinfo=UTC), HOUR, by=ana)

        insights = Insights(rita, MAY)

        expected = {"approved": 2, "rejected": 1, "changes_requested": 1}
        expected |= {OTHER: 1, EXPIRED: 2, WITHDRAWN: 1}
        assert insights.closed == Counter(expected)
        assert insights.periods[3].counts == insights.closed

    def test_a_type_and_a_group_narrow_all_of_it(self, managers, ana, rita):
        make_group("board", ana)
        make_closed(at(4), HOUR, by=ana, type="trip")
        make_closed(at(4), HOUR, by=ana, approvers=["group:board"])
        make_approval(type="trip", approvers=["group:board"])

        trips = Insights(rita, Selection(MAY.first, MAY.last, type="trip"))
        board = Insights(rita, Selection(MAY.first, MAY.last, group="board"))

        assert (trips.closed.total(), trips.waiting.number, trips.spread.number) == (1, 1, 1)
        assert (board.closed.total(), board.waiting.number, board.spread.number) == (1, 1, 1)
        assert [pace.name for pace in trips.types] == ["trip"]

    def test_nothing_at_all(self, rita):
        insights = Insights(rita, MAY)

        assert (insights.spread, insights.types, insights.groups, insights.people) == (
            *(None, [], []),
            [],
        )
        assert insights.closed.total() == 0
        assert insights.reminders == Reminders(0, 0)


class TestWaiting:
    def test_the_oldest_and_the_executions_that_are_held(self, managers, rita):
        old = make_approval(title="The oldest")
        new = make_approval()
        Approval.objects.filter(pk=old.pk).update(created_at=at(1), execution=new.execution)
        make_approval()

        waiting = Insights(rita, MAY).waiting

        assert (waiting.number, waiting.executions) == (3, 2)
        assert (waiting.oldest, waiting.title, waiting.since) == (old.pk, "The oldest", at(1))

    def test_people_are_counted_once_for_each_that_they_can_answer(self, ana, ben, rita):
        make_group("managers", ana, ben)
        make_group("board", ana)
        both = ["user:ana@example.com", "group:managers", "group:board"]
        make_approval(approvers=both, votes_needed=2)
        answered = make_approval(approvers=both, votes_needed=2)
        answered.decide("approved", by=ben, revision=1)
        make_approval(approvers=["user:ben@example.com"], requested_by="ben@example.com")
        gone = make_user("gone@example.com", is_active=True)
        make_approval(approvers=["user:gone@example.com"])
        gone.is_active = False
        gone.save()

        assert Insights(rita, MAY).people == [(str(ana), 2), (str(ben), 1)]

    def test_who_was_answered_for_waits_for_nothing(self, ana, ben, rita):
        StandIn.objects.create(
            user=ana,
            colleague=ben,
            starts_at=timezone.now() - HOUR,
            ends_at=timezone.now() + HOUR,
            created_by="test",
        )
        approval = make_approval(
            approvers=["user:ana@example.com", "user:rita@example.com"], votes_needed=2
        )
        approval.decide("approved", by=ben, revision=1)

        assert Insights(rita, MAY).people == [(str(rita), 1)]


class TestReminders:
    def test_those_helped_that_have_an_answer_within_a_day(self, managers, ana, ben, rita):
        def remind(day, answers=(), taken_back_at=None):
            approval = make_approval(votes_needed=2)
            Event.append(approval.pk, Event.Kind.REMINDED, "system", at=at(day))
            for hours in answers:
                Vote.objects.create(
                    approval=approval,
                    user=ana,
                    principal=ana,
                    outcome="approved",
                    revision=1,
                    content_sha256="0" * 64,
                    at=at(day) + hours * HOUR,
                    taken_back_at=taken_back_at,
                )

        remind(4, [24])
        remind(4, [25])
        remind(4, [-1])
        remind(4, [2], taken_back_at=at(5))
        remind(4)
        remind(6, [0.5])
        Event.append(make_approval().pk, "reminded", "system", at=datetime(2026, 6, 1, tzinfo=UTC))

        assert Insights(rita, MAY).reminders == Reminders(number=6, helped=2)


class TestWhoMay:
    def test_others_get_the_figures_of_what_they_may_read(self, managers, ana, ben, rita):
        make_group("board", ben)
        make_closed(at(4), HOUR, by=ana)
        make_closed(at(4), HOUR, by=ben, approvers=["group:board"])
        make_approval(approvers=["group:board"])
        reminded = make_approval(approvers=["group:board"])
        Event.append(reminded.pk, "reminded", "system", at=at(4))

        everything, mine = Insights(rita, MAY), Insights(ana, MAY)

        assert (everything.closed.total(), mine.closed.total()) == (2, 1)
        assert (everything.waiting.number, mine.waiting.number) == (2, 0)
        assert (everything.reminders.number, mine.reminders.number) == (1, 0)
        assert (everything.people, mine.people) == ([(str(ben), 2)], [])
        assert [pace.name for pace in mine.groups] == ["managers"]

    def test_who_may_read_all_no_more_does_not_get_what_was_kept(self, managers, ana, rita):
        make_closed(at(4), HOUR, by=ana)
        assert Insights(rita, MAY).closed.total() == 1

        rita.user_permissions.clear()
        rita = type(rita).objects.get(pk=rita.pk)

        assert Insights(rita, MAY).closed.total() == 0

    def test_what_was_worked_out_is_kept_for_a_moment(
        self, managers, ana, rita, django_assert_num_queries
    ):
        insights = Insights(rita, MAY)
        before = insights.waiting, insights.closed, insights.types, insights.people

        make_approval()

        again = Insights(type(rita).objects.get(pk=rita.pk), MAY)
        with django_assert_num_queries(0):
            now = again.waiting, again.closed, again.types, again.people
        assert now == before


class TestPeriods:
    def test_a_day_is_that_of_the_clock_that_pages_show(self, managers, ana, rita):
        make_closed(at(4, 22, 30), HOUR, by=ana)
        make_closed(at(5, 0), HOUR, by=ana)
        make_closed(at(5, 21, 59), HOUR, by=ana)

        with timezone.override(ZoneInfo("Europe/Berlin")):
            periods = Insights(rita, MAY).periods

        assert [period.counts.total() for period in periods[3:6]] == [0, 3, 0]

    def test_the_days_on_which_clocks_change_are_whole(self, managers, ana, rita):
        make_closed(datetime(2026, 3, 28, 23, 0, tzinfo=UTC), HOUR, by=ana)
        make_closed(datetime(2026, 3, 29, 21, 59, tzinfo=UTC), HOUR, by=ana)
        make_closed(datetime(2026, 3, 29, 22, 0, tzinfo=UTC), HOUR, by=ana)

        with timezone.override(ZoneInfo("Europe/Berlin")):
            (day,) = Insights(rita, Selection(date(2026, 3, 29), date(2026, 3, 29))).periods

        assert day.counts.total() == 2

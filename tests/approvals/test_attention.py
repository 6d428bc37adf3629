"""The queue of what needs attention: all that is stuck, nothing else, in one order, at one cost."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from approvals import attention, reasons
from approvals.alarms import raise_alarms
from approvals.models import (
    Alarm,
    Approval,
    Delivery,
    Event,
    Execution,
    Notice,
    Timer,
    Worker,
)
from approvals.models.attending import put_delivery_aside, put_notice_aside
from approvals.models.outbox import LATE, UNDER_WAY, UNREAD, State, Trouble
from approvals.models.question import NOBODY
from approvals.notices import tell_of_trouble
from approvals.reasons import Kind
from approvals.verification import verify
from tests.approvals.reading import decide
from tests.approvals.stuck import MIX, Mix, expected, five_hundred
from tests.approvals.troubles import AGO, make_delivery, make_notice, make_orphan, one_of_each
from tests.factories import make_group, make_user
from tests.pages import section, table

AWAY = (
    "cannot be asked just now: it does not answer, or there is no access token for it."
    " It is tried again by itself."
)


@pytest.fixture
def nobody(managers):
    return make_group("nobody")


@pytest.fixture
def each(nobody, ana):
    return one_of_each(ana)


def walk(kind=None, size=None):
    """All items, page by page."""
    after, found = "", []
    while True:
        page = attention.page_of(kind, after, size)
        found += page.items
        after = page.last
        if not after:
            return found


def ids(items):
    """Kind and id of each."""
    return [(item.kind, item.key) for item in items]


class TestKinds:
    def test_each_trouble_is_of_its_kind_in_the_order_of_urgency(self, each):
        assert ids(walk()) == [(kind, str(each[kind].pk)) for kind in Kind if kind in each]

    @pytest.mark.parametrize("trouble", Trouble)
    def test_each_trouble_of_a_delivery_has_a_kind_a_reason_and_advice(
        self, managers, ana, trouble
    ):
        states = {Trouble.NOT_LISTENING: State.STORED, Trouble.MISSED: State.MISSED}
        make_delivery(ana, states.get(trouble, State.BLOCKED), trouble)

        (item,) = walk()

        kinds = {Trouble.NOT_LISTENING: Kind.UNREAD, Trouble.MISSED: Kind.MISSED}
        assert item.kind == kinds.get(trouble, Kind.UNDELIVERABLE)
        assert item.reason == f"It is {states.get(trouble, 'blocked')}."
        assert item.advice or reasons.DO[item.kind] == reasons.ADVICE[trouble]

    @pytest.mark.parametrize("state", UNDER_WAY)
    def test_what_is_not_through_after_five_minutes_is_late(self, managers, ana, state):
        now = timezone.now()
        make_delivery(ana, state, created_at=now - LATE + timedelta(seconds=30))
        late = make_delivery(ana, state, created_at=now - LATE)

        (item,) = walk()

        assert (item.kind, item.subject, item.since) == (Kind.UNDELIVERABLE, late, now - LATE)
        assert item.reason == f"It has not got through yet. It is {state}."

    def test_what_google_keeps_for_ten_minutes_is_unread(self, managers, ana):
        now = timezone.now()
        make_delivery(ana, State.STORED, stored_at=now - UNREAD + timedelta(seconds=30))
        unread = make_delivery(ana, State.STORED, stored_at=now - UNREAD)

        assert ids(walk()) == [(Kind.UNREAD, str(unread.pk))]
        assert walk()[0].since == now - UNREAD

    def test_the_reason_of_an_approval_that_nobody_can_answer(self, each):
        (item,) = walk(Kind.NOBODY)

        assert (item.reason, item.approval) == (NOBODY, each[Kind.NOBODY])

    def test_an_orphan_is_named_by_its_workflow(self, each):
        (item,) = walk(Kind.ORPHANED)

        assert item.title == "pay, execution 0a1b2c3d"
        assert item.approval is None

    def test_each_kind_has_its_words(self):
        for words in (reasons.SAYS, reasons.DO, reasons.SINCE):
            assert list(words) == [kind for kind in Kind if kind in words]
            assert set(words) == set(Kind)
        assert set(reasons.ADVICE) == set(Trouble)


class TestConditions:
    def test_no_worker_while_something_is_due(self, approval, ana):
        decide(approval, by=ana)
        assert attention.conditions() == []
        then = timezone.now() - timedelta(minutes=3)
        Delivery.objects.update(next_attempt_at=then)

        (condition,) = attention.conditions()

        assert (condition.kind, condition.since) == (Kind.WORKER, then)
        assert condition.reason.startswith("No worker is running.")
        worker = Worker.objects.create(name="w")
        assert attention.conditions() == []
        Worker.objects.filter(pk=worker.pk).update(stopped_at=timezone.now())
        assert [each.reason for each in attention.conditions()] == [str(reasons.NO_WORKER)]

    def test_a_worker_that_was_not_heard_of_for_a_minute_is_none(self, approval, ana):
        decide(approval, by=ana)
        Delivery.objects.update(next_attempt_at=timezone.now() - AGO)
        Worker.objects.create(name="w", seen_at=timezone.now() - timedelta(seconds=61))

        assert [each.reason for each in attention.conditions()] == [str(reasons.NO_WORKER)]

    @pytest.mark.parametrize("what", reasons.UNDONE)
    def test_what_a_worker_leaves_undone_is_said(self, approval, what, settings):
        settings.TELL_BY_MAIL = True
        Worker.objects.create(name="w")
        then = timezone.now() - timedelta(minutes=6)
        match what:
            case "close":
                Approval.objects.update(expires_at=then)
            case "settle":
                Approval.objects.update(settles_as="approved", settles_at=then)
            case "remind":
                Timer.objects.create(approval=approval, kind="remind", due_at=then, after="1 h")
            case "tell":
                notice = make_notice(approval, "queued")
                Notice.objects.filter(pk=notice.pk).update(next_attempt_at=then)

        (condition,) = attention.conditions()

        assert (condition.reason, condition.since) == (reasons.UNDONE[what], then)

    def test_mails_that_no_server_is_there_for_are_not_left_undone(self, approval, settings):
        settings.TELL_BY_MAIL = False
        make_notice(approval, "queued")
        Notice.objects.update(next_attempt_at=timezone.now() - AGO)

        assert attention.conditions() == []

    def test_a_paused_host_is_named_once(self, db):
        for name in ("one", "two"):
            Worker.objects.create(
                name=name, paused=["slow.example", "slow.example/w/workflows/pay"]
            )
        Worker.objects.create(name="dead", paused=["x"], seen_at=timezone.now() - AGO)

        found = {each.key: each.reason for each in attention.conditions()}

        assert found == {
            "slow.example": f"slow.example {AWAY}",
            "slow.example/w/workflows/pay": (
                "pay at slow.example has not taken an answer for some minutes; other workflows"
                " there may. It is tried again."
            ),
        }


class TestCounts:
    def test_each_kind_is_there_also_with_none(self, db):
        assert attention.counts() == dict.fromkeys(Kind, 0)
        assert list(attention.counts()) == list(Kind.values)

    def test_they_say_what_the_queue_has(self, each):
        Worker.objects.create(name="w", paused=["slow.example"])

        assert attention.counts() == dict.fromkeys(Kind, 1) | {Kind.WORKER: 0}

    def test_they_cost_three_queries(self, each, django_assert_num_queries):
        with django_assert_num_queries(3):
            attention.counts()


class TestOrder:
    def test_who_waits_longest_stands_first_and_every_page_goes_on_behind_the_last(self, each, ana):
        for number in range(7):
            make_delivery(ana, State.BLOCKED, created_at=timezone.now() - number * AGO)
            make_orphan()
        Execution.objects.update(unregistered_since=timezone.now())  # equal times do not matter

        whole = walk()

        since = [item.since for item in whole if item.kind == Kind.UNDELIVERABLE]
        assert since == sorted(since)
        for size in (1, 2, 3, 5, 100):
            assert ids(walk(size=size)) == ids(whole)
        for kind in each:
            assert ids(walk(kind, 2)) == [pair for pair in ids(whole) if pair[0] == kind]

    def test_it_goes_on_where_the_last_one_was_though_that_has_left(self, managers, ana):
        made = [
            make_delivery(ana, State.BLOCKED, created_at=timezone.now() - number * AGO)
            for number in (3, 2, 1)
        ]
        first = attention.page_of(size=1)
        put_delivery_aside(made[0], "Seen", actor=ana.actor)

        rest = attention.page_of(after=first.last)

        assert ids(rest.items) == [(Kind.UNDELIVERABLE, str(row.pk)) for row in made[1:]]

    @pytest.mark.parametrize(
        "mark",
        ["x", "x~1~y", "worker~1~none", "unread~x~y", "unread~1~y", "missed~9999999999999999999~y"],
    )
    def test_what_is_no_mark_is_refused(self, db, mark):
        with pytest.raises(ValueError):  # noqa: PT011 - whichever way it is none
            attention.page_of(after=mark)


class TestPutAside:
    @pytest.mark.parametrize("kind", [Kind.UNDELIVERABLE, Kind.UNREAD, Kind.MISSED])
    def test_a_delivery_leaves_the_queue_and_the_record_says_why(self, each, kind):
        row = each[kind]

        assert put_delivery_aside(row, "Mended by hand", actor="user:olga@example.com")

        assert walk(kind) == []
        line = row.approval.events.latest("number")
        assert (line.kind, line.actor) == ("attended", "user:olga@example.com")
        assert line.data == {"what": "delivery", "reason": "Mended by hand"}
        assert verify(Approval.objects.get(pk=row.approval_id)) == ""
        assert not put_delivery_aside(row, "Again", actor="user:olga@example.com")
        assert Event.objects.filter(kind="attended").count() == 1

    def test_a_delivery_that_is_well_is_left_alone(self, managers, ana):
        row = make_delivery(ana, State.CONFIRMED)

        assert not put_delivery_aside(row, "x", actor=ana.actor)
        assert Delivery.objects.get().attended_at is None

    def test_a_notice_is_sent_no_more(self, each):
        notice = each[Kind.NOTICE]

        assert put_notice_aside(notice, "He left", by="Olga", actor="user:olga@example.com")

        assert walk(Kind.NOTICE) == []
        assert verify(Approval.objects.get(pk=notice.approval_id)) == ""
        assert not put_notice_aside(notice, "x", by="Olga", actor="user:olga@example.com")

    def test_an_orphan_is_dismissed_once(self, each):
        assert each[Kind.ORPHANED].dismiss()
        assert not each[Kind.ORPHANED].dismiss()
        assert walk(Kind.ORPHANED) == []


class TestPutAsideTogether:
    @pytest.mark.django_db(transaction=True)
    def test_of_two_operators_at_once_one_does_it(self):
        ana = make_user("ana@example.com")
        make_group("managers", ana)
        row = make_delivery(ana, State.BLOCKED, Trouble.ROLE)
        start, done = threading.Barrier(4), []

        def act():
            start.wait()
            try:
                done.append(put_delivery_aside(row, "Seen", actor=ana.actor))
            finally:
                connection.close()

        threads = [threading.Thread(target=act) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(done) == [False, False, False, True]
        assert Event.objects.filter(kind="attended").count() == 1


# --- all that is stuck, and nothing else (the reference's T7) ------------------------------------


class TestCompleteness:
    """Zero silent drops: what is stuck is what the queue has, whatever there is."""

    @pytest.fixture
    def world(self, db):
        world = Mix()
        Approval.objects.update(expires_at=timezone.now())  # the patterns themselves need nobody
        return world

    def require_complete(self, world, given, size):
        world.empty()
        wanted = expected(*world.fill(*given))

        items = ids(walk(size=size))
        conditions = {(each.kind, each.key) for each in attention.conditions()}

        assert len(items) == len(set(items))
        assert set(items) == wanted
        assert sum(attention.counts().values()) == len(items) + len(conditions)
        assert {(kind, key) for kind, key, _ in attention.everything()} == wanted | conditions

    def test_of_any_mix_the_queue_has_what_is_stuck_and_nothing_else(self, world):
        @given(MIX, st.integers(1, 20))
        @settings(max_examples=25, deadline=None)
        def holds(mix, size):
            self.require_complete(world, mix, size)

        holds()

    @pytest.mark.parametrize("seed", range(3))
    def test_of_five_hundred_too(self, world, seed):
        self.require_complete(world, five_hundred(seed), 50)


class TestLog:
    def lines(self, caplog):
        found = [r for r in caplog.records if r.message == "needs attention"]
        caplog.clear()
        return [(r.levelname, r.kind, r.subject, getattr(r, "approval", "")) for r in found]

    def test_each_trouble_is_a_warning_when_it_appears_and_no_more(self, each, caplog):
        tell_of_trouble()

        said = self.lines(caplog)
        assert said == [
            ("WARNING", item.kind, item.key, str(item.approval.pk) if item.approval else "")
            for item in sorted(walk(), key=lambda item: f"{item.kind}:{item.key}")
        ]
        assert raise_alarms() == 0
        assert self.lines(caplog) == []

    def test_conditions_of_the_whole_are_lines_too(self, db, caplog):
        Worker.objects.create(name="w", paused=["slow.example"])

        raise_alarms()

        assert self.lines(caplog) == [("WARNING", "host", "slow.example", "")]

    def test_what_comes_back_is_told_again(self, managers, ana, caplog):
        row = make_delivery(ana, State.BLOCKED, Trouble.ROLE)
        assert raise_alarms() == 1
        Delivery.objects.update(state=State.STORED, trouble="", stored_at=timezone.now())
        assert raise_alarms() == 0
        assert not Alarm.objects.exists()
        Delivery.objects.filter(pk=row.pk).update(state=State.BLOCKED)

        assert raise_alarms() == 1

    def test_many_at_once_are_told_a_part_at_a_look(self, managers, ana, monkeypatch, caplog):
        monkeypatch.setattr("approvals.alarms.MOST", 2)
        for _ in range(5):
            make_orphan()

        assert [raise_alarms() for _ in range(4)] == [2, 2, 1, 0]
        assert len(self.lines(caplog)) == 5

    def test_no_line_says_whom_or_what(self, each, caplog):
        raise_alarms()

        for said in ("@example.com", "550", "Decided", "Untold", "callbacks"):
            assert said not in caplog.text

    @pytest.mark.django_db(transaction=True)
    def test_of_several_workers_one_logs_it(self, caplog):
        for _ in range(20):
            make_orphan()
        start = threading.Barrier(3)

        def look():
            start.wait()
            try:
                raise_alarms()
            finally:
                connection.close()

        threads = [threading.Thread(target=look) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(self.lines(caplog)) == 20


class TestCost:
    def test_ten_thousand_items_take_as_many_queries_as_one(self, db, django_assert_num_queries):
        now = timezone.now()
        Execution.objects.bulk_create(
            Execution(
                name=f"projects/p/locations/l/workflows/w/executions/{n}",
                unregistered_since=now - timedelta(seconds=n % 100),
            )
            for n in range(10_000)
        )

        with django_assert_num_queries(3):
            assert attention.counts()[Kind.ORPHANED] == 10_000
        with django_assert_num_queries(4):  # a query a kind, until the page is full
            first = attention.page_of()
        with django_assert_num_queries(1):  # it begins at the kind it ended with
            rest = attention.page_of(after=first.last)
        assert len(rest.items) == attention.PAGE
        assert not set(ids(first.items)) & set(ids(rest.items))


class TestDocs:
    def test_the_page_for_operators_has_the_words_of_the_queue(self):
        text = section("operations.md", "## When something needs attention")
        kinds = table(text, "it says", "means", "do")
        troubles = table(text, "trouble of a delivery", "do")

        assert [tuple(row) for row in kinds] == [
            tuple(map(str, (kind.label, reasons.SAYS[kind], reasons.DO[kind]))) for kind in Kind
        ]
        assert [tuple(row) for row in troubles] == [
            (str(trouble.label), str(reasons.ADVICE[trouble])) for trouble in Trouble
        ]

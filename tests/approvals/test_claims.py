"""Which delivery a worker takes, for how long it is the worker's, and that looking is cheap."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.delivery import deliver
from approvals.models import Approval, Attempt, Delivery
from approvals.models.callback import Callback
from approvals.models.outbox import LONGEST, State
from tests.factories import make_callback_url

pytestmark = pytest.mark.django_db(transaction=True)


class TestClaim:
    def test_workers_that_collide_take_the_next(self, decide, monkeypatch):
        first, second = decide(), decide()
        claim, others = type(Delivery.objects.all()).claim, list[UUID]()

        def collide(rows, delivery):
            if not others:
                others.append(delivery.pk)
                Delivery.objects.filter(pk=delivery.pk).update(lease=uuid4())
            return claim(rows, delivery)

        monkeypatch.setattr(type(Delivery.objects.all()), "claim", collide)

        taken = Delivery.objects.claim_next()

        assert {taken.pk, *others} == {first.pk, second.pk}
        assert taken.pk not in others

    def test_of_one_lane_only(self, decide):
        decide("a")
        wanted = decide("b")

        assert Delivery.objects.claim_next(wanted.lane) == wanted
        assert Delivery.objects.claim_next(wanted.lane) is None

    def test_lanes_that_have_something_to_do_the_most_overdue_first(self, decide):
        for name in ("a", "b", "a", "b"):
            decide(name)
        last = Delivery.objects.filter(lane__endswith="/b").latest("created_at")
        past = timezone.now() - timedelta(hours=1)
        Delivery.objects.filter(pk=last.pk).update(next_attempt_at=past)

        lanes = Delivery.objects.due_lanes()

        assert [lane[-1] for lane in lanes] == ["b", "a"]
        assert Delivery.objects.due_lanes(past - timedelta(seconds=1)) == []

    def test_one_that_the_workflow_settles_meanwhile_is_nobodys(self, decide, monkeypatch):
        delivery = decide()
        claim = type(Delivery.objects.all()).claim

        def settled(rows, row):
            won = claim(rows, row)
            Delivery.confirm(delivery.approval_id, actor="caller:x")
            return won

        monkeypatch.setattr(type(Delivery.objects.all()), "claim", settled)

        assert Delivery.objects.claim_next() is None

    def test_what_seems_to_be_put_off_for_longer_than_anything_is_due(self, decide):
        """The clock was set back by an hour."""
        delivery, other = decide(), decide()
        ahead = timezone.now() + timedelta(hours=1)
        Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=ahead)
        usual = timezone.now() + LONGEST - timedelta(seconds=5)
        Delivery.objects.filter(pk=other.pk).update(next_attempt_at=usual)

        assert Delivery.objects.due().get() == delivery
        assert Delivery.objects.due_lanes() == [delivery.lane]
        assert Delivery.objects.claim_next() == delivery
        assert Delivery.objects.claim_next() is None

    @pytest.mark.parametrize("clock", ["monotonic", "wall"])
    def test_a_lease_of_which_half_has_passed_sends_nothing(
        self, decide, google, settings, monkeypatch, clock
    ):
        """The process was frozen between the claim and the POST."""
        delivery = decide()
        assert Delivery.objects.claim(delivery)
        passed = settings.DELIVERY_LEASE / 2 + 1
        if clock == "monotonic":
            delivery.claimed_at -= passed
        else:
            delivery.next_attempt_at -= timedelta(seconds=passed)

        deliver(delivery)

        assert google.seen == []
        assert not Attempt.objects.exists()

    def test_a_lease_that_is_lost_is_not_given_back(self, decide):
        delivery = decide()
        Delivery.objects.claim(delivery)
        Delivery.confirm(delivery.approval_id, actor="caller:x")

        assert Delivery.objects.give_back([delivery]) == 0
        assert Delivery.objects.get().state == "confirmed"


class TestPlan:
    """With many rows, few of them due, none of the questions reads them all."""

    @pytest.fixture
    def many(self, decide):
        """2,000 more deliveries: a hundred are due, most have arrived long ago."""
        body, template, now = decide().body, Approval.objects.get(), timezone.now()
        shared = {
            field.attname: getattr(template, field.attname)
            for field in Approval._meta.concrete_fields
        }
        copies = [
            Approval(**shared | {"id": uuid4(), "callback_url": make_callback_url()})
            for _ in range(2000)
        ]
        Approval.objects.bulk_create(copies)
        Callback.objects.bulk_create(
            Callback(url=copy.callback_url, approval=copy) for copy in copies
        )
        Delivery.objects.bulk_create(
            Delivery(
                approval=copy,
                body=body,
                lane=f"google/w{number % 50}",
                state=State.CONFIRMED if number % 20 else State.QUEUED,
                next_attempt_at=None
                if number % 20
                else now + timedelta(minutes=number % 3 - 1, seconds=-1),
            )
            for number, copy in enumerate(copies)
        )
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")

    @pytest.mark.parametrize(
        "ask",
        [
            Delivery.objects.due_lanes,
            lambda: Delivery.objects.claim_next("google/w40"),
            lambda: Delivery.objects.claim_next("google/nobody"),
            Delivery.objects.claim_next,
        ],
        ids=["lanes", "lane", "empty lane", "any"],
    )
    def test_an_index_leads_to_what_is_due(self, many, ask):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            ask()

        selects = [one["sql"] for one in asked if one["sql"].startswith("SELECT")]
        assert selects
        for sql in selects:
            plan = explained(sql)
            assert "Seq Scan on approvals_delivery" not in plan
            assert "SCAN approvals_delivery\n" not in plan + "\n"


def explained(sql):
    """The plan of a statement, as text."""
    words = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{words} {sql}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())

"""Rows of the outbox: leases, troubles, rows of the version before, what needs a person."""

import importlib
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations import RunPython
from django.utils import timezone

from approvals.delivery import deliver
from approvals.models import Approval, Delivery
from approvals.models.outbox import FINAL
from tests.approvals.delivering import listing, run
from tests.factories import make_approval, make_group

NOW = timezone.now()
AGO = NOW - timedelta(minutes=11)


class TestLease:
    def test_a_dead_workers_row_falls_due_when_its_lease_ends(self, delivery):
        claimed = Delivery.objects.claim_next()

        assert Delivery.objects.due().count() == 0
        assert Delivery.objects.due(timezone.now() + timedelta(seconds=180)).get() == claimed

    def test_nobody_takes_a_row_that_somebody_holds(self, delivery):
        assert Delivery.objects.claim_next()

        seen_now = Delivery.objects.get()
        assert not Delivery.objects.claim(seen_now)

    def test_who_has_lost_the_lease_sends_nothing(self, delivery, google):
        late = Delivery.objects.claim_next()
        delivery.approval.settle(timed_out=False, actor="caller:x")

        deliver(late)

        assert google.seen == []
        assert Delivery.objects.get().state == "confirmed"

    def test_a_late_write_changes_nothing(self, delivery, google):
        late = Delivery.objects.claim_next()
        Delivery.objects.update(next_attempt_at=timezone.now())
        second = Delivery.objects.claim_next()
        google.answer(503)
        deliver(second)

        assert not late.move("stored", "Too late.", next_attempt_at=timezone.now())
        assert Delivery.objects.get().state == "queued"


class TestTrouble:
    def move(self, delivery, state, trouble, **changes):
        Delivery.objects.update(next_attempt_at=timezone.now())
        due = None if state in FINAL else timezone.now()
        moved = Delivery.objects.claim_next()
        assert moved.move(state, "So.", next_attempt_at=due, trouble=trouble, **changes)
        return Delivery.objects.get()

    def test_a_trouble_is_written_and_goes_when_all_is_well(self, delivery):
        assert self.move(delivery, "blocked", "role").trouble == "role"
        assert self.move(delivery, "stored", "").trouble == ""

    def test_what_was_put_aside_stays_so_until_something_else_is_wrong(self, delivery):
        self.move(delivery, "blocked", "role")
        Delivery.objects.update(attended_at=NOW)

        assert self.move(delivery, "blocked", "role").attended_at == NOW
        assert self.move(delivery, "blocked", "refused").attended_at is None

    def test_that_it_is_unread_is_told_where_somebody_had_put_aside_that_it_is_late(self, delivery):
        Delivery.objects.update(created_at=AGO, attended_at=NOW)
        assert not Delivery.objects.needing_attention().exists()

        self.move(delivery, "stored", "")
        Delivery.objects.update(stored_at=AGO)

        assert Delivery.objects.needing_attention().get() == delivery
        Delivery.objects.update(attended_at=NOW)
        assert self.move(delivery, "stored", "").attended_at == NOW

    def test_that_a_run_ended_first_is_a_trouble_where_a_person_had_decided(self, delivery):
        assert self.move(delivery, "missed", "missed").trouble == "missed"

    def test_and_nobodys_where_nobody_had(self, delivery):
        Approval.objects.update(decided_by=None)

        after = self.move(delivery, "missed", "missed")

        assert (after.state, after.trouble) == ("missed", "")

    def test_settling_ends_it(self, delivery):
        self.move(delivery, "stored", "not_listening", unheard=True)

        Delivery.confirm(delivery.approval_id, actor="caller:x")

        after = Delivery.objects.get()
        assert (after.state, after.trouble, after.unheard) == ("confirmed", "", False)

    def test_delivering_again_begins_anew(self, delivery):
        self.move(delivery, "blocked", "role")
        Delivery.objects.update(attended_at=NOW)

        Delivery.objects.get().requeue(actor="user:olga@example.com")

        after = Delivery.objects.get()
        assert (after.trouble, after.attended_at) == ("", None)


class TestOldRows:
    """Rows that the version before left, after the migration."""

    @pytest.mark.parametrize(
        ("changes", "trouble"),
        [
            ({"state": "queued"}, ""),
            (
                {"state": "blocked", "reason": "Google did not accept the credentials …"},
                "credentials",
            ),
            ({"state": "blocked", "reason": "… the role Workflows Invoker (…)."}, "role"),
            ({"state": "blocked", "reason": "Somebody else has answered …"}, "foreign"),
            ({"state": "blocked", "reason": "Google does not know the question …"}, "no_callback"),
            ({"state": "blocked", "reason": "Answers may not be sent to …"}, "address"),
            ({"state": "blocked", "reason": "Google refused the answer. …"}, "refused"),
            ({"state": "missed", "next_attempt_at": None}, "missed"),
        ],
        ids=str,
    )
    def test_they_have_a_lane_and_a_trouble(self, delivery, changes, trouble, monkeypatch):
        migration = importlib.import_module("approvals.migrations.0004_old_deliveries")
        monkeypatch.setattr(migration, "BATCH", 1)
        lane = delivery.lane
        Delivery.objects.update(lane="", **changes)

        migration.tell_old_rows(apps, connection.schema_editor())

        after = Delivery.objects.get()
        assert (after.lane, after.trouble) == (lane, trouble)

    def test_nobody_waits_for_all_of_them(self):
        tables = importlib.import_module("approvals.migrations.0003_delivery_truth").Migration
        rows = importlib.import_module("approvals.migrations.0004_old_deliveries").Migration

        # What changes a table locks it until its transaction ends.
        assert not any(isinstance(each, RunPython) for each in tables.operations)
        assert not rows.atomic


class TestRequeue:
    def test_delivering_again_looks_first_and_never_changes_the_decision(self, delivery, google):
        google.answer(403)
        before = run(delivery)

        assert before.requeue(actor="user:olga@example.com")
        google.answer(200, {"state": "ACTIVE"}).answer(200, listing(delivery, waiters=1))
        google.answer(200)
        after = run(delivery)

        assert after.state == "stored"
        assert after.body == before.body
        assert "requeued" in [event.kind for event in after.approval.events.all()]

    def test_a_confirmed_one_is_left_alone(self, delivery):
        Delivery.confirm(delivery.approval_id, actor="caller:x")

        assert not delivery.requeue(actor="user:olga@example.com")


class TestAttention:
    def test_what_needs_a_person_is_listed(self, delivery, google):
        assert not Approval.objects.needing_attention().exists()
        google.answer(403)
        run(delivery)

        assert Approval.objects.needing_attention().get() == delivery.approval

    @pytest.mark.parametrize(
        ("changes", "listed"),
        [
            ({"state": "blocked", "trouble": "role"}, True),
            ({"state": "stored", "trouble": "not_listening", "stored_at": NOW}, True),
            ({"state": "confirmed", "trouble": "foreign", "next_attempt_at": None}, True),
            ({"state": "blocked", "trouble": "role", "attended_at": NOW}, False),
            ({"state": "blocked"}, True),  # as the version before left it
            ({"state": "missed", "next_attempt_at": None}, True),  # the same
            ({"state": "queued"}, False),
            ({"state": "queued", "created_at": AGO}, True),
            ({"state": "unknown", "created_at": AGO}, True),
            ({"state": "stored", "created_at": AGO, "stored_at": AGO}, True),
            ({"state": "confirmed", "next_attempt_at": None, "created_at": AGO}, False),
        ],
    )
    def test_the_list_and_the_row_have_one_rule_and_a_reason(self, delivery, changes, listed):
        Delivery.objects.update(**changes)
        row = Delivery.objects.get()

        assert row.needs_attention == listed
        assert Delivery.objects.needing_attention().exists() == listed
        assert bool(row.approval.trouble) == listed

    def test_a_run_that_ended_after_nobody_answered_is_no_trouble(self, delivery):
        Delivery.objects.update(state="missed", next_attempt_at=None)
        Approval.objects.update(decided_by=None)

        assert not Delivery.objects.get().needs_attention
        assert not Delivery.objects.needing_attention().exists()

    def test_a_question_that_nobody_may_answer_is_listed(self, managers, ana, ben, eva):
        make_group("empty")
        for approvers in (["group:empty"], ["user:eva@example.com"]):
            lonely = make_approval(approvers=approvers)
            assert lonely in Approval.objects.needing_attention()
            assert "Nobody" in lonely.trouble
        asked = make_approval()
        assert asked not in Approval.objects.needing_attention()
        type(ana).objects.filter(pk__in=[ana.pk, ben.pk]).update(is_active=False)
        assert asked in Approval.objects.needing_attention()

    def test_a_backlog_of_five_minutes_is_listed(self, delivery):
        Delivery.objects.update(created_at=timezone.now() - timedelta(minutes=6))

        assert Approval.objects.needing_attention().exists()

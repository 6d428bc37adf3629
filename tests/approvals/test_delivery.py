"""A decision on its way: every answer, doubt, lease and repeat."""

import importlib
import logging
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from approvals.delivery import deliver
from approvals.dispatch import deliver_now
from approvals.models import Approval, Attempt, Delivery
from approvals.models.outbox import FINAL
from tests.approvals.conftest import TOKEN
from tests.factories import make_approval, make_callback_url, make_group

NOW = timezone.now()
AGO = NOW - timedelta(minutes=11)


@pytest.fixture
def delivery(ana, managers, google):
    """A decided approval whose outcome is still to be sent."""
    url = make_callback_url().replace("https://workflowexecutions.googleapis.com", google.origin)
    approval = make_approval(callback_url=url)
    approval.decide("approved", by=ana, revision=1, comment="Fine.")
    return approval.delivery


def run(delivery):
    """One round, as the worker does it; the row as it is afterwards."""
    Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=timezone.now())
    claimed = Delivery.objects.claim_next()
    assert claimed == delivery
    deliver(claimed)
    return Delivery.objects.get(pk=delivery.pk)


def methods(google):
    return [said.method for said in google.seen]


def listing(delivery, payloads=(), waiters=0):
    """What callbacks.list answers for this delivery's endpoint."""
    name = delivery.approval.callback_url.partition("/v1/")[2].replace("/callbacks/", "/callback/")
    callback = {"name": name, "method": "POST", "availablePayloads": list(payloads)}
    return {"callbacks": [callback | ({"waiters": str(waiters)} if waiters else {})]}


class TestDeliver:
    def test_an_accepted_answer_is_stored_and_not_yet_read(self, delivery, google):
        google.answer(200)

        after = run(delivery)

        assert (after.state, after.get_state_display()) == ("stored", "Google has it")
        assert google.seen[0].body == delivery.body.encode()
        assert after.lease is None
        assert after.attempts.get().result == Attempt.Result.STORED
        assert after.approval.events.last().kind == "stored"

    def test_the_body_is_the_same_byte_for_byte_on_every_try(self, delivery, google):
        for _ in range(3):
            google.answer(503)
            run(delivery)

        assert len({said.body for said in google.seen}) == 1
        assert Delivery.objects.get().tries == 3

    @pytest.mark.parametrize(
        ("status", "state", "pause"),
        [
            (503, "queued", 1),
            (500, "unknown", 1),
            (403, "blocked", 600),
            (302, "blocked", 600),
            (400, "blocked", 600),
        ],
    )
    def test_each_answer_leads_to_a_state_and_a_next_time(
        self, delivery, google, status, state, pause
    ):
        google.answer(status)

        after = run(delivery)

        wait = (after.next_attempt_at - timezone.now()).total_seconds()
        assert after.state == state
        assert 0.7 * pause < wait < 1.3 * pause
        assert after.reason

    def test_a_401_is_tried_once_more_and_then_waits_for_a_person(self, delivery, google):
        google.answer(401).answer(401)

        after = run(delivery)

        tokens = [said.headers["authorization"] for said in google.seen]
        assert tokens == [f"Bearer {TOKEN}", f"Bearer {TOKEN}-1"]
        assert after.state == "blocked"
        assert "credentials" in after.reason

    def test_retry_after_is_honoured(self, delivery, google):
        google.answer(503, Retry_After="90")

        wait = run(delivery).next_attempt_at - timezone.now()

        assert timedelta(seconds=89) < wait <= timedelta(seconds=1.2 * 90)

    def test_404_is_explained_by_the_execution(self, delivery, google):
        google.answer(404).answer(200, {"state": "CANCELLED"})

        after = run(delivery)

        assert (after.state, after.next_attempt_at) == ("missed", None)
        assert after.reason == "The workflow was cancelled before the answer could be delivered."

    def test_429_with_our_own_payload_is_a_success(self, delivery, google):
        google.answer(429).answer(200, {"state": "ACTIVE"})
        google.answer(200, listing(delivery, [delivery.body]))

        assert run(delivery).state == "stored"
        assert methods(google) == ["POST", "GET", "GET"]

    def test_429_with_somebody_elses_payload_needs_a_person(self, delivery, google):
        google.answer(429).answer(200, {"state": "ACTIVE"})
        google.answer(200, listing(delivery, ['{"outcome": "approved"}']))

        after = run(delivery)

        assert (after.state, after.trouble) == ("blocked", "foreign")
        assert "Somebody else" in after.reason

    def test_that_somebody_else_uses_the_callback_is_one_warning(self, delivery, google, caplog):
        for _ in range(2):
            if Delivery.objects.get().tries == 0:
                google.answer(429)
            google.answer(200, {"state": "ACTIVE"})
            google.answer(200, listing(delivery, ['{"outcome": "approved"}']))
            run(delivery)

        [line] = [record for record in caplog.records if record.levelname == "WARNING"]
        assert line.message == "callback used by somebody else"
        assert line.__dict__["approval"] == str(delivery.approval_id)

    def test_429_over_an_empty_slot_is_a_quota(self, delivery, google):
        google.answer(429, Retry_After="20").answer(200, {"state": "ACTIVE"})
        google.answer(200, listing(delivery, waiters=1))

        assert run(delivery).state == "queued"


class TestDoubt:
    def test_a_lost_answer_that_had_arrived_is_not_sent_again(self, delivery, google):
        google.hang_up()
        assert run(delivery).state == "unknown"

        google.answer(200, {"state": "ACTIVE"}).answer(200, listing(delivery, [delivery.body]))
        after = run(delivery)

        assert after.state == "stored"
        assert methods(google).count("POST") == 1

    def test_a_lost_answer_that_had_not_arrived_is_sent_again(self, delivery, google):
        google.hang_up()
        run(delivery)

        google.answer(200, {"state": "ACTIVE"}).answer(200, listing(delivery, waiters=1))
        google.answer(200)

        assert run(delivery).state == "stored"
        assert methods(google).count("POST") == 2

    def test_while_google_cannot_be_asked_nothing_is_sent(self, delivery, google):
        google.hang_up()
        run(delivery)
        google.answer(500)

        assert run(delivery).state == "unknown"
        assert methods(google).count("POST") == 1

    def test_a_worker_killed_between_sending_and_recording_leaves_a_doubt(self, delivery, google):
        claimed = Delivery.objects.claim_next()
        claimed.begin_attempt()  # the POST left, and then the process was killed
        assert Delivery.objects.claim_next() is None  # the lease holds

        google.answer(200, {"state": "ACTIVE"}).answer(200, listing(delivery, [delivery.body]))
        after = run(delivery)

        assert after.state == "stored"
        assert methods(google) == ["GET", "GET"]

    def test_killed_between_recording_and_moving_on_it_has_landed(self, delivery, google):
        claimed = Delivery.objects.claim_next()
        attempt = claimed.begin_attempt()
        attempt.finish(Attempt.Result.STORED, status=200, detail="HTTP 200")  # then killed

        google.answer(200, {"state": "SUCCEEDED"})
        after = run(delivery)

        assert after.state == "confirmed"
        assert methods(google) == ["GET"]

    def test_a_doubt_about_a_run_that_has_ended_stays_one_and_is_said(self, delivery, google):
        google.hang_up()
        run(delivery)
        google.answer(200, {"state": "SUCCEEDED"})

        after = run(delivery)

        assert after.state == "missed"
        assert after.reason.endswith("whether it read the answer is not known.")

    @pytest.mark.parametrize("state", ["UNAVAILABLE", "STATE_UNSPECIFIED"])
    def test_a_run_that_google_cannot_show_is_not_given_up(self, delivery, google, state):
        google.hang_up()
        run(delivery)
        google.answer(200, {"state": state})

        assert run(delivery).state == "unknown"

    def test_an_unreadable_list_of_callbacks_proves_nothing(self, delivery, google):
        google.answer(200)
        run(delivery)
        google.answer(200, {"state": "ACTIVE"}).answer(404)

        assert run(delivery).state == "stored"

    def test_an_answer_that_nobody_waits_for_is_not_sent_again_for_half_a_minute(
        self, delivery, google
    ):
        google.hang_up()
        run(delivery)
        google.answer(200, {"state": "ACTIVE"}).answer(200, listing(delivery))
        assert run(delivery).state == "unknown"

        Attempt.objects.update(started_at=timezone.now() - timedelta(seconds=31))
        google.answer(200, {"state": "ACTIVE"}).answer(200, listing(delivery)).answer(200)

        assert run(delivery).state == "stored"
        assert methods(google).count("POST") == 2


class TestAnswered:
    """Whether the host answered, for whoever leaves hosts alone that do not."""

    @pytest.mark.parametrize(
        ("status", "answered"), [(200, True), (403, True), (429, True), (503, False), (500, False)]
    )
    def test_a_status_tells(self, delivery, google, status, answered):
        google.answer(status)

        assert deliver(Delivery.objects.claim_next()) is answered

    def test_a_lost_answer_is_none(self, delivery, google):
        google.hang_up()

        assert deliver(Delivery.objects.claim_next()) is False

    def test_a_silence_outweighs_an_answer_of_the_same_round(self, delivery, google):
        google.answer(404).answer(500)

        assert deliver(Delivery.objects.claim_next()) is False

    def test_a_host_that_is_not_asked_is_not_judged(self, delivery, google, monkeypatch):
        monkeypatch.setenv("GCE_METADATA_HOST", "169.254.169.254")  # no token is to be had

        assert deliver(Delivery.objects.claim_next()) is None
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
        migration = importlib.import_module("approvals.migrations.0003_delivery_truth")
        monkeypatch.setattr(migration, "BATCH", 1)
        lane = delivery.lane
        Delivery.objects.update(lane="", **changes)

        migration.tell_old_rows(apps, connection.schema_editor())

        after = Delivery.objects.get()
        assert (after.lane, after.trouble) == (lane, trouble)


class TestConfirm:
    def test_a_stored_answer_that_was_taken_is_confirmed_by_looking(self, delivery, google):
        google.answer(200)
        run(delivery)

        google.answer(200, {"state": "ACTIVE"}).answer(200, listing(delivery, [delivery.body]))
        assert run(delivery).state == "stored"

        google.answer(200, {"state": "ACTIVE"}).answer(200, listing(delivery))
        after = run(delivery)
        assert (after.state, after.next_attempt_at) == ("confirmed", None)
        assert [e.kind for e in after.approval.events.all()] == [
            "registered",
            "voted",
            "decided",
            "stored",
            "confirmed",
        ]

    def test_settling_confirms_even_before_the_first_try(self, delivery, google):
        delivery.approval.settle(timed_out=False, actor="caller:x")

        assert Delivery.objects.get().state == "confirmed"
        assert Delivery.objects.claim_next() is None

    def test_a_try_that_ends_after_settling_does_not_undo_the_proof(self, delivery):
        claimed = Delivery.objects.claim_next()
        claimed.begin_attempt()
        delivery.approval.settle(timed_out=False, actor="caller:x")

        assert not claimed.move("stored", "Late.", next_attempt_at=timezone.now())
        assert Delivery.objects.get().state == "confirmed"

    def test_looks_are_counted_from_the_acceptance(self, delivery, google):
        for _ in range(4):
            google.answer(503)
            run(delivery)
        google.answer(200)
        run(delivery)
        google.answer(200, {"state": "ACTIVE"}).answer(200, listing(delivery, [delivery.body]))

        wait = run(delivery).next_attempt_at - timezone.now()

        assert wait < timedelta(seconds=10)


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


class TestDeliverNow:
    def test_inside_a_transaction_nothing_is_sent(self, delivery, google):
        deliver_now(delivery)  # tests of this class run in a transaction

        assert google.seen == []
        assert Delivery.objects.due().count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_the_first_try_is_made_at_once(self, delivery, google):
        google.answer(200)

        deliver_now(delivery)

        assert Delivery.objects.get().state == "stored"

    @pytest.mark.django_db(transaction=True)
    def test_what_has_arrived_is_not_touched(self, delivery, google):
        Delivery.confirm(delivery.approval_id, actor="caller:x")

        deliver_now(Delivery.objects.get())

        assert google.seen == []


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


class TestLog:
    def test_every_round_is_one_line_with_the_approval_and_no_secret(
        self, delivery, google, caplog
    ):
        caplog.set_level(logging.DEBUG)
        google.answer(200)
        run(delivery)

        [line] = [r for r in caplog.records if r.name == "approvals.delivery"]
        assert line.__dict__["approval"] == str(delivery.approval_id)
        assert TOKEN not in caplog.text
        assert "Fine." not in caplog.text

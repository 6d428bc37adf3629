"""A decision on its way: every answer, every doubt, and the proof that it arrived."""

import logging
from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.delivery import deliver
from approvals.dispatch import deliver_now
from approvals.models import Approval, Attempt, Delivery
from tests.approvals.conftest import TOKEN
from tests.approvals.delivering import listing, methods, run, steps


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

        google.answer(200, {"state": "SUCCEEDED"}).answer(200, steps("STATE_SUCCEEDED"))
        after = run(delivery)

        assert after.state == "confirmed"
        assert methods(google) == ["GET", "GET"]

    def test_an_answer_to_a_wait_that_had_timed_out_is_not_called_read(self, delivery, google):
        google.answer(200)
        run(delivery)
        google.answer(200, {"state": "SUCCEEDED"}).answer(200, steps("STATE_FAILED"))

        after = run(delivery)

        assert (after.state, after.trouble) == ("missed", "missed")
        assert "whether it read the answer is not known" in after.reason

    def test_where_its_steps_cannot_be_read_it_is_asked_again(self, delivery, google):
        google.answer(200)
        run(delivery)
        google.answer(200, {"state": "SUCCEEDED"}).answer(403)

        blind = run(delivery)

        assert (blind.state, blind.trouble) == ("stored", "role")
        google.answer(200, {"state": "SUCCEEDED"}).answer(200, steps("STATE_SUCCEEDED"))
        assert run(delivery).state == "confirmed"

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

    @pytest.mark.parametrize(("before", "after"), [("queued", "queued"), ("unknown", "unknown")])
    def test_without_a_token_it_is_left_alone_as_one_that_is_silent(
        self, delivery, google, monkeypatch, before, after
    ):
        monkeypatch.setenv("GCE_METADATA_HOST", "169.254.169.254")  # no token is to be had
        Delivery.objects.update(state=before)

        assert deliver(Delivery.objects.claim_next()) is False
        assert Delivery.objects.get().state == after
        assert google.seen == []

    def test_a_host_that_is_not_asked_is_not_judged(self, delivery, google):
        Approval.objects.update(callback_url="https://example.com/")

        assert deliver(Delivery.objects.claim_next()) is None
        assert Delivery.objects.get().trouble == "address"


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

"""What comes of a request in the inbox that tests talk to is what comes of it in the real one."""

from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.models import Approval, User
from tests.factories import make_user
from tests.workflows.conftest import FORM, STAGES


class TestSettle:
    def test_an_answer_is_told_alike(self, both):
        both.register()
        assert both.ask("POST", "/{}/settle", {"reason": "woken"})[1]["outcome"] == "pending"
        both.decide("rejected", User.objects.get(email="ana@example.com"), "Too much.")

        for reason in ("woken", "timeout"):
            settled = both.ask("POST", "/{}/settle", {"reason": reason})[1]
            assert settled["comment"] == "Too much."
        shown = both.ask("GET", "/{}")[1]
        assert (shown["decided_by"]["name"], shown["delivery"]) == ("Ana", "confirmed")

    @pytest.mark.parametrize("on_expiry", ["expired", "rejected"])
    def test_a_timeout_closes_alike(self, both, on_expiry):
        both.register(on_expiry=on_expiry)

        settled = both.ask("POST", "/{}/settle", {"reason": "timeout"})[1]
        assert (settled["outcome"], settled["decided_by"]) == (on_expiry, None)
        both.ask("GET", "/{}")

    @pytest.mark.parametrize("body", [{}, {"reason": "x"}, {"reason": "woken", "more": 1}])
    def test_other_reasons_are_refused_alike(self, both, body):
        both.register()

        assert both.ask("POST", "/{}/settle", body)[0] == 422


class TestWithdraw:
    def test_it_is_withdrawn_alike(self, both):
        both.register()

        assert both.ask("POST", "/{}/withdraw", {"reason": "x" * 1001})[0] == 422
        assert (
            both.ask("POST", "/{}/withdraw", {"reason": "Cancelled."})[1]["status"] == "withdrawn"
        )
        assert both.ask("POST", "/{}/withdraw", {})[0] == 200
        assert both.ask("POST", "/{}/settle", {"reason": "woken"})[1]["outcome"] == "withdrawn"

    def test_after_an_answer_it_is_refused_alike(self, both):
        both.register()
        both.decide("approved", User.objects.get(email="ben@example.com"))

        assert both.ask("POST", "/{}/withdraw", {})[0] == 409


class TestReport:
    @pytest.mark.parametrize(
        "body",
        [
            {"status": "succeeded"},
            {"status": "failed", "message": "No.", "url": "https://example.com/x"},
        ],
    )
    def test_what_came_of_it_is_kept_alike(self, both, body):
        both.register()
        assert both.ask("POST", "/{}/outcome", body)[0] == 409
        both.ask("POST", "/{}/settle", {"reason": "timeout"})

        assert both.ask("POST", "/{}/outcome", body)[0] == 200

    @pytest.mark.parametrize(
        "body", [{}, {"status": "done"}, {"status": "failed", "url": "ftp://x"}]
    )
    def test_other_reports_are_refused_alike(self, both, body):
        both.register()

        assert both.ask("POST", "/{}/outcome", body)[0] == 422


class TestVotes:
    @pytest.fixture
    def people(self, both):
        return [User.objects.get(email=f"{name}@example.com") for name in ("ana", "ben")]

    def test_two_of_two_and_stages_are_alike(self, both, people):
        ana, ben = people
        both.register(approvers=[], stages=STAGES)

        for who, stage in ((ana, 1), (ben, 2), (ben, 2), (ana, 2)):
            both.decide("approved", who, "Fine.")
            assert both.ask("GET", "/{}")[1]["stage"] == stage
        settled = both.ask("POST", "/{}/settle", {"reason": "woken"})[1]
        assert [vote["email"][:3] for vote in settled["votes"]] == ["ana", "ben", "ana"]

    def test_a_rejection_in_the_first_stage_settles_alike(self, both, people):
        both.register(approvers=[], stages=STAGES)
        both.decide("rejected", people[0], "No.")

        assert both.ask("GET", "/{}")[1]["stages"][1]["state"] == "left out"
        both.ask("POST", "/{}/settle", {"reason": "woken"})

    def test_what_is_filled_in_comes_back_alike(self, both, people):
        both.register(form=FORM, prefill={"amount": 4})

        for form in ({}, {"amount": 0}, {"amount": 5, "other": 1}, {"amount": 5.5, "note": "x"}):
            both.decide("approved", people[0], form=form)
        settled = both.ask("POST", "/{}/settle", {"reason": "woken"})[1]
        assert settled["form"] == {"amount": 5.5, "note": "x"}

    def test_a_rejection_needs_no_form_alike(self, both, people):
        both.register(form=FORM)
        both.decide("rejected", people[0], "No.")

        assert both.ask("POST", "/{}/settle", {"reason": "woken"})[1]["form"] == {}


class TestDecide:
    def test_who_may_not_or_too_late_is_refused_alike(self, both):
        ana, ben = (User.objects.get(email=f"{name}@example.com") for name in ("ana", "ben"))
        carla = make_user("carla@example.com")
        both.register(requested_by="ben@example.com", expires_in=60)

        both.decide("rejected", ana)
        both.decide("perhaps", ana)
        both.decide("approved", ben)
        both.decide("approved", carla)
        both.workflows.advance(seconds=45)
        Approval.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        both.workflows._site.inbox.records[-1].status = "pending"
        both.decide("approved", ana)

    def test_the_first_answer_stays_alike(self, both):
        ana, ben = (User.objects.get(email=f"{name}@example.com") for name in ("ana", "ben"))
        both.register()

        for who, outcome in ((ana, "approved"), (ben, "approved"), (ana, "approved")):
            both.decide(outcome, who)
        both.decide("rejected", ana, "Changed my mind.")
        assert both.ask("GET", "/{}")[1]["decided_by"]["email"] == "ana@example.com"

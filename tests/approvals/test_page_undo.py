"""Taking an answer back: the time in which it can be, and what others read meanwhile."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from approvals.models import Approval, Delivery, Policy, Vote
from tests.approvals.reading import as_person, pages, send, text_of
from tests.factories import make_approval


@pytest.fixture
def held(managers, eva):
    """A request whose answer goes out after half a minute."""
    policy = Policy.objects.create(name="payment", title="Payment")
    stages = [{"name": "", "approvers": ["group:managers"], "votes_needed": 1}]
    policy.revise("user:olga@example.com", stages=stages, undo=30)
    return make_approval(type="payment", approvers=[])


def take_back(client, approval):
    return client.post(reverse("approvals:take_back", args=[approval.pk]))


@pytest.fixture
def later(monkeypatch):
    """Lets so many seconds pass."""

    def pass_by(seconds):
        then = timezone.now() + timedelta(seconds=seconds)
        monkeypatch.setattr("django.utils.timezone.now", lambda: then)

    return pass_by


class TestWindow:
    def test_the_page_says_so_before_the_answer(self, held, ana):
        assert "You can take it back for 30 s." in text_of(
            as_person(ana).get(held.get_absolute_url())
        )

    def test_the_receipt_counts_down_and_has_the_button(self, held, ana):
        client = as_person(ana)
        send(client, held)

        response = client.get(pages(held)["receipt"])

        assert re.search(r"Goes out in (30|29|28) s\. Take back", text_of(response))
        assert "Not sent yet. It can still be taken back." in text_of(response)
        assert 'hx-trigger="every 2s, refresh"' in response.content.decode()
        assert not Delivery.objects.exists()

    def test_a_colleague_reads_that_it_is_answered_and_going_out(self, held, ana, ben, eva):
        send(as_person(ana), held, comment="Fine")

        for person in (ben, eva):
            response = as_person(person).get(held.get_absolute_url())
            said = text_of(response)
            assert "Approved Ana Almeida answered; it goes out in a moment." in said
            assert 'name="outcome"' not in response.content.decode()
            assert "Time is up" not in text_of(response)
        assert "You do not need to answer" in text_of(as_person(ben).get(held.get_absolute_url()))
        assert "Nothing is waiting for you" in text_of(as_person(ben).get("/"))

    def test_a_second_answer_in_that_time_is_explained(self, held, ana, ben):
        send(as_person(ana), held)

        for outcome in ("approved", "rejected"):
            response = send(as_person(ben), held, outcome)
            assert response.status_code == 409
            said = text_of(response)
            assert "Ana Almeida answered “Approved” already, and can take it back until" in said
            assert "Nothing of your answer was saved." in said
            assert "no longer needed" not in said

    def test_it_waits_among_those_of_others_with_my_answer(self, held, ana):
        client = as_person(ana)
        send(client, held)

        said = text_of(client.get("/?tab=waiting"))
        assert "answered, goes out in a moment You: Approved" in said


class TestTakeBack:
    def test_it_is_open_again_and_says_so(self, held, ana):
        client = as_person(ana)
        send(client, held)

        response = take_back(client, held)

        assert (response.status_code, response["Location"]) == (303, held.get_absolute_url())
        page = client.get(held.get_absolute_url())
        assert "Your answer was taken back. Nothing has gone out." in page.content.decode()
        assert "Waiting for your answer" in text_of(page)
        assert "Ana Almeida took the answer back" in text_of(page)
        assert client.get(pages(held)["receipt"])["Location"] == held.get_absolute_url()
        assert send(client, held, "rejected", comment="Now not").status_code == 303

    def test_after_the_time_a_page_says_that_it_is_too_late(self, held, ana, later):
        client = as_person(ana)
        send(client, held)
        later(31)

        assert "Take back" not in text_of(client.get(pages(held)["receipt"]))
        for concluded in (False, True):
            if concluded:
                Approval.objects.get().conclude()
            response = take_back(client, held)
            assert response.status_code == 409
            assert "It is too late to take it back" in text_of(response)
        assert Approval.objects.get().status == "approved"

    def test_nobody_takes_back_an_answer_of_somebody_else(self, held, ana, ben, eva):
        send(as_person(ana), held)

        for person in (ben, eva):
            response = take_back(as_person(person), held)
            assert response.status_code == 403
            assert "You have not answered this request" in text_of(response)
        assert Vote.objects.standing().count() == 1

    def test_by_get_nothing_happens(self, held, ana):
        client = as_person(ana)
        send(client, held)

        response = client.get(reverse("approvals:take_back", args=[held.pk]))

        assert response["Location"] == held.get_absolute_url()
        assert Vote.objects.standing().count() == 1

    def test_one_of_several_answers_can_be_taken_back_while_others_are_missing(
        self, managers, ana, ben, eva
    ):
        policy = Policy.objects.create(name="payment", title="Payment")
        stages = [{"name": "", "approvers": ["group:managers"], "votes_needed": 2}]
        policy.revise("user:olga@example.com", stages=stages, undo=30)
        approval = make_approval(type="payment", approvers=[])
        client = as_person(ana)
        send(client, approval)

        said = text_of(client.get(pages(approval)["receipt"]))

        assert re.search(r"You can take it back for \d\d s", said)
        assert "Waiting for others. 1 of 2 answers so far." in said
        assert take_back(client, approval).status_code == 303

    def test_in_the_last_second_it_can_still_be_taken_back(self, held, ana, later):
        client = as_person(ana)
        send(client, held)
        later(29)

        assert "Goes out in 1 s" in text_of(client.get(pages(held)["receipt"]))
        assert take_back(client, held).status_code == 303

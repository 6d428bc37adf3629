"""Races between processes, over HTTP's whole stack. `RACES=full` plays them at full size."""

import os
import time
from collections import Counter
from functools import partial

import pytest
from django.test import Client
from django.utils import timezone

from approvals.models import ApiKey, Approval, PersonalToken
from approvals.models.outbox import DeliveryQuerySet
from tests.approvals.calling import URL, Api
from tests.approvals.racing import assert_whole, fresh, in_processes
from tests.factories import make_approval, make_caller, make_group, make_request, make_user

FULL = os.environ.get("RACES") == "full"
PEOPLE, REQUESTS = (50, 60) if FULL else (8, 6)
PAIRS = 1000 if FULL else 12
REGISTRATIONS = 40 if FULL else 4
BATCH = 20  # of approvals that expire soon: made in a fraction of their time
TURNS = ("approved", "rejected")

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(3600 if FULL else 120),
]


@pytest.fixture(autouse=True)
def _the_worker_delivers(monkeypatch, settings):
    """No thread of the web process has a hand in it, and nobody asks too often."""
    monkeypatch.setattr(DeliveryQuerySet, "claim", lambda *_: False)
    settings.API_RATE = settings.API_FAILURE_RATE = "1000000/min"


@pytest.fixture
def tokens(transactional_db):
    """A token of each person in the group that is asked."""
    people = [make_user(f"person-{number}@example.com") for number in range(PEOPLE)]
    make_group("managers", *people)
    return [PersonalToken.objects.issue(person, "race")[1] for person in people]


@pytest.fixture
def program(transactional_db):
    """The key of the caller that registers."""
    return ApiKey.objects.issue(make_caller(), "race")[1]


def api_of(token):
    return Api(Client(raise_request_exception=False), token)


def vote(api, approval, outcome):
    body = {"outcome": outcome, "revision": 1, "comment": "So."}
    return api.post(f"{URL}/{approval.pk}/vote", body).status_code


class TestFiftyAtOnce:
    def race(self, asked, tokens, token_of, outcome_of):
        def answer_all(racer):
            api, told = api_of(tokens[token_of(racer.number)]), []
            for approval in asked:
                racer.meet()
                told.append(vote(api, approval, outcome_of(racer.number)))
            return told

        return [Counter(each) for each in zip(*in_processes(PEOPLE, answer_all), strict=True)]

    def test_of_many_people_one_wins_and_the_others_are_told(self, tokens):
        asked = [make_approval() for _ in range(REQUESTS)]

        told = self.race(asked, tokens, lambda number: number, lambda number: TURNS[number % 2])

        assert told == [Counter({200: 1, 409: PEOPLE - 1})] * REQUESTS
        for approval in asked:
            assert assert_whole(approval).votes.count() == 1

    def test_one_person_in_many_windows_has_one_vote(self, tokens):
        asked = [make_approval() for _ in range(REQUESTS)]

        told = self.race(asked, tokens, lambda _: 0, lambda _: "approved")

        assert told == [Counter({200: PEOPLE})] * REQUESTS
        for approval in asked:
            assert assert_whole(approval).votes.count() == 1

    def test_who_approves_in_one_window_and_rejects_in_another_has_done_the_first(self, tokens):
        asked = [make_approval() for _ in range(REQUESTS)]

        told = self.race(asked, tokens, lambda _: 0, lambda number: TURNS[number % 2])

        for counted, approval in zip(told, asked, strict=True):
            assert set(counted) == {200, 409}
            assert counted[200] in {PEOPLE // 2, PEOPLE - PEOPLE // 2}
            assert assert_whole(approval).votes.count() == 1


class TestPairs:
    """An answer, and something that closes the question, at the same moment."""

    def race(self, asked, token, close):
        """What both were told, for each of these."""

        def act(racer):
            api, told = api_of(token), []
            for approval in asked:
                racer.meet()
                told.append(close(approval) if racer.number else vote(api, approval, "approved"))
            return told

        return list(zip(*in_processes(2, act), strict=True))

    def call(self, program, verb, body, approval):
        answer = api_of(program).post(f"{URL}/{approval.pk}/{verb}", body)
        return answer.status_code, answer.json().get("outcome")

    def test_an_answer_and_a_withdrawal(self, tokens, program):
        asked = [make_approval() for _ in range(PAIRS)]
        withdraw = partial(self.call, program, "withdraw", {"reason": "Not needed"})

        for approval, told in zip(asked, self.race(asked, tokens[0], withdraw), strict=True):
            voted, (withdrawn, _) = told
            assert (voted, withdrawn, assert_whole(approval).status) in {
                (200, 409, "approved"),
                (409, 200, "withdrawn"),
            }

    def test_an_answer_and_the_end_of_the_workflows_wait(self, tokens, program):
        asked = [make_approval() for _ in range(PAIRS)]
        settle = partial(self.call, program, "settle", {"reason": "timeout"})

        for approval, told in zip(asked, self.race(asked, tokens[0], settle), strict=True):
            voted, settled = told
            assert (voted, settled, assert_whole(approval).status) in {
                (200, (200, "approved"), "approved"),
                (409, (200, "expired"), "expired"),
            }

    def test_an_answer_and_the_deadline(self, tokens):
        def expire(approval):
            """As workers do it, around the moment."""
            return any(fresh(approval).expire() for _ in range(10))

        def wait_and_vote(api, approval):
            left = (approval.expires_at - timezone.now()).total_seconds()
            time.sleep(max(0, left - 0.005))
            return vote(api, approval, "approved")

        def wait_and_expire(approval):
            left = (approval.expires_at - timezone.now()).total_seconds()
            time.sleep(max(0, left - 0.002))
            return expire(approval)

        for _ in range(0, PAIRS, BATCH):
            asked = [make_approval(expires_in=4) for _ in range(min(BATCH, PAIRS))]

            def act(racer, asked=asked):
                api = api_of(tokens[0])
                return [
                    wait_and_expire(each) if racer.number else wait_and_vote(api, each)
                    for each in asked
                ]

            for approval, voted, _ in zip(asked, *in_processes(2, act), strict=True):
                fresh(approval).expire()
                assert (voted, assert_whole(approval).status) in {
                    (200, "approved"),
                    (409, "expired"),
                }


class TestRegistrations:
    def test_the_same_question_many_times_at_once_is_one(self, tokens, program):
        bodies = [make_request() for _ in range(REGISTRATIONS)]

        def register(racer):
            api, told = api_of(program), []
            for body in bodies:
                racer.meet()
                answer = api.post(URL, body)
                told.append((answer.status_code, answer.json().get("id")))
            return told

        for told in zip(*in_processes(PEOPLE, register), strict=True):
            assert Counter(status for status, _ in told) == {201: 1, 200: PEOPLE - 1}
            assert len({number for _, number in told}) == 1
        assert Approval.objects.count() == REGISTRATIONS

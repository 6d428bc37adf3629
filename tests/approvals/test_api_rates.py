"""How much may be asked: too many requests are told when to come back, and nobody else is."""

import pytest
from django.test import Client

from approvals.models import ApiKey, PersonalToken
from tests.approvals.calling import URL, Api, problem
from tests.approvals.tokens import id_token
from tests.factories import make_approval, make_caller


@pytest.fixture
def few(settings):
    settings.API_RATE, settings.API_FAILURE_RATE = "3/min", "2/min"


@pytest.mark.usefixtures("few")
class TestRate:
    def test_one_too_many_is_told_when_to_come_back(self, api):
        answers = [api.get(URL) for _ in range(4)]

        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert 1 <= int(answers[-1]["Retry-After"]) <= 60
        assert answers[-1]["Retry-After"] in problem(answers[-1])

    def test_another_caller_goes_on(self, api, client):
        _, key = ApiKey.objects.issue(make_caller("other@example.com"))
        for _ in range(4):
            api.get(URL)

        assert Api(client, key).get(URL).status_code == 200

    def test_keys_of_one_caller_count_together(self, client, caller):
        texts = [ApiKey.objects.issue(caller)[1] for _ in range(4)]

        assert [Api(client, text).get(URL).status_code for text in texts] == [200, 200, 200, 429]

    def test_people_are_counted_as_well(self, managers, ana):
        _, text = PersonalToken.objects.issue(ana, "script")
        path = f"{URL}/{make_approval().pk}/vote"

        assert [Api(Client(), text).get(path).status_code for _ in range(4)] == [200] * 3 + [429]


@pytest.mark.usefixtures("few", "caller")
class TestFailures:
    def test_an_address_that_goes_on_failing_is_held_up(self, client):
        guesses = [Api(client, f"csk_{number}").get(URL) for number in range(3)]

        assert [answer.status_code for answer in guesses] == [401, 401, 429]
        assert guesses[-1]["Retry-After"]

    def test_good_credentials_pass_from_the_same_address(self, client):
        for _ in range(5):
            client.get(URL)

        assert Api(client, id_token()).get(URL).status_code == 200

    def test_other_addresses_are_not_held_up(self, client):
        for _ in range(5):
            client.get(URL)

        assert client.get(URL, REMOTE_ADDR="203.0.113.7").status_code == 401


class TestDefaults:
    def test_a_busy_workflow_is_not_hit(self, api, settings):
        number, _, period = settings.API_RATE.partition("/")

        assert (period, int(number) >= 1000) == ("min", True)

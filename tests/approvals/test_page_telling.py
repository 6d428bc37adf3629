"""The choices on a person's page: how often they are told, and of what."""

import pytest
from django.test import Client
from django.urls import reverse

from approvals.models import Notice, Preference
from tests.approvals.reading import as_person, text_of
from tests.factories import make_approval

CHOICES = {"pace": "daily", "hour": "7", "time_zone": "Europe/Lisbon", "results": "on"}


@pytest.fixture
def client(ana):
    return as_person(ana)


def send(client, **changes):
    return client.post(reverse("approvals:telling"), CHOICES | changes)


class TestChoose:
    def test_the_page_shows_what_holds_without_a_choice(self, client):
        page = client.get(reverse("approvals:profile")).content.decode()

        assert 'value="each" checked' in page
        assert 'name="receipts" checked' in page
        assert not Preference.objects.exists()

    def test_what_is_chosen_is_kept_and_shown(self, client, ana):
        response = send(client)

        assert response.status_code == 303
        page = client.get(response["Location"])
        assert "Saved. This applies from now on." in page.content.decode()
        assert 'value="daily" checked' in page.content.decode()
        chosen = Preference.objects.get(user=ana)
        assert (chosen.hour, chosen.time_zone) == (7, "Europe/Lisbon")
        assert (chosen.receipts, chosen.results) == (False, True)

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"hour": "24"}, "less than or equal to 23"),
            ({"hour": ""}, "required"),
            ({"time_zone": "Mars/Base"}, "“Mars/Base” is no time zone"),
        ],
    )
    def test_what_cannot_be_is_said_at_its_place_with_what_was_typed(
        self, client, changes, sentence
    ):
        response = send(client, **changes)

        assert response.status_code == 422
        assert sentence in text_of(response)
        assert 'value="daily" checked' in response.content.decode()
        assert not Preference.objects.exists()

    def test_what_waits_follows_the_choice(self, client, settings, managers, ana):
        settings.TELL_BY_MAIL = True
        Preference.objects.create(user=ana, pace="daily")
        make_approval()

        send(client, pace="each")

        assert Notice.objects.get(user=ana).digest_at is None

    def test_everybody_chooses_for_themselves(self, client, ana, ben):
        send(client)

        assert not Preference.objects.filter(user=ben).exists()

    def test_without_a_mail_server_the_page_says_so(self, client, settings):
        page = client.get(reverse("approvals:profile"))
        assert "This inbox does not send mail." in text_of(page)

        settings.TELL_BY_MAIL = True

        page = client.get(reverse("approvals:profile"))
        assert "This inbox does not send mail." not in text_of(page)

    def test_nobody_chooses_without_signing_in(self, db):
        assert send(Client()).status_code == 302
        assert not Preference.objects.exists()

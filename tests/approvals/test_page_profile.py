"""A person's own page: absences and stand-ins, and personal tokens."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from approvals.models import PersonalToken, StandIn, Vote
from tests.approvals.reading import as_person, is_whole, pages, send, text_of
from tests.factories import make_approval, make_staff, make_user

PROFILE = "/profile/"


def day(days):
    return (timezone.localdate() + timedelta(days=days)).isoformat()


def be_away(client, **fields):
    fields = {"first": day(0), "last": day(7), "colleague": "ben@example.com", **fields}
    return client.post(reverse("approvals:absence"), fields)


@pytest.fixture
def asked(ana, eva):
    """Eva asks Ana by name."""
    return make_approval(approvers=["user:ana@example.com"])


class TestAbsence:
    def test_the_colleague_decides_from_the_first_day_to_the_end_of_the_last(self, ana, ben):
        client = as_person(ana)

        response = be_away(client, first=day(1), last=day(2), reason="Holiday")

        assert (response.status_code, response["Location"]) == (303, PROFILE)
        made = StandIn.objects.get()
        assert (made.user, made.colleague, made.reason) == (ana, ben, "Holiday")
        assert made.ends_at - made.starts_at == timedelta(days=2)
        assert timezone.localtime(made.starts_at).date().isoformat() == day(1)
        page = text_of(client.get(PROFILE))
        assert "Ben Okafor will decide for you from" in page
        assert "(Holiday)" in page
        assert "People you decide for Ana Almeida, from" in text_of(as_person(ben).get(PROFILE))

    def test_the_stand_in_answers_and_everyone_reads_for_whom(self, asked, ana, ben, eva):
        be_away(as_person(ana), reason="Holiday")
        client = as_person(ben)

        assert "for Ana Almeida" in text_of(client.get("/"))
        page = text_of(client.get(asked.get_absolute_url()))
        assert "Acting for Ana Almeida, who is away until" in page
        assert "Your answer for Ana Almeida" in page
        assert "Why Named in the request" in page
        assert send(client, asked).status_code == 303

        vote = Vote.objects.get()
        assert (vote.user, vote.principal) == (ben, ana)
        receipt = text_of(client.get(pages(asked)["receipt"]))
        assert "On behalf of Ana Almeida (ana@example.com)" in receipt
        assert "Ben Okafor, for Ana Almeida: Approved" in receipt
        for person in (ana, eva):
            said = text_of(as_person(person).get(asked.get_absolute_url()))
            assert "Approved by Ben Okafor for Ana Almeida" in said

    def test_ending_it_takes_the_request_away_at_once(self, asked, ana, ben):
        be_away(as_person(ana))
        pk = StandIn.objects.get().pk

        stranger = as_person(ben).post(reverse("approvals:end_absence", args=[pk]))
        assert stranger.status_code == 404
        assert asked.title in text_of(as_person(ben).get("/"))

        as_person(ana).post(reverse("approvals:end_absence", args=[pk]))
        assert asked.title not in text_of(as_person(ben).get("/"))
        assert "Nobody decides for you" in text_of(as_person(ana).get(PROFILE))
        assert as_person(ben).get(asked.get_absolute_url()).status_code == 404

    @pytest.mark.parametrize(
        ("fields", "why"),
        [
            ({"first": ""}, "Please say from which day on"),
            ({"last": ""}, "Please say until which day"),
            ({"first": "soon"}, "Enter a valid date"),
            ({"last": day(-1), "first": day(-2)}, "This day is over"),
            ({"first": day(3), "last": day(2)}, "The last day is before the first"),
            ({"last": "9999-12-31"}, "Please check the year"),
            ({"first": "0001-01-01"}, "Please check the year"),
            ({"colleague": ""}, "Please choose a colleague"),
            ({"colleague": "ana@example.com"}, "Please choose somebody else"),
            ({"colleague": "nobody@example.com"}, "Nobody here has this name"),
        ],
    )
    def test_a_refusal_says_why_and_keeps_what_was_typed(self, ana, ben, fields, why):
        response = be_away(as_person(ana), **{"reason": "kept", **fields})

        assert response.status_code == 422
        assert why in text_of(response)
        assert 'value="kept"' in response.content.decode()
        assert "<details open>" in response.content.decode()
        assert not StandIn.objects.exists()

    def test_a_stand_in_of_the_requester_does_not_decide_for_them(self, asked, ana, eva):
        be_away(as_person(eva), colleague="ana@example.com")
        other = make_approval(approvers=["user:eva@example.com"], requested_by="eva@example.com")

        assert other.title not in text_of(as_person(ana).get("/")).replace(asked.title, "", 1)
        assert send(as_person(ana), other).status_code in {403, 404}
        assert not Vote.objects.exists()


class TestToken:
    def test_its_text_is_shown_once_and_only_its_hash_kept(self, ana):
        client = as_person(ana)

        response = client.post(reverse("approvals:token"), {"label": "laptop", "days": "30"})

        token = PersonalToken.objects.get()
        text = next(word for word in text_of(response).split() if word.startswith("csp_"))
        assert PersonalToken.objects.all().of(text) == token
        assert token.user == ana
        assert timedelta(days=29) < token.expires_at - timezone.now() < timedelta(days=31)
        page = client.get(PROFILE)
        assert text not in page.content.decode()
        assert "laptop" in text_of(page)
        assert "never used" in text_of(page)

    def test_revoking_ends_it_and_only_its_owner_can(self, ana, ben):
        token, text = PersonalToken.objects.issue(ana, "laptop")
        address = reverse("approvals:revoke_token", args=[token.pk])

        assert as_person(ben).post(address).status_code == 404
        assert PersonalToken.objects.all().of(text) == token
        assert as_person(ana).post(address).status_code == 303
        assert PersonalToken.objects.all().of(text) is None
        assert "laptop" not in text_of(as_person(ana).get(PROFILE)).partition("Personal")[2]

    @pytest.mark.parametrize(("label", "days"), [("", "30"), ("x", "3650"), ("x", "")])
    def test_a_refusal_says_why(self, ana, label, days):
        response = as_person(ana).post(reverse("approvals:token"), {"label": label, "days": days})

        assert response.status_code == 422
        assert 'class="error"' in response.content.decode()
        assert not PersonalToken.objects.exists()


class TestAccess:
    def test_it_is_ones_own_and_whole(self, ana, client):
        assert client.get(PROFILE)["Location"] == f"/sign-in/?next={PROFILE}"
        response = as_person(ana).get(PROFILE)
        assert is_whole(response)
        assert "Ana Almeida" in text_of(response)

    def test_get_changes_nothing(self, ana, ben):
        be_away(as_person(ana))
        token, _ = PersonalToken.objects.issue(ana, "laptop")
        for name, args in (
            ("absence", []),
            ("end_absence", [StandIn.objects.get().pk]),
            ("token", []),
            ("revoke_token", [token.pk]),
        ):
            assert as_person(ana).get(reverse(f"approvals:{name}", args=args)).status_code == 405

    def test_it_asks_the_database_few_things(self, ana, django_assert_max_num_queries):
        for n in range(30):
            colleague = make_user(f"colleague{n}@example.com")
            be_away(as_person(ana), colleague=colleague.email)
            be_away(as_person(colleague), colleague=ana.email)
        client = as_person(ana)

        with django_assert_max_num_queries(8):
            client.get(PROFILE)

    def test_operators_have_the_same_page(self, db):
        assert as_person(make_staff()).get(PROFILE).status_code == 200

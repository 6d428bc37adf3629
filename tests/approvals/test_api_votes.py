"""Answers over the API: people's own, by session or personal token, and never a program's."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from approvals.models import ApiKey, Approval, PersonalToken, Policy, StandIn, Vote
from approvals.schemas import MAX_COMMENT
from tests.approvals.calling import URL, Api, problem
from tests.approvals.tokens import ACCOUNT, id_token
from tests.factories import make_approval, make_caller, make_user

FORM = {
    "type": "object",
    "properties": {"amount": {"type": "number", "minimum": 1}, "note": {"type": "string"}},
    "required": ["amount"],
}
YES = {"outcome": "approved", "revision": 1}


def api_of(person, **fields):
    """The API, called with a personal token of this person's."""
    _, text = PersonalToken.objects.issue(person, "script", **fields)
    return Api(Client(), text)


def path_of(approval):
    return f"{URL}/{approval.pk}/vote"


@pytest.fixture
def hers(ana):
    return api_of(ana)


class TestToken:
    def test_its_text_is_kept_nowhere(self, ana):
        token, text = PersonalToken.objects.issue(ana, "laptop")

        (row,) = PersonalToken.objects.values()
        assert text not in str(row)
        assert text.startswith(token.prefix)
        assert PersonalToken.objects.of(text) == token

    def test_its_use_is_noted(self, hers, approval):
        hers.get(path_of(approval))

        assert PersonalToken.objects.get().last_used_at is not None

    @pytest.mark.parametrize("ended", ["revoked", "expired", "left", "guessed"])
    def test_one_that_is_not_good_any_more_is_401(self, ana, approval, ended):
        api = api_of(ana)
        if ended == "revoked":
            assert PersonalToken.objects.revoke() == 1
        elif ended == "expired":
            PersonalToken.objects.update(expires_at=timezone.now())
        elif ended == "left":
            ana.is_active = False
            ana.save()
        else:
            api.token = "csp_guess"

        response = api.post(path_of(approval), YES)

        assert response.status_code == 401
        assert response["WWW-Authenticate"] == "Bearer"
        assert "personal token" in problem(response)
        assert Vote.objects.count() == 0

    def test_it_opens_nothing_else(self, hers, approval):
        refused = hers.get(URL)
        assert refused.status_code == 403
        assert "what waits for you at /api/v1/me/approvals" in problem(refused)
        assert hers.get(f"{URL}/{approval.pk}").status_code == 403
        assert hers.post(f"{URL}/{approval.pk}/withdraw", {}).status_code == 403
        hers.token = "csp_guess"
        assert hers.get(URL).status_code == 401


class TestWaiting:
    WAITING = "/api/v1/me/approvals"

    def test_what_needs_me_is_listed_the_most_pressing_first(self, hers, ana, ben):
        late = make_approval(approvers=["user:ana@example.com"], title="Late", expires_in=9000)
        soon = make_approval(approvers=["user:ana@example.com"], title="Soon", expires_in=60)
        make_approval(approvers=["user:ben@example.com"], title="Of Ben")

        said = hers.get(self.WAITING).json()

        assert [each["title"] for each in said["approvals"]] == ["Soon", "Late"]
        assert said["approvals"][0]["approval_id"] == str(soon.pk)
        assert said["next_cursor"] is None
        rest = hers.get(f"{self.WAITING}?cursor={soon.pk}").json()["approvals"]
        assert [each["approval_id"] for each in rest] == [str(late.pk)]

    def test_what_is_answered_waits_no_more(self, hers, ana, approval):
        assert len(hers.get(self.WAITING).json()["approvals"]) == 1

        assert hers.post(path_of(approval), YES).status_code == 200

        assert hers.get(self.WAITING).json()["approvals"] == []

    def test_a_cursor_that_i_may_not_read_is_none(self, hers, ana, ben):
        theirs = make_approval(approvers=["user:ben@example.com"])

        response = hers.get(f"{self.WAITING}?cursor={theirs.pk}")

        assert response.status_code == 400
        assert "not one of ours" in problem(response)


class TestPrograms:
    def test_a_caller_has_no_vote_whatever_it_shows(self, client, approval, google_keys):
        caller = make_caller(ACCOUNT)
        _, key = ApiKey.objects.issue(caller)

        for text in (key, id_token()):
            for call in (Api(client, text).get, Api(client, text).delete):
                assert call(path_of(approval)).status_code == 403
            response = Api(client, text).post(path_of(approval), YES)
            assert response.status_code == 403
            assert "Only people answer" in problem(response)
        assert Vote.objects.count() == 0

    def test_a_token_of_an_approvers_own_google_account_is_none_of_theirs(
        self, client, approval, ana, google_keys
    ):
        response = Api(client, id_token(email=ana.email)).post(path_of(approval), YES)

        assert response.status_code == 403
        assert Vote.objects.count() == 0

    def test_a_caller_who_is_signed_in_as_well_has_no_vote(self, client, approval, ana, caller):
        client.force_login(ana)
        _, key = ApiKey.objects.issue(caller)

        assert Api(client, key).post(path_of(approval), YES).status_code == 403


class TestSession:
    def post(self, client, approval, **headers):
        kind = {"content_type": "application/json"}
        return client.post(path_of(approval), YES, headers=headers, **kind)

    def test_a_signed_in_person_answers_with_their_csrf_token(self, approval, ana):
        client = Client(enforce_csrf_checks=True)
        client.force_login(ana)
        client.get("/")

        for headers in ({}, {"X-CSRFToken": "x" * 32}):
            response = self.post(client, approval, **headers)
            assert response.status_code == 403
            assert "X-CSRFToken" in problem(response)
        token = client.get("/").context["csrf_token"]
        answer = self.post(client, approval, **{"X-CSRFToken": str(token)})
        assert answer.json()["status"] == "approved"

    def test_nobody_is_401_and_told_what_to_do(self, client, approval):
        response = self.post(client, approval)

        assert response.status_code == 401
        assert "personal token" in problem(response)

    def test_behind_the_proxy_a_session_alone_is_nobody(self, client, approval, ana, settings):
        settings.IAP_AUDIENCE = "/projects/1/apps/inbox"
        client.force_login(ana)

        assert self.post(client, approval).status_code == 401


class TestBallot:
    def test_it_says_what_is_asked_and_whether_it_is_mine(self, approval, hers, eva):
        mine, not_mine = (api.get(path_of(approval)).json() for api in (hers, api_of(eva)))

        assert mine["fields"][0] == {"label": "Amount", "value": "1240 EUR"}
        assert [option["value"] for option in mine["options"]] == ["approved", "rejected"]
        assert (mine["may_vote"], not_mine["may_vote"]) == (True, False)
        assert (mine["revision"], mine["your_vote"]) == (1, None)

    def test_a_strangers_is_404(self, approval, db):
        response = api_of(make_user()).get(path_of(approval))

        assert response.status_code == 404
        assert "may read" in problem(response)

    def test_a_stand_in_is_told_for_whom(self, approval, ana):
        zoe, now = make_user("zoe@example.com"), timezone.now()
        times = {"starts_at": now, "ends_at": now + timedelta(days=1)}
        StandIn.objects.create(user=ana, colleague=zoe, created_by="test", **times)

        assert api_of(zoe).get(path_of(approval)).json()["on_behalf_of"] == "ana@example.com"
        voted = api_of(zoe).post(path_of(approval), YES).json()["your_vote"]
        assert (voted["email"], voted["on_behalf_of"]) == ("zoe@example.com", "ana@example.com")

    def test_it_needs_few_queries(self, approval, hers, django_assert_max_num_queries):
        with django_assert_max_num_queries(14):
            hers.get(path_of(approval))


class TestVote:
    def test_an_answer_is_recorded_and_told(self, approval, hers, ana):
        answer = hers.post(path_of(approval), YES | {"comment": "Fine."})

        assert answer.status_code == 200
        told = answer.json()
        assert (told["status"], told["may_vote"]) == ("approved", False)
        assert (told["your_vote"]["outcome"], told["your_vote"]["comment"]) == ("approved", "Fine.")
        approval.refresh_from_db()
        assert approval.decided_by == ana
        assert approval.outgoing.payload["comment"] == "Fine."

    def test_one_of_two_leaves_it_open(self, managers, hers, ben):
        approval = make_approval(votes_needed=2)

        told = hers.post(path_of(approval), YES).json()
        assert (told["status"], told["stages"][0]["votes_cast"]) == ("pending", 1)
        assert api_of(ben).post(path_of(approval), YES).json()["status"] == "approved"

    def test_what_was_filled_in_keeps_its_types(self, managers, hers):
        approval = make_approval(form=FORM)

        told = hers.post(path_of(approval), YES | {"form": {"amount": 12.5}}).json()

        assert told["your_vote"]["form"] == {"amount": 12.5}
        approval.refresh_from_db()
        assert approval.outgoing.payload["form"] == {"amount": 12.5}

    def test_the_same_again_changes_nothing(self, approval, hers):
        first, again = (hers.post(path_of(approval), YES) for _ in range(2))

        assert (first.status_code, again.status_code) == (200, 200)
        assert Vote.objects.count() == 1

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"outcome": "perhaps"}, "outcome"),
            ({"outcome": "rejected"}, "comment"),
            ({"outcome": "rejected", "comment": "  "}, "comment"),
            ({"comment": "x" * (MAX_COMMENT + 1)}, "comment"),
            ({"comment": "nul\x00"}, "comment"),
            ({"form": {}}, "form/amount"),
            ({"form": {"amount": 0}}, "form/amount"),
            ({"form": {"amount": 5, "other": 1}}, "form"),
            ({"form": {"amount": 5, "note": "\x00"}}, "form"),
            ({"form": {"amount": 1e300}}, "form"),
            ({"revision": 0}, "revision"),
            ({"revision": None}, "revision"),
            ({"voter": "ben@example.com"}, "voter"),
        ],
    )
    def test_a_wrong_field_is_422_and_named(self, managers, hers, fields, named):
        approval = make_approval(form=FORM)

        response = hers.post(path_of(approval), {**YES, "form": {"amount": 5}, **fields})

        assert response.status_code == 422
        assert list(problem(response)) == [named]
        assert Vote.objects.count() == 0

    def test_who_was_not_asked_is_403(self, approval, eva):
        response = api_of(eva).post(path_of(approval), YES)

        assert response.status_code == 403
        assert "others were asked" in problem(response)

    def test_a_closed_one_and_one_that_changed_are_409(self, approval, hers, ben):
        changed = hers.post(path_of(approval), YES | {"revision": 2})
        hers.post(path_of(approval), YES)
        closed = api_of(ben).post(path_of(approval), YES)

        assert (changed.status_code, closed.status_code) == (409, 409)
        assert "was changed" in problem(changed)
        assert "Ana Almeida answered" in problem(closed)


class TestTakeBack:
    @pytest.fixture
    def undoable(self, managers):
        policy = Policy.objects.create(name="payment", title="Payment")
        policy.revise("admin", stages=[{"approvers": ["group:managers"]}], undo=60)
        return make_approval(type="payment", approvers=[])

    def test_in_time_it_is_as_if_it_was_not_given(self, undoable, hers):
        answered = hers.post(path_of(undoable), YES).json()
        assert answered["status"] == "pending"
        assert answered["take_back_until"] is not None

        told = hers.delete(path_of(undoable)).json()

        assert (told["your_vote"], told["may_vote"]) == (None, True)
        assert told["take_back_until"] is None

    def test_too_late_is_409(self, undoable, hers):
        hers.post(path_of(undoable), YES)
        Approval.objects.update(settles_at=timezone.now())

        response = hers.delete(path_of(undoable))

        assert response.status_code == 409
        assert "too late" in problem(response)

    def test_what_was_not_given_is_403(self, undoable, hers):
        assert hers.delete(path_of(undoable)).status_code == 403

    def test_without_an_undo_window_it_is_409(self, approval, hers):
        hers.post(path_of(approval), YES)

        assert hers.delete(path_of(approval)).status_code == 409

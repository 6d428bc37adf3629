"""The JSON API: who may call, what is refused and how, and that a repetition is harmless."""

import json
import uuid

import pytest

from approvals import identity
from approvals.google.certificates import CannotFetch
from approvals.identity import Keys
from approvals.models import ApiKey, Approval, Caller
from tests.approvals.calling import URL, Api, problem
from tests.approvals.tokens import ACCOUNT, id_token, stranger
from tests.factories import (
    PROJECT,
    make_approval,
    make_callback_url,
    make_caller,
    make_request,
)


class TestAuthentication:
    def test_a_google_token_of_a_known_account_may_register(self, api):
        assert api.post(URL, make_request()).status_code == 201

    def test_an_api_key_may_register_and_its_use_is_noted(self, client, caller):
        key, text = ApiKey.objects.issue(caller, "laptop")

        assert Api(client, text).post(URL, make_request()).status_code == 201
        key.refresh_from_db()
        assert key.last_used_at is not None
        assert text not in json.dumps(list(ApiKey.objects.values()), default=str)

    def test_a_revoked_key_and_an_inactive_callers_key_are_401(self, client, caller):
        _, revoked = ApiKey.objects.issue(caller)
        ApiKey.objects.revoke()
        _, inactive = ApiKey.objects.issue(make_caller("x@example.com", is_active=False))

        for text in (revoked, inactive, "csk_guess"):
            assert Api(client, text).post(URL, make_request()).status_code == 401

    @pytest.mark.parametrize("header", [{}, {"Authorization": "Basic eA=="}, {"Authorization": ""}])
    def test_without_credentials_it_is_401_and_says_what_to_send(self, client, db, header):
        response = client.post(URL, "{}", content_type="application/json", headers=header)

        assert response.status_code == 401
        assert "Authorization: Bearer" in problem(response)
        assert response["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize(
        "token",
        [
            id_token(stranger()),
            id_token(aud="https://other.example"),
            id_token(iat=1_600_000_000, exp=1_600_003_600),
            id_token().rpartition(".")[0] + ".SIGNATURE_REMOVED_BY_GOOGLE",
            "garbage",
        ],
        ids=["forged", "wrong audience", "expired", "stripped", "garbage"],
    )
    def test_a_bad_token_is_401_and_stores_nothing(self, client, caller, token):
        response = Api(client, token).post(URL, make_request())

        assert response.status_code == 401
        assert "audience http://127.0.0.1:8000" in problem(response)
        assert Approval.objects.count() == 0

    def test_an_account_that_is_no_caller_is_403_and_named(self, client, caller):
        response = Api(client, id_token(email="other@example.com")).post(URL, make_request())

        assert response.status_code == 403
        assert "other@example.com" in problem(response)

    def test_an_inactive_caller_is_403(self, api):
        Caller.objects.update(is_active=False)

        assert api.post(URL, make_request()).status_code == 403

    def test_without_googles_keys_it_is_503_and_not_the_callers_fault(self, api, monkeypatch):
        def down():
            raise CannotFetch("down")

        monkeypatch.setattr(identity, "google_keys", Keys(down))

        assert api.post(URL, make_request()).status_code == 503

    def test_a_signed_in_person_is_nobody_here(self, client, caller, ana):
        client.force_login(ana)

        assert client.get(URL).status_code == 401


class TestRegister:
    def test_the_answer_is_the_approval(self, api):
        response = api.post(URL, make_request(expires_in=86400))

        body = response.json()
        approval = Approval.objects.get()
        assert body["id"] == str(approval.pk)
        assert body["status"] == "pending"
        assert body["url"] == f"http://127.0.0.1:8000/approvals/{approval.pk}/"
        assert body["approvers"] == ["group:managers"]
        assert body["revision"] == 1
        assert body["expires_at"] is not None

    def test_title_and_callback_are_enough_where_default_approvers_are_set(self, api, settings):
        body = {"title": "Ship it?", "callback_url": make_callback_url()}

        assert problem(api.post(URL, body)) == {
            "approvers": "Name at least one: user:E-MAIL or group:NAME."
        }
        settings.DEFAULT_APPROVERS = ["group:managers"]
        assert api.post(URL, body).status_code == 201

    def test_facts_come_as_a_map_or_as_a_list_that_keeps_its_order(self, api):
        mapped = {"Version": "2.14", "Coverage": 87.5, "Regions": ["eu", "us"]}
        listed = [{"label": label, "value": value} for label, value in mapped.items()]

        for fields in (mapped, listed):
            answer = api.post(URL, make_request(fields=fields))
            kept = Approval.objects.get(pk=answer.json()["id"]).fields
            assert kept == [["Version", "2.14"], ["Coverage", 87.5], ["Regions", ["eu", "us"]]]

    def test_a_repetition_is_answered_with_what_exists(self, api):
        body = make_request()

        first = api.post(URL, body, **{"Idempotency-Key": "run/1"})
        again = api.post(URL, body, **{"Idempotency-Key": "run/1"})

        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()
        assert Approval.objects.count() == 1

    def test_other_content_is_409(self, api):
        body = make_request()
        api.post(URL, body, **{"Idempotency-Key": "run/1"})

        response = api.post(URL, body | {"title": "Other"}, **{"Idempotency-Key": "run/1"})

        assert response.status_code == 409
        assert "other content" in problem(response)

    def test_another_projects_callback_is_refused(self, api):
        response = api.post(URL, make_request(callback_url=make_callback_url("999")))

        assert response.status_code == 422
        assert "project 999" in problem(response)["callback_url"]

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/v1/projects/1/locations/l/workflows/w/executions/e/callbacks/c",
            make_callback_url().replace("https", "http"),
            make_callback_url().replace("https://", "https://user@"),
            make_callback_url() + "?redirect=https://evil.example",
            "http://169.254.169.254/computeMetadata/v1/",
        ],
    )
    def test_a_hostile_callback_is_refused(self, api, url):
        response = api.post(URL, make_request(callback_url=url))

        assert response.status_code == 422
        assert "events.create_callback_endpoint" in problem(response)["callback_url"]
        assert Approval.objects.count() == 0

    def test_the_place_of_what_is_wrong_begins_with_the_part_of_the_request(self, api):
        def places(**fields):
            answer = api.post(URL, make_request(**fields))
            return [each["loc"] for each in answer.json()["detail"]]

        assert places(aprovers=[]) == [["body", "aprovers"]]
        assert places(approvers=["group:nobody"]) == [["body", "approvers"]]

    def test_unknown_approvers_are_named(self, api):
        response = api.post(URL, make_request(approvers=["group:nobody", "user:x@example.com"]))

        assert response.status_code == 422
        assert "group:nobody, user:x@example.com" in problem(response)["approvers"]


class TestRead:
    def test_a_caller_reads_its_own_and_no_other(self, api):
        mine = make_approval(caller=make_caller(ACCOUNT))
        other = make_approval(caller=make_caller("other@example.com"))

        assert api.get(f"{URL}/{mine.pk}").json()["id"] == str(mine.pk)
        for pk in (other.pk, uuid.uuid4()):
            assert api.get(f"{URL}/{pk}").status_code == 404
        assert [row["id"] for row in api.get(URL).json()["approvals"]] == [str(mine.pk)]

    @pytest.mark.parametrize("name", ["status", "type", "execution", "requested_by", "cursor"])
    def test_text_that_no_row_can_hold_is_422(self, api, name):
        assert api.get(f"{URL}?{name}=%00").status_code == 422

    def test_filters_narrow_the_list(self, api, ana):
        caller = make_caller(ACCOUNT)
        decided = make_approval(caller=caller, type="expense")
        decided.decide("approved", by=ana, revision=1)
        make_approval(caller=caller, type="release", requested_by="ben@example.com")

        def found(query):
            return [row["type"] for row in api.get(f"{URL}?{query}").json()["approvals"]]

        assert found("status=pending") == ["release"]
        assert found("type=expense") == ["expense"]
        assert found(f"execution={decided.execution}") == ["expense"]
        assert found("requested_by=ben@example.com") == ["release"]
        assert found("status=unheard-of") == []

    def test_pages_neither_skip_nor_repeat(self, api):
        caller = make_caller(ACCOUNT)
        made = {str(make_approval(caller=caller).pk) for _ in range(120)}

        seen, cursor = [], ""
        while cursor is not None:
            page = api.get(f"{URL}?cursor={cursor}").json()
            seen += [row["id"] for row in page["approvals"]]
            cursor = page["next_cursor"]

        assert len(seen) == 120
        assert set(seen) == made

    @pytest.mark.parametrize("cursor", ["x", "!!!!", "bm90IGEgY3Vyc29y"])
    def test_a_foreign_cursor_is_400(self, api, cursor):
        assert api.get(f"{URL}?cursor={cursor}").status_code == 400

    def test_the_list_needs_few_queries_however_long_it_is(
        self, api, django_assert_max_num_queries
    ):
        for _ in range(20):
            make_approval(caller=make_caller(ACCOUNT))

        with django_assert_max_num_queries(8):
            assert len(api.get(URL).json()["approvals"]) == 20


class TestSettle:
    def test_woken_gets_pending_or_the_outcome_and_confirms(self, api, ana):
        approval = make_approval(caller=make_caller(ACCOUNT))
        path = f"{URL}/{approval.pk}/settle"

        pending = api.post(path, {"reason": "woken"}).json()
        approval.decide("approved", by=ana, revision=1)
        settled = api.post(path, {"reason": "woken"}).json()

        assert pending == {"approval_id": str(approval.pk), "outcome": "pending"}
        assert settled == approval.delivery.payload
        assert api.get(f"{URL}/{approval.pk}").json()["delivery"] == "confirmed"

    def test_timeout_closes_it(self, api):
        approval = make_approval(caller=make_caller(ACCOUNT))

        for reason in ("timeout", "woken"):
            answer = api.post(f"{URL}/{approval.pk}/settle", {"reason": reason}).json()
            assert answer["outcome"] == "expired"

    def test_another_callers_approval_is_404_and_stays_open(self, api):
        approval = make_approval(caller=make_caller("other@example.com"))

        for verb in ("settle", "withdraw", "outcome"):
            body = {"settle": {"reason": "timeout"}, "outcome": {"status": "failed"}}.get(verb, {})
            assert api.post(f"{URL}/{approval.pk}/{verb}", body).status_code == 404
        approval.refresh_from_db()
        assert approval.status == "pending"

    @pytest.mark.parametrize("body", [{}, {"reason": "because"}, {"reason": "woken", "x": 1}])
    def test_another_reason_is_422(self, api, body):
        approval = make_approval(caller=make_caller(ACCOUNT))

        assert api.post(f"{URL}/{approval.pk}/settle", body).status_code == 422


class TestWithdrawAndOutcome:
    def test_withdrawing_closes_and_is_409_after_a_decision(self, api, ana):
        open_one, decided = (make_approval(caller=make_caller(ACCOUNT)) for _ in range(2))
        decided.decide("approved", by=ana, revision=1)

        assert api.post(f"{URL}/{open_one.pk}/withdraw", {}).json()["status"] == "withdrawn"
        response = api.post(f"{URL}/{decided.pk}/withdraw", {"reason": "late"})
        assert response.status_code == 409
        assert "Ana Almeida answered" in problem(response)

    def test_what_the_workflow_did_is_kept(self, api, ana):
        approval = make_approval(caller=make_caller(ACCOUNT))
        path, said = f"{URL}/{approval.pk}/outcome", {"status": "succeeded", "message": "Paid"}

        assert api.post(path, said).status_code == 409
        approval.decide("approved", by=ana, revision=1)
        assert api.post(path, said).status_code == 200
        approval.refresh_from_db()
        assert approval.result_message == "Paid"


class TestDocument:
    def test_the_openapi_document_and_its_page_are_served(self, client, db):
        paths = client.get("/api/v1/openapi.json").json()["paths"]

        assert f"{URL}/{{approval_id}}/settle" in paths
        assert client.get("/api/v1/docs").status_code == 200

    def test_the_project_constant_is_the_emulators(self):
        assert PROJECT == "123456789012"

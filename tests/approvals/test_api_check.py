"""The dry run: what registering would do is told, and nothing is done."""

import json
import uuid
from datetime import datetime

import pytest
from django.utils import timezone

from approvals.models import Approval, Event, Policy, User
from approvals.models.timer import Timer
from tests.approvals.calling import URL, problem
from tests.approvals.test_api_limits import BAD_FIELDS
from tests.factories import (
    make_approval,
    make_callback_url,
    make_group,
    make_request,
    make_user,
)

CHECK = f"{URL}/check"
FORM = {
    "type": "object",
    "properties": {
        "centre": {"type": "string", "enum": ["4100", "4200"]},
        "amount": {"type": "number", "minimum": 0},
        "net": {"type": "boolean", "default": False},
    },
    "required": ["centre"],
}


def make_type(name="payment", **terms):
    policy = Policy.objects.create(name=name, title="Payment")
    policy.revise("admin", **{"stages": [{"approvers": ["group:managers"]}], **terms})
    return policy


class TestPlan:
    def test_it_says_who_is_asked_why_and_how_many_they_are(self, api, ana, ben):
        make_group("finance", make_user("fay@example.com"), make_user("ina@example.com"))
        body = make_request(
            approvers=["group:managers", "group:finance", "user:ana@example.com"],
            requested_by="ben+trip@example.com",
            votes_needed=2,
        )

        answer = api.post(CHECK, body)

        assert answer.status_code == 200
        (stage,) = answer.json()["stages"]
        assert (stage["votes_needed"], stage["people"]) == (2, 3)
        managers, finance, named = stage["approvers"]
        assert managers == {
            "approver": "group:managers",
            "name": "managers",
            "why": "Named in the request",
            "people": 1,
            "excluded": "ben@example.com",
            "invited": False,
        }
        assert (finance["people"], finance["excluded"]) == (2, None)
        assert (named["approver"], named["name"]) == ("user:ana@example.com", "Ana Almeida")

    def test_nothing_is_stored_and_nobody_invited(self, api):
        make_type(invites=True, stages=[{"approvers": ["group:managers", "user:new@example.com"]}])
        body = make_request(type="payment", approvers=["user:new@example.com"])

        (stage,) = api.post(CHECK, body).json()["stages"]

        assert stage["approvers"][0]["invited"] is True
        assert not User.objects.filter(email="new@example.com").exists()
        assert Approval.objects.count() == Event.objects.count() == Timer.objects.count() == 0
        assert api.post(URL, body).status_code == 201
        assert User.objects.get(email="new@example.com").has_usable_password() is False

    def test_rules_of_a_type_pick_and_say_so(self, api, ana):
        make_group("cfo", make_user("cleo@example.com"))
        rule = {"field": "Amount", "operator": ">", "value": 10000, "approvers": ["group:cfo"]}
        make_type(rules=[rule])

        for amount, asked in ((240, "group:managers"), (12400, "group:cfo")):
            body = make_request(type="payment", approvers=[], fields={"Amount": amount})
            told = api.post(CHECK, body).json()
            assert (told["type"], told["type_version"]) == ("payment", 1)
            assert [each["approver"] for each in told["stages"][0]["approvers"]] == [asked]
        assert told["stages"][0]["approvers"][0]["why"] == "Payment: Amount > 10000"

    def test_times_of_a_type_are_moments(self, api):
        hour = 3600
        make_type(
            expires_in=10 * hour,
            remind_after=[hour, 2 * hour],
            escalate_after=3 * hour,
            escalate_to="group:managers",
            undo=30,
            comment_rule="always",
            priority="high",
        )
        told = api.post(CHECK, make_request(type="payment", approvers=[])).json()

        now = timezone.now()
        hours = [
            round((datetime.fromisoformat(at) - now).total_seconds() / hour, 1)
            for at in (*told["reminders"], told["escalations"][0]["at"], told["expires_at"])
        ]
        assert hours == [1.0, 2.0, 3.0, 9.8]
        assert told["escalations"][0]["to"] == "group:managers"
        assert (told["undo"], told["comment"], told["priority"]) == (30, "always", "high")

    def test_what_cannot_work_is_a_warning(self, api):
        make_group("nobody")
        body = make_request(
            approvers=[],
            stages=[
                {"approvers": ["group:nobody"]},
                {"approvers": ["group:managers"], "votes_needed": 3},
            ],
        )

        assert api.post(CHECK, body).json()["warnings"] == [
            "Stage 1: nobody who is asked could answer it.",
            "Stage 2: 3 must agree, and 2 could answer.",
        ]


class TestCallbackBodies:
    def test_each_option_and_the_expiry_have_one(self, api, ana):
        body = make_request(form=FORM, prefill={"centre": "4200"}, expires_in=3600)

        approved, rejected, expired = api.post(CHECK, body).json()["callback_bodies"]

        assert [each["outcome"] for each in (approved, rejected, expired)] == [
            "approved",
            "rejected",
            "expired",
        ]
        assert approved["form"] == {"centre": "4200", "amount": 1.5, "net": False}
        assert approved["decided_by"]["email"] == "ana@example.com"
        assert rejected["comment"] == "Why."
        assert (expired["decided_by"], expired["votes"], expired["form"]) == (None, [], {})

    def test_they_have_the_shape_of_the_real_ones(self, api, ana, ben):
        body = make_request(votes_needed=2)
        example = api.post(CHECK, body).json()["callback_bodies"][0]
        approval = Approval.objects.get(pk=api.post(URL, body).json()["id"])
        for person in (ana, ben):
            approval.decide("approved", by=person, revision=1)

        real = approval.outgoing.payload
        assert list(example) == list(real)
        assert [vote["email"] for vote in example["votes"]] == [
            vote["email"] for vote in real["votes"]
        ]
        assert example["content_sha256"] == real["content_sha256"]
        assert example["decided_by"].keys() == real["decided_by"].keys()


class TestRefuse:
    @pytest.mark.parametrize(("field", "value", "named"), BAD_FIELDS)
    def test_a_bad_field_is_refused_as_in_registering(self, api, field, value, named):
        body = make_request(**{field: value})

        checked, registered = api.post(CHECK, body), api.post(URL, body)

        assert checked.status_code == registered.status_code == 422
        assert problem(checked) == problem(registered)

    @pytest.mark.parametrize(
        "fields",
        [
            {"approvers": ["group:unheard-of"]},
            {"approvers": []},
            {"callback_url": make_callback_url("999")},
            {"supersedes": str(uuid.UUID(int=1))},
            {"prefill": {"centre": "4100"}},
            {"form": FORM, "prefill": {"centre": "9"}},
            {"form": {"type": "object", "properties": {"a": {"type": "array"}}}},
            {"on_expiry": "approved"},
            {"stages": [{"approvers": ["group:managers"]}]},
        ],
        ids=lambda fields: next(iter(fields)),
    )
    def test_what_cannot_be_asked_is_refused_as_in_registering(self, api, fields):
        body = make_request(**fields)

        checked, registered = api.post(CHECK, body), api.post(URL, body)

        assert checked.status_code == registered.status_code == 422
        assert problem(checked) == problem(registered)

    def test_what_a_type_does_not_give_is_named(self, api):
        make_type(expires_in=3600)
        body = make_request(type="payment", approvers=[])

        assert list(problem(api.post(CHECK, {**body, "expires_in": 7200}))) == ["expires_in"]
        assert list(problem(api.post(CHECK, {**body, "type": "unheard-of"}))) == ["type"]

    def test_every_wrong_field_of_a_form_is_named(self, api):
        form = {"type": "object", "properties": {"a": {"type": "map"}, "b": {"format": "x"}}}

        assert list(problem(api.post(CHECK, make_request(form=form)))) == ["form/a", "form/b"]
        values = {"centre": "1", "amount": -1}
        told = problem(api.post(CHECK, make_request(form=FORM, prefill=values)))
        assert list(told) == ["prefill/centre", "prefill/amount"]

    def test_other_content_under_the_same_callback_is_409(self, api):
        body = make_request()
        api.post(URL, body)

        assert api.post(CHECK, {**body, "title": "Other"}).status_code == 409


class TestPlace:
    def test_without_a_callback_it_tells_as_well(self, api):
        body = make_request()
        del body["callback_url"]

        assert api.post(CHECK, body).json()["registered"] is None

    def test_what_is_registered_is_named_and_left_alone(self, api):
        old = make_approval()
        Approval.objects.update(caller=api.caller)
        body = make_request(supersedes=str(old.pk))
        new = api.post(URL, body, **{"Idempotency-Key": "k"}).json()
        moved = body | {"callback_url": make_callback_url(execution=new["execution"][-36:])}

        told = api.post(CHECK, moved, **{"Idempotency-Key": "k"}).json()

        assert told["registered"] == new["id"]
        assert Approval.objects.get(pk=new["id"]).callback_url == body["callback_url"]

    def test_what_would_be_superseded_stays_open(self, api):
        old = api.post(URL, make_request()).json()["id"]
        body = make_request(supersedes=old)

        assert api.post(CHECK, body).json()["supersedes"] == old
        assert Approval.objects.get(pk=old).status == "pending"
        assert "changes" not in json.dumps(list(Event.objects.values("kind")))

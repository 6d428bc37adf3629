"""The inbox that tests talk to answers as the real one does: the same requests to both."""

import re
import uuid
from typing import Any, ClassVar

import pytest

from approvals.api import api as real_api
from approvals.models import Policy
from approvals.schemas import ApprovalIn
from emulator.testing.bodies import Registration
from emulator.testing.inbox_api import APPROVALS
from tests.approvals.test_api_limits import BAD_FIELDS
from tests.approvals.tokens import id_token
from tests.workflows.conftest import FORM, PLAIN, STAGES, endpoint, masked

NO_WORKFLOWS = ("/check", "/vote", "/me/approvals")
"""Calls of people and their programs, which no workflow makes."""


class TestBodies:
    def test_every_field_of_a_registration_has_the_same_schema(self):
        played, real = Registration.model_json_schema(), ApprovalIn.model_json_schema()

        assert bare(played) == bare(real)

    def test_every_call_of_the_real_one_is_played(self, both):
        calls = {
            (method.upper(), path.replace("{approval_id}", "{}"))
            for path, methods in real_api.get_openapi_schema()["paths"].items()
            for method in methods
            if not path.endswith(NO_WORKFLOWS)
        }
        routes = both.workflows._site.api.application().router.routes()
        played = {
            (route.method, re.sub(r"\{approval\}", "{}", str(route.resource.canonical)))
            for route in routes
        }

        assert played == calls


def bare(schema: Any) -> Any:
    """A schema without what is there for people, and without the names of its parts."""
    if isinstance(schema, dict):
        if "$defs" in schema:
            schema = {**schema, "$defs": sorted(map(str, map(bare, schema["$defs"].values())))}
        words = ("description", "title")
        return {
            key: bare(value)
            for key, value in schema.items()
            if not (key in words and isinstance(value, str))
        }
    return [bare(item) for item in schema] if isinstance(schema, list) else schema


class TestRegister:
    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"fields": {"Amount": 5, "Payee": ["A", None, 1.5]}},
            {"fields": [{"label": "Amount", "value": 5}], "type": "x", "summary": "a\nb"},
            {"options": [{"value": "later", "label": " Later "}], "comment": "always"},
            {"expires_in": 60},
            {"expires_in": 259200.0, "on_expiry": "rejected", "priority": "urgent"},
            {"approvers": ["user:ana@example.com", "group:managers"]},
            {"approvers": ["user:ANA@example.com", "user:ana@example.com", "group: managers "]},
            {"votes_needed": 2.0},
            {"votes_needed": "everyone", "comment": "optional", "priority": "low"},
            {"approvers": [], "stages": STAGES},
            {"form": FORM, "prefill": {"amount": 4, "note": "x"}},
            {"form": FORM},
        ],
    )
    def test_what_is_kept_is_shown_alike(self, both, fields):
        status, shown = both.register(**fields)

        assert status == 201
        assert both.ask("GET", "/{}")[1]["content_sha256"] == shown["content_sha256"]

    def test_one_that_supersedes_another_is_kept_alike(self, both):
        ids = []
        for _ in range(2):
            both.register()
            ids.append(dict(both.told))
        for fields in ({}, {"title": "Again"}):
            asked = [
                send(
                    "POST",
                    APPROVALS,
                    {
                        **PLAIN,
                        "callback_url": endpoint(both.origin, str(uuid.uuid4())),
                        "supersedes": ids[0][send],
                        **fields,
                    },
                    ...,
                    {},
                )
                for send in (both.real, both.played)
            ]
            assert masked(asked[0]) == masked(asked[1])
        assert asked[0][0] == 422
        for send in (both.real, both.played):
            both.told[send] = ids[0][send]
        assert both.ask("GET", "/{}")[1]["status"] == "withdrawn"

    @pytest.mark.parametrize(("field", "value", "named"), BAD_FIELDS)
    def test_a_bad_field_is_refused_alike(self, both, field, value, named):
        assert both.register(**{field: value})[0] == 422

    @pytest.mark.parametrize(
        "fields",
        [
            {"approvers": []},
            {"approvers": ["group:nobody", "user:stranger@example.com"]},
            {"callback_url": "https://evil.example/v1/x"},
            {"callback_url": endpoint("https://workflowexecutions.example", "e")},
            {"title": "", "options": [], "links": [{}], "votes_needed": "all"},
            {"stages": STAGES},
            {"approvers": [], "stages": [{"approvers": ["group:nobody"]}]},
            {"prefill": {"amount": 3}},
            {"form": FORM, "prefill": {"amount": 0, "other": 1}},
            {"form": {"type": "object", "properties": {"a": {"type": "map"}, "b": {}}}},
            {"form": {"properties": {}}},
            {"on_expiry": "approved"},
            {"supersedes": str(uuid.UUID(int=0))},
        ],
    )
    def test_what_cannot_be_asked_is_refused_alike(self, both, fields):
        assert both.register(**fields)[0] == 422

    def test_another_project_is_refused_alike(self, both):
        url = endpoint(both.origin, "e").replace("123456789012", "999")

        assert both.register(callback=url)[0] == 422

    @pytest.mark.parametrize("key", ["k" * 201, "schl\u00fcssel"])
    def test_a_bad_key_is_refused_alike(self, both, key):
        key = key.encode().decode("latin-1")
        assert both.register(key=key, title="")[0] == 422

    @pytest.mark.parametrize(
        "body",
        [
            *(b"{", b"\xff\xfe", b"", b"[]", b"3", b'{"title": NaN}', b'{"a": 1, "a": 2}'),
            b'{"fields": ' + b'{"a":' * 30 + b"1" + b"}" * 31,
            b'{"title": "' + b"x" * 300_000 + b'"}',
        ],
        ids=range(9),
    )
    def test_a_body_that_is_none_is_refused_alike(self, both, body):
        assert both.ask("POST", body=body)[0] in (400, 413, 422)

    def test_the_same_again_is_answered_alike(self, both):
        url = endpoint(both.origin, "e-1")
        first = both.register(callback=url, key="k")

        assert both.register(callback=url, key="k") == (200, first[1])
        assert both.register(callback=url, key="k", title="Other")[0] == 409
        moved = both.register(callback=endpoint(both.origin, "e-1", "b"), key="k")
        assert moved[0] == 200
        assert moved[1]["callback_url"] != first[1]["callback_url"]
        assert both.register(callback=endpoint(both.origin, "e-2"), key="k")[0] == 409
        other = endpoint(both.origin, "e-1", "c")
        both.register(callback=other)
        assert both.register(callback=other, key="k")[0] == 409


class TestCallers:
    @pytest.mark.parametrize(
        ("token", "status"),
        [
            ("", 401),
            ("garbage", 401),
            ("csk_unknown", 401),
            (id_token(aud="https://other.example"), 401),
            (id_token(iat=1_600_000_000, exp=1_600_003_600), 401),
            (id_token(email="stranger@example.com"), 403),
        ],
        ids=range(6),
    )
    def test_who_may_not_call_is_told_alike(self, both, token, status):
        assert both.ask("POST", body={"title": ""}, token=token)[0] == status
        assert both.ask("GET", token=token)[0] == status

    @pytest.mark.parametrize("verb", ["", "/settle", "/withdraw", "/outcome"])
    def test_what_is_not_there_is_told_alike(self, both, verb):
        method = "POST" if verb else "GET"
        body = {"/settle": {"reason": "woken"}, "/outcome": {"status": "failed"}}.get(verb, {})

        assert both.ask(method, f"/{uuid.uuid4()}{verb}", body)[0] == 404
        assert both.ask(method, f"/17{verb}", body)[0] == 404
        assert both.ask("DELETE", f"/{uuid.uuid4()}{verb}")[0] == 405


class TestList:
    def test_pages_and_filters_are_alike(self, both):
        for number in range(52):
            both.register(title=f"Question {number}", type="even" if number % 2 == 0 else "odd")

        listed = both.ask("GET")[1]
        assert len(listed["approvals"]) == 50
        assert listed["next_cursor"]
        assert len(both.ask("GET", "?type=even&status=pending")[1]["approvals"]) == 26
        assert both.ask("GET", "?requested_by=nobody@example.com")[1]["approvals"] == []
        assert both.ask("GET", "?cursor=x")[0] == 400
        assert both.ask("GET", f"?status={'x' * 51}")[0] == 422


class TestTypes:
    STAGES: ClassVar = [{"approvers": ["group:managers"]}]
    RULES: ClassVar = [
        {"field": "Amount", "operator": ">", "value": 9, "approvers": ["user:ben@example.com"]}
    ]

    @pytest.fixture
    def typed(self, both):
        policy = Policy.objects.create(name="payment", title="Payment")
        said = {"stages": self.STAGES, "rules": self.RULES, "expires_in": 7200, "form": FORM}
        policy.revise("admin", comment_rule="always", **said)
        both.workflows.inbox.has_type("payment", title="Payment", comment="always", **said)
        return both

    @pytest.mark.parametrize("amount", [3, 30])
    def test_the_rules_pick_alike(self, typed, amount):
        fields = {"Amount": amount}

        status, shown = typed.register(type="payment", approvers=[], fields=fields)

        assert (status, shown["type_version"]) == (201, 1)
        assert shown["approvers"] == ["user:ben@example.com" if amount > 9 else "group:managers"]

    @pytest.mark.parametrize(
        "fields",
        [
            {"type": "unheard-of"},
            {"fields": {"Amount": "30 EUR"}},
            {"fields": {}},
            {"approvers": ["user:stranger@example.com"]},
            {"approvers": ["user:ana@example.com"], "votes_needed": 1, "expires_in": 9000},
            {"comment": "optional"},
            {"form": FORM},
            {"stages": STAGES},
            {"on_expiry": "approved"},
        ],
    )
    def test_what_a_type_does_not_give_is_refused_alike(self, typed, fields):
        given = {"type": "payment", "approvers": [], "fields": {"Amount": 1}, **fields}

        assert typed.register(**given)[0] == 422

    def test_a_person_of_a_group_may_be_chosen_alike(self, typed):
        given = {"type": "payment", "fields": {"Amount": 1}}

        assert typed.register(approvers=["user:ana@example.com"], **given)[0] == 201

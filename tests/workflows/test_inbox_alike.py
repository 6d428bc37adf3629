"""The inbox that tests talk to answers as the real one does: the same requests to both."""

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any, ClassVar

import pytest
import requests
from django.utils import timezone

from approvals import identity
from approvals.api import api as real_api
from approvals.models import Approval, Policy, User
from approvals.models.errors import ApprovalError
from approvals.schemas import ApprovalIn
from emulator.testing import AnswerRefused, Workflows
from emulator.testing.bodies import Registration
from emulator.testing.inbox_api import APPROVALS
from tests.approvals.test_api_limits import BAD_FIELDS
from tests.approvals.tokens import ACCOUNT, AUDIENCE, certificates, id_token
from tests.factories import make_caller, make_group, make_user

Answer = tuple[int, Any]
Send = Callable[..., Answer]
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
NO_WORKFLOWS = ("/check", "/vote", "/me/approvals")
"""Calls of people and their programs, which no workflow makes."""
STAGES = [
    {"approvers": ["group:managers"], "votes_needed": "everyone", "name": "Check"},
    {"approvers": ["user:ana@example.com"]},
]
FORM = {
    "type": "object",
    "properties": {
        "amount": {"type": "number", "minimum": 1},
        "note": {"type": "string", "default": "-"},
    },
    "required": ["amount"],
}
PLAIN = {"title": "Pay ACME", "approvers": ["group:managers"], "requested_by": "eva@example.com"}


@cache
def good_token() -> str:
    """Made once, for it takes long."""
    return id_token()


def endpoint(origin: str, execution: str, name: str = "a") -> str:
    return (
        f"{origin}/v1/projects/123456789012/locations/us-central1/workflows/pay"
        f"/executions/{execution}/callbacks/{name}_{execution}"
    )


@dataclass
class Both:
    """The real inbox and the one of the tests; `real` and `played` send one request."""

    origin: str
    real: Send
    played: Send
    workflows: Workflows
    told: dict[Send, str] = field(default_factory=dict)

    def ask(
        self, method: str, path: str = "", body: Any = ..., token: Any = ..., **headers: str
    ) -> Answer:
        """The answer, if both give the same, IDs and times aside.

        Args:
            path: below that of all approvals; `{}` is the ID of the one that was told of last.
        """
        answers = []
        for send in (self.real, self.played):
            address = APPROVALS + path.replace("{}", self.told.get(send, ""))
            status, told = send(method, address, body, token, headers)
            if isinstance(told, dict) and "id" in told:
                self.told[send] = told["id"]
            answers.append((status, told))
        real, played = answers
        assert masked(played) == masked(real)
        return played

    def register(self, *, key: str = "", callback: str = "", **fields: Any) -> Answer:
        url = callback or endpoint(self.origin, str(uuid.uuid4()))
        headers = {"Idempotency-Key": key} if key else {}
        return self.ask("POST", body={**PLAIN, "callback_url": url, **fields}, **headers)

    def decide(
        self, outcome: str, by: User, comment: str = "", form: dict[str, Any] | None = None
    ) -> None:
        """The same answer in both; both take it, or refuse it."""
        approval = Approval.objects.get(pk=self.told[self.real])
        played = self.workflows.inbox.approvals[-1]
        given: dict[str, Any] = {"comment": comment, "form": form or {}}
        try:
            approval.decide(outcome, by=by, revision=approval.revision, **given)
            refused = ""
        except ApprovalError as error:
            refused = str(error)
        if not refused:
            played.choose(outcome, by=f"{by} <{by.email}>", **given)
            return
        with pytest.raises(AnswerRefused) as told:
            played.choose(outcome, by=f"{by} <{by.email}>", **given)
        assert str(told.value).split()[:2] == refused.split()[:2]


def masked(answer: Answer) -> Answer:
    """Without what is different each time, and without how deliveries go."""
    status, body = answer
    text = re.sub(UUID, "UUID", json.dumps(body, sort_keys=True))
    text = re.sub(r'"[0-9a-f]{64}"', '"DIGEST"', text)
    text = re.sub(TIME, "TIME", text).replace(AUDIENCE, "BASE")
    text = re.sub(r'"delivery": "\w+"', '"delivery": "STATE"', text)
    text = re.sub(r" on (TIME|\d+ \w+ \d{4}, \d\d:\d\d \w+)\.", " on TIME.", text)
    return status, json.loads(re.sub(r'"next_cursor": "[^"]+"', '"next_cursor": "CURSOR"', text))


@pytest.fixture
def both(db, client, settings, workflows, monkeypatch):
    """Both inboxes, with the same people, the same caller and the same address."""
    site = workflows._site
    origin = site.services.settings.base_url
    settings.WORKFLOWS_EMULATOR_HOST = origin
    monkeypatch.setattr(identity, "google_keys", identity.Keys(certificates))
    people = [make_user(f"{name.lower()}@example.com", first=name) for name in ("Ana", "Ben")]
    make_group("managers", *people)
    make_caller(ACCOUNT)
    address = site.api_address
    site.inbox.url = AUDIENCE
    site.api.certificates = certificates
    workflows.inbox.has_group("managers", *(f"{who} <{who.email}>" for who in people))
    workflows.inbox.knows_only(ACCOUNT)

    def headers_of(token: Any, headers: dict[str, str]) -> dict[str, str]:
        shown = good_token() if token is ... else token
        return {**({"Authorization": f"Bearer {shown}"} if shown else {}), **headers}

    def text_of(body: Any) -> bytes:
        if body is ...:
            return b""
        return body if isinstance(body, bytes) else json.dumps(body).encode()

    def real(method, path, body, token, headers):
        sent = headers_of(token, headers)
        kind = {"content_type": "application/json"}
        answer = client.generic(method, path, text_of(body), headers=sent, **kind)
        return answer.status_code, answer.json()

    def played(method, path, body, token, headers):
        sent = {"Content-Type": "application/json", **headers_of(token, headers)}
        answer = requests.request(
            method, address + path, data=text_of(body), headers=sent, timeout=10
        )
        return answer.status_code, answer.json()

    return Both(origin, real, played, workflows)


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

"""The OpenAPI document is complete, and every answer to whatever is sent is as it says.

`API_CASES=1000` sends that many requests to each call instead of a few dozen.
"""

import json
import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel
from schemathesis import Case, GenerationMode, checks
from schemathesis.core import NOT_SET
from schemathesis.core.result import Ok

from approvals import schemas
from approvals.api import api
from approvals.api.examples import EXAMPLES
from approvals.models import ApiKey, PersonalToken, Policy
from config.wsgi import application
from countersign import bodies
from tests.factories import (
    make_approval,
    make_callback_url,
    make_caller,
    make_group,
    make_request,
    make_user,
)

Sent = Case[Any]
CASES = int(os.environ.get("API_CASES", "30"))
DOCUMENT: dict[str, Any] = json.loads(json.dumps(api.get_openapi_schema()))
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
SCHEMA.app = application
CALLS = {
    f"{operation.method.upper()} {operation.path}": operation
    for operation in (found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok))
}
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
PLAIN = {"Accept-Encoding": "identity"}  # nobody unpacks between here and WSGI
FORM = {
    "type": "object",
    "properties": {
        "amount": {"type": "number", "minimum": 0},
        "centre": {"type": "string", "enum": ["a", "b"]},
    },
    "required": ["amount"],
}


def is_for_people(path: str) -> bool:
    return path.endswith(("/vote", "/me/approvals"))


class TestDocument:
    def test_every_status_of_every_call_is_told_with_an_example(self):
        for method, path, operation in OPERATIONS:
            for status, response in operation["responses"].items():
                body = response["content"]["application/json"]
                assert response["description"], (method, path, status)
                assert "example" in body or "examples" in body, (method, path, status)

    def test_every_call_tells_what_it_does_and_who_may(self):
        for method, path, operation in OPERATIONS:
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
            assert operation["security"], (method, path)
            people: list[dict[str, list[str]]] = [{"PersonalTokenAuth": []}, {"SessionAuth": []}]
            assert (operation["security"] == people) == is_for_people(path)

    def test_every_field_that_is_taken_is_told(self):
        for name, part in DOCUMENT["components"]["schemas"].items():
            if hasattr(schemas, name):
                for field, told in part["properties"].items():
                    assert told.get("description"), (name, field)

    def test_too_many_requests_are_told_with_when_to_come_back(self):
        for _, _, operation in OPERATIONS:
            assert "Retry-After" in operation["responses"]["429"]["headers"]

    def test_every_example_fits_its_schema(self):
        for method, path, operation in OPERATIONS:
            for status, response in operation["responses"].items():
                body = response["content"]["application/json"]
                shown = body.get("examples", {"": {"value": body.get("example")}})
                for example in shown.values():
                    self.validate(body["schema"], example["value"], (method, path, status))
            if "requestBody" in operation:
                body = operation["requestBody"]["content"]["application/json"]
                self.validate(body["schema"], body["example"], (method, path))

    def validate(self, schema: dict[str, Any], value: object, place: object) -> None:
        complete = {**schema, "components": DOCUMENT["components"]}
        errors = list(Draft202012Validator(complete).iter_errors(value))
        assert errors == [], place

    def test_what_the_examples_send_is_taken(self):
        models: dict[str, type[BaseModel]] = {
            "register": schemas.ApprovalIn,
            "check": schemas.CheckIn,
            "settle": bodies.SettleIn,
            "withdraw": bodies.WithdrawIn,
            "report": bodies.OutcomeIn,
            "vote": schemas.VoteIn,
        }
        sent = {name for name, example in EXAMPLES.items() if example.request is not None}
        assert sent == set(models)
        for name, model in models.items():
            model.model_validate(EXAMPLES[name].request)


class World:
    """An inbox with somebody in it: who calls, and approvals in every state."""

    def __init__(self) -> None:
        ana, ben = make_user("ana@example.com"), make_user("ben@example.com")
        make_group("managers", ana, ben)
        caller = make_caller()
        self.key = ApiKey.objects.issue(caller)[1]
        self.token = PersonalToken.objects.issue(ana, "test")[1]
        policy = Policy.objects.create(name="payment", title="Payment")
        stages = [{"approvers": ["group:managers"]}]
        rule = {"field": "Amount", "operator": ">", "value": 9, "approvers": ["group:managers"]}
        policy.revise("admin", stages=stages, rules=[rule], undo=60, invites=True)
        approvals = [
            make_approval(caller=caller),
            make_approval(caller=caller, form=FORM, votes_needed=2),
            make_approval(caller=caller, type="payment", approvers=[], fields={"Amount": 3}),
            *(make_approval(caller=caller, expires_in=60) for _ in range(3)),
        ]
        for approval in approvals[-2:]:
            approval.decide("approved", by=ben, revision=1)
        self.ids = [str(approval.pk) for approval in reversed(approvals)]


@pytest.fixture
def world(db, settings) -> Iterator[World]:
    """Requests are not counted, and leave the connection of the test open."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield World()
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def cases(call: str) -> st.SearchStrategy[Sent]:
    """Requests that fit the document, and some that do not."""
    operation = CALLS[call]
    return st.one_of(
        operation.as_strategy(GenerationMode.POSITIVE),
        operation.as_strategy(GenerationMode.NEGATIVE),
    )


def likely(world: World) -> dict[str, st.SearchStrategy[Any]]:
    """Values by which a request gets further than to its first wrong field."""
    return {
        "callback_url": st.builds(make_callback_url),
        "approvers": st.sampled_from([["group:managers"], ["user:new@example.com"], []]),
        "type": st.sampled_from(["payment", "payment", "", "unheard-of"]),
        "fields": st.sampled_from([{"Amount": 12}, {"Amount": "12"}, {}]),
        "links": st.just([]),
        "options": st.just([{"value": "approved", "label": "Yes"}]),
        "requested_by": st.sampled_from(["ana@example.com", "eva@example.com", ""]),
        "stages": st.sampled_from([[], [{"approvers": ["group:managers"]}]]),
        "form": st.sampled_from([None, FORM, {"amount": 3}, {}]),
        "prefill": st.sampled_from([{}, {"amount": 4}, {"centre": "c"}]),
        "summary": st.just("Why *not*?"),
        "supersedes": st.sampled_from([None, *world.ids, str(uuid.UUID(int=0))]),
        "outcome": st.sampled_from(["approved", "rejected", "perhaps"]),
        "revision": st.sampled_from([1, 1, 1, 2]),
        "url": st.sampled_from(["", "https://example.com/x"]),
    }


def aimed(case: Sent, world: World, data: st.DataObject) -> Sent:
    """The case with some of its parts replaced by ones that are known here."""
    mostly: int = data.draw(st.integers(0, 4))
    if case.path_parameters and mostly:
        case.path_parameters["approval_id"] = data.draw(st.sampled_from(world.ids))
    if isinstance(case.body, dict) and case.body:
        case.body = likely_body(case, world, data)
    own = world.token if is_for_people(case.path) else world.key
    token = data.draw(st.sampled_from([own] * 9 + [world.key, world.token, "x", None]))
    if token:
        case.headers["Authorization"] = f"Bearer {token}"
    case.headers.update(PLAIN)
    return case


def likely_body(case: Sent, world: World, data: st.DataObject) -> dict[str, Any]:
    """A good body with a few parts of the generated one; or that one, with likely values."""
    values, body = likely(world), cast("dict[str, Any]", case.body)
    if good := GOOD.get(case.path.rpartition("/")[2]):
        few: set[str] = data.draw(st.sets(st.sampled_from(sorted(body)), max_size=2))
        body = good() | {name: body[name] for name in few}
        if data.draw(st.booleans()):
            return body
    for name in [name for name in body if name in values]:
        if data.draw(st.integers(0, 5)):
            body[name] = data.draw(values[name])
    return body


GOOD: dict[str, Callable[[], dict[str, Any]]] = {
    "approvals": make_request,
    "check": make_request,
    "vote": lambda: {"outcome": "approved", "revision": 1, "comment": "Why."},
    "settle": lambda: {"reason": "woken"},
    "withdraw": lambda: {"reason": "Why."},
    "outcome": lambda: {"status": "succeeded", "message": "Done."},
}
DONE = {200, 201, 409}
"""Answers of requests in which nothing is wrong; a 409 is for what has been decided."""


CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


class TestAnswers:
    @pytest.mark.parametrize("call", CALLS)
    def test_whatever_is_sent_is_answered_as_documented(self, world, call):
        seen: Counter[int] = Counter()

        @settings(
            max_examples=CASES,
            deadline=None,
            database=None,
            derandomize="API_CASES" not in os.environ,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases(call), data=st.data())
        def send(case: Sent, data: st.DataObject) -> None:
            response = aimed(case, world, data).call()
            seen[response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        send()
        assert len(seen) >= 3, seen

    @pytest.mark.parametrize("call", CALLS)
    def test_a_good_request_is_done_and_answered_as_documented(self, world, call):
        operation = CALLS[call]
        last = operation.path.rpartition("/")[2]
        token = world.token if is_for_people(operation.path) else world.key
        with_body = operation.method.upper() == "POST"
        case = operation.Case(
            path_parameters={"approval_id": world.ids[-1 if last == "vote" else 0]},
            headers={"Authorization": f"Bearer {token}", **PLAIN},
            body=GOOD[last]() if with_body else NOT_SET,
            media_type="application/json" if with_body else None,
        )

        response = case.call()

        assert response.status_code in DONE, response.text
        case.validate_response(response, checks=CHECKS)

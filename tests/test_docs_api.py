"""What `docs/api.md` says, held to the document of the API, and its examples sent."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from approvals.api import api, callers
from approvals.models import ApiKey, PersonalToken, User
from countersign import bodies, strict_json
from countersign.questionnaire import MAX_BYTES
from tests.factories import make_caller, make_group, make_user
from tests.pages import blocks, names, read, section, shown, table, tables

SCHEMA: dict[str, Any] = api.get_openapi_schema()
PARTS: dict[str, Any] = SCHEMA["components"]["schemas"]
FIELDS = ("field", "default", "limit", "meaning")
INPUTS = (
    *("ApprovalIn", "Link", "Option", "StageIn", "SettleIn", "WithdrawIn", "OutcomeIn", "VoteIn"),
)


def limit_of(field: dict[str, Any]) -> str:
    """A field's limit as the page writes it."""
    if "anyOf" in field:
        parts = [part for part in field["anyOf"] if part != {"type": "null"}]
        told = [limit_of(part) for part in parts if part != {"const": "", "type": "string"}]
        return ", ".join(told)
    if field.get("format") == "uuid":
        return "UUID"
    if field.get("type") == "object" and "maxProperties" not in field:
        return f"up to {MAX_BYTES // 1024} kB" if "default" not in field else "the form's"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field or "pattern" in field:
        return f"`{field.get('const', field.get('pattern'))}`"
    if "maximum" in field:
        return f"{field['minimum']} to {field['maximum']}"
    for least, most, unit in (
        ("minLength", "maxLength", "characters"),
        ("minItems", "maxItems", "entries"),
        ("minProperties", "maxProperties", "entries"),
    ):
        if most in field:
            text = f"{field[least]} to {field[most]}" if least in field else f"up to {field[most]}"
            each = field.get("items", {}).get("maxLength")
            return f"{text} {unit}" + (f", each up to {each} characters" if each else "")
    raise AssertionError(f"no limit in {field}")


def default_of(name: str, field: dict[str, Any], required: list[str]) -> str:
    if name in required:
        return "required"
    if name == "options":
        return ", ".join(f"`{option['value']}`" for option in field["default"])
    return shown(field.get("default"))


class TestApi:
    def test_every_call_is_listed_and_has_its_section(self):
        rows = table(read("api.md"), "call", "does")
        found = {
            f"{method.upper()} {path}"
            for path, methods in SCHEMA["paths"].items()
            for method in methods
        }

        assert set(names(rows)) == found
        for call in found:
            assert read("api.md").count(f"`{call}`") >= 2, f"{call} has no section"

    @pytest.mark.parametrize("position", range(len(INPUTS)), ids=INPUTS)
    def test_every_field_is_listed_with_its_default_and_limit(self, position):
        rows = [found[1:] for found in tables(read("api.md")) if found[0] == FIELDS][position]
        part = PARTS[INPUTS[position]]
        required = part.get("required", [])

        assert [row[:3] for row in rows] == [
            (f"`{name}`", default_of(name, field, required), limit_of(field))
            for name, field in part["properties"].items()
            if "$ref" not in field.get("items", {}) or "maxItems" in field
        ]

    def test_every_parameter_is_listed_with_its_limit(self):
        rows = table(section("api.md", "## List"), "parameter", "limit", "meaning")
        found = SCHEMA["paths"]["/api/v1/approvals"]["get"]["parameters"]

        assert [row[:2] for row in rows] == [
            (f"`{each['name']}`", limit_of(each["schema"])) for each in found
        ]

    def test_every_status_of_an_error_is_listed(self):
        rows = table(section("api.md", "## Errors"), "status", "means", "try again?")
        found = {
            int(status)
            for methods in SCHEMA["paths"].values()
            for call in methods.values()
            for status in call["responses"]
        }

        assert [int(row[0]) for row in rows] == sorted(found - {200, 201})

    def test_the_limits_outside_of_the_schema_are_the_codes(self, settings):
        text = re.sub(r"\s+", " ", read("api.md"))
        header = SCHEMA["paths"]["/api/v1/approvals"]["post"]["parameters"][0]["schema"]
        body = settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 1024

        for sentence in (
            f"at most {body} kB and {strict_json.MAX_DEPTH} levels",
            f"`fields` have at most {bodies.MAX_FIELDS // 1024} kB",
            f"newest first, {callers.PAGE} a page",
            f"has up to {header['anyOf'][0]['maxLength']} printable ASCII characters",
        ):
            assert sentence in text
        reserved = ", ".join(f"`{value}`" for value in bodies.RESERVED[:-1])
        assert f"not {reserved} or `{bodies.RESERVED[-1]}`" in text

    def test_every_field_of_the_callback_body_is_listed(self):
        rows = table(section("api.md", "## The callback body"), "field", "meaning")

        assert names(rows, 0) == list(PARTS["Outcome"]["properties"])


class TestApiExamples:
    @pytest.fixture
    def ana(self, db) -> User:
        return make_user("ana@example.com", first="Ana", last="Almeida")

    @pytest.fixture
    def examples(self) -> Iterator[dict[str, Any]]:
        return map(json.loads, blocks("api.md", "json"))

    def ask(self, client, path: str, body: object, key: str = "") -> Any:
        key = key or ApiKey.objects.issue(make_caller())[1]
        return client.post(
            f"/api/v1/approvals{path}",
            json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {key}"},
        )

    def test_they_are_what_really_is_sent_and_answered(self, client, ana, examples, settings):
        settings.BASE_URL = "https://approvals.example.com"
        make_group("finance", ana)
        request, answer, check, woken, pending, withdraw, report, vote, outcome, problem = examples

        self.assert_alike(self.ask(client, "/check", request).json(), check)
        registered = self.ask(client, "", request)
        assert registered.status_code == 201
        self.assert_alike(registered.json(), answer)
        path = f"/{registered.json()['id']}"
        self.assert_alike(self.ask(client, f"{path}/settle", woken).json(), pending)

        _, token = PersonalToken.objects.issue(ana, "script")
        assert self.ask(client, f"{path}/vote", vote, token).json()["status"] == "approved"
        self.assert_alike(self.ask(client, f"{path}/settle", woken).json(), outcome)
        assert self.ask(client, f"{path}/withdraw", withdraw).status_code == 409
        assert self.ask(client, f"{path}/outcome", report).status_code == 200
        refused = self.ask(client, "", {**request, "aprovers": []})
        assert (refused.status_code, refused.json()) == (422, problem)

    def assert_alike(self, real: dict[str, Any], example: dict[str, Any]) -> None:
        """The same fields, and the same values but for ids, times and digests."""
        assert list(real) == list(example)
        own = {"id", "url", "approval_id", "decision_id", "content_sha256", "votes"}
        for one, other in zip(
            real.get("callback_bodies", []), example.get("callback_bodies", []), strict=True
        ):
            self.assert_alike(one, other)
        own.add("callback_bodies")
        for name in real.keys() - own:
            if not name.endswith("_at") or example[name] is None:
                assert real[name] == example[name], name
        if "created_at" in real:
            assert self.life(real) == self.life(example)

    def life(self, approval: dict[str, Any]) -> float:
        begin, end = (datetime.fromisoformat(approval[f"{n}_at"]) for n in ("created", "expires"))
        return round((end - begin).total_seconds())

"""What the API refuses to keep, and how it says so: every field, every body, every address."""

import json
import uuid

import pytest
from django.db import OperationalError

from approvals import registration
from approvals.models import Approval, Event
from tests.approvals.calling import URL, problem
from tests.factories import make_request

BAD_FIELDS = [
    ("title", "", "title"),
    ("title", "x" * 201, "title"),
    ("title", "two\nlines", "title"),
    ("title", "nul\x00", "title"),
    ("title", 7, "title"),
    ("title", None, "title"),
    ("summary", "x" * 20_001, "summary"),
    ("summary", "\x1b[2J", "summary"),
    ("fields", {f"k{n}": 1 for n in range(101)}, "fields"),
    ("fields", {"k": "x" * 66_000}, "fields"),
    ("fields", {"k" * 101: 1}, "fields"),
    ("fields", {"": 1}, "fields"),
    ("fields", {"k": {"nested": {}}}, "fields/map/k"),
    ("fields", {"k": "nul\x00"}, "fields"),
    ("fields", {"k": 2**60}, "fields"),
    ("fields", ["a"], "fields/list/0"),
    ("fields", [{"label": "", "value": 1}], "fields/list/0/label"),
    ("fields", [{"label": "a"}], "fields/list/0/value"),
    ("fields", [{"label": "a", "value": 1}] * 101, "fields"),
    ("fields", [{"label": "a", "value": "x" * 66_000}], "fields"),
    ("links", [{"label": "x", "url": "javascript:alert(1)"}], "links/0/url"),
    ("links", [{"label": "x", "url": "https://user:pw@example.com"}], "links/0/url"),
    ("links", [{"url": "https://example.com"}], "links/0/label"),
    ("requested_by", "not an address", "requested_by"),
    ("approvers", ["ana@example.com"], "approvers/0"),
    ("approvers", ["user:a@example.com"] * 51, "approvers"),
    ("votes_needed", 0, "votes_needed"),
    ("options", [], "options"),
    ("options", [{"value": "expired", "label": "x"}], "options/0/value"),
    ("options", [{"value": "Yes!", "label": "x"}], "options/0/value"),
    ("options", [{"value": "a", "label": ""}], "options/0/label"),
    ("options", [{"value": "a", "label": "A"}] * 2, "options"),
    ("comment", "never", "comment"),
    ("priority", "vital", "priority"),
    ("expires_in", 0, "expires_in"),
    ("expires_in", "soon", "expires_in"),
    ("expires_in", 10**12, "expires_in"),
    ("on_expiry", "approved", "on_expiry"),
    ("aprovers", ["group:managers"], "aprovers"),
    ("callback_url", 5, "callback_url"),
]


class TestLimits:
    @pytest.mark.parametrize(("field", "value", "named"), BAD_FIELDS)
    def test_a_bad_field_is_named_and_nothing_is_stored(self, api, field, value, named):
        response = api.post(URL, make_request(**{field: value}))

        assert response.status_code == 422
        assert list(problem(response)) == [named]
        assert Approval.objects.count() == Event.objects.count() == 0

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("title", "x" * 200),
            ("summary", "x" * 20_000),
            ("fields", {f"k{n}": [True, None, 1.5, "x"] for n in range(100)}),
            ("fields", {"k": "x" * 64_000}),
            ("expires_in", 86400.0),
            ("requested_by", ""),
            ("form", {"type": "object", "properties": {}}),
            ("title", "Ünïcode ✓ 支払い"),
        ],
    )
    def test_what_is_within_the_limits_is_kept(self, api, field, value):
        response = api.post(URL, make_request(**{field: value}))

        assert response.status_code == 201, response.content

    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("{", "JSON"),
            (b"\xff\xfe", "JSON"),
            ('{"title": NaN}', "NaN"),
            ('{"title": "a", "title": "b"}', "twice"),
            ("[" * 100_000, "JSON"),
            ('{"fields": ' + '{"a":' * 30 + "1" + "}" * 31, "deeper"),
        ],
        ids=["cut", "not UTF-8", "NaN", "repeated key", "very deep", "deep"],
    )
    def test_what_is_no_json_is_400(self, api, text, word):
        response = api.post(URL, text)

        assert response.status_code == 400
        assert word in problem(response)

    def test_a_long_text_is_told_its_characters(self, api):
        response = api.post(URL, make_request(summary="x" * 20_001))

        assert problem(response)["summary"] == "String should have at most 20000 characters"

    def test_an_empty_body_is_422(self, api):
        assert api.post(URL, "").status_code == 422

    def test_a_lone_surrogate_is_422(self, api):
        text = json.dumps(make_request()).replace("Lisbon", "\\ud800")

        assert api.post(URL, text).status_code == 422

    def test_a_large_body_is_413(self, api):
        response = api.post(URL, make_request(summary="x" * 300_000))

        assert response.status_code == 413
        assert "256 kB" in problem(response)

    def test_a_long_key_is_422(self, api):
        response = api.post(URL, make_request(), **{"Idempotency-Key": "k" * 201})

        assert response.status_code == 422

    def test_trouble_with_the_database_is_503_never_500(self, api, monkeypatch):
        def broken(*args, **kwargs):
            raise OperationalError("disk I/O error")

        monkeypatch.setattr(registration, "plan", broken)
        response = api.post(URL, make_request())

        assert response.status_code == 503
        assert response["Retry-After"]
        assert "try again" in problem(response)


class TestOneShape:
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("get", "/api/v1/nowhere", 404),
            ("get", f"{URL}/not-a-uuid", 404),
            ("delete", URL, 405),
            ("put", f"{URL}/{uuid.uuid4()}", 405),
        ],
    )
    def test_refusals_that_are_not_ours_look_like_ours(self, api, method, path, status):
        headers = {"Authorization": f"Bearer {api.token}"}
        response = getattr(api.client, method)(path, headers=headers)

        assert response.status_code == status
        assert "docs" in problem(response)

    def test_an_empty_title_is_said_in_words(self, api):
        said = problem(api.post(URL, make_request(title="   ")))

        assert said == {"title": "String should have at least 1 character"}

"""What HTTP calls send: arguments, bodies by their type, queries, tokens."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
from aiohttp import web

from emulator.identity import SCOPE
from tests.emulator.calling import calls
from tests.emulator.engines import emulator, outcome, site, start


async def _ok(_: web.Request) -> web.StreamResponse:
    return web.Response()


def sent(path: Path, function: str, *args: Any, **named: Any) -> tuple[Any, list[dict[str, Any]]]:
    """What a call gives or raises, with URL in place of the server's address; what it sent."""

    async def scenario() -> tuple[Any, list[dict[str, Any]]]:
        async with site(_ok) as server, emulator(path) as services:
            step = json.loads(json.dumps(list(args) or named).replace("URL", server.url))
            source = calls({"call": function, "args": step})
            (given,) = await outcome(services, start(services, source))
            return given, server.received

    return asyncio.run(scenario())


class TestArguments:
    def test_their_order_is_that_of_the_service(self, tmp_path):
        headers, query = {"X-A": "b"}, {"q": 1}

        _, (get,) = sent(tmp_path / "get", "http.get", "URL/", 5, headers, query)
        _, (post,) = sent(tmp_path / "post", "http.post", "URL/", 5.5, "text", headers, query)
        _, (any_,) = sent(
            tmp_path / "any", "http.request", "PUT", "URL/", 5, "text", headers, query
        )

        assert (get["method"], get["url"], get["headers"]["X-A"]) == ("GET", "/?q=1", "b")
        assert (post["method"], post["body"], post["url"]) == ("POST", b'"text"', "/?q=1")
        assert (any_["method"], any_["body"], any_["headers"]["X-A"]) == ("PUT", b'"text"', "b")

    @pytest.mark.parametrize("timeout", [0.5, 1800, 1800.0])
    def test_a_timeout_is_up_to_half_an_hour(self, tmp_path, timeout):
        given, _ = sent(tmp_path, "http.get", url="URL", timeout=timeout)

        assert given["code"] == 200

    @pytest.mark.parametrize(
        ("args", "tag"),
        [
            ({"timeout": 0}, "ValueError"),
            ({"timeout": -1}, "ValueError"),
            ({"timeout": 1800.5}, "ValueError"),
            ({"timeout": "5"}, "TypeError"),
            ({"timeout": True}, "TypeError"),
            ({"url": None}, "TypeError"),
            ({"url": ["URL"]}, "TypeError"),
            ({"url": "/path"}, "ValueError"),
            ({"headers": ["a"]}, "TypeError"),
            ({"headers": {"a": None}}, "TypeError"),
            ({"headers": {"a b": "c"}}, "ValueError"),
            ({"headers": {"": "c"}}, "ValueError"),
            ({"headers": {"a": "b\r\nc: d"}}, "ValueError"),
            ({"query": "a=b"}, "TypeError"),
            ({"query": {"a": None}}, "TypeError"),
            ({"query": {"a": [[1]]}}, "TypeError"),
            ({"query": {"a": {"b": 1}}}, "TypeError"),
            ({"private_service_name": "p"}, "ValueError"),
            ({"ca_certificate": "c"}, "ValueError"),
            ({"auth": "OIDC"}, "TypeError"),
            ({"auth": {}}, "TypeError"),
            ({"auth": {"type": 5}}, "TypeError"),
            ({"auth": {"type": "oidc"}}, "ValueError"),
            ({"auth": {"type": "OIDC", "audience": 5}}, "TypeError"),
            ({"auth": {"type": "OAuth2", "scopes": 5}}, "TypeError"),
            ({"auth": {"type": "OAuth2", "scopes": [5]}}, "TypeError"),
            ({"auth": {"type": "OAuth2", "scopes": "everything"}}, "AuthError"),
            ({"auth": {"type": "OAuth2", "scope": [SCOPE, "a b"]}}, "AuthError"),
        ],
    )
    def test_a_wrong_one_is_an_error_and_nothing_is_sent(self, tmp_path, args, tag):
        error, received = sent(tmp_path, "http.get", **{"url": "URL", **args})

        assert error["tags"] == [tag]
        assert received == []

    @pytest.mark.parametrize(
        ("method", "tag"), [("TRACE", "ValueError"), ("", "ValueError"), (None, "TypeError")]
    )
    def test_a_wrong_method_is_an_error(self, tmp_path, method, tag):
        error, _ = sent(tmp_path, "http.request", method=method, url="URL")

        assert error["tags"] == [tag]


class TestQuery:
    def test_values_are_texts_numbers_booleans_and_lists_of_them(self, tmp_path):
        query = {"t": "a b&c=d/ä+", "i": 5, "d": 2.0, "h": 0.5, "b": True, "l": ["x", 1, False]}

        _, (request,) = sent(tmp_path, "http.get", url="URL/?own=1", query=query)

        first, _, rest = request["url"].partition("&i=")
        assert unquote_plus(first) == "/?own=1&t=a b&c=d/ä+"
        assert "t=a+b%26c%3Dd" in first
        assert rest == "5&d=2&h=0.5&b=true&l=x&l=1&l=false"

    def test_an_empty_list_is_nothing(self, tmp_path):
        _, (request,) = sent(tmp_path, "http.get", url="URL/", query={"l": []})

        assert request["url"] == "/"


class TestBody:
    @pytest.mark.parametrize(
        ("body", "kind", "raw", "seen"),
        [
            ({"b": 1, "a": [1.0, None]}, None, b'{"a":[1,null],"b":1}', "application/json"),
            ("text", None, b'"text"', "application/json"),
            (5, None, b"5", "application/json"),
            (False, None, b"false", "application/json"),
            ([], None, b"[]", "application/json"),
            (None, None, b"", None),
            (None, "text/plain", b"", "text/plain"),
            ("ä", "application/json", "ä".encode(), "application/json"),
            (5, "application/json", b"5", "application/json"),
            ({"a": 1}, "application/merge-patch+json", b'{"a":1}', "application/merge-patch+json"),
            ({"a": 1}, "Application/JSON; charset=utf-8", b'{"a":1}', "Application/JSON"),
            ("<a/>", "application/xml", b"<a/>", "application/xml"),
            ("a,b", "text/csv", b"a,b", "text/csv"),
            ("a=%20b", "application/x-www-form-urlencoded", b"a=%20b", "application/x-www-form"),
            (
                {"a b": "c&d", "e": True, "f": None},
                "application/x-www-form-urlencoded",
                b"a+b=c%26d&e=true&f=null",
                "application/x-www-form",
            ),
        ],
    )
    def test_it_is_written_as_its_type_says(self, tmp_path, body, kind, raw, seen):
        headers = {} if kind is None else {"content-type": kind}

        given, (request,) = sent(tmp_path, "http.put", url="URL", body=body, headers=headers)

        assert given["code"] == 200
        assert request["body"] == raw
        if seen is None:
            assert "Content-Type" not in request["headers"]
        else:
            assert request["headers"]["Content-Type"].startswith(seen)

    @pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
    def test_bytes_are_sent_as_they_are(self, tmp_path, kind):
        body = '${base64.decode("/wA=")}'

        _, (request,) = sent(
            tmp_path, "http.post", url="URL", body=body, headers={"Content-Type": kind}
        )

        assert request["body"] == b"\xff\x00"

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            ({"a": 1}, "text/plain"),
            ([1], "application/x-www-form-urlencoded"),
            (5, "application/xml"),
            ({"a": '${text.encode("b")}'}, "application/json"),
            ({"a": '${text.encode("b")}'}, None),
        ],
    )
    def test_one_that_its_type_cannot_hold_is_a_type_error(self, tmp_path, body, kind):
        headers = {} if kind is None else {"Content-Type": kind}

        error, received = sent(tmp_path, "http.post", url="URL", body=body, headers=headers)

        assert error["tags"] == ["TypeError"]
        assert received == []

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_every_function_but_get_sends_one(self, tmp_path, method):
        _, (request,) = sent(tmp_path, f"http.{method.lower()}", url="URL", body=1)

        assert (request["method"], request["body"]) == (method, b"1")

    def test_lengths_of_the_author_are_not_sent(self, tmp_path):
        headers = {"Content-Length": "99", "Transfer-Encoding": "chunked", "Connection": "close"}

        given, (request,) = sent(tmp_path, "http.post", url="URL", body=1, headers=headers)

        assert given["code"] == 200
        assert request["headers"]["Content-Length"] == "1"


class TestToken:
    @pytest.mark.parametrize(
        ("auth", "scopes"),
        [
            ({}, [SCOPE]),
            ({"scopes": "https://a.example/x"}, ["https://a.example/x"]),
            ({"scope": "https://a.example/x"}, ["https://a.example/x"]),
            ({"scopes": f"{SCOPE},openid"}, [SCOPE, "openid"]),
            ({"scopes": f" {SCOPE}  openid , email "}, [SCOPE, "openid", "email"]),
            ({"scopes": [SCOPE, "profile"]}, [SCOPE, "profile"]),
            ({"scopes": []}, [SCOPE]),
        ],
    )
    def test_scopes_are_a_text_or_a_list(self, tmp_path, auth, scopes):
        _, (request,) = sent(tmp_path, "http.get", url="URL", auth={"type": "OAuth2", **auth})

        token = request["headers"]["Authorization"].removeprefix("Bearer ya29.emulator.")
        text = token.partition(".")[0]
        record = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        assert record["email"] == "workflow@emulator.invalid"
        assert record["scope"].split() == scopes

    def test_it_takes_the_place_of_a_header_of_the_author(self, tmp_path):
        _, (request,) = sent(
            tmp_path,
            "http.get",
            url="URL",
            headers={"authorization": "Basic x"},
            auth={"type": "OIDC"},
        )

        assert request["headers"]["Authorization"].startswith("Bearer ey")

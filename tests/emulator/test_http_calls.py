"""HTTP calls of workflows: sent as they are written, and after redirects as Go's client does."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.emulator.engines import emulator, outcome, site, start


async def _ok(request: web.Request) -> web.StreamResponse:
    return web.json_response(request.raw_path)


def call(path: Path, handler: Any, function: str, **args: Any) -> tuple[Any, list[dict[str, Any]]]:
    """What a call step gives, with URL in place of the server's address; what it sent."""

    async def scenario() -> tuple[Any, list[dict[str, Any]]]:
        async with site(handler) as stub, emulator(path) as services:
            written = (
                json.dumps(args)
                .replace("URL", stub.url)
                .replace("HOST", stub.url.removeprefix("http://"))
            )
            source = f"- ask: {{call: {function}, args: {written}, result: answer}}\n"
            source += "- done: {return: '${answer}'}\n"
            return await outcome(services, start(services, source)), stub.received

    return asyncio.run(scenario())


class TestUrl:
    @pytest.mark.parametrize(
        ("written", "sent"),
        [
            ("/blob?sig=ab%2Fcd%2B%3D&x=a+b", None),
            ("/a/../b/./c//d", None),
            ("/a%2Fb%20c%7e", None),
            ("/~;a,b:c@d!$&'()*+=?q=/?:@[]", None),
            ("/a b?c d", "/a%20b?c%20d"),
            ("/100%/%zz", "/100%25/%25zz"),
            ("/caf\N{LATIN SMALL LETTER E WITH ACUTE}#part", "/caf%C3%A9"),
            ("", "/"),
            ("?x=1", "/?x=1"),
        ],
    )
    def test_it_is_sent_as_it_is_written(self, tmp_path, written, sent):
        answer, _ = call(tmp_path, _ok, "http.get", url="URL" + written)

        assert answer["body"] == (written if sent is None else sent)

    def test_a_query_is_added_to_what_is_written(self, tmp_path):
        answer, _ = call(
            tmp_path, _ok, "http.get", url="URL/?sig=a%2Fb", query={"q": "c d", "n": [1, 2]}
        )

        assert answer["body"] == "/?sig=a%2Fb&q=c+d&n=1&n=2"

    def test_a_password_in_it_is_sent_as_a_header_and_never_told(self, tmp_path):
        _, (sent,) = call(tmp_path, _ok, "http.get", url="http://us%40er:secret@HOST/")

        assert sent["headers"]["Authorization"] == f"Basic {_base64('us@er:secret')}"
        assert "secret" not in sent["headers"]["Host"]
        for number, url in enumerate(
            (
                "http://user:secret@127.0.0.1:9/",
                "http://user:secret@no-such-host.invalid/",
                "http://user:secret@127.0.0.1:x/",
                "http://user:sec/ret:secret@host:1:2/",
                "ftp://user:secret@host/",
                "user:secret@host",
            )
        ):
            error, _ = call(tmp_path / str(number), _ok, "http.get", url=url)
            assert "tags" in error
            assert "secret" not in json.dumps(error)

    @pytest.mark.parametrize("url", ["http:///a", "http://h:1:2/", "http://h/a\nb", "//h/", "http"])
    def test_what_is_none_is_a_value_error(self, tmp_path, url):
        error, _ = call(tmp_path, _ok, "http.get", url=url)

        assert error["tags"] == ["ValueError"]


class TestRedirect:
    @pytest.mark.parametrize("status", [301, 302, 303])
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_301_302_and_303_become_get_without_a_body(self, tmp_path, method, status):
        answer, (_, second) = call(
            tmp_path, moved(status), f"http.{method.lower()}", url="URL/old", body={"a": 1}
        )

        assert answer["code"] == 200
        assert (second["method"], second["url"], second["body"]) == ("GET", "/new", b"")
        assert "Content-Type" not in second["headers"]

    @pytest.mark.parametrize("status", [307, 308])
    def test_307_and_308_repeat_the_request(self, tmp_path, status):
        _, (first, second) = call(
            tmp_path, moved(status), "http.put", url="URL/old", body={"a": 1}, headers={"X-A": "b"}
        )

        assert (second["method"], second["url"], second["body"]) == ("PUT", "/new", b'{"a":1}')
        assert second["headers"] == first["headers"]

    def test_credentials_stay_with_their_origin(self, tmp_path):
        headers = {"Authorization": "Bearer x", "Cookie": "a=b", "X-Kept": "c"}

        _, (_, near) = call(tmp_path, moved(307), "http.get", url="URL/old", headers=headers)
        other = moved(307, "localhost")
        _, (_, far) = call(tmp_path, other, "http.get", url="URL/old", headers=headers)

        assert near["headers"]["Authorization"] == "Bearer x"
        assert near["headers"]["Cookie"] == "a=b"
        assert far["headers"]["X-Kept"] == "c"
        assert not {"Authorization", "Cookie"} & far["headers"].keys()
        assert far["headers"]["Host"].startswith("localhost:")

    @pytest.mark.parametrize(("times", "code"), [(10, 200), (11, None)])
    def test_ten_are_followed(self, tmp_path, times, code):
        async def handler(request: web.Request) -> web.StreamResponse:
            left = int(request.path[1:])
            return _to(302, str(left - 1)) if left else web.json_response("there")

        answer, sent = call(tmp_path, handler, "http.get", url=f"URL/{times}")

        assert answer.get("code") == code
        assert len(sent) == 11
        assert code or answer["tags"] == ["ConnectionError"]

    def test_one_to_nowhere_is_an_answer_and_to_no_url_an_error(self, tmp_path):
        async def nowhere(_: web.Request) -> web.StreamResponse:
            return web.Response(status=302)

        async def no_url(_: web.Request) -> web.StreamResponse:
            return _to(302, "ftp://user:secret@host/")

        answer, _ = call(tmp_path, nowhere, "http.get", url="URL")
        error, _ = call(tmp_path, no_url, "http.get", url="URL")

        assert answer["code"] == 302
        assert error["tags"] == ["ConnectionError"]
        assert "secret" not in error["message"]


class TestForm:
    def test_its_fields_are_texts_numbers_and_json(self, tmp_path):
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        body = {"a": "b c", "n": 1, "l": [1]}

        _, (sent,) = call(tmp_path, _ok, "http.post", url="URL", headers=kind, body=body)

        assert sent["body"] == b"a=b+c&n=1&l=%5B1%5D"

    def test_bytes_in_it_are_a_type_error(self, tmp_path):
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        body = {"a": '${text.encode("b")}'}

        error, sent = call(tmp_path, _ok, "http.post", url="URL", headers=kind, body=body)

        assert error["tags"] == ["TypeError"]
        assert not sent


def moved(status: int, host: str = "") -> Any:
    """A handler that sends `/old` to `/new`, perhaps under another name of this machine."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/new":
            return web.json_response("there")
        port = request.url.port
        return _to(status, f"http://{host}:{port}/new" if host else "new")

    return handler


def _to(status: int, location: str) -> web.Response:
    return web.Response(status=status, headers={"Location": location})


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()

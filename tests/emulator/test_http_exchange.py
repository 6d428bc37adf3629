"""HTTP calls of workflows, against a server of the test's own."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from google.auth import jwt

from emulator.callbacks import endpoint_of
from tests.emulator.engines import WAIT, Handler, emulator, endpoint, outcome, site, start


def exchanged(path: Path, handler: Handler, step: str) -> tuple[Any, list[dict[str, Any]]]:
    """Outcome of one call step, with URL in place of the server's address; what it sent."""

    async def scenario() -> tuple[Any, list[dict[str, Any]]]:
        async with site(handler) as stub, emulator(path) as services:
            source = f"- ask: {{{step.replace('URL', stub.url)}, result: answer}}\n"
            source += "- done: {return: '${answer}'}\n"
            return await outcome(services, start(services, source)), stub.received

    return asyncio.run(scenario())


async def _ok(_: web.Request) -> web.StreamResponse:
    return web.Response()


class TestSend:
    def test_the_authors_user_agent_stands_before_the_services(self, tmp_path):
        call = "call: http.get, args: {url: URL, headers: {user-agent: mine/1.0}}"
        _, (sent,) = exchanged(tmp_path, _ok, call)

        assert sent["headers"]["User-Agent"].startswith("mine/1.0 GoogleCloudWorkflows; (+http")

    @pytest.mark.parametrize(
        ("args", "body", "content_type"),
        [
            ("body: {a: [1, text]}", b'{"a":[1,"text"]}', "application/json; charset=utf-8"),
            ("body: text", b'"text"', "application/json; charset=utf-8"),
            ("body: '{}', headers: {content-type: application/json}", b"{}", "application/json"),
            ("body: plain, headers: {Content-Type: text/csv}", b"plain", "text/csv"),
            (
                "headers: {Content-Type: application/x-www-form-urlencoded}, body: {a: b c, n: 1}",
                b"a=b+c&n=1",
                "application/x-www-form-urlencoded",
            ),
            ("body: '${text.encode(\"ab\")}'", b"ab", "application/octet-stream"),
        ],
    )
    def test_a_body_is_encoded_by_its_type(self, tmp_path, args, body, content_type):
        call = f"call: http.post, args: {{url: URL, {args}}}"
        _, (sent,) = exchanged(tmp_path, _ok, call)

        assert sent["body"] == body
        assert sent["headers"]["Content-Type"] == content_type

    def test_every_method_can_be_asked_for(self, tmp_path):
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            call = f"call: http.request, args: {{method: {method}, url: URL}}"
            answer, (sent,) = exchanged(tmp_path / method, _ok, call)
            assert (answer["code"], sent["method"]) == (200, method)

    def test_calls_in_branches_overlap(self, tmp_path):
        async def slow(_: web.Request) -> web.StreamResponse:
            await asyncio.sleep(0.5)
            return web.Response()

        async def scenario() -> float:
            async with site(slow) as stub, emulator(tmp_path) as services:
                source = f"""
                - all:
                    parallel:
                      for:
                        range: [1, 8]
                        value: n
                        steps:
                          - ask: {{call: http.get, args: {{url: "{stub.url}"}}}}
                """
                began = time.monotonic()
                await outcome(services, start(services, source))
                assert len(stub.received) == 8
                return time.monotonic() - began

        assert asyncio.run(scenario()) < 2


class TestAnswer:
    def test_an_answer_has_code_canonical_headers_and_decoded_body(self, tmp_path):
        async def handler(_: web.Request) -> web.StreamResponse:
            response = web.json_response({"n": 1, "d": 1.5}, status=202)
            response.headers.add("x-trace-ID", "a")
            response.headers.add("x-trace-ID", "b")
            return response

        call = "call: http.get, args: {url: 'URL/a?x=1', query: {y: [1, two], z: true}}"
        answer, (sent,) = exchanged(tmp_path, handler, call)

        assert (answer["code"], answer["body"]) == (202, {"n": 1, "d": 1.5})
        assert answer["headers"]["X-Trace-Id"] == "a, b"
        assert sent["url"] == "/a?x=1&y=1&y=two&z=true"
        assert sent["headers"]["User-Agent"].startswith("GoogleCloudWorkflows; (+https://")
        assert "Content-Type" not in sent["headers"]

    def test_compressed_and_binary_bodies_arrive_as_they_were(self, tmp_path):
        async def handler(request: web.Request) -> web.StreamResponse:
            if request.path == "/raw":
                return web.Response(body=b"\x00\xff", content_type="application/octet-stream")
            response = web.Response(text="ä" * 1000, charset="latin-1")
            response.enable_compression(web.ContentCoding.gzip)
            return response

        for path, value in (("text", "${answer.body}"), ("raw", "${base64.encode(answer.body)}")):

            async def scenario(path: str = path, value: str = value) -> Any:
                async with site(handler) as stub, emulator(tmp_path / path) as services:
                    source = f"""
                    - ask: {{call: http.get, args: {{url: "{stub.url}/{path}"}}, result: answer}}
                    - done: {{return: "{value}"}}
                    """
                    return await outcome(services, start(services, source))

            assert asyncio.run(scenario()) == {"text": "ä" * 1000, "raw": "AP8="}[path]

    def test_an_error_status_is_an_http_error(self, tmp_path):
        async def handler(_: web.Request) -> web.StreamResponse:
            return web.Response(status=503, text="later")

        error, _ = exchanged(tmp_path, handler, "call: http.get, args: {url: URL}")

        assert (error["code"], error["body"], error["tags"]) == (503, "later", ["HttpError"])
        assert error["message"] == "HTTP server responded with error code 503"
        assert error["headers"]["Content-Type"] == "text/plain; charset=utf-8"

    def test_redirects_are_followed_and_become_get(self, tmp_path):
        async def handler(request: web.Request) -> web.StreamResponse:
            if request.path == "/":
                raise web.HTTPFound("/there")
            return web.json_response(request.method)

        answer, sent = exchanged(tmp_path, handler, "call: http.post, args: {url: URL, body: 1}")

        assert answer["body"] == "GET"
        assert [request["url"] for request in sent] == ["/", "/there"]

    def test_bytes_too_much_no_answer_and_no_server_are_errors(self, tmp_path):
        async def large(_: web.Request) -> web.StreamResponse:
            return web.Response(body=b"x" * (2 * 1024 * 1024 + 1))

        async def slow(_: web.Request) -> web.StreamResponse:
            await asyncio.sleep(5)
            return web.Response()

        async def broken(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.close()
            return web.Response()

        asked = [
            (large, "url: URL", "ResourceLimitError"),
            (slow, "url: URL, timeout: 0.2", "TimeoutError"),
            (broken, "url: URL", "ConnectionError"),
            (_ok, "url: 'http://127.0.0.1:9/'", "ConnectionFailedError"),
            (_ok, "url: 'http://no-such-host.invalid/'", "ConnectionFailedError"),
            (_ok, "url: 'ftp://127.0.0.1/'", "ValueError"),
            (_ok, "url: 'http://'", "ValueError"),
            (_ok, "url: 5", "TypeError"),
            (_ok, "url: URL, timeout: 1801", "ValueError"),
            (_ok, "url: URL, headers: {a: 1}", "TypeError"),
            (_ok, 'url: URL, headers: {a: "b\\r\\nc: d"}', "ValueError"),
            (_ok, "url: URL, query: {a: {b: c}}", "TypeError"),
            (_ok, "url: URL, ca_certificate: x", "ValueError"),
            (_ok, "url: URL, auth: {type: Basic}", "ValueError"),
        ]
        for number, (handler, args, kind) in enumerate(asked):
            call = f"call: http.get, args: {{{args}}}"
            error, _ = exchanged(tmp_path / str(number), handler, call)
            assert kind in error["tags"], (args, error)


class TestAuthorize:
    def test_oidc_sends_an_id_token_of_the_workflows_account(self, tmp_path):
        async def scenario() -> list[Any]:
            async with site(_ok) as stub, emulator(tmp_path) as services:
                seen = []
                for audience in (", audience: 'https://inbox.example'", ""):
                    source = f"""
                    - ask:
                        call: http.get
                        args: {{url: "{stub.url}/path?q=1", auth: {{type: OIDC{audience}}}}}
                    """
                    await outcome(services, start(services, source))
                    token = stub.received[-1]["headers"]["Authorization"].removeprefix("Bearer ")
                    certificates = services.issuer.certificates()
                    seen.append(jwt.decode(token, certs=certificates))
                return [stub.url, *seen]

        url, named, default = asyncio.run(scenario())

        assert (named["email"], named["aud"]) == (
            "workflow@emulator.invalid",
            "https://inbox.example",
        )
        assert default["aud"] == f"{url}/path?q=1"

    def test_a_workflow_can_answer_another_with_oauth2(self, tmp_path):
        async def scenario() -> Any:
            async with emulator(tmp_path, auth="token") as services:
                waiting = start(services, WAIT, "asked")
                callback = await endpoint(services, waiting)
                url = (
                    f"{services.settings.base_url}/v1/projects/{services.settings.project_number}"
                    f"/locations/us-central1/workflows/test/executions/{waiting.id}"
                    f"/callbacks/{callback}"
                )
                assert endpoint_of(url) == (waiting.id, callback)
                sender = services.catalog.deploy(
                    "sender",
                    f"""
                    - prepare: {{assign: [{{code: 0}}]}}
                    - without:
                        try: {{call: http.post, args: {{url: "{url}", body: 1}}}}
                        except: {{as: e, steps: [{{keep: {{assign: [{{code: "${{e.code}}"}}]}}}}]}}
                    - with:
                        call: http.post
                        args: {{url: "{url}", body: yes, auth: {{type: OAuth2}}}}
                    - done: {{return: "${{code}}"}}
                    """,
                )
                refused = services.engine.create(sender, "null", {})
                return await outcome(services, refused), await outcome(services, waiting)

        code, (asked, request) = asyncio.run(scenario())

        assert code == 401
        assert (asked, request["http_request"]["body"]) == ("asked", "yes")

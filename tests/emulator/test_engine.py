"""The engine in the test's own loop: many waits, overlap, cancelling, broken executions."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from google.auth import jwt

from emulator.callbacks import Verdict, endpoint_of
from emulator.protocol import Returned
from emulator.refusal import Refusal
from emulator.store import State
from tests.emulator.engines import (
    RUN,
    WAIT,
    Handler,
    emulator,
    endpoint,
    outcome,
    run,
    site,
    start,
)


class TestWaits:
    def test_waits_pass_faster_by_the_time_scale(self, tmp_path):
        source = "- nap: {call: sys.sleep, args: {seconds: 60}}\n- done: {return: awake}\n"

        began = time.monotonic()
        assert asyncio.run(run(tmp_path, source, time_scale=300)) == "awake"
        assert 0.2 <= time.monotonic() - began < 2

    def test_branches_wait_at_the_same_time(self, tmp_path):
        source = """
        - all:
            parallel:
              for:
                range: [1, 10]
                value: n
                steps:
                  - nap: {call: sys.sleep, args: {seconds: 0.5}}
        - done: {return: 1}
        """
        began = time.monotonic()
        assert asyncio.run(run(tmp_path, source)) == 1
        assert time.monotonic() - began < 1.5

    @pytest.mark.parametrize(
        ("call", "kind"),
        [
            ("sys.sleep, args: {seconds: -1}", "ValueError"),
            ("sys.sleep, args: {seconds: soon}", "TypeError"),
            ("sys.sleep, args: {seconds: true}", "TypeError"),
            ("sys.sleep_until, args: {time: 5}", "TypeError"),
            ("sys.sleep_until, args: {time: tomorrow}", "ValueError"),
            ("sys.sleep_until, args: {time: '9999-01-01T00:00:00Z'}", "ValueError"),
            ("sys.log, args: {text: a, data: b}", "TypeError"),
            ("sys.log, args: {severity: LOUD, text: a}", "ValueError"),
            ("sys.log, args: {json: [1]}", "TypeError"),
            ("events.create_callback_endpoint, args: {http_callback_method: TRACE}", "ValueError"),
            ("events.await_callback, args: {callback: {url: 'http://x/'}}", "ValueError"),
            ("events.await_callback, args: {callback: text}", "TypeError"),
            ("googleapis.storage.v1.objects.get, args: {bucket: b}", "SystemError"),
            (f"{RUN}, args: {{workflow_id: none}}", "HttpError"),
            (f"{RUN}, args: {{workflow_id: test, project_id: other}}", "ValueError"),
            (f"{RUN}, args: {{workflow_id: test, colour: red}}", "TypeError"),
        ],
    )
    def test_wrong_arguments_are_errors_of_the_workflow(self, tmp_path, call, kind):
        source = f"- bad: {{call: {call}}}\n"

        error = asyncio.run(run(tmp_path, source))

        assert kind in error["tags"]

    def test_a_connector_that_is_not_there_is_named(self, tmp_path):
        source = "- bad: {call: googleapis.storage.v1.objects.get, args: {bucket: b}}\n"

        error = asyncio.run(run(tmp_path, source))

        assert "googleapis.storage.v1.objects.get" in error["message"]

    def test_a_moment_that_has_passed_is_not_waited_for(self, tmp_path):
        source = """
        - nap: {call: sys.sleep_until, args: {time: "2020-01-01T00:00:00.5+02:00"}}
        - done: {return: "${uuid.generate() != uuid.generate()}"}
        """
        assert asyncio.run(run(tmp_path, source)) is True

    def test_a_thousand_waiting_executions_all_get_their_answers(self, tmp_path):
        async def scenario() -> list[Any]:
            async with emulator(tmp_path) as services:
                executions = [start(services, WAIT, number) for number in range(1000)]
                answers = {
                    execution.id: await endpoint(services, execution) for execution in executions
                }
                for number, execution in enumerate(executions):
                    verdict = services.engine.offer(
                        execution.id, answers[execution.id], {"n": -number}
                    )
                    assert verdict is Verdict.HANDED_OVER
                return [await outcome(services, execution) for execution in executions]

        results = asyncio.run(scenario())

        assert results == [[number, {"n": -number}] for number in range(1000)]

    def test_after_its_time_a_wait_is_over_even_if_nobody_noticed(self, tmp_path):
        """The request of that moment goes to the slot, and the workflow sees the timeout."""
        source = WAIT.replace("3600", "0.05")

        async def scenario() -> tuple[Verdict, Any]:
            async with emulator(tmp_path) as services:
                execution = start(services, source)
                callback = await endpoint(services, execution)
                time.sleep(0.1)  # noqa: ASYNC251 - the loop is held up on purpose
                verdict = services.engine.offer(execution.id, callback, {"late": True})
                return verdict, await outcome(services, execution)

        verdict, error = asyncio.run(scenario())

        assert verdict is Verdict.STORED
        assert error["tags"] == ["TimeoutError"]


class TestCancel:
    def test_it_ends_waits_and_calls_and_is_not_caught(self, tmp_path):
        source = """
        main:
          params: [input]
          steps:
            - create: {call: events.create_callback_endpoint, result: callback}
            - guarded:
                try:
                  steps:
                    - all:
                        parallel:
                          branches:
                            - wait:
                                steps:
                                  - one:
                                      call: events.await_callback
                                      args: {callback: "${callback}"}
                            - call:
                                steps:
                                  - two: {call: http.get, args: {url: "${input}"}}
                except:
                  steps:
                    - caught: {call: sys.log, args: {text: caught}}
        """

        async def never(_: web.Request) -> web.StreamResponse:
            await asyncio.sleep(30)
            return web.Response()

        async def scenario() -> None:
            async with site(never) as stub, emulator(tmp_path) as services:
                execution = start(services, source, stub.url)
                callback = await endpoint(services, execution)
                await asyncio.wait_for(stub.called.wait(), 5)

                cancelled = services.engine.cancel(execution.id)

                assert cancelled.state is State.CANCELLED
                assert services.engine.offer(execution.id, callback, {}) is Verdict.GONE
                assert services.store.waits_of(execution.id) == []
                await asyncio.sleep(0.1)
                found = services.store.find(execution.id)
                assert found is not None
                assert found.state is State.CANCELLED
                assert services.store.logs(execution.id) == []
                with pytest.raises(Refusal, match="CANCELLED"):
                    services.engine.cancel(execution.id)

        asyncio.run(scenario())

    def test_it_stops_a_loop_without_end(self, tmp_path):
        async def scenario() -> State:
            async with emulator(tmp_path) as services:
                source = """
                - start: {assign: [{n: 0}]}
                - again: {assign: [{n: "${n + 1}"}], next: again}
                """
                execution = start(services, source)
                for _ in range(3):
                    await asyncio.sleep(0)
                return services.engine.cancel(execution.id).state

        assert asyncio.run(scenario()) is State.CANCELLED


class TestRobustness:
    def test_a_loop_without_end_fails_by_itself(self, tmp_path):
        error = asyncio.run(run(tmp_path, "- again: {next: again}\n"))

        assert error["tags"] == ["ResourceLimitError"]

    def test_an_execution_that_cannot_go_on_fails_and_others_do_not_notice(self, tmp_path):
        """A journal that does not fit, as if the file had been tampered with."""

        async def scenario() -> tuple[Any, Any]:
            async with emulator(tmp_path) as services:
                broken = start(services, WAIT)
                healthy = start(services, WAIT, "healthy")
                await endpoint(services, broken)
            async with emulator(tmp_path) as services:
                services.store.append(broken.id, "never:asked", Returned(None), 0.0)
            async with emulator(tmp_path) as services:
                error = await outcome(services, broken)
                callback = await endpoint(services, healthy)
                services.engine.offer(healthy.id, callback, {"n": 1})
                return error, await outcome(services, healthy)

        error, result = asyncio.run(scenario())

        assert error["tags"] == ["SystemError"]
        assert result == ["healthy", {"n": 1}]

    def test_a_long_loop_does_not_hold_up_other_executions(self, tmp_path):
        source = """
        - start: {assign: [{n: 0}]}
        - count: {assign: [{n: "${n + 1}"}]}
        - more: {switch: [{condition: "${n < 45000}", next: count}]}
        - done: {return: "${n}"}
        """

        async def scenario() -> tuple[State, Any]:
            async with emulator(tmp_path) as services:
                loop = start(services, source)
                quick = start(services, "- done: {return: 1}\n")
                assert await outcome(services, quick) == 1
                found = services.store.find(loop.id)
                assert found is not None
                return found.state, await outcome(services, loop)

        assert asyncio.run(scenario()) == (State.ACTIVE, 45000)

    def test_what_a_loop_logs_is_kept_in_order(self, tmp_path):
        source = """
        - each:
            for:
              range: [1, 300]
              value: n
              steps:
                - say: {call: sys.log, args: {data: "${n}"}}
        """

        async def scenario() -> list[str]:
            async with emulator(tmp_path) as services:
                execution = start(services, source)
                await outcome(services, execution)
                return [json.loads(line.payload) for line in services.store.logs(execution.id)]

        assert asyncio.run(scenario()) == [str(number) for number in range(1, 301)]


class TestChildren:
    def test_a_childs_result_is_the_result_of_the_call(self, tmp_path):
        assert asyncio.run(self.call_child(tmp_path, '${"Hello " + input.who}')) == "Hello Ada"

    def test_a_child_that_fails_is_an_operation_error(self, tmp_path):
        error = asyncio.run(self.call_child(tmp_path, "${input.nobody}"))

        assert error["tags"] == ["OperationError"]
        assert error["message"] == "Execution failed or cancelled."
        assert error["operation"]["state"] == "FAILED"
        assert "nobody" in error["operation"]["error"]["payload"]

    def test_the_old_name_of_the_call_works_too(self, tmp_path):
        run_child = self.call_child(tmp_path, "${input.who}", "experimental.executions.run")

        assert asyncio.run(run_child) == "Ada"

    def test_a_child_that_takes_too_long_is_a_timeout(self, tmp_path):
        async def scenario() -> tuple[Any, list[str]]:
            async with emulator(tmp_path) as services:
                services.catalog.deploy("child", WAIT)
                parent = start(
                    services,
                    f"""
                    - ask:
                        call: {RUN}
                        args: {{workflow_id: child, connector_params: {{timeout: 0.2}}}}
                    """,
                )
                return await outcome(services, parent), services.store.open("child")

        error, children = asyncio.run(scenario())

        assert error["tags"] == ["TimeoutError"]
        assert len(children) == 1

    async def call_child(self, path: Path, value: str, run: str = RUN) -> Any:
        child = f"main:\n  params: [input]\n  steps:\n    - done: {{return: '{value}'}}\n"
        parent = f"""
        - ask:
            call: {run}
            args: {{workflow_id: child, argument: {{who: Ada}}}}
            result: answer
        - done: {{return: "${{answer}}"}}
        """
        async with emulator(path) as services:
            services.catalog.deploy("child", child)
            return await outcome(services, start(services, parent))


class TestHttp:
    """Section "HTTP calls" of the language, against a server of the test's own."""

    def call(self, path: Path, handler: Handler, call: str) -> tuple[Any, list[dict[str, Any]]]:
        """Outcome of one call step, with URL in place of the server's address; what it sent."""

        async def scenario() -> tuple[Any, list[dict[str, Any]]]:
            async with site(handler) as stub, emulator(path) as services:
                source = f"- ask: {{{call.replace('URL', stub.url)}, result: answer}}\n"
                source += "- done: {return: '${answer}'}\n"
                return await outcome(services, start(services, source)), stub.received

        return asyncio.run(scenario())

    def test_an_answer_has_code_canonical_headers_and_decoded_body(self, tmp_path):
        async def handler(_: web.Request) -> web.StreamResponse:
            response = web.json_response({"n": 1, "d": 1.5}, status=202)
            response.headers.add("x-trace-ID", "a")
            response.headers.add("x-trace-ID", "b")
            return response

        call = "call: http.get, args: {url: 'URL/a?x=1', query: {y: [1, two], z: true}}"
        answer, (sent,) = self.call(tmp_path, handler, call)

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

    def test_the_authors_user_agent_stands_before_the_services(self, tmp_path):
        call = "call: http.get, args: {url: URL, headers: {user-agent: mine/1.0}}"
        _, (sent,) = self.call(tmp_path, _ok, call)

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
        _, (sent,) = self.call(tmp_path, _ok, call)

        assert sent["body"] == body
        assert sent["headers"]["Content-Type"] == content_type

    def test_every_method_can_be_asked_for(self, tmp_path):
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            call = f"call: http.request, args: {{method: {method}, url: URL}}"
            answer, (sent,) = self.call(tmp_path / method, _ok, call)
            assert (answer["code"], sent["method"]) == (200, method)

    def test_an_error_status_is_an_http_error(self, tmp_path):
        async def handler(_: web.Request) -> web.StreamResponse:
            return web.Response(status=503, text="later")

        error, _ = self.call(tmp_path, handler, "call: http.get, args: {url: URL}")

        assert (error["code"], error["body"], error["tags"]) == (503, "later", ["HttpError"])
        assert error["message"] == "HTTP server responded with error code 503"
        assert error["headers"]["Content-Type"] == "text/plain; charset=utf-8"

    def test_redirects_are_followed_and_become_get(self, tmp_path):
        async def handler(request: web.Request) -> web.StreamResponse:
            if request.path == "/":
                raise web.HTTPFound("/there")
            return web.json_response(request.method)

        answer, sent = self.call(tmp_path, handler, "call: http.post, args: {url: URL, body: 1}")

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
            error, _ = self.call(tmp_path / str(number), handler, call)
            assert kind in error["tags"], (args, error)

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


async def _ok(_: web.Request) -> web.StreamResponse:
    return web.Response()

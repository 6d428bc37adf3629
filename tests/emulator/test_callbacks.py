"""Callback endpoints: the rule of the one slot, and how requests look to workflows."""

import json
from datetime import UTC, datetime

import pytest
import requests

from emulator.callbacks import Verdict, endpoint_of, new_id, request_value, verdict
from emulator.store import Callback, Wait
from tests.emulators import NUMBER, EmulatorProcess, Execution, eventually

EMPTY = Callback("c", "e", "POST", None)
FULL = Callback("c", "e", "POST", {"http_request": {}})
NOON = datetime(2026, 1, 31, 12, 0, 0, 7, UTC)
WAITER = Wait(1, "e", "0:1", "callback", 10.0, "c")


def one_wait(method: str = "POST", timeout: int = 3600) -> str:
    """A workflow that waits once and returns what came."""
    return f"""
main:
  steps:
    - create:
        call: events.create_callback_endpoint
        args: {{http_callback_method: {method}}}
        result: callback
    - wait:
        call: events.await_callback
        args: {{callback: "${{callback}}", timeout: {timeout}}}
        result: request
    - done:
        return: ${{request}}
"""


TWO_WAITS = """
main:
  steps:
    - create:
        call: events.create_callback_endpoint
        result: callback
    - say: {call: sys.log, args: {text: "${callback.url}"}}
    - first:
        call: events.await_callback
        args: {callback: {url: "${callback.url}"}}
        result: one
    - pause: {call: sys.sleep, args: {seconds: 20}}
    - second:
        call: events.await_callback
        args: {callback: "${callback}"}
        result: two
    - done:
        return: ["${one.http_request.body}", "${two.http_request.body}"]
"""


class TestVerdict:
    @pytest.mark.parametrize(
        ("endpoint", "waiters", "decided"),
        [
            (None, [], Verdict.GONE),
            (EMPTY, [WAITER], Verdict.HANDED_OVER),
            (EMPTY, [], Verdict.STORED),
            (FULL, [], Verdict.FULL),
        ],
    )
    def test_oldest_waiter_then_the_slot_then_nothing(self, endpoint, waiters, decided):
        assert verdict(endpoint, waiters) is decided


class TestAddresses:
    def test_an_endpoint_is_found_from_its_url_whatever_the_host(self):
        name = f"/v1/projects/1/locations/l/workflows/w/executions/e/callbacks/{'c' * 36}"

        assert endpoint_of(f"https://elsewhere.example{name}") == ("e", "c" * 36)

    @pytest.mark.parametrize("url", ["", "http://[", "http://x/v1/projects/1", "callbacks/c"])
    def test_another_url_is_none(self, url):
        assert endpoint_of(url) is None

    def test_an_id_looks_like_two_uuids(self):
        first, second = new_id().split("_")

        assert len(first) == len(second) == 36


class TestRequestValue:
    @pytest.mark.parametrize(
        ("content_type", "body", "seen"),
        [
            ("application/json", b'{"a": 1}', {"a": 1}),
            ("application/problem+json", b"[1.0]", [1.0]),
            ("application/json", b'{"a":', '{"a":'),
            ("application/json", b"", None),
            ("text/plain; charset=latin-1", b"\xe4", "ä"),
            ("text/plain", "ä".encode(), "ä"),
            ("application/octet-stream", b"\x00", b"\x00"),
            ("application/x-www-form-urlencoded", b"a=1", b"a=1"),
        ],
    )
    def test_the_body_is_decoded_by_its_type(self, content_type, body, seen):
        headers = [("content-type", content_type)]

        value = request_value("POST", "/p", [], headers, body, moment=NOON)

        assert value["http_request"]["body"] == seen
        assert type(value["http_request"]["body"]) is type(seen)

    def test_headers_are_canonical_and_without_credentials(self):
        headers = [("x-trace-ID", "1"), ("X-Trace-Id", "2"), ("authorization", "Bearer secret")]

        value = request_value("GET", "/p", [], headers, b"", moment=NOON)

        assert value["http_request"]["headers"] == {"X-Trace-Id": "1, 2"}
        assert value["received_time"] == "2026-01-31 12:00:00.000007000 +0000 UTC"

    def test_a_parameter_given_twice_is_a_list(self):
        value = request_value(
            "GET", "/p", [("a", "1"), ("b", "2"), ("a", "3")], [], b"", moment=NOON
        )

        assert value["http_request"]["query"] == {"a": ["1", "3"], "b": "2"}


class TestReceive:
    def test_a_request_ends_the_wait_and_is_the_result(self, emulator: EmulatorProcess):
        emulator.deploy("one", one_wait())
        execution = emulator.execute("one")

        answer = execution.send({"n": 1}, headers={"X-my-Header": "yes"}, params={"who": "kim"})

        assert (answer.status_code, answer.json()) == (200, {})
        request = execution.result()
        assert request["type"] == "HTTP"
        assert request["received_time"].endswith("+0000 UTC")
        seen = request["http_request"]
        assert (seen["method"], seen["body"], seen["query"]) == ("POST", {"n": 1}, {"who": "kim"})
        assert seen["headers"]["X-My-Header"] == "yes"
        assert "Authorization" not in seen["headers"]
        assert seen["url"].startswith(f"/v1/projects/{NUMBER}/locations/us-central1/workflows/one/")

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
    def test_every_method_can_be_declared(self, emulator: EmulatorProcess, method):
        emulator.deploy("method", one_wait(method))
        execution = emulator.execute("method")

        assert execution.send(method=method).status_code == 200
        assert execution.result()["http_request"]["method"] == method

    def test_another_method_is_refused_and_leaves_the_slot_empty(self, emulator: EmulatorProcess):
        emulator.deploy("one", one_wait())
        execution = emulator.execute("one")
        url = execution.callback_url()

        for method in ("GET", "HEAD", "OPTIONS", "PUT"):
            answer = execution.send(url=url, method=method)
            assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")

        assert execution.send({"n": 1}, url=url).status_code == 200

    def test_the_order_of_checks_is_path_token_method_body(self, emulator: EmulatorProcess):
        emulator.deploy("one", one_wait())
        execution = emulator.execute("one")
        url = execution.callback_url()

        assert execution.send(url=url + "x", token="", method="GET").status_code == 404
        refused = execution.send(url=url, token="", method="GET")
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
        assert execution.send(url=url, method="GET", data=b"x" * 600_000).status_code == 405
        assert execution.send(url=url, data=b"x").status_code == 400
        assert execution.read()["state"] == "ACTIVE"

    def test_a_forged_or_expired_token_is_refused(self, emulator: EmulatorProcess):
        emulator.deploy("one", one_wait())
        execution = emulator.execute("one")
        url = execution.callback_url()
        expired = emulator.token(expires_in=-1)
        identity = emulator.id_token(url)

        for token in ("ya29.made-up", expired, identity):
            assert execution.send({}, url=url, token=token).status_code == 401
        query = execution.send({}, url=url, params={"access_token": emulator.token()})
        assert query.status_code == 400
        assert execution.read()["state"] == "ACTIVE"

    def test_a_request_too_large_for_an_execution_is_refused(self, emulator: EmulatorProcess):
        emulator.deploy("one", one_wait())
        execution = emulator.execute("one")
        url = execution.callback_url()
        kind = {"Content-Type": "text/plain"}

        for size in (530_000, 2_000_000):
            answer = execution.send(url=url, data=b"x" * size, headers=kind)
            assert answer.status_code == 413
            assert answer.json()["error"]["code"] == 413
        assert execution.read()["state"] == "ACTIVE"

    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            ("text/plain", b"x" * 300_000),
            ("application/json", b'["' + b"x" * 300_000 + b'"]'),
            ("application/json", b"[" * 99 + b"]" * 99),
            ("application/json", b"[" * 101 + b"]" * 101),
            ("application/json", b"[1e400]"),
        ],
    )
    def test_what_the_step_could_not_take_is_refused_while_the_sender_listens(
        self, emulator: EmulatorProcess, kind, body
    ):
        emulator.deploy("one", one_wait())
        execution = emulator.execute("one")

        assert execution.send(data=body, headers={"Content-Type": kind}).status_code == 413
        assert execution.read()["state"] == "ACTIVE"

        assert execution.send(data=b"", headers={"Content-Type": kind}).status_code == 200
        assert execution.result()["http_request"]["body"] is None

    def test_a_post_without_body_and_type_is_fine(self, emulator: EmulatorProcess):
        emulator.deploy("one", one_wait())
        execution = emulator.execute("one")

        assert execution.send().status_code == 200
        assert execution.result()["http_request"]["body"] is None

    def test_text_that_is_not_json_arrives_as_text(self, emulator: EmulatorProcess):
        emulator.deploy("one", one_wait())
        execution = emulator.execute("one")

        kind = {"Content-Type": "application/json"}
        assert execution.send(data=b"{broken", headers=kind).status_code == 200
        assert execution.result()["http_request"]["body"] == "{broken"


class TestSlot:
    def test_one_unread_request_is_kept_and_the_next_dropped(self, emulator: EmulatorProcess):
        emulator.deploy("two", TWO_WAITS)
        execution = emulator.execute("two")
        url = execution.callback_url()

        assert execution.send("first", url=url).status_code == 200
        assert execution.send("second", url=url).status_code == 200
        full = execution.send("third", url=url)
        assert full.status_code == 429
        assert full.json()["error"]["status"] == "RESOURCE_EXHAUSTED"
        (listed,) = execution.callbacks()
        (payload,) = listed["availablePayloads"]
        assert json.loads(payload)["http_request"]["body"] == "second"
        assert "waiters" not in listed

        assert execution.result() == ["first", "second"]

    def test_the_endpoint_is_gone_when_the_execution_is_over(self, emulator: EmulatorProcess):
        emulator.deploy("one", one_wait())
        execution = emulator.execute("one")
        url = execution.callback_url()
        execution.send({}, url=url)
        execution.wait()

        assert execution.send({}, url=url).status_code == 404
        assert execution.callbacks() == []

    def test_an_endpoint_of_another_execution_cannot_be_awaited(self, emulator: EmulatorProcess):
        emulator.deploy("one", one_wait())
        url = emulator.execute("one").callback_url()
        source = f"""
        - wait: {{call: events.await_callback, args: {{callback: {{url: "{url}"}}}}}}
        """
        emulator.deploy("thief", source)

        error = emulator.execute("thief").error()

        assert error["tags"] == ["ValueError"]

    def test_a_wait_that_timed_out_can_be_taken_up_again(self, emulator: EmulatorProcess):
        source = """
        main:
          steps:
            - create: {call: events.create_callback_endpoint, result: callback}
            - prepare: {assign: [{tags: null}]}
            - wait:
                try:
                  call: events.await_callback
                  args: {callback: "${callback}", timeout: 2}
                except:
                  as: e
                  steps:
                    - tags: {assign: [{tags: "${e.tags}"}]}
            - again:
                call: events.await_callback
                args: {callback: "${callback}", timeout: 3600}
                result: request
            - done: {return: ["${tags}", "${request.http_request.body}"]}
        """
        emulator.deploy("again", source)
        execution = emulator.execute("again")
        eventually(lambda: _step(execution) == "again", "the second wait")

        execution.send("at last")

        assert execution.result() == [["TimeoutError"], "at last"]


class TestPermission:
    def test_an_account_without_the_role_is_refused_by_name(self, start_emulator):
        emulator = start_emulator(
            auth="iam",
            options=["--grant", "sender@x.example=invoker", "--grant", "other@x.example="],
        )
        emulator.deploy("one", one_wait())
        execution = emulator.execute("one")
        url = execution.callback_url()

        for email in ("stranger@x.example", "other@x.example"):
            refused = execution.send({}, url=url, token=emulator.token(email))
            assert refused.status_code == 403
            error = refused.json()["error"]
            assert error["status"] == "PERMISSION_DENIED"
            assert "workflows.callbacks.send" in error["message"]
            assert "workflows/one" in error["message"]
        sender = emulator.token("sender@x.example")
        assert (
            emulator.request("DELETE", f"{emulator.parent}/workflows/one", token=sender).status_code
            == 403
        )
        assert execution.send({}, url=url, token=sender).status_code == 200

    def test_without_authentication_anyone_on_this_machine_may_send(self, start_emulator):
        emulator = start_emulator(auth="off")
        emulator.deploy("one", one_wait())
        execution = emulator.execute("one")

        answer = requests.post(execution.callback_url(), json={}, timeout=10)

        assert answer.status_code == 200


def _step(execution: Execution) -> str:
    steps = execution.read().get("status", {}).get("currentSteps", [{}])
    return str(steps[0].get("step", ""))

"""Hostile input: each gets Google's error JSON or a closed connection, and nothing else suffers."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emulator import server
from emulator.api import answers
from emulator.settings import Auth, Settings
from tests.emulators import EmulatorProcess, Execution

WAITS = """
main:
  params: [argument]
  steps:
    - make: {call: events.create_callback_endpoint, result: callback}
    - wait: {call: events.await_callback, args: {callback: "${callback}"}, result: request}
    - log: {call: sys.log, args: {json: "${request}"}}
    - done: {return: "${request.http_request.body}"}
"""
JSON = b"Content-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
DEEP = b"[" * 50_000 + b"]" * 50_000


@dataclass(frozen=True, slots=True)
class Said:
    """What the server said to something: a status, and JSON where it is an error."""

    status: int
    body: Any


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    """An emulator that asks for no token, with a workflow that waits for a callback."""
    data = tmp_path_factory.mktemp("hostile") / "data.sqlite3"
    with EmulatorProcess(data, auth="off") as running:
        running.deploy("waits", WAITS)
        yield running


@pytest.fixture(scope="module")
def waiting(victim: EmulatorProcess) -> Iterator[Execution]:
    """An execution that waits, and gets its answer in the end."""
    execution = victim.execute("waits")
    yield execution
    assert execution.send("the end", token="").status_code == 200
    assert execution.result() == "the end"


@pytest.fixture(autouse=True)
def untroubled(victim: EmulatorProcess) -> Iterator[None]:
    """After each test the emulator answers, and its terminal shows no traceback."""
    yield
    assert say(victim, request(b"GET", b"/healthz")).status == 200
    assert "Traceback" not in victim.output.read_text()


def request(method: bytes, path: bytes, headers: bytes = b"", body: bytes | None = None) -> bytes:
    """The bytes of a request, with the length of its body unless the headers speak of one."""
    head = method + b" " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + headers
    if body is not None and CHUNKED not in headers and b"Content-Length" not in headers:
        head += b"Content-Length: %d\r\n" % len(body)
    return head + b"\r\n" + (body or b"")


def connected(emulator: EmulatorProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", emulator.port), timeout=10)


def say(emulator: EmulatorProcess, sent: bytes) -> Said:
    """Send bytes, and read the answer until the server has said all."""
    with connected(emulator) as connection:
        connection.sendall(sent)
        answer = HTTPResponse(connection)
        answer.begin()
        text = answer.read()
        if answer.status < 400:
            return Said(answer.status, text)
        assert answer.getheader("Content-Type", "").startswith("application/json"), text
        error = json.loads(text)["error"]
        assert error["code"] == answer.status
        assert error["message"]
        assert "Traceback" not in error["message"]
        return Said(answer.status, error["status"])


def executions(emulator: EmulatorProcess) -> bytes:
    return f"/v1/{emulator.parent}/workflows/waits/executions".encode()


class TestPath:
    @pytest.mark.parametrize(
        "last",
        [
            *(b"a%2Fb", b"%2e%2e%2fwaits", b"..%2f..%2f..", b"a%00b", b"%zz", b"%", b"%ff%fe"),
            *(b"a\\b", b"waits;x=1", b"%0d%0aX:%201", b"%ED%A0%80", b"%F0%9F%98%80", b"a" * 7000),
            *(b"waits:nosuch", b"waits//executions", b"../waits", b"./waits", b"%2e/waits"),
            *(b"waits/executions/%2e%2e", b"waits/executions/x/callbacks/%2F..", b"waits%20"),
            *(b"waits/executions/x%00/callbacks/y", b"waits/executions/'%20OR%20''='"),
        ],
    )
    def test_tricks_lead_nowhere(self, victim, last):
        path = f"/v1/{victim.parent}/workflows/".encode() + last

        assert say(victim, request(b"GET", path)) == Said(404, "NOT_FOUND")

    @pytest.mark.parametrize(
        "path",
        [
            *(
                b"/a\x00b",
                b"/a\xff",
                b"/\xc3\xa4",
                b"/a b",
                b"*",
                b"evil.test:80",
                b"/" + b"a" * 9000,
            ),
            *(b"/v1/?q=\xe4", b"", b"/" + b"a" * 1_000_000),
        ],
    )
    def test_what_is_no_path_is_refused(self, victim, path):
        assert say(victim, request(b"GET", path)) == Said(400, "INVALID_ARGUMENT")

    @pytest.mark.parametrize(
        "query",
        [
            *(b"pageSize=-1", b"pageSize=%D9%A5", b"pageSize=1e3", b"pageSize=%00"),
            *(b"pageToken=%ff%fe", b"pageToken=AAAA", b"orderBy=" + b"a," * 2000),
            *(b"filter=" + b"(" * 3000, b"access_token=x&access_token=y"),
        ],
    )
    def test_nonsense_in_a_query_is_refused(self, victim, query):
        sent = request(b"GET", executions(victim) + b"?" + query)

        assert say(victim, sent) == Said(400, "INVALID_ARGUMENT")

    @pytest.mark.parametrize(
        "query", [b"pageSize=1&pageSize=-2", b"a;b;c", b"=&=&&==", b"pageSize=" + b"9" * 5000]
    )
    def test_a_query_that_is_odd_is_none_the_less_one(self, victim, query):
        assert say(victim, request(b"GET", executions(victim) + b"?" + query)).status == 200


class TestHead:
    @pytest.mark.parametrize(
        "headers",
        [
            b"X: " + b"a" * 9000 + b"\r\n",
            b"X: " + b"a" * 500_000 + b"\r\n",
            b"".join(b"X%d: 1\r\n" % number for number in range(20_000)),
            *(b"no colon\r\n", b"X : 1\r\n", b"X: 1\r\n 2\r\n", b"X: a\x00b\r\n", b": 1\r\n"),
            *(b"Content-Length: 1\r\nContent-Length: 2\r\n", b"Content-Length: -1\r\n"),
            *(b"Content-Length: abc\r\n", b"Content-Length: " + b"9" * 30 + b"\r\n"),
            *(b"Content-Length: 3\r\n" + CHUNKED, b"Transfer-Encoding: x\r\n"),
            *(CHUNKED + b"Transfer-Encoding: identity\r\n", b"Expect: 200-ok\r\n"),
            *(b"Host: evil.test\r\n", b"Content-Type: \xff;;;=\r\n"),
        ],
        ids=lambda headers: repr(headers[:30]),
    )
    def test_headers_that_are_none_are_refused(self, victim, headers):
        sent = request(b"POST", executions(victim), headers)

        assert say(victim, sent) == Said(400, "INVALID_ARGUMENT")

    @pytest.mark.parametrize(
        "sent",
        [
            *(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"\x00" * 5000),
            *(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"A" * 100_000, b"GET / HTTP/1.1\r\n\r\n"),
            *(b"get / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/3\r\nHost: x\r\n\r\n"),
            *(b"GET / HTTP/1.1\nHost: x\n\n", b"\x7fELF\x02\x01\r\n\r\n"),
        ],
    )
    def test_what_is_no_http_is_refused(self, victim, sent):
        assert say(victim, sent) == Said(400, "INVALID_ARGUMENT")

    @pytest.mark.parametrize("method", [b"TRACE", b"PROPFIND", b"PUT"])
    def test_a_method_that_is_not_offered_is_refused(self, victim, method):
        sent = request(method, executions(victim))

        assert say(victim, sent) == Said(405, "METHOD_NOT_ALLOWED")

    def test_other_protocols_are_not_spoken(self, victim):
        headers = b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"
        sent = request(
            b"GET", executions(victim), headers.replace(b"Up", b"Connection: x\r\nUp", 1)
        )

        assert say(victim, sent).status in (200, 400)

    @given(st.binary(min_size=1, max_size=300))
    @example(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nf\r\n")
    @settings(deadline=None, max_examples=150)
    def test_whatever_bytes_come_the_next_client_is_served(self, victim, sent):
        with connected(victim) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            said = b""
            while chunk := connection.recv(65536):
                said += chunk

        assert said == b"" or said.startswith(b"HTTP/1.")
        assert b"Traceback" not in said


class TestBody:
    @pytest.mark.parametrize(
        "body",
        [
            *(DEEP, b'{"argument": ' + DEEP + b"}", json.dumps({"argument": "[" * 9000}).encode()),
            json.dumps({"argument": "[" * 150 + "]" * 150}).encode(),
            *(b'{"argument": NaN}', b'{"argument": "NaN"}', b'{"argument": "-Infinity"}'),
            *(b'{"argument": ' + b"9" * 6000 + b"}", b'{"argument": "' + b"9" * 6000 + b'"}'),
            *(b'{"argument": "1e999"}', b'{"argument": "\\ud800"}', b'{"argument": "\\u0000"}'),
            *(b'\xef\xbb\xbf{"argument": "1"}', '{"argument": "1"}'.encode("utf-16")),
            *(b'{"argument": "\xe4"}', b"{} {}", b"[1]", b"null", b'{"argument": "\x01"}'),
            *(b"{'argument': 1}", b'{"colour": 1}', b"{} // x", b"<a/>", b"argument=1", b"\x00"),
            *(b'{"argument": "1"', b'{"labels": {"a": {"b": "c"}}}', b'{"callLogLevel": 99}'),
        ],
        ids=lambda body: repr(body[:30]),
    )
    def test_what_is_no_execution_is_refused(self, victim, body):
        sent = request(b"POST", executions(victim), JSON, body)

        assert say(victim, sent) == Said(400, "INVALID_ARGUMENT")

    def test_one_that_is_too_large_is_refused(self, victim):
        sent = request(b"POST", executions(victim), JSON, b'"' + b"a" * 2_000_000 + b'"')

        assert say(victim, sent) == Said(413, "PAYLOAD_TOO_LARGE")

    @pytest.mark.parametrize(
        "chunks",
        [
            *(b"zz\r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n", b"fffffffffffffffff\r\n{}"),
            b"2\r\n{}\r\n0\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        ],
        ids=lambda chunks: repr(chunks[:20]),
    )
    def test_chunks_that_are_none_are_refused(self, victim, chunks):
        sent = request(b"POST", executions(victim), JSON + CHUNKED, chunks)

        assert say(victim, sent) == Said(400, "INVALID_ARGUMENT")

    def test_chunks_without_end_are_refused_when_they_are_too_much(self, victim):
        sent = request(b"POST", executions(victim), JSON + CHUNKED, b"1\r\n \r\n" * 1_200_000)

        assert say(victim, sent) == Said(413, "PAYLOAD_TOO_LARGE")

    @pytest.mark.parametrize(
        "half",
        [
            request(b"POST", b"PATH", JSON + b"Content-Length: 50\r\n", b'{"argument":'),
            request(b"POST", b"PATH", JSON + CHUNKED, b"2\r\n{}\r\n"),
            request(b"POST", b"PATH", JSON + CHUNKED, b"2\r\n{"),
            request(b"POST", b"PATH", JSON + b"Content-Length: 2\r\n")[:-3],
        ],
    )
    @pytest.mark.parametrize("reset", [False, True])
    def test_half_a_request_starts_nothing(self, victim, half, reset):
        before = say(victim, request(b"GET", executions(victim))).body
        with contextlib.closing(connected(victim)) as connection:
            connection.sendall(half.replace(b"PATH", executions(victim)))
            if reset:
                now = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
            else:
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(65536) == b""

        assert say(victim, request(b"GET", executions(victim))).body == before


class TestCallback:
    """Whatever is sent to it, an execution is given a request once, and is not lost."""

    @pytest.mark.parametrize(
        ("headers", "body", "status"),
        [
            (JSON, b"[" * 99 + b"]" * 99, 413),
            (b"", b"no type", 400),
            (JSON + b"X-Name: Andr\xe9\r\n", b"{}", 400),
            (JSON + b"Content-Encoding: gzip\r\n", b"{}", 400),
            (JSON, b'"' + b"a" * 300_000 + b'"', 413),
            (b"Content-Type: text/plain\r\n", b"a" * 600_000, 413),
            (b"Content-Type: text/plain\r\n", b"a" * 2_000_000, 413),
            (JSON + CHUNKED, b"x", 400),
        ],
        ids=lambda value: repr(value)[:30],
    )
    def test_what_it_cannot_be_given_is_refused_and_it_waits(
        self, victim, waiting, headers, body, status
    ):
        path = waiting.callback_url().removeprefix(victim.url).encode()

        assert say(victim, request(b"POST", path, headers, body)).status == status
        assert len(waiting.callbacks()) == 1

    @pytest.mark.parametrize(
        ("headers", "body", "seen"),
        [
            (JSON, b'"\\ud800"', "\N{REPLACEMENT CHARACTER}"),
            (JSON, b'{"a": "\\udfff"}', {"a": "\N{REPLACEMENT CHARACTER}"}),
            (JSON, b'"\\u0000"', "\x00"),
            (JSON, b"123456789012345678901234567890", 1.2345678901234568e29),
            (JSON, b"", None),
            (JSON + CHUNKED, b"2\r\n{}\r\n0\r\n\r\n", {}),
            (b"Content-Type: text/plain; charset=nonsense\r\n", b"a", "a"),
        ],
        ids=lambda value: repr(value)[:30],
    )
    def test_what_is_odd_is_given_to_it_once(self, victim, headers, body, seen):
        execution = victim.execute("waits")
        path = execution.callback_url().removeprefix(victim.url).encode()
        sent = request(b"POST", path + b"?a=1&a=2&%ff=%00&&=", headers, body)

        assert say(victim, sent).status == 200
        assert say(victim, sent).status in (404, 429)
        assert execution.result() == seen

    @pytest.mark.parametrize(
        "body",
        [b"NaN", b"[1, Infinity]", b"{", b"\xff", b"9" * 5000, DEEP, b"[" * 150 + b"]" * 150],
    )
    def test_what_claims_to_be_json_does_not_harm_it(self, victim, body):
        execution = victim.execute("waits")
        path = execution.callback_url().removeprefix(victim.url).encode()

        if say(victim, request(b"POST", path, JSON, body)).status != 200:
            assert execution.send("whole", token="").status_code == 200
            assert execution.result() == "whole"
        else:
            assert execution.wait()["state"] == "SUCCEEDED"


class TestPipelining:
    def test_all_are_answered_in_order(self, victim):
        first = request(b"GET", b"/nosuch/%d")
        sent = b"".join(first % number for number in range(500))
        sent = sent.replace(b"Connection: close\r\n", b"") + request(b"GET", b"/healthz")
        with connected(victim) as connection:
            connection.sendall(sent)
            said = b"".join(iter(lambda: connection.recv(65536), b""))

        order = [said.index(b"/nosuch/%d " % number) for number in range(500)]
        assert order == sorted(order)
        assert said.endswith(b"ok\n")

    def test_what_follows_a_client_that_has_gone_is_no_matter(self, victim):
        sent = request(b"GET", executions(victim)).replace(b"Connection: close\r\n", b"")
        with contextlib.closing(connected(victim)) as connection:
            connection.sendall(sent * 200)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class TestSlowness:
    """In this process, with less patience."""

    def test_headers_that_drip_do_not_keep_a_connection(self, tmp_path, monkeypatch):
        monkeypatch.setattr(server, "IDLE_WITHIN", 0.5)

        async def drip(port: int) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /healthz HTTP/1.1\r\n")
            for number in range(500):
                writer.write(b"X%d: 1\r\n" % number)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        said = await reader.read()
                        writer.close()
                        return said
            raise AssertionError("it is still open")

        assert asyncio.run(served(tmp_path, drip)) == b""

    @pytest.mark.parametrize("drop", [b" ", b"1\r\n \r\n"])
    def test_a_body_that_drips_is_a_408(self, tmp_path, monkeypatch, drop):
        monkeypatch.setattr(answers, "REQUEST_WITHIN", 0.5)
        headers = CHUNKED if b"\r" in drop else b"Content-Length: 9999\r\n"

        async def drip(port: int) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(b"POST", b"/emulator/tokens", headers))
            for _ in range(500):
                writer.write(drop)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        said = await reader.readline()
                        writer.close()
                        return said
            raise AssertionError("it was not answered")

        assert asyncio.run(served(tmp_path, drip)).startswith(b"HTTP/1.1 408 ")

    def test_a_client_that_does_not_take_its_answers_is_left(self, tmp_path, monkeypatch):
        monkeypatch.setattr(server, "IDLE_WITHIN", 0.5)
        asking = b"GET /oauth2/v1/certs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

        async def ask(port: int) -> bool:
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(client, ("127.0.0.1", port))
                try:
                    async with asyncio.timeout(15):
                        while True:
                            await loop.sock_sendall(client, asking * 100)
                except ConnectionError:
                    return True

        assert asyncio.run(served(tmp_path, ask))


async def served(folder: Path, ask: Callable[[int], Awaitable[Any]]) -> Any:
    """What comes of asking a server in this process, which is given the port."""
    chosen = Settings(data=folder / "data.sqlite3", port=0, auth=Auth.OFF)
    async with server.serving(chosen) as services:
        return await ask(services.settings.port)

"""Requests that are broken, hostile, half sent or from elsewhere: each gets a plain answer."""

import asyncio
import base64
import json
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
import requests

from emulator import server
from emulator.api import answers
from emulator.server import CannotStart
from emulator.settings import Auth, Settings
from tests.emulators import APP, EmulatorProcess, command

SOURCE = "main:\n  steps:\n    - done:\n        return: 1\n"
KIND = {"Content-Type": "application/json"}


def workflows(emulator: EmulatorProcess) -> str:
    return f"{emulator.parent}/workflows"


def status_of(answer: requests.Response) -> tuple[int, str]:
    """Code and status of a refusal, which has Google's form and shows no traceback."""
    error: dict[str, Any] = answer.json()["error"]
    assert error["code"] == answer.status_code
    assert answer.headers["Content-Type"].startswith("application/json")
    assert "Traceback" not in answer.text
    return error["code"], error["status"]


class TestHalfACharacter:
    @pytest.mark.parametrize("field", ["description", "sourceContents", "labels"])
    def test_it_is_refused_in_a_definition_and_nothing_is_kept(self, emulator, field):
        text: dict[str, Any] = {"description": "\ud800", "sourceContents": SOURCE + "# \udfff"}
        body = {"sourceContents": SOURCE, field: text.get(field, {"a": "\ud800"})}

        answer = emulator.request(
            "POST", workflows(emulator), params={"workflowId": "half"}, json=body
        )

        assert status_of(answer) == (400, "INVALID_ARGUMENT")
        assert "\\ud" in answer.json()["error"]["message"]
        assert emulator.request("GET", f"{workflows(emulator)}/half").status_code == 404
        assert emulator.request("GET", workflows(emulator)).status_code == 200
        assert emulator.request("GET", f"{emulator.parent}/operations").status_code == 200

    def test_it_is_refused_in_an_argument(self, emulator):
        emulator.deploy("whole", SOURCE)

        answer = emulator.request(
            "POST", f"{workflows(emulator)}/whole/executions", json={"argument": '"\ud800"'}
        )

        assert status_of(answer) == (400, "INVALID_ARGUMENT")

    def test_two_halves_are_a_character(self, emulator):
        body = json.dumps({"sourceContents": SOURCE, "description": "\N{GRINNING FACE}"})
        assert "\\ud83d\\ude00" in body

        answer = emulator.request(
            "POST", workflows(emulator), params={"workflowId": "pair"}, data=body, headers=KIND
        )

        assert answer.json()["response"]["description"] == "\N{GRINNING FACE}"


class TestCallersMistakes:
    @pytest.mark.parametrize(
        ("headers", "body", "status"),
        [
            (b"Authorization: Bearer ya29.emulator.x.\xff\r\n", b"", 401),
            (b"Authorization: Bearer \xe9\r\n", b"", 401),
            (b"Content-Encoding: gzip\r\n", b"not gzip", 400),
            (b"Content-Encoding: deflate\r\n", b"\xff\xff", 400),
            (b"X-Name: Andr\xe9\r\n", b"{}", 400),
        ],
    )
    def test_bytes_that_are_no_text_are_refused(self, emulator, headers, body, status):
        if b"Authorization" not in headers:
            headers += f"Authorization: Bearer {emulator.token()}\r\n".encode()

        assert raw(emulator, workflows(emulator).encode(), headers, body) == status

    def test_a_callback_with_a_header_that_is_no_text_stays_open(self, emulator):
        source = """
        - make: {call: events.create_callback_endpoint, args: {}, result: it}
        - wait: {call: events.await_callback, args: {callback: "${it}"}, result: got}
        - done: {return: "${got.http_request.body}"}
        """
        emulator.deploy("waits", source)
        execution = emulator.execute("waits")
        url = execution.callback_url()
        headers = f"Authorization: Bearer {emulator.token()}\r\nContent-Type: text/plain\r\n"

        path = url.removeprefix(f"{emulator.url}/v1/").encode()
        assert raw(emulator, path, headers.encode() + b"X-Name: Andr\xe9\r\n", b"no") == 400
        assert execution.send("yes").status_code == 200
        assert execution.result() == "yes"

    @pytest.mark.parametrize("place", ["-1", "0", "99999999999999999999", "x"])
    def test_a_page_token_of_no_place_is_refused(self, emulator, place):
        emulator.deploy("paged", SOURCE)
        token = base64.urlsafe_b64encode(f"{place} paged  ".encode()).decode()
        path = f"{workflows(emulator)}/paged/executions"

        answer = emulator.request("GET", path, params={"pageToken": token})

        assert status_of(answer) == (400, "INVALID_ARGUMENT")

    @pytest.mark.parametrize(
        "token", ["1 workflows", "[]", "[1, 2]", '["1", "", "workflows  "]', "[" * 4000, "{}", "7"]
    )
    def test_a_page_token_that_was_not_given_is_refused(self, emulator, token):
        token = base64.urlsafe_b64encode(token.encode()).decode()

        answer = emulator.request("GET", workflows(emulator), params={"pageToken": token})

        assert status_of(answer) == (400, "INVALID_ARGUMENT")


class TestFromElsewhere:
    """With `--allow-remote`, asked by this machine under a name that is not its own."""

    @pytest.fixture
    def remote(self, start_emulator):
        return start_emulator(options=["--allow-remote"])

    def test_what_gives_tokens_is_for_this_machine_alone(self, remote):
        elsewhere = {"Host": "evil.test", "Metadata-Flavor": "Google"}
        account = "computeMetadata/v1/instance/service-accounts/default"
        for method, path in (
            ("POST", "emulator/tokens"),
            ("POST", "v1/projects/-/serviceAccounts/eva@x.example:generateAccessToken"),
            ("GET", f"{account}/token"),
            ("GET", f"{account}/identity?audience=x"),
            ("GET", f"{account}/"),
            ("GET", "%63omputeMetadata/v1/?recursive=true"),
            ("GET", ""),
        ):
            answer = requests.request(
                method, f"{remote.url}/{path}", headers=elsewhere, json={"email": APP}, timeout=10
            )
            assert status_of(answer) == (403, "PERMISSION_DENIED"), path

        assert remote.token()

    def test_a_web_page_is_refused_under_whatever_name(self, remote):
        headers = {"Host": "evil.test", "Origin": "http://evil.test"}

        answer = remote.request("GET", workflows(remote), headers=headers)

        assert status_of(answer) == (403, "PERMISSION_DENIED")

    def test_the_apis_are_open_to_whoever_has_a_token(self, remote):
        elsewhere = {"Host": "emulator.internal:8787"}

        assert remote.request("GET", workflows(remote), headers=elsewhere).status_code == 200
        answer = remote.request("GET", workflows(remote), headers=elsewhere, token="")
        assert status_of(answer) == (401, "UNAUTHENTICATED")

    def test_without_tokens_others_are_not_served(self, tmp_path):
        settings = Settings(data=tmp_path / "d", port=0, auth=Auth.OFF, allow_remote=True)

        with pytest.raises(CannotStart, match="--auth off"):
            asyncio.run(served(settings, lambda _port: asyncio.sleep(0)))


class TestConnections:
    """Begun and not gone on with."""

    @pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
    def test_one_without_a_whole_request_is_closed(self, tmp_path, monkeypatch, begun):
        monkeypatch.setattr(server, "IDLE_WITHIN", 0.2)

        assert asyncio.run(served(settings_in(tmp_path), partial(said_to, begun))) == b""

    def test_one_that_stays_idle_after_an_answer_is_closed(self, tmp_path, monkeypatch):
        monkeypatch.setattr(server, "IDLE_WITHIN", 0.2)
        whole = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

        said = asyncio.run(served(settings_in(tmp_path), partial(said_to, whole)))

        assert said.startswith(b"HTTP/1.1 200 ")
        assert said.endswith(b"ok\n")

    def test_a_body_that_does_not_come_is_a_408(self, tmp_path, monkeypatch):
        monkeypatch.setattr(answers, "REQUEST_WITHIN", 0.2)
        half = b'POST /emulator/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\n{"'

        async def first_line(port: int) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(half)
            line = await asyncio.wait_for(reader.readline(), 5)
            writer.close()
            return line

        assert asyncio.run(served(settings_in(tmp_path), first_line)).startswith(b"HTTP/1.1 408 ")

    def test_there_are_not_more_than_so_many(self, tmp_path, monkeypatch):
        monkeypatch.setattr(server, "MAX_CONNECTIONS", 2)

        async def open_and_ask(port: int) -> tuple[bytes, bytes]:
            idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            refused = await said_to(b"", port)
            for _, writer in idle:
                writer.close()
                await writer.wait_closed()
            await asyncio.sleep(0.1)
            close = b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"
            return refused, await said_to(close, port)

        refused, served_again = asyncio.run(served(settings_in(tmp_path), open_and_ask))

        assert refused == b""
        assert served_again.endswith(b"ok\n")


def raw(emulator: EmulatorProcess, path: bytes, headers: bytes = b"", body: bytes = b"") -> int:
    """The status of the answer to a POST with these bytes, which is in Google's form."""
    head = b"POST /v1/" + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    head += headers + f"Content-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=10) as connection:
        connection.sendall(head + body)
        answer = HTTPResponse(connection)
        answer.begin()
        assert json.loads(answer.read())["error"]["code"] == answer.status
        return answer.status


async def said_to(begun: bytes, port: int) -> bytes:
    """All that the server says until it closes the connection, within five seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(begun)
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


def settings_in(folder: Path) -> Settings:
    return Settings(data=folder / "data.sqlite3", port=0)


async def served(settings: Settings, ask: Callable[[int], Awaitable[Any]]) -> Any:
    """What comes of asking a server in this process, which is given the port."""
    async with server.serving(settings) as services:
        return await ask(services.settings.port)


class TestSettings:
    @pytest.mark.parametrize(
        ("option", "said"),
        [
            ("--port=99999", "--port must be from 0 to 65535, not 99999"),
            ("--port=-1", "--port must be from 0 to 65535, not -1"),
            ("--base-url=ftp://x/ y", "--base-url must be http"),
            ("--base-url=https://user@host", "--base-url must be http"),
            ("--base-url=https://host:99999", "--base-url must be http"),
            ("--base-url=https://host?x=1", "--base-url must be http"),
            ("--base-url=host:8787", "--base-url must be http"),
        ],
    )
    def test_a_wrong_one_is_a_sentence(self, tmp_path, option, said):
        done = command("serve", f"--data={tmp_path / 'd'}", option)

        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize(
        "url", ["", "http://127.0.0.1:8787", "https://emulator.example/", "http://[::1]:1/a/b"]
    )
    def test_a_base_may_have_a_port_and_a_path(self, url):
        assert Settings(base_url=url).base_url == url

"""Faults as clients see them: each spoils what it says it spoils, and no more."""

import asyncio
import json
import os
import subprocess
import sys
import time
from typing import Any

import aiohttp
import pytest
import requests
from google.api_core import exceptions
from google.cloud.workflows import executions_v1
from google.cloud.workflows.executions_v1.services.executions.transports import (
    ExecutionsGrpcTransport,
)

from emulator.api import answers
from tests.emulator.engines import WAIT
from tests.emulator.scenes import Scene, played
from tests.emulator.test_grpc import options
from tests.emulators import EmulatorProcess


class TestDelay:
    def test_the_request_is_handled_later(self, tmp_path):
        async def scenario(it: Scene) -> float:
            await it.order(kind="delay", seconds=0.4, callback=it.callback)
            began = time.monotonic()
            sending = asyncio.create_task(it.send())
            await asyncio.sleep(0.2)
            assert it.is_waiting
            assert await sending == (200, {})
            assert await it.result() == "yes"
            assert it.received == [("HANDED_OVER", "delay")]
            return time.monotonic() - began

        assert played(tmp_path, scenario) >= 0.4

    def test_stored_it_is_handled_at_once_and_answered_later(self, tmp_path):
        async def scenario(it: Scene) -> None:
            await it.order(kind="delay", seconds=0.4, stored=True)
            sending = asyncio.create_task(it.send())
            assert await it.result() == "yes"
            assert not sending.done()
            assert await sending == (200, {})

        played(tmp_path, scenario)

    def test_it_may_last_longer_than_a_request_may_take(self, tmp_path, monkeypatch):
        monkeypatch.setattr(answers, "REQUEST_WITHIN", 0.2)

        async def scenario(it: Scene) -> tuple[int, Any]:
            await it.order(kind="delay", seconds=0.5)
            return await it.send()

        assert played(tmp_path, scenario) == (200, {})


class TestReset:
    def test_nothing_is_stored_and_the_next_request_counts(self, tmp_path):
        async def scenario(it: Scene) -> None:
            await it.order(kind="reset", execution=it.execution)
            with pytest.raises(aiohttp.ClientConnectionError):
                await it.send("lost")
            assert it.is_waiting
            assert await it.send("found") == (200, {})
            assert await it.result() == "found"
            assert it.received == [("UNHANDLED", "reset"), ("HANDED_OVER", None)]

        played(tmp_path, scenario)

    def test_stored_the_execution_goes_on_and_the_sender_does_not_know(self, tmp_path):
        async def scenario(it: Scene) -> None:
            await it.order(kind="reset", stored=True, path="/v1/*/callbacks/*")
            with pytest.raises(aiohttp.ClientConnectionError):
                await it.send("arrived")
            assert await it.result() == "arrived"
            assert (await it.send("again"))[0] == 404
            assert it.received == [("HANDED_OVER", "reset, stored")]

        played(tmp_path, scenario)

    def test_a_real_client_sees_the_connection_reset(self, start_emulator):
        emulator = start_emulator()
        emulator.deploy("wait", WAIT)
        execution = emulator.execute("wait")
        url = execution.callback_url()
        faults = f"{emulator.url}/emulator/faults"
        requests.post(faults, json={"kind": "reset", "workflow": "wait"}, timeout=10)
        body = {"kind": "reset", "workflow": "wait", "stored": True}
        requests.post(faults, json=body, timeout=10)

        for answer in ("lost", "arrived"):
            with pytest.raises(requests.ConnectionError, match="reset by peer"):
                execution.send(answer, url=url, token=emulator.token())

        assert execution.result()[1]["http_request"]["body"] == "arrived"
        assert "Traceback" not in emulator.output.read_text()


class TestStall:
    def test_no_answer_comes_until_the_client_goes(self, tmp_path):
        async def scenario(it: Scene) -> None:
            await it.order(kind="stall")
            with pytest.raises(TimeoutError):
                await it.send(timeout=aiohttp.ClientTimeout(total=0.3))
            assert it.is_waiting
            assert await it.send() == (200, {})

        played(tmp_path, scenario)

    def test_or_until_its_seconds_have_passed(self, tmp_path):
        async def scenario(it: Scene) -> float:
            await it.order(kind="stall", seconds=0.3, stored=True)
            began = time.monotonic()
            with pytest.raises(aiohttp.ClientConnectionError):
                await it.send()
            assert await it.result() == "yes"
            return time.monotonic() - began

        assert played(tmp_path, scenario) >= 0.3

    def test_it_does_not_hold_up_the_end_of_the_emulator(self, tmp_path):
        async def scenario(it: Scene) -> asyncio.Task[Any]:
            await it.order(kind="stall")
            sending = asyncio.create_task(it.send())
            while it.received != [("UNHANDLED", "stall")]:  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.01)
            return sending

        began = time.monotonic()
        played(tmp_path, scenario)
        assert time.monotonic() - began < 10


class TestStatus:
    def test_statuses_are_answered_in_turn_and_nothing_is_stored(self, tmp_path):
        async def scenario(it: Scene) -> list[Any]:
            await it.order(
                kind="status", statuses=[503, 429, 502], retryAfter=7, callback=it.callback
            )
            seen = []
            for _ in range(3):
                async with it.client.post(it.url, json="lost") as answer:
                    error = (await answer.json())["error"]
                    assert error["code"] == answer.status
                    seen.append((answer.status, error["status"], answer.headers["Retry-After"]))
                assert it.is_waiting
            assert await it.send("found") == (200, {})
            assert await it.result() == "found"
            return seen

        assert played(tmp_path, scenario) == [
            (503, "UNAVAILABLE", "7"),
            (429, "RESOURCE_EXHAUSTED", "7"),
            (502, "UNAVAILABLE", "7"),
        ]

    def test_stored_it_is_answered_with_an_error_all_the_same(self, tmp_path):
        async def scenario(it: Scene) -> list[Any]:
            await it.order(kind="status", statuses=[500, 429], stored=True)
            statuses = [(await it.send("first"))[0], (await it.send("second"))[0]]
            assert await it.result() == "first"
            return statuses

        assert played(tmp_path, scenario) == [500, 429]


class TestBody:
    def test_slow_bytes_come_one_by_one(self, tmp_path):
        async def scenario(it: Scene) -> tuple[float, int]:
            await it.order(kind="slow", seconds=0.5, path="/v1/projects/", method="GET")
            began = time.monotonic()
            async with it.client.get(it.url.partition("/callbacks")[0]) as answer:
                assert not answer.content.is_eof()  # the headers are here before the body
                chunks = [chunk async for chunk in answer.content.iter_any()]
                assert json.loads(b"".join(chunks))["state"] == "ACTIVE"
                assert int(answer.headers["Content-Length"]) == len(b"".join(chunks))
            return time.monotonic() - began, len(chunks)

        took, chunks = played(tmp_path, scenario)

        assert took >= 0.5
        assert chunks > 20

    def test_a_body_cut_short_is_announced_whole(self, tmp_path):
        async def scenario(it: Scene) -> None:
            await it.order(kind="cut", execution=it.execution)
            with pytest.raises(aiohttp.ClientPayloadError):
                await it.send("arrived")
            assert await it.result() == "arrived"
            assert it.received == [("HANDED_OVER", "cut")]

        played(tmp_path, scenario)

    @pytest.mark.parametrize("given", [{}, {"body": '{"half": '}])
    def test_a_wrong_body_is_a_200_that_is_no_json(self, tmp_path, given):
        async def scenario(it: Scene) -> str:
            await it.order(kind="wrong-body", method="POST", **given)
            async with it.client.post(it.url, json="arrived") as answer:
                assert answer.status == 200
                text = await answer.text()
            assert await it.result() == "arrived"
            return text

        text = played(tmp_path, scenario)

        assert text.startswith(given.get("body", "<html>"))
        with pytest.raises(ValueError, match="Expecting"):
            json.loads(text)


class TestEverywhere:
    def test_an_execution_started_and_not_told_of_is_there_once(self, tmp_path):
        async def scenario(it: Scene) -> tuple[int, int]:
            url = it.url.partition("/executions")[0] + "/executions"
            await it.order(kind="reset", stored=True, path=url.removeprefix(it.base))
            with pytest.raises(aiohttp.ClientConnectionError):
                await it.client.post(url, json={})
            return 2, len(it.services.store.open("test"))

        wanted, found = played(tmp_path, scenario)

        assert found == wanted

    def test_reading_an_execution_can_fail(self, tmp_path):
        async def scenario(it: Scene) -> list[int]:
            url = it.url.partition("/callbacks")[0]
            await it.order(kind="status", statuses=[503], execution=it.execution, method="GET")
            seen = []
            for _ in range(2):
                async with it.client.get(url) as answer:
                    seen.append(answer.status)
            return seen

        assert played(tmp_path, scenario) == [503, 200]

    def test_googles_library_gets_no_token_from_a_metadata_server_that_is_down(
        self, start_emulator
    ):
        emulator = start_emulator()
        faults = f"{emulator.url}/emulator/faults"
        fault = {"kind": "status", "statuses": [404], "path": "/computeMetadata/*/token"}
        ordered = requests.post(faults, json={**fault, "times": 0}, timeout=10).json()

        assert refreshed(emulator) == "RefreshError"

        assert requests.delete(f"{faults}/{ordered['id']}", timeout=10).json() == {}
        assert refreshed(emulator) == "refreshed"

    @pytest.mark.parametrize(
        ("fault", "error", "started"),
        [
            ({"kind": "status", "statuses": [503]}, exceptions.ServiceUnavailable, 0),
            ({"kind": "reset", "stored": True}, exceptions.ServiceUnavailable, 1),
            ({"kind": "status", "statuses": [429]}, exceptions.ResourceExhausted, 0),
        ],
    )
    def test_googles_grpc_client_sees_them_too(self, start_emulator, fault, error, started):
        emulator = start_emulator(grpc=True)
        emulator.deploy("one", "- done: {return: 1}\n")
        client = executions_v1.ExecutionsClient(
            transport=ExecutionsGrpcTransport(**options(emulator))
        )
        parent = f"{emulator.parent}/workflows/one"
        ordered = {**fault, "method": "POST", "path": "/v1/*/executions"}
        requests.post(f"{emulator.url}/emulator/faults", json=ordered, timeout=10)

        with pytest.raises(error):
            client.create_execution(parent=parent, retry=None)

        assert len(list(client.list_executions(parent=parent))) == started
        client.transport.close()

    def test_what_is_ours_stays_whole(self, tmp_path):
        """Else nobody could take the fault back."""

        async def scenario(it: Scene) -> list[int]:
            await it.order(kind="status", statuses=[503], times=0)
            seen = []
            for path in (
                "/emulator/faults",
                "/emulator/clock",
                "/healthz",
                "/",
                "/oauth2/v1/certs",
            ):
                async with it.client.get(it.base + path) as answer:
                    seen.append(answer.status)
            ping = {"Metadata-Flavor": "Google"}
            async with it.client.get(f"{it.base}/", headers=ping) as answer:
                return [*seen, answer.status]

        assert played(tmp_path, scenario) == [200, 200, 200, 200, 503, 503]


def refreshed(emulator: EmulatorProcess) -> str:
    """What becomes of Google's credentials; their library reads its environment when imported."""
    program = """
from google.auth import exceptions
from google.auth.compute_engine import Credentials
from google.auth.transport.requests import Request
try:
    Credentials().refresh(Request())
except exceptions.RefreshError:
    print("RefreshError")
else:
    print("refreshed")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **emulator.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.strip() or done.stderr

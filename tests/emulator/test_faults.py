"""Faults that tests order: each spoils what it says it spoils, so often as it was told, no more."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests

from emulator.faults import Asked, Fault, Faults, Kind
from emulator.services import Services
from emulator.settings import Auth
from tests.emulator.engines import WAIT, emulator, endpoint, outcome, start
from tests.emulators import NUMBER, EmulatorProcess

CALLBACK = Asked("POST", "/v1/projects/p/w/executions/e/callbacks/c", "w", "e", "c")


class TestFits:
    @pytest.mark.parametrize(
        "wanted",
        [
            {},
            {"callback": "c"},
            {"execution": "e"},
            {"workflow": "w", "method": "POST"},
            {"path": "/v1/"},
            {"path": "/v1/*/callbacks/?"},
            {"path": "*/e/*"},
            {"callback": "c", "execution": "e", "workflow": "w", "method": "POST", "path": "/"},
        ],
    )
    def test_a_request_that_is_all_that_is_given(self, wanted):
        assert Fault(Kind.RESET, **wanted).fits(CALLBACK)

    @pytest.mark.parametrize(
        "wanted",
        [
            {"callback": "d"},
            {"execution": "E"},
            {"workflow": "w", "method": "GET"},
            {"path": "/v2/"},
            {"path": "/v1/*/callbacks"},
            {"path": "v1"},
            {"callback": "c", "execution": "other"},
        ],
    )
    def test_no_other(self, wanted):
        assert not Fault(Kind.RESET, **wanted).fits(CALLBACK)


class TestTimes:
    def names(self, faults: Faults, asked: int) -> list[str | None]:
        played = [faults.play(CALLBACK) for _ in range(asked)]
        return [None if one is None else one.name for one in played]

    def test_once_unless_told_otherwise(self):
        faults = Faults()
        faults.add(Fault(Kind.RESET))

        assert self.names(faults, 3) == ["reset", None, None]

    def test_so_often_and_the_next_in_line_follows(self):
        faults = Faults()
        faults.add(Fault(Kind.RESET, times=2, stored=True))
        faults.add(Fault(Kind.CUT))

        assert self.names(faults, 4) == ["reset, stored", "reset, stored", "cut", None]

    def test_without_end_until_it_is_removed(self):
        faults = Faults()
        order = faults.add(Fault(Kind.STALL, times=0))

        assert self.names(faults, 50) == ["stall"] * 50
        assert faults.remove(order.id)
        assert not faults.remove(order.id)
        assert faults.play(CALLBACK) is None

    def test_a_list_of_statuses_is_gone_through_so_often(self):
        faults = Faults()
        faults.add(Fault(Kind.STATUS, statuses=(503, 429), times=2))

        assert self.names(faults, 5) == ["status 503", "status 429"] * 2 + [None]

    def test_other_requests_do_not_count(self):
        faults = Faults()
        order = faults.add(Fault(Kind.RESET, method="GET"))

        assert faults.play(CALLBACK) is None
        assert order.played == 0


@dataclass
class Scene:
    """An emulator with an execution that waits on a callback, and a client."""

    services: Services
    client: aiohttp.ClientSession
    execution: str
    callback: str
    began: float = field(default_factory=time.monotonic)

    @property
    def base(self) -> str:
        return self.services.settings.base_url

    @property
    def url(self) -> str:
        return (
            f"{self.base}/v1/projects/{NUMBER}/locations/us-central1/workflows/test"
            f"/executions/{self.execution}/callbacks/{self.callback}"
        )

    async def order(self, **fault: Any) -> dict[str, Any]:
        async with self.client.post(f"{self.base}/emulator/faults", json=fault) as answer:
            body: dict[str, Any] = await answer.json()
            assert answer.status == 200, body
            return body

    async def send(self, body: object = "yes", **options: Any) -> tuple[int, Any]:
        """Status and JSON of the answer to a request to the callback."""
        async with self.client.post(self.url, json=body, **options) as answer:
            return answer.status, await answer.json()

    async def result(self) -> Any:
        """The body that the execution was given."""
        over = self.services.store.find(self.execution)
        assert over is not None
        return (await outcome(self.services, over))[1]["http_request"]["body"]

    @property
    def is_waiting(self) -> bool:
        """Whether nothing has reached the execution."""
        found = self.services.store.callback(self.execution, self.callback)
        waits = self.services.store.waits_of(self.execution)
        return found is not None and found.stored is None and len(waits) == 1

    @property
    def received(self) -> list[tuple[str, str | None]]:
        """Verdict and fault of each request that reached the callback."""
        listed = self.services.store.received(self.execution)
        return [(one.verdict, one.fault) for one in listed]


@asynccontextmanager
async def scene(path: Path) -> AsyncIterator[Scene]:
    async with emulator(path, auth=Auth.OFF) as services, aiohttp.ClientSession() as client:
        execution = start(services, WAIT)
        yield Scene(services, client, execution.id, await endpoint(services, execution))


def played(path: Path, scenario: Callable[[Scene], Awaitable[Any]]) -> Any:
    async def play() -> Any:
        async with asyncio.timeout(30), scene(path) as it:
            return await scenario(it)

    return asyncio.run(play())


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
            await asyncio.sleep(0.2)
            assert it.received == [("UNHANDLED", "stall")]
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
                assert time.monotonic() - began < 0.4
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


class TestApi:
    def test_they_are_listed_with_how_often_they_were_played(self, tmp_path):
        async def scenario(it: Scene) -> Any:
            first = await it.order(
                kind="status", statuses=[503, 500], method="post", retryAfter="9"
            )
            second = await it.order(kind="reset", times=3, workflow="other", stored=True)
            await it.send()
            listed = await self.listed(it)
            for order in (first["id"], second["id"]):
                async with it.client.delete(f"{it.base}/emulator/faults/{order}") as answer:
                    assert answer.status == 200
            assert await self.listed(it) == []
            return listed

        assert played(tmp_path, scenario) == [
            {
                "id": "1",
                "kind": "status",
                "method": "POST",
                "times": 1,
                "statuses": [503, 500],
                "retryAfter": "9",
                "played": 1,
            },
            {
                "id": "2",
                "kind": "reset",
                "workflow": "other",
                "times": 3,
                "stored": True,
                "played": 0,
            },
        ]

    def test_all_can_be_removed_at_once(self, tmp_path):
        async def scenario(it: Scene) -> Any:
            for _ in range(3):
                await it.order(kind="reset", times=0)
            async with it.client.delete(f"{it.base}/emulator/faults") as answer:
                assert answer.status == 200
            async with it.client.delete(f"{it.base}/emulator/faults/1") as answer:
                assert (await answer.json())["error"]["status"] == "NOT_FOUND"
            assert await it.send() == (200, {})
            return await self.listed(it)

        assert played(tmp_path, scenario) == []

    @pytest.mark.parametrize(
        ("fault", "told"),
        [
            ({}, "kind must be one of delay, reset"),
            ({"kind": "explode"}, "kind must be one of"),
            ({"kind": ["reset"]}, "kind must be one of"),
            ({"kind": "reset", "colour": "red"}, "colour is no field of a fault"),
            ({"kind": "reset", "retry_after": "5"}, "retry_after is no field"),
            ({"kind": "delay"}, "needs seconds"),
            ({"kind": "delay", "seconds": -1}, "seconds must be from 0 to 3600"),
            ({"kind": "delay", "seconds": "1"}, "seconds must be a number"),
            ({"kind": "delay", "seconds": True}, "seconds must be a number"),
            ({"kind": "delay", "seconds": 10**400}, "seconds must be from 0 to 3600"),
            ({"kind": "slow"}, "needs seconds"),
            ({"kind": "slow", "seconds": 1, "stored": True}, "stored is not for a fault"),
            ({"kind": "status"}, "needs statuses"),
            ({"kind": "status", "statuses": []}, "needs statuses"),
            ({"kind": "status", "statuses": [200]}, "from 400 to 599"),
            ({"kind": "status", "statuses": [503.0]}, "whole numbers"),
            ({"kind": "status", "statuses": [500] * 101}, "more than 100"),
            ({"kind": "status", "statuses": [503], "retryAfter": "a\r\nb: c"}, "retryAfter"),
            ({"kind": "reset", "statuses": [503]}, "statuses is not for a fault of the kind reset"),
            ({"kind": "reset", "seconds": 5}, "seconds is not for"),
            ({"kind": "reset", "body": "x"}, "body is not for"),
            ({"kind": "reset", "times": -1}, "times must not be negative"),
            ({"kind": "reset", "times": 1.5}, "times must be a whole number"),
            ({"kind": "reset", "times": 2**40}, "times must be a whole number"),
            ({"kind": "reset", "stored": "yes"}, "stored must be true or false"),
            ({"kind": "reset", "callback": ""}, "callback must be a text"),
            ({"kind": "reset", "path": 5}, "path must be a text"),
            ({"kind": "reset", "method": "GET /"}, "method must be the name of one"),
            ({"kind": "wrong-body", "body": "x" * 70000}, "body must not be larger"),
        ],
    )
    def test_a_wrong_order_is_refused_and_says_why(self, tmp_path, fault, told):
        async def scenario(it: Scene) -> tuple[int, Any]:
            async with it.client.post(f"{it.base}/emulator/faults", json=fault) as answer:
                error = (await answer.json())["error"]
            assert await self.listed(it) == []
            return answer.status, error

        status, error = played(tmp_path, scenario)

        assert (status, error["status"]) == (400, "INVALID_ARGUMENT")
        assert told in error["message"]

    def test_they_are_for_this_machine_alone(self, start_emulator):
        emulator = start_emulator(options=["--allow-remote"])

        answer = requests.post(
            f"{emulator.url}/emulator/faults",
            json={"kind": "reset"},
            headers={"Host": "evil.test"},
            timeout=10,
        )

        assert answer.json()["error"]["status"] == "PERMISSION_DENIED"

    def test_a_restart_forgets_them(self, start_emulator):
        emulator = start_emulator()
        faults = f"{emulator.url}/emulator/faults"
        assert requests.post(faults, json={"kind": "reset", "times": 0}, timeout=10).ok

        emulator.kill()
        emulator.restart()

        assert requests.get(faults, timeout=10).json() == {"faults": []}

    async def listed(self, it: Scene) -> Any:
        async with it.client.get(f"{it.base}/emulator/faults") as answer:
            return (await answer.json())["faults"]


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

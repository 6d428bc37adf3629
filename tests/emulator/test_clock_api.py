"""The clock over HTTP, and the options that choose how time passes."""

import asyncio
import time
from typing import Any

import aiohttp
import pytest
import requests
from aiohttp import web

from emulator.api import answers
from emulator.api import clock as clock_api
from emulator.services import Services
from emulator.settings import Settings, Time
from tests.emulator.engines import site, start
from tests.emulator.virtual import SLEEPER, moment, virtually
from tests.emulators import command


class TestApi:
    def test_it_shows_and_moves_the_time(self, start_emulator):
        emulator = start_emulator(options=["--time", "virtual"])
        clock = f"{emulator.url}/emulator/clock"
        emulator.deploy("sleeper", SLEEPER)
        emulator.execute("sleeper", [60, 0.5])
        requests.post(clock, json={"advance": "0s"}, timeout=10)

        shown = requests.get(clock, timeout=10).json()
        passed = requests.post(clock, json={"advance": "60.25s"}, timeout=10).json()
        last = requests.post(clock, json={"advance": "next"}, timeout=10).json()

        assert (shown["time"], shown["settled"]) == ("virtual", True)
        assert moment(shown["nextDue"]) - moment(shown["now"]) == 60
        assert moment(passed["now"]) - moment(shown["now"]) == 60.25
        assert moment(passed["nextDue"]) - moment(passed["now"]) == 0.25
        assert last == {"time": "virtual", "now": passed["nextDue"], "settled": True}

    @pytest.mark.parametrize(
        "body",
        [
            *({}, [], {"advance": 5}, {"advance": "5"}, {"advance": "-5s"}, {"advance": "1e3s"}),
            *({"advance": "next", "by": "5s"}, {"advance": None}, {"advance": "infs"}),
            *({"advance": "999999999999s"}, {"advance": "\u0665s"}, {"seconds": 5}),
        ],
    )
    def test_what_is_no_advance_is_refused(self, tmp_path, body):
        async def scenario(services: Services) -> tuple[int, Any]:
            before = services.clock.seconds()
            answer = await asked(services, body)
            assert services.clock.seconds() == before
            return answer

        status, error = virtually(tmp_path, scenario)

        assert (status, error["error"]["status"]) == (400, "INVALID_ARGUMENT")

    def test_real_time_is_shown_and_not_moved(self, tmp_path):
        async def scenario(services: Services) -> tuple[int, Any]:
            answer = await asked(services, None)
            assert answer[1]["time"] == "real"
            assert abs(moment(answer[1]["now"]) - time.time()) < 60
            return await asked(services, {"advance": "next"})

        status, error = virtually(tmp_path, scenario, Time.REAL)

        assert (status, error["error"]["status"]) == (400, "FAILED_PRECONDITION")

    def test_a_call_that_is_not_answered_ends_the_advance(self, tmp_path, monkeypatch):
        monkeypatch.setattr(clock_api, "PATIENCE", 0.2)
        source = """
        main:
          params: [url]
          steps:
            - nap: {call: sys.sleep, args: {seconds: 10}}
            - ask: {call: http.get, args: {url: "${url}"}}
        """

        async def never(_: web.Request) -> web.StreamResponse:
            await asyncio.sleep(30)
            return web.Response()

        async def scenario(services: Services) -> tuple[int, Any, float]:
            async with site(never) as stub:
                now = services.clock.seconds()
                execution = start(services, source, stub.url)
                status, error = await asked(services, {"advance": "60s"})
                reached = services.clock.seconds() - now
                services.engine.cancel(execution.id)
                assert (await asked(services, {"advance": "60s"}))[0] == 200
                return status, error["error"]["status"], reached

        assert virtually(tmp_path, scenario) == (504, "DEADLINE_EXCEEDED", 10)

    def test_an_advance_takes_as_long_as_what_it_waits_for(self, tmp_path, monkeypatch):
        monkeypatch.setattr(answers, "REQUEST_WITHIN", 0.2)

        async def slow(_: web.Request) -> web.StreamResponse:
            await asyncio.sleep(0.6)
            return web.Response()

        async def scenario(services: Services) -> int:
            async with site(slow) as stub:
                start(services, f"- ask: {{call: http.get, args: {{url: '{stub.url}'}}}}\n")
                return (await asked(services, {"advance": "60s"}))[0]

        assert virtually(tmp_path, scenario) == 200

    def test_a_scale_of_virtual_time_is_refused(self, tmp_path):
        for how in ("virtual", "skip"):
            done = command(
                *("serve", f"--data={tmp_path / 'd'}", "--port=0", "--time", how),
                *("--time-scale", "60"),
            )

            assert done.returncode == 2
            assert "--time-scale is for real time: leave it out" in done.stderr
            assert "Traceback" not in done.stderr
        assert Settings(time=Time.REAL, time_scale=60).time_scale == 60


async def asked(services: Services, body: object) -> tuple[int, Any]:
    """Status and JSON of a request about the clock: a POST unless the body is None."""
    url = f"{services.settings.base_url}/emulator/clock"
    async with aiohttp.ClientSession() as client:
        sent = client.get(url) if body is None else client.post(url, json=body)
        async with sent as answer:
            return answer.status, await answer.json()

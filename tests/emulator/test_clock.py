"""Virtual time: it stands still until told, goes on in order, and jumps where it shall."""

import asyncio
import json
from typing import Any

import pytest
import requests
from aiohttp import web

from emulator.callbacks import Verdict
from emulator.services import Services
from emulator.settings import Time
from emulator.store import Execution
from tests.emulator.engines import WAIT, endpoint, outcome, site, start
from tests.emulator.virtual import DAY, SLEEPER, said, virtually
from tests.emulators import command


class TestAdvance:
    def test_time_stands_still_until_it_is_told(self, tmp_path):
        async def scenario(services: Services) -> tuple[float, float, int]:
            before = services.clock.seconds()
            start(services, SLEEPER, [0.05])
            await services.engine.settled()
            await asyncio.sleep(0.2)
            return before, services.clock.seconds(), len(said(services))

        before, after, logged = virtually(tmp_path, scenario)

        assert after == before
        assert before == int(before)
        assert logged == 0

    def test_days_pass_in_no_time_and_in_order_of_due_time(self, tmp_path):
        async def scenario(services: Services) -> tuple[float, list[Any], list[tuple[float, Any]]]:
            now = services.clock.seconds()
            naps = [[3 * DAY], [DAY, DAY], [5], [2.5 * DAY], [10, DAY]]
            executions = [start(services, SLEEPER, given) for given in naps]
            await services.engine.advance(7 * DAY)
            assert services.clock.seconds() == now + 7 * DAY
            assert services.engine.is_settled
            return now, [await outcome(services, one) for one in executions], said(services)

        now, ends, events = virtually(tmp_path, scenario)

        assert [end - now for end in ends] == [3 * DAY, 2 * DAY, 5, 2.5 * DAY, DAY + 10]
        assert [(at - now, nap) for at, nap in events] == [
            (5, "5"),
            (10, "10"),
            (DAY, "86400"),
            (DAY + 10, "86400"),
            (2 * DAY, "86400"),
            (2.5 * DAY, "216000"),
            (3 * DAY, "259200"),
        ]

    def test_what_follows_from_a_wait_is_settled_before_the_next_one_ends(self, tmp_path):
        """A wait that begins when another ends takes its place in the order."""

        async def scenario(services: Services) -> list[Any]:
            for naps in ([10, 5], [20], [10, 3, 3]):
                start(services, SLEEPER, naps)
            await services.engine.advance(30)
            return [nap for _, nap in said(services)]

        assert virtually(tmp_path, scenario) == ["10", "10", "3", "5", "3", "20"]

    def test_those_due_together_end_in_the_order_in_which_they_began(self, tmp_path):
        async def scenario(services: Services) -> list[Any]:
            for naps in ([1, 4, "a"], [3, 2, "b"], [5, "c"], [2, 3, "d"]):
                start(services, SLEEPER.replace('data: "${nap}"', 'data: "${naps}"'), naps)
            await services.engine.advance(5)
            return [json.loads(naps)[-1] for at, naps in said(services)[3:]]

        assert virtually(tmp_path, scenario) == ["c", "a", "d", "b"]

    def test_it_goes_on_by_exactly_so_much(self, tmp_path):
        async def scenario(services: Services) -> list[int]:
            start(services, SLEEPER, [10])
            seen = []
            for seconds in (9.5, 0.25, 0.25, 0):
                await services.engine.advance(seconds)
                seen.append(len(said(services)))
            return seen

        assert virtually(tmp_path, scenario) == [0, 0, 1, 1]

    def test_a_wait_of_nothing_is_not_waited_for(self, tmp_path):
        async def scenario(services: Services) -> Any:
            execution = start(services, SLEEPER, [0, 0])
            await services.engine.settled()
            return await outcome(services, execution) - services.clock.seconds()

        assert virtually(tmp_path, scenario) == 0

    def test_the_next_due_time_is_a_step_of_its_own(self, tmp_path):
        async def scenario(services: Services) -> tuple[list[float], bool]:
            now = services.clock.seconds()
            for naps in ([DAY], [60], [60, 0], [1, DAY]):
                start(services, SLEEPER, naps)
            moments = []
            while await services.engine.advance_to_next():
                moments.append(services.clock.seconds() - now)
            return moments, await services.engine.advance_to_next()

        assert virtually(tmp_path, scenario) == ([1, 60, DAY, DAY + 1], False)

    @pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e12])
    def test_it_does_not_go_back_or_beyond_the_calendar(self, tmp_path, seconds):
        async def scenario(services: Services) -> None:
            before = services.clock.seconds()
            with pytest.raises(ValueError, match="time cannot go on by"):
                await services.engine.advance(seconds)
            assert services.clock.seconds() == before

        virtually(tmp_path, scenario)

    def test_real_time_cannot_be_moved(self, tmp_path):
        async def scenario(services: Services) -> None:
            with pytest.raises(ValueError, match="--time virtual"):
                await services.engine.advance(1)
            with pytest.raises(ValueError, match="--time virtual"):
                await services.engine.advance_to_next()
            start(services, "- done: {return: 1}\n")
            await services.engine.settled()
            assert services.engine.is_settled
            assert services.store.count_open() == 0

        virtually(tmp_path, scenario, Time.REAL)

    def test_an_outside_call_holds_time_up(self, tmp_path):
        """The wait that follows from its answer takes its place before later ones."""
        source = """
        main:
          params: [url]
          steps:
            - nap: {call: sys.sleep, args: {seconds: 10}}
            - ask: {call: http.get, args: {url: "${url}"}}
            - rest: {call: sys.sleep, args: {seconds: 10}}
            - say: {call: sys.log, args: {text: called}}
        """
        answered = asyncio.Event()

        async def slow(_: web.Request) -> web.StreamResponse:
            await answered.wait()
            return web.Response()

        async def scenario(services: Services) -> list[Any]:
            async with site(slow) as stub:
                start(services, source, stub.url)
                start(services, SLEEPER, [10, 20])
                now = services.clock.seconds()
                going = asyncio.create_task(services.engine.advance(60))
                await asyncio.wait_for(stub.called.wait(), 5)
                await asyncio.sleep(0.1)
                assert not going.done()
                assert not services.engine.is_settled
                assert services.clock.seconds() == now + 10
                assert said(services) == []
                answered.set()
                await going
                return [(at - now, text) for at, text in said(services)]

        events = virtually(tmp_path, scenario)

        assert events == [(10, "10"), (20, "called"), (30, "20")]


class TestCallbacks:
    async def waiting(self, services: Services) -> tuple[Execution, str]:
        execution = start(services, WAIT)
        await services.engine.settled()
        return execution, await endpoint(services, execution)

    def test_a_request_before_time_goes_on_is_in_time(self, tmp_path):
        async def scenario(services: Services) -> tuple[Verdict, Any]:
            execution, callback = await self.waiting(services)
            await services.engine.advance(3599.999)
            verdict = services.engine.offer(execution.id, callback, "in time")
            await services.engine.advance(1)
            return verdict, await outcome(services, execution)

        assert virtually(tmp_path, scenario) == (Verdict.HANDED_OVER, [None, "in time"])

    def test_at_the_due_time_it_is_too_late_and_kept_for_the_next_wait(self, tmp_path):
        """Sent while another wait of the same moment ends: the timeout wins, and wins once."""
        first = """
        main:
          params: [url]
          steps:
            - nap: {call: sys.sleep, args: {seconds: 60}}
            - send: {call: http.get, args: {url: "${url}"}}
        """
        second = """
        - create: {call: events.create_callback_endpoint, result: callback}
        - wait:
            try: {call: events.await_callback, args: {callback: "${callback}", timeout: 60}}
            except: {as: e, steps: [{late: {call: sys.log, args: {text: "${e.tags[0]}"}}}]}
        - again: {call: events.await_callback, args: {callback: "${callback}"}, result: found}
        - done: {return: "${found}"}
        """

        async def scenario(services: Services) -> tuple[list[Verdict], Any, list[Any]]:
            offered: list[Verdict] = []

            async def handler(_: web.Request) -> web.StreamResponse:
                offered.append(services.engine.offer(asked.id, callback, "late"))
                return web.Response()

            async with site(handler) as stub:
                start(services, first, stub.url)
                asked = start(services, second)
                callback = await endpoint(services, asked)
                now = services.clock.seconds()
                await services.engine.advance(60)
            return offered, await outcome(services, asked), [at - now for at, _ in said(services)]

        assert virtually(tmp_path, scenario) == ([Verdict.STORED], "late", [60])

    def test_the_time_of_a_request_is_virtual(self, tmp_path, start_emulator):
        emulator = start_emulator(options=["--time", "virtual"])
        clock = f"{emulator.url}/emulator/clock"
        emulator.deploy("wait", WAIT)
        execution = emulator.execute("wait")
        url = execution.callback_url()
        later = requests.post(clock, json={"advance": "1800s"}, timeout=10).json()

        assert execution.send("yes", url=url).status_code == 200

        received = execution.result()[1]["received_time"]
        assert received[:19] == later["now"][:19].replace("T", " ")


class TestSkip:
    def test_time_jumps_whenever_nothing_else_can_happen(self, tmp_path):
        async def scenario(services: Services) -> tuple[Any, Any]:
            now = services.clock.seconds()
            slept = start(services, SLEEPER, [30 * DAY, 300 * DAY])
            asked = start(services, WAIT)
            return await outcome(services, slept) - now, await outcome(services, asked)

        passed, error = virtually(tmp_path, scenario, Time.SKIP)

        assert passed == 330 * DAY
        assert error["tags"] == ["TimeoutError"]

    def test_while_an_outside_call_is_under_way_it_does_not(self, tmp_path):
        """Whoever is called can answer the callback."""
        source = """
        main:
          params: [url]
          steps:
            - create: {call: events.create_callback_endpoint, result: callback}
            - both:
                parallel:
                  shared: [found]
                  branches:
                    - ask:
                        steps:
                          - wait:
                              call: events.await_callback
                              args: {callback: "${callback}", timeout: 60}
                              result: found
                    - tell:
                        steps:
                          - send: {call: http.get, args: {url: "${url}"}}
            - done: {return: "${found}"}
        """.replace("- create", "- first: {assign: [{found: null}]}\n            - create")

        async def scenario(services: Services) -> tuple[Any, float]:
            async def handler(_: web.Request) -> web.StreamResponse:
                await asyncio.sleep(0.3)
                services.engine.offer(execution.id, await endpoint(services, execution), "seen")
                return web.Response()

            async with site(handler) as stub:
                now = services.clock.seconds()
                execution = start(services, source, stub.url)
                return await outcome(services, execution), services.clock.seconds() - now

        assert virtually(tmp_path, scenario, Time.SKIP) == ("seen", 0)

    def test_a_file_is_run_to_its_end_at_once(self, tmp_path):
        path = tmp_path / "month.yaml"
        path.write_text("- nap: {call: sys.sleep, args: {seconds: 2600000}}\n- done: {return: 1}\n")

        done = command("run", str(path), "--time", "skip")

        assert (done.returncode, done.stdout) == (0, "1\n")

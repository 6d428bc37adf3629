"""Virtual time: it stands still until told, goes on in order, the same order every time."""

import asyncio
import heapq
import json
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests
from aiohttp import web
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emulator.api import clock as clock_api
from emulator.callbacks import Verdict
from emulator.interpreter import Run
from emulator.services import Services
from emulator.settings import Settings, Time
from emulator.store import Execution
from tests.emulator.engines import RUN, WAIT, emulator, endpoint, outcome, site, start
from tests.emulators import command

DAY = 86400.0

SLEEPER = """
main:
  params: [naps]
  steps:
    - all:
        for:
          in: ${naps}
          value: nap
          steps:
            - rest: {call: sys.sleep, args: {seconds: "${nap}"}}
            - say: {call: sys.log, args: {data: "${nap}"}}
    - done: {return: "${sys.now()}"}
"""

MIXED = """
main:
  params: [n]
  steps:
    - create: {call: events.create_callback_endpoint, result: callback}
    - count: {assign: [{i: 0}]}
    - spin:
        switch:
          - condition: "${i < 300 * (n % 3)}"
            steps:
              - more: {assign: [{i: "${i + 1}"}]}
            next: spin
    - branches:
        parallel:
          branches:
            - nap:
                steps:
                  - nap1: {call: sys.sleep, args: {seconds: "${0.1 * (n % 4)}"}}
                  - nap2: {call: sys.sleep, args: {seconds: "${60 * (n % 5)}"}}
                  - nap3: {call: say, args: {what: nap, n: "${n}"}}
            - ask:
                steps:
                  - ask1:
                      try:
                        call: events.await_callback
                        args: {callback: "${callback}", timeout: "${30 * (n % 7)}"}
                      except: {as: e, steps: [{ask2: {call: say, args: {what: ask, n: "${n}"}}}]}
            - again:
                steps:
                  - again1:
                      try:
                        steps:
                          - again2: {call: say, args: {what: try, n: "${n}"}}
                          - again3: {raise: no}
                      retry:
                        predicate: ${retry.always}
                        max_retries: 3
                        backoff: {initial_delay: 1, max_delay: 60, multiplier: 3}
                      except: {as: e, steps: [{again4: {call: say, args: {what: up, n: "${n}"}}}]}
            - until:
                steps:
                  - until1: {call: sys.sleep_until, args: {time: "${time.format(sys.now() + 45)}"}}
                  - until2: {call: say, args: {what: until, n: "${n}"}}
            - child:
                steps:
                  - child1:
                      try:
                        call: RUN
                        args:
                          workflow_id: child
                          argument: ${n}
                          connector_params: {timeout: "${20 * (n % 3)}"}
                      except: {as: e, steps: [{child2: {call: say, args: {what: late, n: "${n}"}}}]}
    - done: {call: say, args: {what: done, n: "${n}"}}
say:
  params: [what, n]
  steps:
    - log: {call: sys.log, args: {text: '${what + " " + string(n)}'}}
""".replace("RUN", RUN)

CHILD = """
main:
  params: [n]
  steps:
    - nap: {call: sys.sleep, args: {seconds: "${7 * (n % 6)}"}}
    - say: {call: sys.log, args: {text: '${"slept " + string(n)}'}}
"""


NUMBERED = """
main:
  params: [given]
  steps:
    - all:
        for:
          range: ${[1, len(given) - 1]}
          value: i
          steps:
            - rest: {call: sys.sleep, args: {seconds: "${given[i]}"}}
            - say: {call: sys.log, args: {data: "${[given[0], i]}"}}
"""


def foreseen(naps: list[list[int]]) -> list[list[int]]:
    """Which nap of which execution ends after which, by the rule alone."""
    begun = count()
    waiting = [(some[0], next(begun), number, 1) for number, some in enumerate(naps) if some]
    heapq.heapify(waiting)
    ended = []
    while waiting:
        due, _, number, nap = heapq.heappop(waiting)
        ended.append([number, nap])
        if nap < len(naps[number]):
            heapq.heappush(waiting, (due + naps[number][nap], next(begun), number, nap + 1))
    return ended


def virtually(
    path: Path, scenario: Callable[[Services], Awaitable[Any]], how: Time = Time.VIRTUAL
) -> Any:
    """What comes of a scenario in an emulator whose time is virtual, within real seconds."""

    async def play() -> Any:
        async with asyncio.timeout(60), emulator(path, time=how) as services:
            return await scenario(services)

    return asyncio.run(play())


def said(services: Services) -> list[tuple[float, Any]]:
    """What all executions logged, in the order in which it happened, with the times."""
    rows = services.database.rows("SELECT time, payload FROM logs ORDER BY sequence")
    return [(moment(row["time"]), json.loads(row["payload"])) for row in rows]


def moment(text: str) -> float:
    """Seconds since 1970 of a timestamp."""
    return datetime.fromisoformat(text).timestamp()


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


class TestOrder:
    """The same program, the same events."""

    async def play(self, services: Services) -> list[tuple[float, Any]]:
        services.catalog.deploy("child", CHILD)
        definition = services.catalog.deploy("mixed", MIXED)
        now = services.clock.seconds()
        executions: list[Execution] = []
        for number in range(30):
            executions.append(services.engine.create(definition, json.dumps(number), {}))
            if number % 10 == 9:
                await services.engine.advance(11)
        while await services.engine.advance_to_next():
            continue
        for execution in executions:
            await outcome(services, execution)
        return [(at - now, text) for at, text in said(services)]

    def test_is_the_same_every_time(self, tmp_path, monkeypatch):
        """Branches, retries with backoff, callbacks, moments and children with timeouts."""
        quick = virtually(tmp_path / "1", self.play)
        advance = Run.advance

        def slow_advance(run: Run, steps: int = 1000) -> bool:
            time.sleep(0.0003)
            return advance(run, steps)

        monkeypatch.setattr(Run, "advance", slow_advance)
        slow = virtually(tmp_path / "2", self.play)

        assert quick == slow
        assert [at for at, _ in quick] == sorted(at for at, _ in quick)
        texts = [text for _, text in quick]
        assert {text.split()[0] for text in texts} == {
            *("ask", "nap", "slept", "try", "up", "until", "late", "done")
        }
        assert [text for text in texts if text.endswith(" 4")][:1] == ["try 4"]
        assert [at for at, text in quick if text == "try 0"] == [0, 1, 4, 13]

    @given(st.lists(st.lists(st.integers(0, 4), max_size=4), max_size=6))
    @example([[2, 2], [4], [1, 3], [0, 4, 0]])
    @settings(deadline=None, max_examples=10)
    def test_is_that_of_due_times_and_then_of_beginnings(self, tmp_path_factory, naps):
        """Whatever the executions wait for, and whether time goes on in one go or in steps."""

        async def scenario(services: Services) -> list[Any]:
            for number, some in enumerate(naps):
                start(services, NUMBERED, [number, *some])
            while await services.engine.advance_to_next():
                continue
            return [json.loads(text) for _, text in said(services)]

        async def at_once(services: Services) -> list[Any]:
            for number, some in enumerate(naps):
                start(services, NUMBERED, [number, *some])
            await services.engine.advance(100)
            return [json.loads(text) for _, text in said(services)]

        expected = foreseen(naps)
        assert virtually(tmp_path_factory.mktemp("steps"), scenario) == expected
        assert virtually(tmp_path_factory.mktemp("once"), at_once) == expected


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


class TestRestart:
    def test_virtual_time_goes_on_where_it_was(self, start_emulator, tmp_path):
        emulator = start_emulator(options=["--time", "virtual"])
        clock = f"{emulator.url}/emulator/clock"
        emulator.deploy("sleeper", SLEEPER)
        execution = emulator.execute("sleeper", [DAY, DAY, DAY])
        before = requests.post(clock, json={"advance": "129600s"}, timeout=10).json()

        emulator.kill()
        emulator.restart()

        assert requests.get(clock, timeout=10).json() == before
        after = requests.post(clock, json={"advance": "next"}, timeout=10).json()
        assert moment(after["now"]) - moment(before["now"]) == DAY / 2
        after = requests.post(clock, json={"advance": "next"}, timeout=10).json()
        assert execution.result() == moment(after["now"]) == moment(before["now"]) + 1.5 * DAY


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

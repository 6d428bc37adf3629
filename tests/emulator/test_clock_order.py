"""The order of events in virtual time: the same every time, and over `kill -9`."""

import contextlib
import json
import sqlite3
import threading
import time
from typing import Any

import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emulator.interpreter import Run
from emulator.services import Services
from emulator.store import Execution
from tests.emulator.engines import RUN, outcome, start
from tests.emulator.virtual import DAY, NUMBERED, SLEEPER, foreseen, moment, said, virtually

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

    def test_an_advance_that_was_killed_is_gone_on_with(self, start_emulator):
        """Nothing ends twice, nothing is left out, and the order is the same."""
        emulator = start_emulator(options=["--time", "virtual"])
        clock = f"{emulator.url}/emulator/clock"
        emulator.deploy("numbered", NUMBERED)
        naps = [[number % 7 + 1, number % 5 + 1, number % 3] for number in range(200)]
        for number, some in enumerate(naps):
            emulator.execute("numbered", [number, *some])
        end = moment(requests.post(clock, json={"advance": "0s"}, timeout=10).json()["now"]) + 30

        under_way = 0
        for _ in range(3):
            going = threading.Thread(target=advance_to, args=(clock, end))
            going.start()
            going.join(0.1)
            under_way += going.is_alive()
            emulator.kill()
            going.join()
            emulator.restart()
        assert under_way, "every advance was over before its kill, so nothing was tried"
        advance_to(clock, end)
        emulator.stop()

        with contextlib.closing(sqlite3.connect(emulator.data)) as data:
            rows = data.execute("SELECT payload FROM logs ORDER BY sequence").fetchall()
        assert [json.loads(json.loads(payload)) for (payload,) in rows] == foreseen(naps)


def advance_to(clock: str, end: float) -> None:
    """Let time go on, whatever becomes of the emulator meanwhile."""
    with contextlib.suppress(requests.ConnectionError):
        left = end - moment(requests.get(clock, timeout=10).json()["now"])
        requests.post(clock, json={"advance": f"{left:.6f}s"}, timeout=60)

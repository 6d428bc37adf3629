"""The engine in the test's own loop: cancelling, broken executions, long loops, children."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from emulator.callbacks import Verdict
from emulator.protocol import Returned
from emulator.refusal import Refusal
from emulator.store import State
from tests.emulator.engines import RUN, WAIT, emulator, endpoint, outcome, run, site, start


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

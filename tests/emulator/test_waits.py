"""Waits of executions: how long they take, and what cannot be waited for."""

import asyncio
import time
from typing import Any

import pytest

from emulator.callbacks import Verdict
from emulator.settings import Time
from tests.emulator.engines import RUN, WAIT, emulator, endpoint, outcome, run, start


class TestWaits:
    def test_waits_pass_faster_by_the_time_scale(self, tmp_path):
        source = "- nap: {call: sys.sleep, args: {seconds: 60}}\n- done: {return: awake}\n"

        began = time.monotonic()
        assert asyncio.run(run(tmp_path, source, time_scale=300)) == "awake"
        assert 0.2 <= time.monotonic() - began < 2

    def test_branches_wait_at_the_same_time(self, tmp_path):
        source = """
        - all:
            parallel:
              for:
                range: [1, 10]
                value: n
                steps:
                  - nap: {call: sys.sleep, args: {seconds: 0.5}}
        - done: {return: 1}
        """

        async def scenario() -> Any:
            async with emulator(tmp_path, time=Time.VIRTUAL) as services:
                execution = start(services, source)
                await services.engine.advance(0.5)
                assert services.store.count_open() == 0
                return await outcome(services, execution)

        assert asyncio.run(scenario()) == 1

    @pytest.mark.parametrize(
        ("call", "kind"),
        [
            ("sys.sleep, args: {seconds: -1}", "ValueError"),
            ("sys.sleep, args: {seconds: soon}", "TypeError"),
            ("sys.sleep, args: {seconds: true}", "TypeError"),
            ("sys.sleep_until, args: {time: 5}", "TypeError"),
            ("sys.sleep_until, args: {time: tomorrow}", "ValueError"),
            ("sys.sleep_until, args: {time: '9999-01-01T00:00:00Z'}", "ValueError"),
            ("sys.log, args: {text: a, data: b}", "TypeError"),
            ("sys.log, args: {severity: LOUD, text: a}", "ValueError"),
            ("sys.log, args: {json: [1]}", "TypeError"),
            ("events.create_callback_endpoint, args: {http_callback_method: TRACE}", "ValueError"),
            ("events.await_callback, args: {callback: {url: 'http://x/'}}", "ValueError"),
            ("events.await_callback, args: {callback: text}", "TypeError"),
            ("googleapis.storage.v1.objects.get, args: {bucket: b}", "SystemError"),
            (f"{RUN}, args: {{workflow_id: none}}", "HttpError"),
            (f"{RUN}, args: {{workflow_id: test, project_id: other}}", "HttpError"),
            (f"{RUN}, args: {{workflow_id: test, colour: red}}", "TypeError"),
        ],
    )
    def test_wrong_arguments_are_errors_of_the_workflow(self, tmp_path, call, kind):
        source = f"- bad: {{call: {call}}}\n"

        error = asyncio.run(run(tmp_path, source))

        assert kind in error["tags"]

    def test_a_connector_that_is_not_there_is_named(self, tmp_path):
        source = "- bad: {call: googleapis.storage.v1.objects.get, args: {bucket: b}}\n"

        error = asyncio.run(run(tmp_path, source))

        assert "googleapis.storage.v1.objects.get" in error["message"]

    def test_a_moment_that_has_passed_is_not_waited_for(self, tmp_path):
        source = """
        - nap: {call: sys.sleep_until, args: {time: "2020-01-01T00:00:00.5+02:00"}}
        - done: {return: "${uuid.generate() != uuid.generate()}"}
        """
        assert asyncio.run(run(tmp_path, source)) is True

    def test_a_thousand_waiting_executions_all_get_their_answers(self, tmp_path):
        async def scenario() -> list[Any]:
            async with emulator(tmp_path) as services:
                executions = [start(services, WAIT, number) for number in range(1000)]
                answers = {
                    execution.id: await endpoint(services, execution) for execution in executions
                }
                for number, execution in enumerate(executions):
                    verdict = services.engine.offer(
                        execution.id, answers[execution.id], {"n": -number}
                    )
                    assert verdict is Verdict.HANDED_OVER
                return [await outcome(services, execution) for execution in executions]

        results = asyncio.run(scenario())

        assert results == [[number, {"n": -number}] for number in range(1000)]

    def test_after_its_time_a_wait_is_over_even_if_nobody_noticed(self, tmp_path):
        """The request of that moment goes to the slot, and the workflow sees the timeout."""
        source = WAIT.replace("3600", "0.05")

        async def scenario() -> tuple[Verdict, Any]:
            async with emulator(tmp_path) as services:
                execution = start(services, source)
                callback = await endpoint(services, execution)
                time.sleep(0.1)  # noqa: ASYNC251 - the loop is held up on purpose
                verdict = services.engine.offer(execution.id, callback, {"late": True})
                return verdict, await outcome(services, execution)

        verdict, error = asyncio.run(scenario())

        assert verdict is Verdict.STORED
        assert error["tags"] == ["TimeoutError"]

"""Executions that start others: one or many, once each, and not without end."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from emulator.limits import Limits
from emulator.settings import Time
from tests.emulator.engines import RUN, emulator, outcome, start
from tests.emulators import EmulatorProcess

PARENT = f"""
- ask:
    call: {RUN}
    args: {{workflow_id: child}}
    result: answer
- done: {{return: "${{answer}}"}}
"""


class TestLimit:
    def test_no_child_is_started_while_too_many_are_active(self, tmp_path: Path):
        async def scenario() -> tuple[Any, Any]:
            async with emulator(tmp_path) as services:
                child = services.catalog.deploy("child", "- done: {return: 1}\n")
                with services.database.write():
                    for number in range(Limits().active_executions - 2):
                        services.store.add(f"e{number}", child, "null", {}, services.clock.stamp())
                before = await outcome(services, start(services, PARENT))
                with services.database.write():
                    services.store.add("last", child, "null", {}, services.clock.stamp())
                return before, await outcome(services, start(services, PARENT))

        before, after = asyncio.run(scenario())

        assert before == 1
        assert after["tags"] == ["ResourceLimitError"]

    def test_a_workflow_that_runs_itself_comes_to_an_end(self, tmp_path: Path):
        async def scenario() -> tuple[Any, int, int]:
            async with emulator(tmp_path) as services:
                error = await outcome(services, start(services, PARENT.replace("child", "test")))
                started = len(list(services.store.newest_first("test")))
                return error, started, services.store.count_open()

        error, started, left = asyncio.run(scenario())

        assert error["tags"] == ["OperationError"]
        assert (started, left) == (Limits().execution_depth + 1, 0)


CHILD = """
main:
  params: [input]
  steps:
    - wait: {call: sys.sleep, args: {seconds: "${default(map.get(input, \\"sleep\\"), 0)}"}}
    - fail:
        switch:
          - condition: ${"fails" in input}
            raise: ${input.fails}
    - done: {return: "${input.name}"}
"""
MAP = """
main:
  params: [inputs]
  steps:
    - ask:
        call: experimental.executions.map
        args: {workflow_id: child, arguments: "${inputs}"}
        result: answer
    - done: {return: "${answer}"}
"""


class TestRun:
    def test_a_failed_one_is_told_with_the_step_it_ended_in(self, tmp_path: Path):
        async def scenario() -> Any:
            async with emulator(tmp_path, time=Time.SKIP) as services:
                services.catalog.deploy("child", CHILD)
                given = "argument: {sleep: 20, fails: late}"
                source = PARENT.replace("workflow_id: child", f"workflow_id: child, {given}")
                return await outcome(services, start(services, source))

        (last,) = asyncio.run(scenario())["operation"]["status"]["currentSteps"]

        assert last == {"routine": "main", "step": "fail"}


class TestMap:
    def test_the_results_stand_in_the_order_of_the_arguments(self, tmp_path: Path):
        inputs = [{"name": "late", "sleep": 20}, {"name": "soon", "sleep": 10}, {"name": "at once"}]

        assert mapped(tmp_path, inputs) == ["late", "soon", "at once"]

    def test_the_first_that_failed_is_told_when_all_are_over(self, tmp_path: Path):
        inputs = [
            {"name": "a", "sleep": 20},
            {"name": "b", "sleep": 10, "fails": "second"},
            {"name": "c", "fails": "third"},
        ]

        error = mapped(tmp_path, inputs)

        assert error["message"] == "Execution failed or cancelled."
        assert error["tags"] == ["OperationError"]
        assert error["operation"]["error"]["payload"] == '"second"'

    def test_nothing_to_start_is_an_empty_list(self, tmp_path: Path):
        assert mapped(tmp_path, []) == []

    @pytest.mark.parametrize(
        ("inputs", "tag"),
        [({"a": 1}, "TypeError"), (["x" * 40_000], "ResourceLimitError")],
    )
    def test_wrong_arguments_start_nothing(self, tmp_path: Path, inputs: Any, tag: str):
        async def scenario() -> tuple[Any, int]:
            async with emulator(tmp_path) as services:
                services.catalog.deploy("child", CHILD)
                source = MAP.replace('"${inputs}"', json.dumps(inputs))
                error = await outcome(services, start(services, source))
                return error, len(list(services.store.newest_first("child")))

        error, started = asyncio.run(scenario())

        assert error["tags"] == [tag]
        assert started == 0

    def test_results_too_large_to_hold_are_an_error(self, tmp_path: Path):
        error = mapped(tmp_path, [{"name": "x" * 30_000}] * 18)

        assert error["tags"] == ["ResourceLimitError"]

    def test_a_deleted_workflow_ends_the_wait(self, tmp_path: Path):
        async def scenario() -> Any:
            async with emulator(tmp_path) as services:
                services.catalog.deploy("child", CHILD)
                inputs = [{"name": "a"}, {"name": "b", "sleep": 600}, {"name": "c", "sleep": 600}]
                execution = start(services, MAP, inputs)
                await services.engine.settled()
                services.engine.delete_workflow("child")
                return await outcome(services, execution)

        error = asyncio.run(scenario())

        assert error["tags"] == ["OperationError"]
        assert error["operation"]["state"] == "CANCELLED"

    def test_none_is_started_twice_and_none_lost_when_the_emulator_is_killed(self, tmp_path: Path):
        inputs = [{"name": f"{number}", "sleep": 100 + 20 * (number % 4)} for number in range(12)]
        with EmulatorProcess(tmp_path / "d", time_scale=50) as process:
            process.deploy("child", CHILD)
            process.deploy("parent", MAP)
            parent = process.execute("parent", inputs)
            for seconds in (0.0, 0.5, 0.5, 0.5):
                time.sleep(seconds)
                process.kill()
                process.restart()
            result = parent.result()
            children = process.ask("GET", f"{process.parent}/workflows/child/executions")

        assert result == [each["name"] for each in inputs]
        assert [child["state"] for child in children["executions"]] == ["SUCCEEDED"] * 12


class TestTimeout:
    @pytest.mark.parametrize(
        ("timeout", "tag"),
        [
            (5, "TimeoutError"),
            (0, "TimeoutError"),
            ('"5"', "TypeError"),
            (True, "TypeError"),
            (-1, "ValueError"),
            (31_536_001, "ValueError"),
        ],
    )
    def test_the_wait_for_a_child_ends(self, tmp_path: Path, timeout: object, tag: str):
        more = f"argument: {{sleep: 600}}, connector_params: {{timeout: {str(timeout).lower()}}}"
        source = PARENT.replace("workflow_id: child", f"workflow_id: child, {more}")

        async def scenario() -> Any:
            async with emulator(tmp_path, time=Time.SKIP) as services:
                services.catalog.deploy("child", CHILD)
                return await outcome(services, start(services, source))

        assert asyncio.run(scenario())["tags"] == [tag]

    @pytest.mark.parametrize("function", [RUN, "experimental.executions.run"])
    @pytest.mark.parametrize(("seconds", "expected"), [(1799, "in time"), (1801, ["TimeoutError"])])
    def test_it_ends_after_half_an_hour_if_nothing_else_is_said(
        self, tmp_path: Path, function: str, seconds: int, expected: object
    ):
        more = f"argument: {{sleep: {seconds}, name: in time}}"
        source = PARENT.replace("workflow_id: child", f"workflow_id: child, {more}")

        async def scenario() -> Any:
            async with emulator(tmp_path, time=Time.SKIP) as services:
                services.catalog.deploy("child", CHILD)
                return await outcome(services, start(services, source.replace(RUN, function)))

        given = asyncio.run(scenario())

        assert (given["tags"] if isinstance(given, dict) else given) == expected

    def test_a_child_may_take_a_year_if_that_is_said(self, tmp_path: Path):
        more = "argument: {sleep: 31535999, name: x}, connector_params: {timeout: 31536000}"
        source = PARENT.replace("workflow_id: child", f"workflow_id: child, {more}")

        async def scenario() -> Any:
            async with emulator(tmp_path, time=Time.SKIP) as services:
                services.catalog.deploy("child", CHILD)
                return await outcome(services, start(services, source))

        assert asyncio.run(scenario()) == "x"


def mapped(path: Path, inputs: Any) -> Any:
    """What a map over these arguments gives."""

    async def scenario() -> Any:
        async with emulator(path, time=Time.SKIP) as services:
            services.catalog.deploy("child", CHILD)
            return await outcome(services, start(services, MAP, inputs))

    return asyncio.run(scenario())

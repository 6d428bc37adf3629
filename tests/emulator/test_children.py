"""Executions that start others without end."""

import asyncio
from pathlib import Path
from typing import Any

from emulator.limits import Limits
from tests.emulator.engines import RUN, emulator, outcome, start

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

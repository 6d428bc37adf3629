"""The history of executions: computed again from the journal whenever it is asked for."""

import asyncio
from pathlib import Path

from emulator.history import History, StepState
from emulator.protocol import Returned
from tests.emulator.engines import WAIT, emulator, endpoint, outcome, start


def of(path: Path, source: str, argument: object = None) -> History:
    """The history of an execution that is over."""

    async def scenario() -> History:
        async with emulator(path) as services:
            execution = start(services, source, argument)
            await outcome(services, execution)
            return await services.histories.of(services.store.find(execution.id))

    return asyncio.run(scenario())


class TestCalls:
    def test_what_was_asked_and_what_was_answered_outlive_the_execution(self, tmp_path):
        async def scenario() -> tuple[History, History]:
            async with emulator(tmp_path) as services:
                execution = start(services, WAIT, 7)
                callback = await endpoint(services, execution)
                waiting = await services.histories.of(services.store.find(execution.id))
                services.engine.offer(execution.id, callback, {"n": 1})
                await outcome(services, execution)
                return waiting, await services.histories.of(services.store.find(execution.id))

        waiting, over = asyncio.run(scenario())

        assert waiting.calls[1].reply is None
        assert [entry.state for entry in waiting.entries] == [
            StepState.SUCCEEDED,
            StepState.IN_PROGRESS,
        ]
        assert [call.function for call in over.calls] == [
            "events.create_callback_endpoint",
            "events.await_callback",
        ]
        assert over.calls[1].reply == Returned({"n": 1})
        assert [entry.step for entry in over.entries] == ["create", "wait", "done"]
        assert {entry.state for entry in over.entries} == {StepState.SUCCEEDED}

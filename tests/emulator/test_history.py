"""The history of executions: computed again from the journal whenever it is asked for."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from emulator import history as module
from emulator.history import DETAILED, UNKNOWN, History, StepState, Wanted, history
from emulator.protocol import Raised, Returned
from emulator.services import Services
from emulator.settings import Time
from emulator.store import Execution, Received
from tests.emulator.engines import WAIT, emulator, endpoint, outcome, start
from tests.emulator.tracing import check, outline

ENDLESS = """
main:
  steps:
    - loop: {for: {value: v, range: [1, 30000], steps: [{add: {assign: [{n: "${v}"}]}}]}}
    - say: {call: sys.log, args: {text: never}}
"""
MANY_CALLS = """
main:
  steps:
    - loop:
        for:
          value: v
          range: [1, 40]
          steps:
            - ask: {call: sys.log, args: {text: "${string(v)}"}}
"""


def found(services: Services, execution: Execution) -> Execution:
    there = services.store.find(execution.id)
    assert there is not None
    return there


async def past(services: Services, execution: Execution, *wanted: Wanted) -> History:
    return await services.histories.of(found(services, execution), *wanted)


def within(path: Path, scenario: Callable[[Services], Awaitable[Any]], **settings: Any) -> Any:
    """What a scenario gives in an emulator of its own."""

    async def run() -> Any:
        async with emulator(path, **settings) as services:
            return await scenario(services)

    return asyncio.run(run())


def timeless(entries: Any) -> list[tuple[Any, ...]]:
    return [
        (entry.id, entry.routine, entry.step, entry.step_type, entry.state, entry.parent)
        for entry in entries
    ]


class TestReplay:
    def test_what_was_asked_and_answered_outlives_the_execution(self, tmp_path):
        async def scenario(services: Services) -> tuple[History, History]:
            execution = start(services, WAIT, 7)
            callback = await endpoint(services, execution)
            waiting = await past(services, execution)
            services.engine.offer(execution.id, callback, {"n": 1})
            await outcome(services, execution)
            return waiting, await past(services, execution)

        waiting, over = within(tmp_path, scenario)

        assert outline(waiting.entries) == "create LIBRARY_CALL\nwait LIBRARY_CALL IN_PROGRESS"
        assert (waiting.calls[1].answered, waiting.calls[1].reply) == (None, None)
        assert outline(over.entries) == "create LIBRARY_CALL\nwait LIBRARY_CALL\ndone RETURN"
        create, wait = over.calls
        assert (create.function, wait.function) == (
            "events.create_callback_endpoint",
            "events.await_callback",
        )
        assert wait.args == {"callback": create.reply.value, "timeout": 3600}
        assert wait.reply == Returned({"n": 1})
        assert (wait.step, wait.line, wait.entry) == ("wait", 7, 2)
        assert create.asked <= create.answered == wait.asked <= wait.answered
        assert over.entries[1].updated == wait.answered
        check(over.entries)

    def test_it_is_that_of_an_execution_that_nobody_interrupted(self, tmp_path):
        """The first emulator stops in the middle, the second one replays to go on."""

        async def interrupted() -> History:
            async with emulator(tmp_path / "a") as services:
                execution = start(services, WAIT)
                callback = await endpoint(services, execution)
            async with emulator(tmp_path / "a") as services:
                services.engine.offer(execution.id, callback, {"n": 1})
                await outcome(services, execution)
                return await past(services, execution)

        async def whole(services: Services) -> History:
            execution = start(services, WAIT)
            services.engine.offer(execution.id, await endpoint(services, execution), {"n": 1})
            await outcome(services, execution)
            return await past(services, execution)

        one, other = asyncio.run(interrupted()), within(tmp_path / "b", whole)

        assert timeless(one.entries) == timeless(other.entries)
        assert [call.key for call in one.calls] == [call.key for call in other.calls]

    def test_at_once_and_in_turns_give_the_same(self, tmp_path):
        async def scenario(services: Services) -> tuple[History, History]:
            execution = start(services, MANY_CALLS)
            await outcome(services, execution)
            over = found(services, execution)
            definition = services.catalog.find(over.workflow, over.number)
            assert definition is not None
            at_once = history(over, definition, services.settings, services.store)
            return at_once, await past(services, execution)

        at_once, in_turns = within(tmp_path, scenario)

        assert at_once == in_turns
        assert len(at_once.calls) == 40
        assert [call.reply for call in at_once.calls] == [Returned(None)] * 40

    def test_others_have_their_turns_while_a_long_one_is_found(self, tmp_path):
        async def scenario(services: Services) -> tuple[int, History]:
            execution = start(services, ENDLESS)
            await outcome(services, execution)
            turns = 0

            async def others() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            task = asyncio.create_task(others())
            told = await past(services, execution)
            task.cancel()
            return turns, told

        turns, told = within(tmp_path, scenario)

        assert len(told.entries) == 60_002
        assert turns > 5

    def test_an_old_revision_is_run_as_it_was(self, tmp_path):
        async def scenario(services: Services) -> History:
            first = start(services, "main: {steps: [{old: {return: 1}}]}")
            await outcome(services, first)
            second = start(services, "main: {steps: [{new: {return: 1}}]}")
            await outcome(services, second)
            return await past(services, first)

        assert outline(within(tmp_path, scenario).entries) == "old RETURN"


class TestEnds:
    def test_what_a_cancelled_execution_waited_for_is_cancelled(self, tmp_path):
        async def scenario(services: Services) -> tuple[History, Execution]:
            execution = start(services, WAIT)
            await endpoint(services, execution)
            services.engine.cancel(execution.id)
            return await past(services, execution), found(services, execution)

        told, over = within(tmp_path, scenario)

        assert outline(told.entries) == "create LIBRARY_CALL\nwait LIBRARY_CALL CANCELLED"
        assert told.calls[1].answered is None
        assert told.entries[1].updated.isoformat()[:23] == over.ended[:23]

    def test_one_that_was_cancelled_before_it_began_has_done_nothing(self, tmp_path):
        async def scenario(services: Services) -> History:
            execution = start(services, WAIT)
            services.engine.cancel(execution.id)
            return await past(services, execution)

        told = within(tmp_path, scenario)

        assert (list(told.entries), list(told.calls)) == ([], [])

    def test_one_that_was_cancelled_while_it_computed_stops_where_it_was(self, tmp_path):
        async def scenario(services: Services) -> tuple[int | None, History]:
            execution = start(services, ENDLESS)
            stand = None
            while stand is None or not stand.steps:
                await asyncio.sleep(0)
                stand = services.engine.stand(found(services, execution))
            services.engine.cancel(execution.id)
            over = found(services, execution)
            assert over.stopped is not None
            return over.stopped.steps, await past(services, execution)

        steps, told = within(tmp_path, scenario)

        counted = [entry for entry in told.entries if entry.step_type.name != "ITERATION"]
        assert len(counted) == steps
        assert 0 < len(told.entries) < 60_002
        assert told.entries[0].state is StepState.CANCELLED
        assert list(told.calls) == []

    def test_a_reply_that_came_and_was_not_taken_does_not_carry_it_on(self, tmp_path):
        async def scenario(services: Services) -> History:
            execution = start(services, WAIT)
            callback = await endpoint(services, execution)
            services.engine.offer(execution.id, callback, {"n": 1})
            services.engine.cancel(execution.id)
            return await past(services, execution)

        told = within(tmp_path, scenario)

        assert outline(told.entries) == "create LIBRARY_CALL\nwait LIBRARY_CALL CANCELLED"

    def test_one_that_the_emulator_gave_up_fails_where_it_stood(self, tmp_path):
        async def begin(services: Services) -> Execution:
            execution = start(services, WAIT)
            await endpoint(services, execution)
            services.store.append(execution.id, "never:asked", Returned(None), 0.0)
            return execution

        async def scenario(services: Services) -> History:
            await outcome(services, execution)
            return await past(services, execution)

        execution = within(tmp_path, begin)
        told = within(tmp_path, scenario)

        assert not told.is_complete
        assert outline(told.entries) == "create LIBRARY_CALL\nwait LIBRARY_CALL FAILED SystemError"

    def test_one_whose_source_is_refused_by_now_has_no_history(self, tmp_path):
        """An earlier emulator took it, and was less strict."""

        async def scenario(services: Services) -> tuple[History, History]:
            execution = start(services, WAIT)
            services.engine.cancel(execution.id)
            old = replace(found(services, execution), stopped=None)
            definition = services.catalog.find(old.workflow, old.number)
            assert definition is not None
            fields = {**definition.fields, "sourceContents": "main: {steps: [{a: {next: b}}]}"}
            with services.database.write():
                services.database.run("UPDATE revisions SET fields = ?", json.dumps(fields))
                services.database.run("UPDATE workflows SET fields = ?", json.dumps(fields))
            refused = replace(definition, fields=fields)
            at_once = history(old, refused, services.settings, services.store)
            return at_once, await past(services, execution)

        assert within(tmp_path, scenario) == (UNKNOWN, UNKNOWN)

    def test_a_failed_one_tells_of_the_error(self, tmp_path):
        source = "main: {steps: [{bad: {call: http.get, args: {url: ftp://x}}}]}"

        async def scenario(services: Services) -> History:
            execution = start(services, source)
            await outcome(services, execution)
            return await past(services, execution)

        told = within(tmp_path, scenario)

        (entry,), (call,) = told.entries, told.calls
        assert entry.state is StepState.FAILED
        assert isinstance(call.reply, Raised)
        assert entry.exception == call.reply.value


class TestRoom:
    def test_what_is_too_large_to_be_held_is_found_when_it_is_asked_for_alone(
        self, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(module, "_ROOM", 1000)

        async def scenario(services: Services) -> tuple[History, History]:
            execution = start(services, MANY_CALLS)
            await outcome(services, execution)
            some = Wanted(detailed=True, entries={81}, calls={39, 40})
            return await past(services, execution, Wanted(detailed=True)), await past(
                services, execution, some
            )

        told, some = within(tmp_path, scenario)

        assert told.calls[0].args["text"] == "1"
        assert (told.calls[39].args, told.calls[39].reply) == (None, None)
        assert told.entries[80].variables is None
        assert [call.args["text"] for call in some.calls if call.args] == ["39", "40"]
        assert [entry.variables for entry in some.entries if entry.variables is not None] == [
            {"v": 40}
        ]

    def test_variables_are_held_where_the_level_is_detailed(self, tmp_path):
        async def scenario(services: Services) -> list[Any]:
            definition = services.catalog.deploy("test", "main: {steps: [{a: {assign: [{b: 1}]}}]}")
            told = []
            for settings in ({}, {"executionHistoryLevel": DETAILED}):
                execution = services.engine.create(definition, "null", settings)
                await outcome(services, execution)
                told.append((await past(services, execution)).entries[0].variables)
            return told

        assert within(tmp_path, scenario) == [None, {"b": 1}]

    def test_the_last_histories_are_held(self, tmp_path, monkeypatch):
        monkeypatch.setattr(module, "_HELD", 200_000)

        async def scenario(services: Services) -> list[bool]:
            executions = [start(services, MANY_CALLS) for _ in range(3)]
            for execution in executions:
                await outcome(services, execution)
            first = [await past(services, execution) for execution in executions]
            return [
                await past(services, execution) is told
                for execution, told in reversed(list(zip(executions, first, strict=True)))
            ]

        assert within(tmp_path, scenario) == [True, True, False]


class TestDelete:
    def test_a_history_that_was_deleted_is_empty(self, tmp_path):
        async def scenario(services: Services) -> History:
            execution = start(services, WAIT)
            services.engine.offer(execution.id, await endpoint(services, execution), {"n": 1})
            await outcome(services, execution)
            await past(services, execution)
            services.store.delete_history(execution.id)
            assert services.store.received(execution.id) == []
            return await past(services, execution)

        told = within(tmp_path, scenario)

        assert (list(told.entries), list(told.calls), told.is_complete) == ([], [], False)


class TestReceived:
    def test_every_request_is_kept_with_what_became_of_it(self, tmp_path):
        source = """
main:
  steps:
    - create: {call: events.create_callback_endpoint, result: callback}
    - first: {call: events.await_callback, args: {callback: "${callback}"}}
    - pause: {call: sys.sleep, args: {seconds: 60}}
    - second: {call: events.await_callback, args: {callback: "${callback}"}}
    - third: {call: sys.sleep, args: {seconds: 60}}
"""

        async def scenario(services: Services) -> tuple[list[Received], list[Received]]:
            execution = start(services, source)
            callback = await endpoint(services, execution)
            for number in range(3):
                services.engine.offer(execution.id, callback, {"n": number})
            before = services.store.received(execution.id)
            await services.engine.advance(60)
            services.engine.offer(execution.id, callback, {"n": 3})
            await services.engine.advance(60)
            await outcome(services, execution)
            return before, services.store.received(execution.id)

        before, after = within(tmp_path, scenario, time=Time.VIRTUAL)

        assert [(each.verdict, each.taken is None) for each in before] == [
            ("HANDED_OVER", False),
            ("STORED", True),
            ("FULL", True),
        ]
        assert [(each.request["n"], each.verdict, each.taken is None) for each in after] == [
            (0, "HANDED_OVER", False),
            (1, "STORED", False),
            (2, "FULL", True),
            (3, "STORED", True),
        ]
        assert after[0].time == after[0].taken < after[1].taken

    def test_of_those_that_no_step_can_be_given_the_last_hundred_are_kept(self, tmp_path):
        async def scenario(services: Services) -> list[Received]:
            execution = start(services, WAIT)
            callback = await endpoint(services, execution)
            services.engine.offer(execution.id, callback, {"n": -1})
            services.engine.offer(execution.id, callback, {"n": -2})
            for number in range(105):
                services.engine.offer(execution.id, callback, {"n": number})
            return services.store.received(execution.id)

        kept = within(tmp_path, scenario)

        assert [each.verdict for each in kept[:3]] == ["HANDED_OVER", "STORED", "FULL"]
        assert [each.request["n"] for each in kept[2:]] == list(range(5, 105))

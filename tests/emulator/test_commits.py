"""Transactions that many share: one commit for what happens at one moment, none for what fails."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from emulator.services import Services
from emulator.settings import Time
from emulator.store import State
from tests.emulator.engines import RUN, WAIT, emulator, endpoint, outcome, site, start

RETURN = "- done: {return: 1}"
FULL = sqlite3.OperationalError("database or disk is full")
COUNT = """
- zero: {assign: [{count: 0}]}
- more: {assign: [{count: "${count + 1}"}]}
- again:
    switch:
      - condition: ${count < 5000}
        next: more
- done: {return: "${count}"}
"""
CALL_BESIDE_A_CHILD = f"""
main:
  params: [url]
  steps:
    - begin: {{assign: [{{got: null}}]}}
    - create: {{call: events.create_callback_endpoint, result: callback}}
    - both:
        parallel:
          shared: [got]
          branches:
            - calls:
                steps:
                  - wait: {{call: events.await_callback, args: {{callback: "${{callback}}"}}}}
                  - post: {{call: http.post, args: {{url: "${{url}}"}}, result: got}}
            - has_a_child:
                steps:
                  - run: {{call: {RUN}, args: {{workflow_id: child}}}}
    - done: {{return: "${{got.body}}"}}
"""
ANSWER: Any = {"http_request": {"body": "yes"}}


def commits(services: Services) -> list[str]:
    """The commits of a data file from now on."""
    seen: list[str] = []
    commit = services.database.commit

    def counted() -> None:
        seen.append("commit")
        commit()

    vars(services.database)["commit"] = counted
    return seen


def fails_once(
    what: object,
    name: str,
    error: Exception = FULL,
    before: Callable[[], None] = lambda: None,
) -> None:
    """Let a method fail the next time it is called, and then be as it was."""

    def failing(*_: object) -> None:
        del vars(what)[name]
        before()
        raise error

    vars(what)[name] = failing


class TestShare:
    def test_a_start_and_a_callback_each_take_one_commit_with_the_turn_that_follows(self, tmp_path):
        async def scenario() -> None:
            async with emulator(tmp_path) as services:
                definition = services.catalog.deploy("test", WAIT)
                seen = commits(services)

                execution = services.engine.create(definition, "1", {})
                await services.engine.on_disk()
                assert len(seen) == 1
                services.engine.offer(execution.id, await endpoint(services, execution), ANSWER)
                await services.engine.on_disk()

                assert len(seen) == 2
                assert services.store.find(execution.id).state is State.SUCCEEDED

        asyncio.run(scenario())

    def test_what_comes_at_the_same_moment_goes_to_disk_together(self, tmp_path):
        async def scenario() -> None:
            async with emulator(tmp_path) as services:
                definition = services.catalog.deploy("test", RETURN)
                seen = commits(services)

                many = [services.engine.create(definition, "null", {}) for _ in range(20)]
                await services.engine.on_disk()

                assert len(seen) < len(many)
                for each in many:
                    assert await outcome(services, each) == 1

        asyncio.run(scenario())


class TestPart:
    def test_a_part_that_fails_takes_nothing_else_with_it(self, tmp_path):
        async def scenario() -> None:
            async with emulator(tmp_path) as services:
                before = start(services, RETURN)

                def broken(*_: object) -> None:
                    raise KeyError("broken")

                vars(services.store)["receive"] = broken
                waiting = services.catalog.deploy("wait", WAIT)
                execution = services.engine.create(waiting, "1", {})
                callback = await endpoint(services, execution)
                with pytest.raises(KeyError):
                    services.engine.offer(execution.id, callback, ANSWER)
                after = start(services, RETURN)
                await services.engine.on_disk()
                del vars(services.store)["receive"]

                assert await outcome(services, before) == await outcome(services, after) == 1
                assert [each.stored for each in services.store.callbacks(execution.id)] == [None]
                services.engine.offer(execution.id, callback, ANSWER)
                assert (await outcome(services, execution))[1] == ANSWER

        asyncio.run(scenario())

    def test_nobody_is_told_that_what_an_error_of_the_disk_undid_is_kept(self, tmp_path: Path):
        async def scenario() -> None:
            async with emulator(tmp_path) as services:
                definition = services.catalog.deploy("test", RETURN)
                (pages,) = services.database.row("PRAGMA page_count")
                services.database.run(f"PRAGMA max_page_count = {pages}").close()

                small = services.engine.create(definition, "1", {})
                with pytest.raises(sqlite3.OperationalError, match="full"):
                    services.engine.create(definition, f'"{"x" * 20_000}"', {})
                kept = services.store.find(small.id) is not None
                with nullcontext() if kept else pytest.raises(sqlite3.OperationalError):
                    await services.engine.on_disk()
                services.database.run("PRAGMA max_page_count = 1000000").close()

                again = services.engine.create(definition, "1", {})
                assert await outcome(services, again) == 1
                assert (services.store.find(small.id) is not None) == kept

        asyncio.run(scenario())

    def test_an_execution_goes_on_when_its_cancellation_is_undone(self, tmp_path):
        """Its turn has passed it over, because it seemed to be over."""

        async def scenario() -> None:
            async with emulator(tmp_path, time=Time.VIRTUAL) as services:
                execution = start(services, COUNT)
                await services.engine.on_disk()
                fails_once(services.database, "commit", before=services.database.roll_back)

                services.engine.cancel(execution.id)
                with pytest.raises(sqlite3.OperationalError):
                    await services.engine.on_disk()

                assert await outcome(services, execution) == 5000

        asyncio.run(scenario())

    def test_an_execution_that_could_not_be_given_up_is_tried_again(self, tmp_path):
        async def scenario() -> None:
            async with emulator(tmp_path) as services:
                definition = services.catalog.deploy("test", RETURN)
                fails_once(services.catalog, "find", KeyError("broken"))
                fails_once(services.store, "end")

                execution = services.engine.create(definition, "1", {})

                assert await outcome(services, execution) == 1

        asyncio.run(scenario())


class TestTurnsThatShareOne:
    def test_a_call_that_begins_after_the_last_of_them_is_made_again_after_a_restart(
        self, tmp_path
    ):
        """The first turn asks for the call, the second waits for it; it begins after both."""
        lives = 0

        async def answer(_request: web.Request) -> web.Response:
            await asyncio.sleep(0 if lives > 1 else 3600)
            return web.json_response("answered")

        async def scenario() -> None:
            nonlocal lives
            async with site(answer) as there:
                lives += 1
                async with emulator(tmp_path, time=Time.VIRTUAL) as services:
                    services.catalog.deploy("child", WAIT)
                    parent = start(services, CALL_BESIDE_A_CHILD, there.url)
                    await services.engine.settled()
                    (child,) = services.store.newest_first("child")
                    for each in (parent, child):
                        (callback,) = services.store.callbacks(each.id)
                        services.engine.offer(each.id, callback.id, ANSWER)
                    await there.called.wait()

                    assert services.store.waits_of(parent.id) == []
                    assert services.store.busy() == [parent.id]
                lives += 1
                async with emulator(tmp_path, time=Time.VIRTUAL) as services:
                    assert await outcome(services, parent) == "answered"

        asyncio.run(scenario())

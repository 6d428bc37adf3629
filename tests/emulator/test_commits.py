"""Transactions that many share: one commit for what happens at one moment, none for what fails."""

import asyncio
import sqlite3
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from emulator.services import Services
from emulator.store import State
from tests.emulator.engines import WAIT, emulator, endpoint, outcome, start

RETURN = "- done: {return: 1}"
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

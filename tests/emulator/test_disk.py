"""A disk that is full: who asks is told so, nothing half is kept, and with room all goes on."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from emulator.services import Services
from emulator.settings import Auth
from tests.emulator.engines import WAIT, emulator, endpoint, outcome, start

_LARGE = "x" * 20_000


class Disk:
    """The disk of an emulator, as SQLite sees it: so many pages and no more."""

    def __init__(self, services: Services) -> None:
        self._database = services.database

    def fill(self) -> None:
        (pages,) = self._database.row("PRAGMA page_count")
        self._database.run(f"PRAGMA max_page_count = {pages}").close()

    def make_room(self) -> None:
        self._database.run("PRAGMA max_page_count = 1000000").close()


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[tuple[Services, Disk, aiohttp.ClientSession]]:
    async with emulator(path, auth=Auth.OFF) as services, aiohttp.ClientSession() as client:
        yield services, Disk(services), client


async def post(client: aiohttp.ClientSession, url: str, body: Any) -> tuple[int, Any]:
    async with client.post(url, json=body) as answer:
        return answer.status, await answer.json()


def workflows(services: Services) -> str:
    return f"{services.settings.base_url}/v1/projects/p/locations/l/workflows"


class TestFullDisk:
    def test_a_start_is_refused_as_unavailable_and_leaves_nothing(self, tmp_path):
        async def scenario() -> None:
            async with running(tmp_path) as (services, disk, client):
                services.catalog.deploy("test", "- done: {return: 1}")
                url = f"{workflows(services)}/test/executions"
                disk.fill()

                status, told = await post(client, url, {"argument": json.dumps(_LARGE)})

                assert status == 503
                assert told["error"]["code"] == 503
                assert told["error"]["status"] == "UNAVAILABLE"
                assert "full" in told["error"]["message"]
                assert list(services.store.newest_first("test")) == []
                async with client.get(url) as answer:
                    assert answer.status == 200

                disk.make_room()
                status, created = await post(client, url, {"argument": json.dumps(_LARGE)})
                assert status == 200
                (there,) = services.store.newest_first("test")
                assert created["name"].endswith(there.id)
                assert await outcome(services, there) == 1

        asyncio.run(scenario())

    def test_an_answer_is_refused_and_can_be_sent_again(self, tmp_path):
        async def scenario() -> None:
            async with running(tmp_path) as (services, disk, client):
                execution = start(services, WAIT, "input")
                callback = await endpoint(services, execution)
                url = f"{workflows(services)}/test/executions/{execution.id}/callbacks/{callback}"
                disk.fill()

                refused = await post(client, url, _LARGE)
                waits = [wait.subject for wait in services.store.waits_of(execution.id)]
                disk.make_room()
                accepted = await post(client, url, "yes")

                assert (refused[0], refused[1]["error"]["status"]) == (503, "UNAVAILABLE")
                assert waits == [callback]
                assert accepted[0] == 200
                given, request = await outcome(services, execution)
                assert (given, request["http_request"]["body"]) == ("input", "yes")
                received = services.store.received(execution.id)
                assert [each.verdict for each in received] == ["HANDED_OVER"]

        asyncio.run(scenario())

    def test_others_of_the_same_moment_are_not_told_that_all_is_well(self, tmp_path):
        async def scenario() -> None:
            async with running(tmp_path) as (services, disk, client):
                services.catalog.deploy("test", "- done: {return: 1}")
                url = f"{workflows(services)}/test/executions"
                disk.fill()

                bodies = [{"argument": json.dumps(text)} for text in ("a", _LARGE) * 10]
                answers = await asyncio.gather(*(post(client, url, body) for body in bodies))
                disk.make_room()

                told = {
                    body["name"].rpartition("/")[2] for status, body in answers if status == 200
                }
                assert {status for status, _ in answers} <= {200, 503}
                assert 503 in {status for status, _ in answers}
                there = list(services.store.newest_first("test"))
                assert {execution.id for execution in there} == told
                for execution in there:
                    assert await outcome(services, execution) == 1

        asyncio.run(scenario())

    def test_a_wait_that_is_over_meanwhile_ends_with_room_again(self, tmp_path):
        async def scenario() -> None:
            async with running(tmp_path) as (services, disk, _):
                source = (
                    "- nap: {call: sys.sleep, args: {seconds: 0.2}}\n"
                    "- large: {assign: [{text: 'x'}]}\n"
                    "- say: {call: sys.log, args: {text: '${text}'}}\n"
                    "- done: {return: '${text}'}\n"
                )
                many = [start(services, source.replace("'x'", f"'{_LARGE}'")) for _ in range(3)]
                await asyncio.sleep(0.1)
                disk.fill()
                await asyncio.sleep(0.4)
                assert not any(services.store.logs(each.id) for each in many)

                disk.make_room()

                for each in many:
                    assert await outcome(services, each) == _LARGE
                    assert len(services.store.logs(each.id)) == 1

        asyncio.run(scenario())

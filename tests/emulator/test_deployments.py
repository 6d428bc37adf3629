"""Deployments that overlap: a client that sends its body slowly, and others meanwhile."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp

from emulator.services import Services
from emulator.settings import Auth
from tests.emulator.engines import emulator, outcome

A, B, C = (f"- done: {{return: {letter}}}\n" for letter in "abc")


async def patch(services: Services, source: str, hold: asyncio.Event | None = None) -> Any:
    """Change the source of `flow`; the second half of the body is held back. Status and body."""
    body = json.dumps({"sourceContents": source}).encode()

    async def slowly() -> Any:
        yield body[:10]
        if hold is not None:
            await hold.wait()
        yield body[10:]

    url = f"{services.settings.base_url}/v1/projects/countersign-demo/locations/us-central1"
    async with (
        aiohttp.ClientSession() as client,
        client.patch(
            f"{url}/workflows/flow", data=slowly(), headers={"Content-Type": "application/json"}
        ) as response,
    ):
        return response.status, await response.json()


class TestSlowly:
    def test_a_slow_change_comes_after_a_quick_one_and_executions_keep_their_revision(
        self, tmp_path: Path
    ):
        async def scenario() -> tuple[Any, list[str]]:
            async with emulator(tmp_path, auth=Auth.OFF) as services:
                services.catalog.deploy("flow", A)
                hold = asyncio.Event()
                slow = asyncio.create_task(patch(services, C, hold))
                await asyncio.sleep(0.2)
                assert (await patch(services, B))[0] == 200
                quick = services.catalog.find("flow")
                assert quick is not None
                hold.set()
                assert (await slow)[0] == 200
                result = await outcome(services, services.engine.create(quick, "null", {}))
                revisions = services.catalog.revisions("flow")
                return result, [revision.source for revision in revisions]

        assert asyncio.run(scenario()) == ("b", [C, B, A])

    def test_a_workflow_that_is_deleted_meanwhile_is_not_found(self, tmp_path: Path):
        async def scenario() -> Any:
            async with emulator(tmp_path, auth=Auth.OFF) as services:
                services.catalog.deploy("flow", A)
                hold = asyncio.Event()
                slow = asyncio.create_task(patch(services, C, hold))
                await asyncio.sleep(0.2)
                services.engine.delete_workflow("flow")
                hold.set()
                return await slow

        status, body = asyncio.run(scenario())

        assert (status, body["error"]["status"]) == (404, "NOT_FOUND")

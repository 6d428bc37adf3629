"""Many executions at once: those that wait cost nothing, and those that are due take turns."""

import asyncio
import json
from pathlib import Path

import aiohttp

from emulator.services import Services
from emulator.store import State
from tests.emulator.engines import WAIT, emulator, endpoint, outcome

MANY, SECONDS = 1000, 2
SLEEP = f"- nap: {{call: sys.sleep, args: {{seconds: {SECONDS}}}}}\n- done: {{return: 1}}\n"


async def start_many(services: Services, source: str) -> list[str]:
    definition = services.catalog.deploy("many", source)
    started = [
        services.engine.create(definition, json.dumps(number), {}).id for number in range(MANY)
    ]
    await services.engine.settled()
    return started


def journals_read(services: Services) -> list[str]:
    """The executions whose runs are built from their journals from now on."""
    seen: list[str] = []
    answered = services.store.answered

    def noted(execution: str) -> set[str]:
        seen.append(execution)
        return answered(execution)

    vars(services.store)["answered"] = noted
    return seen


class TestRestart:
    def test_only_the_execution_that_is_answered_is_built_again(self, tmp_path: Path):
        async def scenario() -> None:
            async with emulator(tmp_path) as services:
                many = await start_many(services, WAIT)
            async with emulator(tmp_path) as services:
                seen = journals_read(services)
                await services.engine.settled()
                assert seen == []

                one = services.store.find(many[MANY // 2])
                answer = {"http_request": {"body": "yes"}}
                services.engine.offer(one.id, await endpoint(services, one), answer)

                assert await outcome(services, one) == [MANY // 2, answer]
                assert seen == [one.id]

        asyncio.run(scenario())

    def test_requests_are_served_while_all_timers_are_due(self, tmp_path: Path):
        async def scenario() -> None:
            async with emulator(tmp_path) as services:
                await start_many(services, SLEEP)
            await asyncio.sleep(SECONDS)
            async with emulator(tmp_path) as services, aiohttp.ClientSession() as client:
                served = 0
                while services.store.count_open():
                    async with client.get(f"{services.settings.base_url}/healthz") as answer:
                        assert answer.status == 200
                    served += 1

                assert served > 5
                ended = list(services.store.newest_first("many"))
                assert [each.state for each in ended] == [State.SUCCEEDED] * MANY

        asyncio.run(scenario())

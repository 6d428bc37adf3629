"""Runs that are built again from their journals."""

import asyncio
from pathlib import Path
from typing import Any

from emulator.protocol import Returned
from emulator.replies import AT_ONCE, Recorded, Replies
from tests.emulator.engines import emulator, endpoint, outcome, start

MANY = """
main:
  steps:
    - init: {assign: [{ids: []}, {n: 0}]}
    - add: {assign: [{ids: '${list.concat(ids, uuid.generate())}'}, {n: "${n + 1}"}]}
    - more: {switch: [{condition: "${n < 50}", next: add}]}
    - create: {call: events.create_callback_endpoint, result: callback}
    - wait: {call: events.await_callback, args: {callback: "${callback}"}}
    - again: {assign: [{ids: '${list.concat(ids, uuid.generate())}'}]}
    - done: {return: "${ids}"}
"""


def recorded(number: int) -> Recorded:
    return f"0:{number}", Returned(number)


class TestDraw:
    def test_replies_are_drawn_a_few_at_a_time_and_each_is_given_once(self):
        for total in (0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE):
            journal = [recorded(number) for number in range(total)]
            drawn: list[int] = []

            def draw(after: int, journal: list[Recorded] = journal) -> list[Recorded]:
                drawn.append(len(journal[after : after + AT_ONCE]))  # noqa: B023 - called in this round
                return journal[after : after + AT_ONCE]

            replies = Replies(draw)
            given = []
            while (reply := replies.take()) is not None:
                given.append(reply)
                if len(journal) < total + 5:  # others are recorded meanwhile
                    journal.append(recorded(len(journal)))
                    replies.add(*journal[-1])

            assert given == journal
            assert max(drawn) <= AT_ONCE


class TestRun:
    def test_a_run_with_a_long_journal_goes_on_where_it_was(self, tmp_path: Path):
        async def scenario() -> tuple[list[Any], Any]:
            async with emulator(tmp_path) as services:
                execution = start(services, MANY)
                await endpoint(services, execution)
                ids = [reply.value for _, reply in services.store.journal(execution.id, 50)]
            async with emulator(tmp_path) as services:
                services.engine.offer(execution.id, await endpoint(services, execution), {"n": 1})
                return ids, await outcome(services, execution)

        ids, result = asyncio.run(scenario())

        assert result[:50] == ids
        assert len(set(result)) == 51

"""Outside effects under way: one task for each, known by execution and request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from emulator import console
from emulator.errors import error
from emulator.protocol import Raised, Reply

_RECORD_AGAIN_AFTER = 1.0  # seconds


class Calls:
    """The calls of all executions.

    Args:
        record: takes execution, key and reply when a call has ended. It tells whether they are
            recorded; if not, it is asked again, for the effect must not be had twice.
    """

    def __init__(self, record: Callable[[str, str, Reply], Awaitable[bool]]) -> None:
        self._record = record
        self._tasks: dict[str, dict[str, asyncio.Task[None]]] = {}
        self._ended: set[tuple[str, str]] = set()

    @property
    def under_way(self) -> bool:
        """Whether there is any call that has not ended."""
        return any(map(self.awaited, self._tasks))

    def awaited(self, execution: str) -> bool:
        """Whether an execution has calls that have not ended."""
        return any((execution, key) not in self._ended for key in self._tasks.get(execution, ()))

    def begin(self, execution: str, key: str, make: Callable[[], Awaitable[Reply]]) -> None:
        """Make a call."""
        task = asyncio.create_task(self._make(execution, key, make), name=f"call {execution} {key}")
        self._tasks.setdefault(execution, {})[key] = task

    def pending(self, execution: str) -> frozenset[str]:
        """The requests of an execution whose calls are under way, or not recorded on disk yet."""
        return frozenset(self._tasks.get(execution, ()))

    def cancel(self, execution: str) -> None:
        """Break off the calls of an execution; their ends are not reported."""
        for task in self._tasks.pop(execution, {}).values():
            task.cancel()

    async def stop(self) -> None:
        """Break off all calls."""
        tasks = [task for calls in self._tasks.values() for task in calls.values()]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _make(self, execution: str, key: str, make: Callable[[], Awaitable[Reply]]) -> None:
        try:
            reply = await make()
        except Exception as broken:  # the workflow is told, whatever it was
            console.trouble("call-broken", execution=execution, key=key)
            reply = Raised(error("SystemError", f"{type(broken).__name__}: {broken}").value)
        try:
            self._ended.add((execution, key))
            while not await self._record(execution, key, reply):
                self._ended.discard((execution, key))
                await asyncio.sleep(_RECORD_AGAIN_AFTER)
                self._ended.add((execution, key))
        finally:
            self._ended.discard((execution, key))
        calls = self._tasks[execution]
        del calls[key]
        if not calls:
            del self._tasks[execution]

"""How long histories are kept: as long as their executions, while the data file has room."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Final

from emulator import console
from emulator.database import Database
from emulator.store import Store

ROOM: Final = 512 * 1024 * 1024
"""Bytes of the data file that are in use; above it the oldest histories are dropped."""

_EVERY: Final = 60.0  # seconds
_AT_ONCE: Final = 10


class Retention:
    """Drops the oldest histories when there are too many to be kept."""

    def __init__(self, database: Database, store: Store, room: int = ROOM) -> None:
        self._database = database
        self._store = store
        self._room = room

    async def run(self) -> None:
        """Look after the room for ever."""
        while True:
            try:
                await self.tidy()
            except sqlite3.Error:
                console.trouble("data-file-error", task="retention")
            await asyncio.sleep(_EVERY)

    async def tidy(self) -> int:
        """Make room; gives the number of histories that were dropped. Others have their turns."""
        dropped = 0
        while self._database.used_bytes() > self._room:
            with self._database.write():
                oldest = self._store.with_history(_AT_ONCE)
                for execution in oldest:
                    self._store.delete_history(execution)
            if not oldest:
                break
            dropped += len(oldest)
            await asyncio.sleep(0)
        return dropped

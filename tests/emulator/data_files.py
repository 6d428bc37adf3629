"""Data files as a kill has left them, read beside the emulator."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

Rows = Callable[[str], list[sqlite3.Row]]
"""Gives the rows of a query."""

_TOLD = {
    "executions": "state, busy, steps, created",
    "waits": "key, kind, due, subject",
    "journal": "position, key, raised, time",
    "callbacks": "callback, stored",
    "received": "time, verdict, taken",
}


@contextmanager
def rows_of(data: Path) -> Iterator[Rows]:
    """Queries on a copy of a data file, which stays as it is."""
    with TemporaryDirectory() as folder:
        for each in data.parent.glob(f"{data.name}*"):
            shutil.copy(each, folder)
        connection = sqlite3.connect(Path(folder) / data.name)
        connection.row_factory = sqlite3.Row
        try:
            yield lambda sql: connection.execute(sql).fetchall()
        finally:
            connection.close()


def all_of(rows: Rows, execution: str) -> str:
    """What there is of an execution, and the time, for whoever looks for the reason."""
    found = {
        table: [
            tuple(row)
            for row in rows(f"SELECT {columns} FROM {table} WHERE execution = '{execution}'")
        ]
        for table, columns in _TOLD.items()
    }
    return f"{execution}, at {time.time():.3f}: {found}"

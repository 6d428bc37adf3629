"""A data file that an older emulator wrote goes on with this one."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from emulator import database as module
from emulator.database import Database, UnusableData
from emulator.history import History
from emulator.store import State, Store
from tests.emulator.engines import emulator, endpoint, outcome

WRITTEN = Path(__file__).parent / "data" / "version-1.sql"
OVER = "32899f40-dfbb-467e-8809-8e2cc021a370"
WAITING = "465fd67e-7bf7-4b37-87dc-55ab9a4e8629"
BEGUN = 1769875467.0  # 2026-01-31T16:04:27Z


def old(path: Path) -> Path:
    """A data file of version 1, with an execution that is over and one that waits."""
    file = path / "data.sqlite3"
    connection = sqlite3.connect(file)
    connection.executescript(WRITTEN.read_text(encoding="utf-8"))
    connection.close()
    return file


def shape(file: Path) -> dict[str, Any]:
    """Columns of all tables, and all indexes."""
    connection = sqlite3.connect(file)
    names = connection.execute("SELECT type, name FROM sqlite_master ORDER BY name").fetchall()
    found = {
        name: sorted(column[1:] for column in connection.execute(f"PRAGMA table_info({name})"))
        for kind, name in names
    }
    connection.close()
    return found


class TestUpgrade:
    def test_it_has_the_shape_of_a_new_one(self, tmp_path):
        upgraded, new = old(tmp_path), tmp_path / "new.sqlite3"
        for file in (upgraded, new):
            Database(file).close()

        assert shape(upgraded) == shape(new)

    def test_an_execution_that_waited_goes_on_and_has_a_history(self, tmp_path):
        async def scenario() -> tuple[Any, History]:
            async with emulator(tmp_path) as services:
                waiting = services.store.find(WAITING)
                assert waiting is not None
                services.engine.offer(WAITING, await endpoint(services, waiting), {"n": 2})
                result = await outcome(services, waiting)
                over = services.store.find(WAITING)
                return result, await services.histories.of(over)

        old(tmp_path)
        result, history = asyncio.run(scenario())

        assert result == ["waiting", "9a158d60-c8e6-49d2-9119-172c4a510471", {"n": 2}]
        assert history.is_complete
        assert [entry.step for entry in history.entries] == [
            *("identify", "say", "create", "wait", "done")
        ]
        assert history.calls[0].answered.timestamp() == pytest.approx(BEGUN, abs=1)

    def test_an_execution_that_was_over_keeps_its_result_and_has_no_history(self, tmp_path):
        database = Database(old(tmp_path))
        store = Store(database)

        over, waiting = store.find(OVER), store.find(WAITING)
        database.close()

        assert (over.state, over.has_history) == (State.SUCCEEDED, False)
        assert '"over"' in over.result
        assert (waiting.state, waiting.has_history) == (State.ACTIVE, True)

    def test_one_that_breaks_off_leaves_the_file_as_it_was(self, tmp_path, monkeypatch):
        file = old(tmp_path)
        before = shape(file)
        monkeypatch.setitem(module._UPGRADES, 1, module._UPGRADES[1] + "DELETE FROM nowhere;\n")

        with pytest.raises(UnusableData, match="nowhere"):
            Database(file)

        assert shape(file) == before

"""The data file: transactions, journal, waits and callbacks; who may open it."""

import asyncio
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from emulator.catalog import Catalog, Definition
from emulator.clock import Clock
from emulator.database import Database, UnusableData
from emulator.protocol import Raised, Returned
from emulator.refusal import Refusal
from emulator.retention import Retention
from emulator.store import LogLine, State, Store

SOURCE = "main:\n  steps:\n    - done:\n        return: 1\n"
LATER = "2026-01-31T16:05:00.000000Z"
OTHER = SOURCE.replace("1", "2")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "data.sqlite3")
    yield opened
    opened.close()


@pytest.fixture
def catalog(database: Database) -> Catalog:
    return Catalog(database, Clock())


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


def add_execution(catalog: Catalog, store: Store, execution: str = "e1") -> Definition:
    definition = catalog.deploy("flow", SOURCE)
    store.add(execution, definition, "null", {}, "2026-01-31T16:04:00.000000Z")
    return definition


class TestDatabase:
    def test_a_transaction_that_fails_leaves_nothing(self, database):
        def fail() -> None:
            with database.write():
                database.put("name", "value")
                raise KeyError("in the middle")

        with pytest.raises(KeyError):
            fail()

        assert database.get("name") is None

    def test_what_was_written_is_there_when_the_file_is_opened_again(self, database):
        with database.write():
            database.put("name", "value")
        database.close()

        again = Database(database.path)
        assert again.get("name") == "value"
        again.close()

    def test_a_second_emulator_cannot_open_the_file(self, database):
        with pytest.raises(UnusableData, match="another emulator is using it"):
            Database(database.path)

    def test_a_file_that_is_no_data_file_is_refused(self, tmp_path):
        path = tmp_path / "notes.txt"
        path.write_text("remember the milk, and other things than databases\n" * 20)

        with pytest.raises(UnusableData, match=r"notes\.txt"):
            Database(path)

    def test_the_database_of_another_program_is_refused_and_left_as_it_is(self, tmp_path):
        path = tmp_path / "theirs.sqlite3"
        theirs = sqlite3.connect(path)
        theirs.execute("CREATE TABLE theirs (a)")
        theirs.close()
        path.chmod(0o644)
        before = path.read_bytes()

        with pytest.raises(UnusableData, match="another program"):
            Database(path)

        assert path.read_bytes() == before
        assert path.stat().st_mode & 0o777 == 0o644
        assert list(tmp_path.iterdir()) == [path]

    def test_a_file_that_is_no_database_keeps_its_mode(self, tmp_path):
        path = tmp_path / "notes.txt"
        path.write_text("these are notes, and no database at all\n" * 100)
        path.chmod(0o644)

        with pytest.raises(UnusableData):
            Database(path)

        assert path.stat().st_mode & 0o777 == 0o644

    def test_a_data_file_that_others_could_read_is_theirs_no_more(self, tmp_path):
        path = tmp_path / "data.sqlite3"
        Database(path).close()
        path.chmod(0o644)

        Database(path).close()

        assert path.stat().st_mode & 0o777 == 0o600

    def test_a_file_of_another_version_is_refused(self, tmp_path):
        path = tmp_path / "old.sqlite3"
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()

        with pytest.raises(UnusableData, match="format is 99"):
            Database(path)

    def test_a_file_belongs_to_one_project(self, database):
        database.belongs_to("p", "1", "here")
        database.belongs_to("p", "1", "here")

        with pytest.raises(UnusableData, match="belongs to the project p"):
            database.belongs_to("q", "2", "here")


class TestJournal:
    def test_replies_come_back_in_order_and_with_their_types(self, catalog, store):
        add_execution(catalog, store)
        replies = [
            ("0:1", Returned({"n": 1, "d": 1.0, "b": b"\x00\xff", "s": "ä", "$": [None, True]})),
            ("0:0", Raised({"message": "no", "tags": ["TypeError"]})),
            ("0/p1:3", Raised("text")),
            ("0:2", Returned(None)),
        ]
        for key, reply in replies:
            store.append("e1", key, reply, 1.5)

        found = store.journal("e1", 10)

        assert found == replies
        value = found[0][1].value
        assert (type(value["n"]), type(value["d"])) == (int, float)

    def test_a_request_is_answered_once(self, catalog, store):
        add_execution(catalog, store)
        store.append("e1", "0:1", Returned(1), 1.5)

        with pytest.raises(sqlite3.IntegrityError):
            store.append("e1", "0:1", Returned(2), 2.5)


class TestWaits:
    def test_waiters_are_served_in_the_order_in_which_they_began(self, catalog, store):
        add_execution(catalog, store)
        for key in ("0/p1.2:1", "0/p1.0:1", "0/p1.1:1"):
            store.arm("e1", key, "callback", 10.0, "c1")

        assert [wait.key for wait in store.waits_on("c1")] == ["0/p1.2:1", "0/p1.0:1", "0/p1.1:1"]

    def test_what_is_due_comes_earliest_first(self, catalog, store):
        add_execution(catalog, store)
        for key, due in (("a", 30.0), ("b", 10.0), ("c", 20.0)):
            store.arm("e1", key, "sleep", due)
        store.arm("e1", "d", "child", None, "e2")

        assert store.next_due() == 10.0
        assert [wait.key for wait in store.waits_due(20.0, 10)] == ["b", "c"]
        assert [wait.key for wait in store.waits_due(99.0, 1)] == ["b"]

    def test_nothing_is_due_when_nothing_waits(self, store):
        assert store.next_due() is None


class TestEnd:
    def test_an_execution_that_is_over_keeps_its_outcome_and_its_journal(self, catalog, store):
        add_execution(catalog, store)
        store.append("e1", "0:1", Returned(1), 1.5)
        store.arm("e1", "0:2", "callback", 10.0, "c1")
        store.add_callback("c1", "e1", "POST")
        store.log(LogLine("e1", "2026-01-31T16:04:00.000000Z", "INFO", "main", "say", '"hi"'))
        found = store.find("e1")

        error = {"payload": '"no"', "context": "no"}
        store.end(replace(found, state=State.FAILED, ended=LATER, error=error))

        over = store.find("e1")
        assert (over.state, over.error["context"]) == (State.FAILED, "no")
        assert store.journal("e1", 10) == [("0:1", Returned(1))]
        assert store.waits_of("e1") == []
        assert store.callbacks("e1") == []
        assert store.open() == store.busy() == []
        assert [line.payload for line in store.logs("e1")] == ['"hi"']

    def test_only_what_is_over_is_forgotten_with_time(self, catalog, store):
        add_execution(catalog, store, "over")
        add_execution(catalog, store, "open")
        store.end(replace(store.find("over"), state=State.CANCELLED, ended=LATER))

        assert store.forget_ended_before(LATER) == 0
        assert store.forget_ended_before("2030-01-01T00:00:00.000000Z") == 1
        assert (store.find("over"), store.find("open").state) == (None, State.ACTIVE)


class TestCatalog:
    def test_another_source_makes_another_revision(self, catalog):
        first = catalog.create("flow", {"sourceContents": SOURCE})
        second = catalog.update(first, {"sourceContents": OTHER})

        assert (first.number, second.number) == (1, 2)
        assert first.revision.startswith("000001-")
        assert second.revision.startswith("000002-")
        assert catalog.find("flow") == second
        assert catalog.find("flow", 1).source == SOURCE
        assert [revision.number for revision in catalog.revisions("flow")] == [2, 1]

    def test_a_revision_is_never_written_over(self, catalog):
        """Executions of it would go on with another source."""
        old = catalog.deploy("flow", SOURCE)
        newer = catalog.update(old, {"sourceContents": OTHER})

        with pytest.raises(sqlite3.IntegrityError):
            catalog.update(old, {"sourceContents": SOURCE.replace("1", "3")})

        assert catalog.find("flow") == newer
        assert [revision.source for revision in catalog.revisions("flow")] == [OTHER, SOURCE]

    def test_another_description_makes_none(self, catalog):
        first = catalog.create("flow", {"sourceContents": SOURCE})
        second = catalog.update(first, {"sourceContents": SOURCE, "description": "what it does"})

        assert second.revision == first.revision
        assert len(catalog.revisions("flow")) == 1

    def test_deploying_the_same_source_again_changes_nothing(self, catalog):
        assert catalog.deploy("flow", SOURCE) == catalog.deploy("flow", SOURCE)

    @pytest.mark.parametrize("name", ["", "1a", "a-", "ä", "a.b", "a" * 65, "a\n"])
    def test_a_malformed_name_is_refused(self, catalog, name):
        with pytest.raises(Refusal, match="workflow ID"):
            catalog.create(name, {"sourceContents": SOURCE})

    def test_a_name_is_taken_once(self, catalog):
        catalog.create("flow", {"sourceContents": SOURCE})

        with pytest.raises(Refusal, match="already exists"):
            catalog.create("flow", {"sourceContents": SOURCE})

    def test_a_source_that_does_not_build_is_refused_with_its_place(self, catalog):
        with pytest.raises(Refusal, match=r"main\.yaml:4:\d+: .*step 'done'") as refused:
            catalog.create("flow", {"sourceContents": SOURCE.replace("1", "${1 +}")})

        assert refused.value.status.name == "INVALID_ARGUMENT"
        assert catalog.find("flow") is None

    def test_deleting_forgets_revisions_and_executions(self, catalog, store):
        add_execution(catalog, store)

        catalog.delete("flow")

        assert catalog.find("flow") is None
        assert catalog.revisions("flow") == []
        assert store.find("e1") is None


class TestRetention:
    def test_the_oldest_histories_go_first_and_only_of_what_is_over(self, database, catalog, store):
        for name in ("open", *map(str, range(25))):
            add_execution(catalog, store, name)
            store.append(name, "0:1", Returned("x" * 100_000), 1.0)
            if name != "open":
                store.end(replace(store.find(name), state=State.CANCELLED, ended=LATER))
        used = database.used_bytes()

        dropped = asyncio.run(Retention(database, store, room=used - 500_000).tidy())

        kept = [name for name in map(str, range(25)) if store.find(name).has_history]
        assert dropped == 10
        assert kept == list(map(str, range(10, 25)))
        assert store.journal("0", 10) == []
        assert len(store.journal("open", 10)) == len(store.journal("24", 10)) == 1
        assert database.used_bytes() < used - 500_000

    def test_nothing_is_dropped_while_there_is_room(self, database, catalog, store):
        add_execution(catalog, store)
        store.end(replace(store.find("e1"), state=State.CANCELLED, ended=LATER))

        assert asyncio.run(Retention(database, store).tidy()) == 0
        assert asyncio.run(Retention(database, store, room=0).tidy()) == 1
        assert not store.find("e1").has_history

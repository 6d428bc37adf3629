"""The one SQLite file: its schema, its single connection, and durable transactions."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

SCHEMA_VERSION = 2

SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TABLE workflows (
    workflow TEXT PRIMARY KEY,
    number INTEGER NOT NULL,          -- of the latest revision
    revision TEXT NOT NULL,           -- its name, 000001-a4d
    fields TEXT NOT NULL,             -- JSON: what the client may set
    created TEXT NOT NULL,
    updated TEXT NOT NULL,
    revised TEXT NOT NULL
) STRICT;

CREATE TABLE revisions (
    workflow TEXT NOT NULL REFERENCES workflows ON DELETE CASCADE,
    number INTEGER NOT NULL,
    revision TEXT NOT NULL,
    fields TEXT NOT NULL,
    revised TEXT NOT NULL,
    PRIMARY KEY (workflow, number)
) STRICT;

CREATE TABLE operations (
    sequence INTEGER PRIMARY KEY,
    operation TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL                -- JSON, as the API shows it, without its name
) STRICT;

CREATE TABLE executions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    execution TEXT NOT NULL UNIQUE,
    workflow TEXT NOT NULL REFERENCES workflows ON DELETE CASCADE,
    number INTEGER NOT NULL,
    revision TEXT NOT NULL,
    state TEXT NOT NULL,
    argument TEXT NOT NULL,           -- JSON text
    settings TEXT NOT NULL,           -- JSON: labels, callLogLevel and the like
    created TEXT NOT NULL,
    ended TEXT,
    result TEXT,                      -- JSON text, when SUCCEEDED
    error TEXT,                       -- JSON of the API's error object
    steps TEXT NOT NULL DEFAULT '[]', -- JSON: [routine, step] pairs
    busy INTEGER NOT NULL DEFAULT 1,  -- 0: nothing to do until a wait ends
    history INTEGER NOT NULL DEFAULT 1, -- 0: it is over, and its journal is gone
    stopped TEXT                      -- JSON of a Stand, where it was cancelled between two turns
) STRICT;
CREATE INDEX executions_by_workflow ON executions (workflow, sequence);
CREATE INDEX executions_by_state ON executions (workflow, state);
CREATE INDEX executions_open ON executions (busy) WHERE state = 'ACTIVE';

-- The replies of the world, in the order in which they are applied. Together with source and
-- argument they determine the state of an execution, and after its end what it has done.
CREATE TABLE journal (
    execution TEXT NOT NULL REFERENCES executions (execution) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    key TEXT NOT NULL,                -- of the request that is answered
    raised INTEGER NOT NULL,
    value TEXT NOT NULL,
    time REAL NOT NULL DEFAULT 0,     -- when it was recorded, in seconds since 1970
    PRIMARY KEY (execution, position),
    UNIQUE (execution, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE waits (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,   -- the order in which they began to wait
    execution TEXT NOT NULL REFERENCES executions (execution) ON DELETE CASCADE,
    key TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('sleep', 'callback', 'child')),
    due REAL,                         -- seconds since 1970; NULL: no end of its own
    subject TEXT,                     -- the callback, the child execution, or the reply of a stub
    UNIQUE (execution, key)
) STRICT;
CREATE INDEX waits_by_due ON waits (due) WHERE due IS NOT NULL;
CREATE INDEX waits_by_subject ON waits (subject) WHERE subject IS NOT NULL;

CREATE TABLE callbacks (
    callback TEXT PRIMARY KEY,
    execution TEXT NOT NULL REFERENCES executions (execution) ON DELETE CASCADE,
    method TEXT NOT NULL,
    stored TEXT                       -- the one request received and not yet taken
) STRICT;
CREATE INDEX callbacks_by_execution ON callbacks (execution, callback);

CREATE TABLE logs (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    execution TEXT NOT NULL REFERENCES executions (execution) ON DELETE CASCADE,
    time TEXT NOT NULL,
    severity TEXT NOT NULL,
    routine TEXT NOT NULL,
    step TEXT NOT NULL,
    payload TEXT NOT NULL             -- JSON: a text or a map
) STRICT;
CREATE INDEX logs_by_execution ON logs (execution, sequence);

-- Every request that reached a callback, whatever became of it.
CREATE TABLE received (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    execution TEXT NOT NULL REFERENCES executions (execution) ON DELETE CASCADE,
    callback TEXT NOT NULL,
    time TEXT NOT NULL,
    request TEXT NOT NULL,            -- as `events.await_callback` returns it
    verdict TEXT NOT NULL,
    fault TEXT,                       -- what was played on it, for a test
    taken TEXT                        -- when a step was given it
) STRICT;
CREATE INDEX received_by_execution ON received (execution, sequence);
"""

_TO_2 = """
ALTER TABLE journal ADD COLUMN time REAL NOT NULL DEFAULT 0;
UPDATE journal SET time = (
    SELECT (julianday(created) - 2440587.5) * 86400.0
    FROM executions WHERE executions.execution = journal.execution
);
ALTER TABLE executions ADD COLUMN history INTEGER NOT NULL DEFAULT 1;
ALTER TABLE executions ADD COLUMN stopped TEXT;
UPDATE executions SET history = 0 WHERE state <> 'ACTIVE';
CREATE INDEX executions_by_state ON executions (workflow, state);
CREATE TABLE received (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    execution TEXT NOT NULL REFERENCES executions (execution) ON DELETE CASCADE,
    callback TEXT NOT NULL,
    time TEXT NOT NULL,
    request TEXT NOT NULL,            -- as `events.await_callback` returns it
    verdict TEXT NOT NULL,
    fault TEXT,                       -- what was played on it, for a test
    taken TEXT                        -- when a step was given it
) STRICT;
CREATE INDEX received_by_execution ON received (execution, sequence);
"""

_UPGRADES = {1: _TO_2}
"""What makes a file of one version one of the next, in place."""


class UnusableData(Exception):
    """The data file cannot be used; the text says why and what to do."""


class Database:
    """One connection to the data file, the only writer.

    Statements outside `write` commit by themselves. The file is readable by its owner only, since
    it holds the signing key. A file of somebody else is left exactly as it is.

    Raises:
        UnusableData: the file is no data file of this version or an older one, or another emulator
            has it open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=1.0)
        self._connection.row_factory = sqlite3.Row
        self._shared = False
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            reason = "another emulator is using it" if "locked" in str(error) else str(error)
            raise UnusableData(f"cannot use the data file {path}: {reason}") from error

    def _open(self) -> None:
        self.run("PRAGMA locking_mode = EXCLUSIVE").close()
        version = self._recognise()
        self.path.chmod(0o600)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self.run(f"PRAGMA {pragma}").close()
        with self.write():
            if version == SCHEMA_VERSION:
                return
            scripts = [_UPGRADES[step] for step in range(version, SCHEMA_VERSION) if version]
            for script in scripts or [SCHEMA]:
                for statement in filter(str.strip, _statements(script)):
                    self.run(statement).close()
            self.run(f"PRAGMA user_version = {SCHEMA_VERSION}").close()

    def _recognise(self) -> int:
        """The version of the file, 0 for an empty one. Only reads: it may be somebody else's.

        Raises:
            sqlite3.DatabaseError: it is no data file of a version that is known.
        """
        (version,) = self.row("PRAGMA user_version") or (0,)
        tables = {row["name"] for row in self.rows("SELECT name FROM sqlite_master")}
        ours = version == SCHEMA_VERSION or version in _UPGRADES
        if (ours and {"meta", "journal"} <= tables) or (version == 0 and not tables):
            return int(version)
        reason = f"its format is {version}, this emulator writes {SCHEMA_VERSION}"
        if ours or version == 0:
            reason = "it is the database of another program"
        raise sqlite3.DatabaseError(f"{reason}; start with another --data")

    def run(self, sql: str, *values: object) -> sqlite3.Cursor:
        """Run one statement."""
        return self._connection.execute(sql, values)

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """All rows of a query."""
        with closing(self.run(sql, *values)) as cursor:
            return cursor.fetchall()

    def row(self, sql: str, *values: object) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        with closing(self.run(sql, *values)) as cursor:
            first: sqlite3.Row | None = cursor.fetchone()
            return first

    @contextmanager
    def write(self) -> Iterator[None]:
        """All of the block, or none of it: on disk when it ends, or with the transaction around."""
        if self._shared:
            with self.part():
                yield
            return
        self.begin()
        try:
            yield
        except BaseException:
            self.roll_back()
            raise
        self.commit()

    # A transaction that others share: its parts succeed or fail by themselves, and are on disk
    # when all of it is.

    def begin(self) -> None:
        """Begin a transaction."""
        self.run("BEGIN IMMEDIATE").close()
        self._shared = True

    @contextmanager
    def part(self) -> Iterator[None]:
        """All of the block, or none of it, in the transaction that has begun.

        Raises:
            sqlite3.OperationalError: SQLite has given the transaction up.
        """
        self._require_transaction()
        self.run("SAVEPOINT part").close()
        try:
            yield
            self._require_transaction()
            self.run("RELEASE part").close()
        except BaseException:
            if self._connection.in_transaction:
                self.run("ROLLBACK TO part").close()
                self.run("RELEASE part").close()
            raise

    def commit(self) -> None:
        """Put all of the transaction on disk; if that fails, none of it is.

        Raises:
            sqlite3.Error: the file cannot be written.
        """
        try:
            self._require_transaction()
            self.run("COMMIT").close()
        finally:
            self.roll_back()

    def roll_back(self) -> None:
        """Undo what has not been committed."""
        self._shared = False
        if self._connection.in_transaction:
            self.run("ROLLBACK").close()

    def _require_transaction(self) -> None:
        """SQLite ends a transaction by itself when the disk is full or cannot be read."""
        if not self._connection.in_transaction:
            raise sqlite3.OperationalError("the transaction was undone after an error of the disk")

    def used_bytes(self) -> int:
        """How much of the file holds something; what was deleted leaves room for what comes."""
        (size,) = self.row("PRAGMA page_size") or (0,)
        (pages,) = self.row("PRAGMA page_count") or (0,)
        (free,) = self.row("PRAGMA freelist_count") or (0,)
        return int(size * (pages - free))

    def get(self, name: str) -> str | None:
        """A setting kept in the file."""
        row = self.row("SELECT value FROM meta WHERE name = ?", name)
        return None if row is None else str(row["value"])

    def put(self, name: str, value: str) -> None:
        """Keep a setting in the file."""
        self.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", name, value).close()

    def belongs_to(self, project: str, number: str, location: str) -> None:
        """Make sure that the file was made for this project and location; a new file is marked.

        Names of stored executions and their callback URLs hold these, so they cannot change.

        Raises:
            UnusableData: it was made for another one.
        """
        owner = f"{project} (number {number}) in {location}"
        known = self.get("owner")
        if known is None:
            self.put("owner", owner)
        elif known != owner:
            raise UnusableData(
                f"the data file {self.path} belongs to the project {known}, not {owner}:"
                " start with those settings, or with another --data"
            )

    def close(self) -> None:
        """Give the file up."""
        self._connection.close()


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; `executescript` would end the transaction it runs in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""

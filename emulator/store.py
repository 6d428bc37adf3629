"""What the engine keeps of executions: state, journal of replies, waits, callbacks, log lines."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence

from emulator.catalog import Definition
from emulator.database import Database
from emulator.protocol import Raised, Reply, Returned
from emulator.rows import (
    Callback,
    Execution,
    LogLine,
    Received,
    Recorded,
    Stand,
    State,
    Wait,
    WaitKind,
)
from emulator.values import Value, dump, load

__all__ = [
    "Callback",
    "Execution",
    "LogLine",
    "Received",
    "Recorded",
    "Stand",
    "State",
    "Store",
    "Wait",
    "WaitKind",
]

_ACCEPTED = ("HANDED_OVER", "STORED")
_REFUSED_KEPT = 100
"""Requests kept of each execution that no step can be given."""


class Store:
    """Rows of executions. Callers group what belongs together with `Database.write`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Executions

    def add(
        self,
        execution: str,
        definition: Definition,
        argument: str,
        settings: Mapping[str, object],
        created: str,
    ) -> None:
        """A new execution of a revision; its sequence is given by the file."""
        self._database.run(
            "INSERT INTO executions"
            " (execution, workflow, number, revision, state, argument, settings, created)"
            " VALUES (?, ?, ?, ?, 'ACTIVE', ?, ?, ?)",
            *(execution, definition.workflow, definition.number, definition.revision),
            *(argument, json.dumps(settings), created),
        )

    def find(self, execution: str) -> Execution | None:
        """The execution of that ID, or None."""
        row = self._database.row("SELECT * FROM executions WHERE execution = ?", execution)
        return None if row is None else _execution(row)

    def newest_first(self, workflow: str, before: int | None = None) -> Iterator[Execution]:
        """The executions of a workflow, those with a smaller sequence than `before`."""
        while True:
            rows = self._database.rows(
                "SELECT * FROM executions WHERE workflow = ? AND sequence < ?"
                " ORDER BY sequence DESC LIMIT 200",
                *(workflow, 2**62 if before is None else before),
            )
            yield from map(_execution, rows)
            if len(rows) < 200:
                return
            before = rows[-1]["sequence"]

    def busy(self) -> list[str]:
        """The IDs of executions that have something to do besides waiting, oldest first."""
        rows = self._database.rows(
            "SELECT execution FROM executions WHERE busy AND state = 'ACTIVE' ORDER BY sequence"
        )
        return [row["execution"] for row in rows]

    def open(self, workflow: str | None = None) -> list[str]:
        """The IDs of executions that are not over, oldest first, of one workflow or of all."""
        rows = self._database.rows(
            "SELECT execution FROM executions WHERE state = 'ACTIVE'"
            " AND (? IS NULL OR workflow = ?) ORDER BY sequence",
            *(workflow, workflow),
        )
        return [row["execution"] for row in rows]

    def count_open(self) -> int:
        """How many executions are not over."""
        row = self._database.row("SELECT count(*) FROM executions WHERE state = 'ACTIVE'")
        return 0 if row is None else int(row[0])

    def ancestors(self, execution: str, most: int) -> int:
        """How many executions wait for this one: its parent, the parent's parent; up to `most`."""
        row = self._database.row(
            "WITH RECURSIVE above (execution, depth) AS (SELECT ?, 0 UNION ALL"
            " SELECT w.execution, depth + 1 FROM above JOIN waits w ON w.subject = above.execution"
            " WHERE depth < ?) SELECT max(depth) FROM above",
            *(execution, most),
        )
        return 0 if row is None else int(row[0])

    def note(self, execution: str, steps: Sequence[tuple[str, str]], *, busy: bool) -> None:
        """Keep where the execution is, and whether a restart has to take it up at once."""
        self._database.run(
            "UPDATE executions SET steps = ?, busy = ? WHERE execution = ?",
            *(json.dumps(steps), busy, execution),
        )

    def end(self, over: Execution) -> None:
        """The execution is over: keep how, and forget its waits and callbacks."""
        self._database.run(
            "UPDATE executions SET state = ?, ended = ?, result = ?, error = ?, stopped = ?"
            " WHERE execution = ?",
            *(over.state.value, over.ended, over.result),
            None if over.error is None else json.dumps(over.error),
            None
            if over.stopped is None
            else json.dumps([over.stopped.replies, over.stopped.steps]),
            over.id,
        )
        for table in ("waits", "callbacks"):
            self._database.run(f"DELETE FROM {table} WHERE execution = ?", over.id)  # noqa: S608 - names from the line above

    def forget_ended_before(self, moment: str) -> int:
        """Drop executions that were over before a moment; gives how many."""
        return self._database.run("DELETE FROM executions WHERE ended < ?", moment).rowcount

    # Journal

    def append(self, execution: str, key: str, reply: Reply, time: float) -> None:
        """Record the reply to a request, after those recorded before; the execution goes on."""
        raised = isinstance(reply, Raised)
        self._database.run(
            "INSERT INTO journal SELECT ?, coalesce(max(position), 0) + 1, ?, ?, ?, ?"
            " FROM journal WHERE execution = ?",
            *(execution, key, raised, dump(reply.value), time, execution),
        )
        self._database.run("UPDATE executions SET busy = 1 WHERE execution = ?", execution)

    def journal(self, execution: str, most: int, after: int = 0) -> list[tuple[str, Reply]]:
        """The replies recorded, in order, each with the key of its request; as `recorded`."""
        found = self.recorded(execution, most, after)
        return [(recorded.key, recorded.reply) for recorded in found]

    def recorded(self, execution: str, most: int, after: int = 0) -> list[Recorded]:
        """The journal of an execution, in order.

        Args:
            most: this many of them.
            after: without so many of the first.
        """
        rows = self._database.rows(
            "SELECT key, raised, value, time FROM journal WHERE execution = ? AND position > ?"
            " ORDER BY position LIMIT ?",
            *(execution, after, most),
        )
        return [Recorded(row["key"], _reply(row), row["time"]) for row in rows]

    def recorded_until(self, execution: str) -> int:
        """How many replies the journal of an execution has."""
        row = self._database.row(
            "SELECT max(position) AS last FROM journal WHERE execution = ?", execution
        )
        return 0 if row is None else int(row["last"] or 0)

    def with_history(self, most: int) -> list[str]:
        """The IDs of executions that are over and whose history is kept, oldest first."""
        rows = self._database.rows(
            "SELECT execution FROM executions WHERE history AND state <> 'ACTIVE'"
            " ORDER BY sequence LIMIT ?",
            most,
        )
        return [row["execution"] for row in rows]

    def delete_history(self, execution: str) -> None:
        """Forget what an execution that is over has done: replies, and requests received."""
        for table in ("journal", "received"):
            self._database.run(f"DELETE FROM {table} WHERE execution = ?", execution)  # noqa: S608 - names from the line above
        self._database.run("UPDATE executions SET history = 0 WHERE execution = ?", execution)

    def answered(self, execution: str) -> set[str]:
        """The keys of the requests whose replies are recorded."""
        rows = self._database.rows("SELECT key FROM journal WHERE execution = ?", execution)
        return {row["key"] for row in rows}

    # Waits

    def arm(
        self,
        execution: str,
        key: str,
        kind: WaitKind,
        due: float | None,
        subject: str | None = None,
    ) -> None:
        """A request begins to wait."""
        self._database.run(
            "INSERT INTO waits (execution, key, kind, due, subject) VALUES (?, ?, ?, ?, ?)",
            *(execution, key, kind, due, subject),
        )

    def disarm(self, wait: Wait) -> None:
        """A wait is over."""
        self._database.run("DELETE FROM waits WHERE sequence = ?", wait.sequence)

    def waits_of(self, execution: str) -> list[Wait]:
        """The waits of an execution, oldest first."""
        return self._waits("execution = ? ORDER BY sequence", execution)

    def waits_on(self, subject: str) -> list[Wait]:
        """The waits on a callback or a child execution, oldest first."""
        return self._waits("subject = ? ORDER BY sequence", subject)

    def waits_due(self, moment: float, limit: int) -> list[Wait]:
        """Waits whose time has passed, earliest first."""
        return self._waits("due <= ? ORDER BY due, sequence LIMIT ?", moment, limit)

    def next_due(self) -> float | None:
        """The earliest due time of all waits."""
        row = self._database.row("SELECT min(due) AS due FROM waits WHERE due IS NOT NULL")
        return None if row is None else row["due"]

    def _waits(self, condition: str, *values: object) -> list[Wait]:
        sql = f"SELECT sequence, execution, key, kind, due, subject FROM waits WHERE {condition}"  # noqa: S608 - constants of this class
        return [Wait(*row) for row in self._database.rows(sql, *values)]

    # Callbacks

    def add_callback(self, callback: str, execution: str, method: str) -> None:
        """A new endpoint with nothing in it."""
        self._database.run(
            "INSERT INTO callbacks VALUES (?, ?, ?, NULL)", callback, execution, method
        )

    def callback(self, execution: str, callback: str) -> Callback | None:
        """An endpoint of an execution that is not over, or None."""
        row = self._database.row(
            "SELECT callback, execution, method, stored FROM callbacks"
            " WHERE callback = ? AND execution = ?",
            *(callback, execution),
        )
        return None if row is None else _callback(row)

    def callbacks(self, execution: str) -> list[Callback]:
        """The endpoints of an execution, by ID."""
        rows = self._database.rows(
            "SELECT callback, execution, method, stored FROM callbacks"
            " WHERE execution = ? ORDER BY callback",
            execution,
        )
        return [_callback(row) for row in rows]

    def put_in_slot(self, callback: str, stored: Value | None) -> None:
        """Put a request into an endpoint's slot, or empty it with None."""
        text = None if stored is None else dump(stored)
        self._database.run("UPDATE callbacks SET stored = ? WHERE callback = ?", text, callback)

    # Received requests

    def receive(self, received: Received) -> None:
        """Keep what reached a callback. Of those that got no further, the last hundred are kept."""
        self._database.run(
            "INSERT INTO received (execution, callback, time, request, verdict, fault, taken)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(received.execution, received.callback, received.time, dump(received.request)),
            *(received.verdict, received.fault, received.taken),
        )
        if received.verdict not in _ACCEPTED:
            self._database.run(
                "DELETE FROM received WHERE sequence IN (SELECT sequence FROM received"
                " WHERE execution = ? AND verdict NOT IN (?, ?)"
                " ORDER BY sequence DESC LIMIT -1 OFFSET ?)",
                *(received.execution, *_ACCEPTED, _REFUSED_KEPT),
            )

    def take_received(self, execution: str, callback: str, time: str) -> None:
        """The request that was stored for a callback has been given to a step."""
        self._database.run(
            "UPDATE received SET taken = ?"
            " WHERE execution = ? AND callback = ? AND verdict = 'STORED' AND taken IS NULL",
            *(time, execution, callback),
        )

    def received(self, execution: str, most: int = -1, after: int = 0) -> list[Received]:
        """What reached the callbacks of an execution, in order.

        Args:
            most: this many of them, -1 for all.
            after: without so many of the first.
        """
        rows = self._database.rows(
            "SELECT execution, callback, time, request, verdict, fault, taken FROM received"
            " WHERE execution = ? ORDER BY sequence LIMIT ? OFFSET ?",
            *(execution, most, after),
        )
        return [
            Received(
                *(row["execution"], row["callback"], row["time"], load(row["request"])),
                *(row["verdict"], row["fault"], row["taken"]),
            )
            for row in rows
        ]

    # Log lines

    def log(self, line: LogLine) -> None:
        """Keep a log line."""
        self._database.run(
            "INSERT INTO logs (execution, time, severity, routine, step, payload)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            *(line.execution, line.time, line.severity, line.routine, line.step, line.payload),
        )

    def logs(self, execution: str, most: int = -1, after: int = 0) -> list[LogLine]:
        """The log lines of an execution, in order; `most` and `after` as in `received`."""
        rows = self._database.rows(
            "SELECT execution, time, severity, routine, step, payload FROM logs"
            " WHERE execution = ? ORDER BY sequence LIMIT ? OFFSET ?",
            *(execution, most, after),
        )
        return [LogLine(*row) for row in rows]


def _reply(row: sqlite3.Row) -> Reply:
    value = load(row["value"])
    if not row["raised"]:
        return Returned(value)
    if not isinstance(value, str | dict):
        raise TypeError(f"the journal holds an error of type {type(value).__name__}")
    return Raised(value)


def _callback(row: sqlite3.Row) -> Callback:
    stored = row["stored"]
    return Callback(
        id=row["callback"],
        execution=row["execution"],
        method=row["method"],
        stored=None if stored is None else load(stored),
    )


def _execution(row: sqlite3.Row) -> Execution:
    error = row["error"]
    return Execution(
        sequence=row["sequence"],
        id=row["execution"],
        workflow=row["workflow"],
        number=row["number"],
        revision=row["revision"],
        state=State(row["state"]),
        argument=row["argument"],
        settings=json.loads(row["settings"]),
        created=row["created"],
        ended=row["ended"],
        result=row["result"],
        error=None if error is None else json.loads(error),
        steps=[(routine, step) for routine, step in json.loads(row["steps"])],
        has_history=bool(row["history"]),
        stopped=None if row["stopped"] is None else Stand(*json.loads(row["stopped"])),
    )

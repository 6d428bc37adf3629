"""Workflow definitions: deploying, revisions, and the operations that report on it."""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from emulator.clock import Clock
from emulator.database import Database
from emulator.errors import SourceError
from emulator.parser import parse
from emulator.refusal import Refusal, Status, invalid
from emulator.syntax import Workflow

Fields = Mapping[str, object]
"""The fields of a workflow that a client may set, by their JSON names."""

_WORKFLOW_ID = re.compile(r"[A-Za-z](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?", re.ASCII)
_MAKES_A_REVISION = ("sourceContents", "serviceAccount", "userEnvVars")
_OF_ALL_REVISIONS = ("description", "labels")
_KEPT_OPERATIONS = 1000
_REVISIONS = (
    "SELECT w.workflow, w.created, w.updated, w.fields AS latest,"
    " r.number, r.revision, r.fields, r.revised FROM workflows w JOIN revisions r USING (workflow)"
)


@dataclass(frozen=True, slots=True)
class Definition:
    """One revision of a workflow. Times are RFC 3339 text."""

    workflow: str
    number: int
    revision: str
    fields: Fields
    created: str
    updated: str
    revised: str

    @property
    def source(self) -> str:
        """The text of the workflow."""
        return str(self.fields["sourceContents"])


class Catalog:
    """The deployed workflows. Every verb is one transaction of its own or part of the caller's."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def find(self, workflow: str, number: int | None = None) -> Definition | None:
        """A workflow at a revision number, or at its latest; None when there is none."""
        if number is None:
            row = self._database.row("SELECT * FROM workflows WHERE workflow = ?", workflow)
        else:
            row = self._database.row(
                f"{_REVISIONS} WHERE workflow = ? AND r.number = ?", workflow, number
            )
        return None if row is None else _definition(row)

    def all(self) -> list[Definition]:
        """Every workflow at its latest revision, by name."""
        rows = self._database.rows("SELECT * FROM workflows ORDER BY workflow")
        return [_definition(row) for row in rows]

    def revisions(self, workflow: str) -> list[Definition]:
        """The revisions of a workflow, newest first."""
        rows = self._database.rows(
            f"{_REVISIONS} WHERE workflow = ? ORDER BY r.number DESC", workflow
        )
        return [_definition(row) for row in rows]

    def create(self, workflow: str, fields: Fields) -> Definition:
        """Deploy a new workflow.

        Raises:
            Refusal: the ID is malformed or taken, or the source does not build.
        """
        require_id(workflow)
        if self.find(workflow) is not None:
            raise Refusal(Status.ALREADY_EXISTS, f"workflow '{workflow}' already exists")
        build(fields)
        now = self._clock.stamp()
        new = Definition(workflow, 1, _revision_name(1), dict(fields), now, now, now)
        with self._database.write():
            self._database.run(
                "INSERT INTO workflows VALUES (?, ?, ?, ?, ?, ?, ?)",
                *(workflow, new.number, new.revision, json.dumps(fields), now, now, now),
            )
            self._keep_revision(new)
        return new

    def update(self, old: Definition, fields: Fields) -> Definition:
        """Give a workflow other fields; a new revision if they change what it does.

        Args:
            old: the latest revision.

        Raises:
            Refusal: the source does not build.
            sqlite3.IntegrityError: `old` is not the latest; executions may run what came after.
        """
        build(fields)
        now = self._clock.stamp()
        number, revision, revised = old.number, old.revision, old.revised
        if any(fields.get(name) != old.fields.get(name) for name in _MAKES_A_REVISION):
            number += 1
            revision, revised = _revision_name(number), now
        new = Definition(old.workflow, number, revision, dict(fields), old.created, now, revised)
        with self._database.write():
            self._database.run(
                "UPDATE workflows SET number = ?, revision = ?, fields = ?, updated = ?,"
                " revised = ? WHERE workflow = ?",
                *(number, revision, json.dumps(fields), now, revised, old.workflow),
            )
            if number == old.number:
                self._database.run(
                    "UPDATE revisions SET fields = ? WHERE workflow = ? AND number = ?",
                    *(json.dumps(fields), old.workflow, number),
                )
            else:
                self._keep_revision(new)
        return new

    def deploy(self, workflow: str, source: str) -> Definition:
        """Create a workflow or give it another source; nothing happens when it has this one.

        Raises:
            Refusal: as `create` and `update`.
        """
        old = self.find(workflow)
        if old is None:
            return self.create(workflow, {"sourceContents": source})
        if old.source == source:
            return old
        return self.update(old, {**old.fields, "sourceContents": source})

    def delete(self, workflow: str) -> None:
        """Forget a workflow with its revisions and executions."""
        self._database.run("DELETE FROM workflows WHERE workflow = ?", workflow)

    def record_operation(self, body: Mapping[str, object]) -> str:
        """Keep what an operation did, for clients that ask again; gives its ID."""
        operation = f"operation-{int(self._clock.seconds() * 1000)}-{secrets.token_hex(8)}"
        with self._database.write():
            self._database.run(
                "INSERT INTO operations (operation, body) VALUES (?, ?)",
                operation,
                json.dumps(body),
            )
            self._database.run(
                "DELETE FROM operations WHERE sequence <="
                " (SELECT max(sequence) FROM operations) - ?",
                _KEPT_OPERATIONS,
            )
        return operation

    def operations(self) -> list[tuple[str, dict[str, object]]]:
        """The operations kept, newest first: ID and body."""
        rows = self._database.rows("SELECT * FROM operations ORDER BY sequence DESC")
        return [(row["operation"], json.loads(row["body"])) for row in rows]

    def operation(self, operation: str) -> dict[str, object] | None:
        """The body of an operation, or None."""
        row = self._database.row("SELECT body FROM operations WHERE operation = ?", operation)
        if row is None:
            return None
        body: dict[str, object] = json.loads(row["body"])
        return body

    def delete_operation(self, operation: str) -> bool:
        """Forget an operation; False when there is none of that ID."""
        return (
            self._database.run("DELETE FROM operations WHERE operation = ?", operation).rowcount
            == 1
        )

    def _keep_revision(self, new: Definition) -> None:
        self._database.run(
            "INSERT INTO revisions VALUES (?, ?, ?, ?, ?)",
            *(new.workflow, new.number, new.revision, json.dumps(new.fields), new.revised),
        )


def require_id(workflow: str) -> None:
    """Raise Refusal where no workflow can be called so."""
    if _WORKFLOW_ID.fullmatch(workflow) is None:
        raise invalid(
            f"workflow ID {workflow!r} must have 1 to 64 letters, digits, '_' or '-', start"
            " with a letter and end with a letter or digit"
        )


def build(fields: Fields) -> Workflow:
    """The program of a workflow's source.

    Raises:
        Refusal: INVALID_ARGUMENT with Google's message, which names step, line and column.
    """
    source = fields.get("sourceContents")
    if not isinstance(source, str) or not source.strip():
        raise invalid("sourceContents is empty: a workflow needs a source")
    try:
        return program(source)
    except SourceError as error:
        violation = {"field": "workflow.source_contents", "description": str(error)}
        raise invalid(
            str(error),
            [
                {
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [violation],
                }
            ],
        ) from error


@lru_cache(maxsize=64)
def program(source: str) -> Workflow:
    """The program of a source, parsed once.

    Raises:
        SourceError: the source does not build.
    """
    return parse(source)


def _revision_name(number: int) -> str:
    """`000001-a4d`: six digits that count, and three hexadecimal characters."""
    return f"{number:06d}-{secrets.token_hex(2)[:3]}"


def _definition(row: sqlite3.Row) -> Definition:
    """A revision. What a workflow has as a whole, an old revision shows as it is now."""
    fields: dict[str, object] = json.loads(row["fields"])
    if "latest" in row.keys():  # noqa: SIM118 - a row is no mapping
        latest = json.loads(row["latest"])
        for name in _OF_ALL_REVISIONS:
            fields.pop(name, None)
            fields |= {name: latest[name]} if name in latest else {}
    return Definition(
        workflow=row["workflow"],
        number=row["number"],
        revision=row["revision"],
        fields=fields,
        created=row["created"],
        updated=row["updated"],
        revised=row["revised"],
    )

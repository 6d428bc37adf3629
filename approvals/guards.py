"""Append-only in the database itself: triggers that refuse to change or delete what is recorded.

Migrations put them in place. SQLite drops a table's triggers when a later migration remakes the
table, so such a migration ends with `guard` too; `verify_record` names those that are missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps.registry import Apps
from django.db.backends.base.base import BaseDatabaseWrapper


@dataclass(frozen=True, slots=True)
class Guarded:
    """One table whose rows stay as they are.

    Args:
        model: whose table it is.
        changes: the exceptions: which columns may change together, and when.
        replaces: when an insert meets a row that is there, besides that of the same id.
    """

    model: str
    changes: tuple[tuple[tuple[str, ...], str], ...] = ()
    replaces: str = "1 = 0"


TABLES = (
    # Retention empties what a line says and leaves its digest.
    Guarded(
        "Event",
        ((("data",), "{data} = {removed}"),),
        "approval_id = NEW.approval_id AND number = NEW.number",
    ),
    # A vote is taken back once; retention empties what was written and filled in.
    Guarded(
        "Vote",
        (
            (("taken_back_at",), "OLD.taken_back_at IS NULL AND NEW.taken_back_at IS NOT NULL"),
            (("comment", "form"), "NEW.comment = '' AND {form} = {empty}"),
        ),
        "approval_id = NEW.approval_id AND stage = NEW.stage AND taken_back_at IS NULL"
        " AND (user_id = NEW.user_id OR principal_id = NEW.principal_id)",
    ),
    Guarded("PolicyVersion", replaces="policy_id = NEW.policy_id AND number = NEW.number"),
)
DIALECTS = {
    "sqlite": {
        "same": "IS",
        "data": "json(NEW.data)",
        "form": "json(NEW.form)",
        "removed": """'{"removed":true}'""",
        "empty": "'{}'",
    },
    "postgresql": {
        "same": "IS NOT DISTINCT FROM",
        "data": "NEW.data",
        "form": "NEW.form",
        "removed": """'{"removed": true}'::jsonb""",
        "empty": "'{}'::jsonb",
    },
}
FUNCTION = """
CREATE OR REPLACE FUNCTION approvals_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The record is append-only: % of % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def guard(connection: BaseDatabaseWrapper, apps: Apps) -> None:
    """Put the triggers in place, those that are there already anew."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(FUNCTION)
        for table, name, create in _triggers(connection.vendor, apps):
            on = f" ON {table}" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")
            cursor.execute(create)


def unguarded(connection: BaseDatabaseWrapper, apps: Apps) -> list[str]:
    """The triggers that should be there and are not, or are switched off."""
    there = "SELECT tgname FROM pg_trigger WHERE tgenabled IN ('O', 'A')"
    if connection.vendor == "sqlite":
        there = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    with connection.cursor() as cursor:
        cursor.execute(there)
        found = {name for (name,) in cursor.fetchall()}
    return [name for _, name, _ in _triggers(connection.vendor, apps) if name not in found]


def _triggers(vendor: str, apps: Apps) -> Iterator[tuple[str, str, str]]:
    """(table, name, CREATE statement) of every trigger."""
    for guarded in TABLES:
        meta = apps.get_model("approvals", guarded.model)._meta
        table = meta.db_table
        columns = [field.column for field in meta.local_fields]
        changed = f"NOT ({_allowed(guarded, columns, vendor)})"
        whens = {"UPDATE": changed, "DELETE": ""}
        if vendor == "sqlite":  # where INSERT OR REPLACE deletes without a word
            met = f"id = NEW.id OR ({guarded.replaces})"
            whens["INSERT"] = f"EXISTS (SELECT 1 FROM {table} WHERE {met})"  # noqa: S608 - ours
        for verb, when in whens.items():
            yield table, f"{table}_no_{verb.lower()}", _row_trigger(vendor, table, verb, when)
        if vendor == "postgresql":
            name, action = f"{table}_no_truncate", "EXECUTE FUNCTION approvals_append_only()"
            yield table, name, f"CREATE TRIGGER {name} BEFORE TRUNCATE ON {table} {action}"


def _row_trigger(vendor: str, table: str, verb: str, when: str) -> str:
    condition = f"WHEN ({when})" if when else ""
    action = "EXECUTE FUNCTION approvals_append_only()"
    if vendor == "sqlite":
        words = f"The record is append-only: {verb} of {table} is refused."
        action = f"BEGIN SELECT RAISE(ABORT, '{words}'); END"
    return (
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
        f" FOR EACH ROW {condition} {action}"
    )


def _allowed(guarded: Guarded, columns: list[str], vendor: str) -> str:
    """The condition under which a row may be updated."""
    words = DIALECTS[vendor]
    cases = []
    for changing, when in guarded.changes:
        kept = [
            f"NEW.{name} {words['same']} OLD.{name}" for name in columns if name not in changing
        ]
        cases.append(" AND ".join([*kept, when.format(**words)]))
    return " OR ".join(f"({case})" for case in cases) or "1 = 0"

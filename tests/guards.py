"""Switching the triggers of the record off, which only tests do: to empty tables, to tamper."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.operations import BaseDatabaseOperations


@contextmanager
def unguarded(database: BaseDatabaseWrapper = connection) -> Iterator[None]:
    """Inside the block, a transaction, what is recorded can be changed and deleted."""
    with transaction.atomic(database.alias), database.cursor() as cursor:
        if database.vendor == "sqlite":
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
            off = [f"DROP TRIGGER {name}" for name, _ in triggers]
            on = [sql for _, sql in triggers]
        else:
            cursor.execute(
                "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger"
                " WHERE NOT tgisinternal AND tgfoid::regproc::text = 'approvals_append_only'"
            )
            tables = [name for (name,) in cursor.fetchall()]
            # A table with checks still to come cannot be altered.
            at_once, later = "SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL DEFERRED"
            off = [at_once, *(f"ALTER TABLE {name} DISABLE TRIGGER USER" for name in tables)]
            on = [f"ALTER TABLE {name} ENABLE TRIGGER USER" for name in tables]
            off, on = [*off, later], [at_once, *on, later]
        for statement in off:
            cursor.execute(statement)
        yield
        for statement in on:
            cursor.execute(statement)


def flush_unguarded(operations: BaseDatabaseOperations, sql_list: list[str]) -> None:
    """Django's own way to empty the tables between tests, with the triggers out of the way."""
    with unguarded(operations.connection), operations.connection.cursor() as cursor:
        for statement in sql_list:
            cursor.execute(statement)

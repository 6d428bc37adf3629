"""Very many approvals in little time: copies of one that was made as the product makes them.

The database copies the rows, so a hundred thousand take seconds. Copies have ids, addresses and
times of their own; the digests of their records are those of the first, which nothing here reads.
"""

import uuid
from collections.abc import Iterable
from dataclasses import astuple, dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone

from approvals.google.addresses import CallbackAddress
from approvals.models import Approval, Attempt, Delivery, Event, Execution, SearchText, Vote
from approvals.models.approver import Approver
from approvals.models.callback import Callback
from approvals.models.delivery import lane_of

TABLE = "bench_copies"


@dataclass(frozen=True, slots=True)
class Copy:
    """What one copy has of its own; the order of the fields is that of the columns."""

    url: str
    at: datetime = field(default_factory=timezone.now)
    approval: uuid.UUID = field(default_factory=uuid.uuid4)
    delivery: uuid.UUID = field(default_factory=uuid.uuid4)
    vote: uuid.UUID = field(default_factory=uuid.uuid4)


# Column of `bench_copies` -> the field of which it has the type.
COLUMNS: "dict[str, models.Field[Any, Any]]" = {
    name: model._meta.get_field(column)  # type: ignore[misc]  # columns, no relations
    for name, model, column in (
        ("url", Approval, "callback_url"),
        ("at", Approval, "created_at"),
        ("approval", Approval, "id"),
        ("delivery", Delivery, "id"),
        ("vote", Vote, "id"),
        ("execution", Approval, "execution"),
        ("lane", Delivery, "lane"),
        ("body", Delivery, "body"),
    )
}
# Model -> its columns that differ: a column of `bench_copies`, or an expression.
CHANGED: dict[type[models.Model], dict[str, str]] = {
    Approval: {
        "id": "approval",
        "callback_url": "url",
        "execution": "execution",
        "created_at": "at",
        "changed_at": "at",
        "decided_at": "CASE WHEN t.decided_at IS NULL THEN NULL ELSE c.at END",
    },
    Callback: {"url": "url", "approval_id": "approval", "created_at": "at"},
    Execution: {"name": "execution"},
    Approver: {"approval_id": "approval", "since": "at"},
    Vote: {"id": "vote", "approval_id": "approval", "at": "at"},
    Event: {"approval_id": "approval", "at": "at"},
    Delivery: {
        "id": "delivery",
        "approval_id": "approval",
        "body": "body",
        "lane": "lane",
        "created_at": "at",
        "next_attempt_at": "CASE WHEN t.next_attempt_at IS NULL THEN NULL ELSE c.at END",
    },
    Attempt: {"delivery_id": "delivery"},
    SearchText: {"approval_id": "approval"},
}


def multiply(template: Approval, copies: Iterable[Copy]) -> None:
    """Store copies of all rows of an approval, in one transaction."""
    delivery = Delivery.objects.filter(approval=template).first()
    body, own = (delivery.body, str(delivery.pk)) if delivery else ("", "-")
    rows = []
    for copy in copies:
        execution = CallbackAddress.parse(copy.url).execution_name
        text = body.replace(own, str(copy.delivery)).replace(str(template.pk), str(copy.approval))
        rows.append((*astuple(copy), execution, lane_of(copy.url, execution), text))
    with transaction.atomic(), connection.cursor() as cursor:
        types = ", ".join(f"{name} {of.db_type(connection)}" for name, of in COLUMNS.items())
        cursor.execute(f"CREATE TEMPORARY TABLE {TABLE} ({types})")
        places = ", ".join(["%s"] * len(COLUMNS))
        prepared = [
            [of.get_db_prep_value(one, connection) for of, one in zip(_fields(), row, strict=True)]
            for row in rows
        ]
        cursor.executemany(f"INSERT INTO {TABLE} VALUES ({places})", prepared)  # noqa: S608 - ours
        for model, changed in CHANGED.items():
            rows_of, value = _rows_of(model, template)
            cursor.execute(_insert(model, changed, rows_of), [value])
        cursor.execute(f"DROP TABLE {TABLE}")


def _fields() -> "list[models.Field[Any, Any]]":
    return list(COLUMNS.values())


def _rows_of(model: type[models.Model], template: Approval) -> tuple[str, Any]:
    """Which rows of the template to copy: the condition, and the value in it."""
    pk = Approval._meta.get_field("id").get_db_prep_value(template.pk, connection)
    if model is Approval:
        return "t.id = %s", pk
    if model is Execution:
        return "t.name = %s", template.execution
    if model is Attempt:
        table = Delivery._meta.db_table
        return f"t.delivery_id = (SELECT id FROM {table} WHERE approval_id = %s)", pk  # noqa: S608 - ours
    return "t.approval_id = %s", pk


def _insert(model: type[models.Model], changed: dict[str, str], rows_of: str) -> str:
    """Insert each row of the template once for each copy; numbered keys count on by themselves."""
    table = model._meta.db_table
    columns = [
        each.column
        for each in model._meta.concrete_fields
        if each.column and not isinstance(each, models.AutoField)
    ]
    values = ", ".join(_value(changed.get(column), column) for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    return (
        f"INSERT INTO {table} ({names}) SELECT {values}"  # noqa: S608 - all of it is ours
        f" FROM {table} t CROSS JOIN {TABLE} c WHERE {rows_of}"
    )


def _value(changed: str | None, column: str) -> str:
    if changed is None:
        return f't."{column}"'
    return changed if " " in changed else f"c.{changed}"

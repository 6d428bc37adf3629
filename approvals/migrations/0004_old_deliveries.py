"""Old deliveries know their lane and their trouble.

Apart from the tables, and in small transactions of its own: on a large table this takes minutes,
and processes of the release before, which go on meanwhile, wait for none of it.
"""

from typing import Any
from urllib.parse import urlsplit

from django.db import migrations, transaction

BATCH = 500
# A word of the reason that a row was blocked for -> its trouble.
TROUBLES = (
    ("credentials", "credentials"),
    ("Workflows Invoker", "role"),
    ("Somebody else", "foreign"),
    ("does not know the question", "no_callback"),
    ("may not be sent", "address"),
)
READ = ("lane", "state", "reason", "trouble")
READ_OF_APPROVAL = ("callback_url", "execution", "decided_by")


def lane_of(approval: Any) -> str:
    """As `approvals.models.delivery.lane_of` was when this was written."""
    workflow = approval.execution.partition("/executions/")[0]
    return f"{urlsplit(approval.callback_url).netloc}/{workflow}"[:300]


def trouble_of(delivery: Any) -> str:
    """What is wrong with a row, which only its reason said before."""
    if delivery.state == "missed":
        return "missed" if delivery.approval.decided_by_id else ""
    if delivery.state != "blocked":
        return ""
    return next((name for word, name in TROUBLES if word in delivery.reason), "refused")


def tell_old_rows(apps: Any, schema_editor: Any) -> None:
    """In batches, by id; again does no harm, for who has a lane was told."""
    alias = schema_editor.connection.alias
    deliveries = apps.get_model("approvals", "Delivery").objects.using(alias)
    short = (*READ, "approval", *(f"approval__{name}" for name in READ_OF_APPROVAL))
    old = deliveries.filter(lane="").select_related("approval").only(*short).order_by("pk")
    last = None
    while True:
        rest = old if last is None else old.filter(pk__gt=last)  # what is done is not read again
        with transaction.atomic(using=alias):
            # Held, since a worker of the release before may be about to move one of them.
            rows = list(rest.select_for_update(of=("self",))[:BATCH])
            for row in rows:
                row.lane, row.trouble = lane_of(row.approval), trouble_of(row)
            deliveries.bulk_update(rows, ["lane", "trouble"])
        if not rows:
            return
        last = rows[-1].pk


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("approvals", "0003_delivery_truth"),
    ]

    operations = [
        migrations.RunPython(tell_old_rows, migrations.RunPython.noop),
    ]

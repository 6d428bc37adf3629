"""The facts for the checker: rows of the inbox's database, and of the emulator's data file."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any
from uuid import UUID

from approvals.models import Approval, Attempt, Delivery, Event, Vote
from tests.emulator.data_files import Rows, rows_of
from tests.emulators import LOCATION, NUMBER
from tests.soak.check import Ran, Recorded


def recorded() -> list[Recorded]:
    """All approvals in the database."""
    votes: dict[UUID, list[tuple[str, str]]] = defaultdict(list)
    events: dict[UUID, Counter[str]] = defaultdict(Counter)
    attempts: dict[UUID, list[str]] = defaultdict(list)
    standing = Vote.objects.standing().order_by("at")
    for key, person, outcome in standing.values_list("approval", "user__email", "outcome"):
        votes[key].append((person, outcome))
    for key, kind in Event.objects.values_list("approval", "kind").order_by():
        events[key][kind] += 1
    for key, result in Attempt.objects.order_by("number").values_list("delivery", "result"):
        attempts[key].append(result)
    deliveries = {each.approval_id: each for each in Delivery.objects.all()}
    return [
        Recorded(
            id=str(each.pk),
            execution=each.execution,
            status=each.status,
            votes_needed=each.votes_needed or 1,
            votes=tuple(votes[each.pk]),
            events=events[each.pk],
            **_delivery(deliveries.get(each.pk), attempts),
        )
        for each in Approval.objects.all()
    ]


def _delivery(delivery: Delivery | None, attempts: dict[UUID, list[str]]) -> dict[str, Any]:
    if delivery is None:
        return {}
    return {
        "decision": str(delivery.pk),
        "delivery": delivery.state,
        "reason": delivery.reason,
        "attempts": tuple(attempts[delivery.pk]),
    }


def ran(data: Path) -> tuple[list[Ran], Counter[str], list[str]]:
    """All executions, the faults played on their callbacks, and inbox answers of 500 and such.

    The emulator must not run: it has its file to itself.
    """
    with rows_of(data) as rows:
        received, consumed = defaultdict(list), defaultdict(list)
        faults: Counter[str] = Counter()
        for row in rows("SELECT execution, request, verdict, fault, taken FROM received"):
            if row["fault"]:
                faults[row["fault"]] += 1
            if row["verdict"] not in ("HANDED_OVER", "STORED"):
                continue
            decision = json.loads(row["request"])["http_request"]["body"]["decision_id"]
            received[row["execution"]].append(decision)
            if row["taken"]:
                consumed[row["execution"]].append(decision)
        executions = [
            Ran(
                name=_name(row["workflow"], row["execution"]),
                workflow=row["workflow"],
                state=row["state"],
                result=json.loads(row["result"]) if row["result"] else None,
                received=tuple(received[row["execution"]]),
                consumed=tuple(consumed[row["execution"]]),
            )
            for row in rows("SELECT execution, workflow, state, result FROM executions")
        ]
        return executions, faults, _server_errors(rows)


def _name(workflow: str, execution: str) -> str:
    """As the inbox knows it, by the callback's address."""
    return f"projects/{NUMBER}/locations/{LOCATION}/workflows/{workflow}/executions/{execution}"


def _server_errors(rows: Rows) -> list[str]:
    """Answers to workflows that were the inbox's fault, except for "try again"."""
    found = rows("SELECT execution, value FROM journal WHERE raised AND value LIKE '%HttpError%'")
    replies = [(row["execution"], json.loads(row["value"])) for row in found]
    return [
        f"{execution}: {reply}"[:500]
        for execution, reply in replies
        if int(reply.get("code", 0)) >= 500 and reply["code"] != 503
    ]

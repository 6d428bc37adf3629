"""Approvals as CSV and as JSON, line by line, however many there are."""

import csv
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain, islice
from typing import Any

from django.db.models import Prefetch
from django.http import StreamingHttpResponse
from django.utils import timezone

from approvals.models import Approval, Delivery, Event, Vote
from approvals.models.querysets import ApprovalQuerySet

CHUNK = 500
BOM = "\ufeff"
"""Without it Excel takes UTF-8 for something else. Other programs skip it (`utf-8-sig`)."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a cell begins that a spreadsheet may take for a formula (OWASP, CSV injection)."""
COLUMNS = (
    *("id", "title", "type", "status", "priority", "requested_by", "caller", "execution"),
    *("created_at", "expires_at", "decided_at", "decided_by", "votes", "delivery"),
    *("stored_at", "confirmed_at", "result", "result_message", "result_url", "fields"),
    *("content_sha256", "record_length", "record_head", "removed_at", "url"),
)


class _Line:
    """A file for `csv.writer` that gives the line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def download(approvals: ApprovalQuerySet, kind: str) -> StreamingHttpResponse:
    """The answer that sends these approvals as a file.

    Args:
        kind: `csv` or `json`.
    """
    lines = {"csv": as_csv, "json": as_json}[kind](approvals)
    # The opening and the first row, or the end, are read here: what is wrong by then is an answer
    # of its own. Later it can only cut the file off.
    begun = list(islice(lines, 2))
    types = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
    name = f"approvals-{timezone.now():%Y%m%d-%H%M%S}.{kind}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(chain(begun, lines), content_type=types[kind], headers=headers)


def as_csv(approvals: ApprovalQuerySet) -> Iterator[str]:
    """RFC 4180, times in UTC, a votes column for people to read; no cell is a formula."""
    writer = csv.writer(_Line())
    yield BOM + writer.writerow(COLUMNS)
    for approval in _in_chunks(approvals):
        row = _summary(approval)
        row["votes"] = "; ".join(_said(vote) for vote in approval.votes.all())
        row["fields"] = json.dumps(approval.fields, ensure_ascii=False) if approval.fields else ""
        yield writer.writerow([cell(row[name]) for name in COLUMNS])


def as_json(approvals: ApprovalQuerySet) -> Iterator[str]:
    """One object, `approvals` a list in it: each with what was asked, its votes and its record."""
    opening = {"exported_at": _utc(timezone.now())}
    yield json.dumps(opening)[:-1] + ', "approvals": ['
    between = "\n"
    events = Prefetch("events", Event.objects.order_by("number"))
    for approval in _in_chunks(approvals, events):
        content = {name: value for name, value in approval.content().items() if name != "type"}
        row = content | _summary(approval)
        row["votes"] = [_vote(vote) for vote in approval.votes.all()]
        row["events"] = [_event(event) for event in approval.events.all()]
        yield between + json.dumps(row, ensure_ascii=False)
        between = ",\n"
    yield "\n]}\n"


def _in_chunks(approvals: ApprovalQuerySet, *more: "Prefetch[str]") -> Iterable[Approval]:
    """Queries for each chunk and none for each row; memory for one chunk."""
    votes = Vote.objects.select_related("user", "principal").order_by("at")
    rows = approvals.select_related("caller", "decided_by", "policy", "delivery")
    rows = rows.prefetch_related(Prefetch("votes", votes), *more)
    return rows.order_by("-created_at", "-pk").iterator(CHUNK)


def _summary(approval: Approval) -> dict[str, Any]:
    delivery: Delivery | None = getattr(approval, "delivery", None)
    return {
        "id": str(approval.pk),
        "title": approval.title,
        "type": approval.content()["type"],
        "status": approval.status,
        "priority": approval.priority,
        "requested_by": approval.requested_by,
        "caller": approval.caller.name,
        "execution": approval.execution,
        "created_at": _utc(approval.created_at),
        "expires_at": _utc(approval.expires_at),
        "decided_at": _utc(approval.decided_at),
        "decided_by": approval.decided_by.email if approval.decided_by else "",
        "delivery": delivery.state if delivery else "",
        "stored_at": _utc(delivery.stored_at if delivery else None),
        "confirmed_at": _utc(delivery.confirmed_at if delivery else None),
        "result": approval.result,
        "result_message": approval.result_message,
        "result_url": approval.result_url,
        "content_sha256": approval.content_sha256,
        "record_length": approval.record_length,
        "record_head": approval.record_head,
        "removed_at": _utc(approval.removed_at),
        "url": approval.url,
    }


def _vote(vote: Vote) -> dict[str, Any]:
    return vote.given() | {
        "content_sha256": vote.content_sha256,
        "at": _utc(vote.at),
        "taken_back_at": _utc(vote.taken_back_at),
    }


def _event(event: Event) -> dict[str, Any]:
    names = ("number", "kind", "actor", "old_status", "new_status", "client", "request", "data")
    digests = ("data_sha256", "previous_sha256", "sha256")
    return {"at": _utc(event.at)} | {name: getattr(event, name) for name in (*names, *digests)}


def _said(vote: Vote) -> str:
    behalf = f" for {vote.behalf}" if vote.behalf else ""
    back = ", taken back" if vote.taken_back_at else ""
    return f"{vote.user.email}{behalf}: {vote.outcome}, {_utc(vote.at)}{back}"


def _utc(at: datetime | None) -> str:
    """ISO 8601 in UTC, to the second; empty for none."""
    return f"{at.astimezone(timezone.get_fixed_timezone(0)):%Y-%m-%dT%H:%M:%SZ}" if at else ""


def cell(value: Any) -> str:
    """The text of a cell, with an apostrophe before what a spreadsheet would work out."""
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text

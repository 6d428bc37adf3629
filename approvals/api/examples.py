"""One request and its answers for each call, as the OpenAPI document shows them."""

from dataclasses import dataclass
from typing import Any

PROGRAMS, PEOPLE = "for programs", "for people"


@dataclass(frozen=True, slots=True)
class Examples:
    """What is sent, and what may come back by name; `request` is None where there is no body."""

    summary: str
    answers: dict[str, Any]
    request: dict[str, Any] | None = None
    tag: str = PROGRAMS


ID = "5170a31e-2b56-4b04-b27d-160f0aaabd17"
PAGE = f"https://approvals.example.com/approvals/{ID}/"
EXECUTION = (
    "projects/123456789012/locations/us-central1/workflows/pay"
    "/executions/56dd3f78-7dd3-42d2-9dfe-c32201ab9d98"
)
CALLBACK = (
    f"https://workflowexecutions.googleapis.com/v1/{EXECUTION}/callbacks"
    "/b63dc3ad-67eb-48a2-ae98-318273bef159_dad88141-550a-4c64-8233-f91ca222e912"
)
DIGEST = "6b64a3c704363a1fef3aa25aeeb895adefb485d3a052cea07e5b03348d0ead67"
AT = "2026-01-31T09:12:44.321Z"
FACTS = [{"label": "Payee", "value": "ACME"}, {"label": "Amount", "value": 12400}]
LINKS = [{"label": "Invoice 4711", "url": "https://invoices.example.com/4711"}]
OPTIONS = [
    {"value": "approved", "label": "Approve", "consequence": "The payment goes out at once"},
    {"value": "rejected", "label": "Reject", "consequence": "Eva is told why"},
]
FORM = {
    "type": "object",
    "properties": {"cost_centre": {"type": "string", "title": "Cost centre", "maxLength": 10}},
    "required": ["cost_centre"],
}
REQUEST = {
    "title": "Pay ACME 12,400 EUR",
    "callback_url": CALLBACK,
    "summary": "Invoice 4711 is **due on Friday**.",
    "fields": FACTS,
    "links": LINKS,
    "requested_by": "eva@example.com",
    "approvers": ["group:finance"],
    "options": OPTIONS,
    "comment": "on_reject",
    "form": FORM,
    "prefill": {"cost_centre": "4100"},
    "expires_in": 86400,
}
ASKED = {"approver": "group:finance", "name": "finance", "why": "Named in the request"}
STAGE = {
    "number": 1,
    "name": "",
    "state": "open",
    "votes_needed": 1,
    "votes_cast": 0,
    "approvers": [ASKED],
}
APPROVAL = {
    "id": ID,
    "status": "pending",
    "url": PAGE,
    "title": "Pay ACME 12,400 EUR",
    "type": "",
    "type_version": None,
    "requested_by": "eva@example.com",
    "approvers": ["group:finance"],
    "stage": 1,
    "stages": [STAGE],
    "votes": [],
    "form": FORM,
    "prefill": {"cost_centre": "4100"},
    "escalations": [],
    "supersedes": None,
    "superseded_by": None,
    "revision": 1,
    "content_sha256": DIGEST,
    "execution": EXECUTION,
    "callback_url": CALLBACK,
    "created_at": "2026-01-30T16:04:00.295Z",
    "expires_at": "2026-01-31T15:35:12.295Z",
    "decided_at": None,
    "decided_by": None,
    "delivery": None,
}
VOTE = {
    "email": "ana@example.com",
    "on_behalf_of": None,
    "outcome": "approved",
    "comment": "Within budget.",
    "at": AT,
}
CAST = {**VOTE, "stage": 1, "form": {"cost_centre": "4200"}}
OUTCOME = {
    "approval_id": ID,
    "decision_id": "d44594ce-70b0-4085-9681-ca41533c0508",
    "outcome": "approved",
    "decided_at": AT,
    "decided_by": {"email": "ana@example.com", "name": "Ana Almeida", "on_behalf_of": None},
    "comment": "Within budget.",
    "form": {"cost_centre": "4200"},
    "votes": [VOTE],
    "content_sha256": DIGEST,
    "url": PAGE,
}
DECIDED = {
    **APPROVAL,
    "status": "approved",
    "stages": [{**STAGE, "state": "done", "votes_cast": 1}],
    "votes": [CAST],
    "decided_at": AT,
    "decided_by": {"email": "ana@example.com", "name": "Ana Almeida"},
    "delivery": "confirmed",
}
WITHDRAWN = {**APPROVAL, "status": "withdrawn", "decided_at": AT, "delivery": "stored"}
PENDING = {"approval_id": ID, "outcome": "pending"}
NOWHERE = "00000000-0000-0000-0000-000000000000"
PLANNED = {
    **OUTCOME,
    "approval_id": NOWHERE,
    "decision_id": NOWHERE,
    "comment": "",
    "form": {"cost_centre": "4100"},
    "votes": [{**VOTE, "comment": ""}],
    "url": f"https://approvals.example.com/approvals/{NOWHERE}/",
}
CHECK = {
    "type": "",
    "type_version": None,
    "stages": [
        {
            "number": 1,
            "name": "",
            "votes_needed": 1,
            "people": 3,
            "approvers": [{**ASKED, "people": 3, "excluded": "eva@example.com", "invited": False}],
        }
    ],
    "options": OPTIONS,
    "comment": "on_reject",
    "form": FORM,
    "prefill": {"cost_centre": "4100"},
    "priority": "normal",
    "undo": 0,
    "expires_at": "2026-01-31T15:35:12.295Z",
    "on_expiry": "expired",
    "reminders": [],
    "escalations": [],
    "supersedes": None,
    "registered": None,
    "warnings": [],
    "content_sha256": DIGEST,
    "callback_bodies": [PLANNED],
}
BALLOT = {
    "approval_id": ID,
    "url": PAGE,
    "status": "pending",
    "title": "Pay ACME 12,400 EUR",
    "type": "",
    "summary": "Invoice 4711 is **due on Friday**.",
    "fields": FACTS,
    "links": LINKS,
    "requested_by": "eva@example.com",
    "options": OPTIONS,
    "comment": "on_reject",
    "form": FORM,
    "prefill": {"cost_centre": "4100"},
    "revision": 1,
    "content_sha256": DIGEST,
    "expires_at": "2026-01-31T15:35:12.295Z",
    "stages": [STAGE],
    "may_vote": True,
    "on_behalf_of": None,
    "your_vote": None,
    "take_back_until": None,
}
WAITING = {
    **{name: BALLOT[name] for name in ("approval_id", "url", "title", "type", "requested_by")},
    "priority": "normal",
    "revision": 1,
    "created_at": AT,
    "expires_at": BALLOT["expires_at"],
}
ANSWERED = {
    **BALLOT,
    "status": "approved",
    "stages": DECIDED["stages"],
    "may_vote": False,
    "your_vote": CAST,
}
ANSWER = {
    "outcome": "approved",
    "comment": "Within budget.",
    "form": {"cost_centre": "4200"},
    "revision": 1,
}
REPORT = {
    "status": "succeeded",
    "message": "Paid 12,400.00 EUR",
    "url": "https://bank.example.com/transfers/815",
}

EXAMPLES = {
    "register": Examples("Register a question", {"registered": APPROVAL}, REQUEST),
    "check": Examples("See what registering would do", {"plan": CHECK}, REQUEST),
    "list": Examples("List", {"page": {"approvals": [APPROVAL], "next_cursor": None}}),
    "read": Examples("Read one", {"approval": APPROVAL}),
    "settle": Examples("Settle", {"decided": OUTCOME, "undecided": PENDING}, {"reason": "woken"}),
    "withdraw": Examples(
        "Withdraw", {"withdrawn": WITHDRAWN}, {"reason": "The order was cancelled."}
    ),
    "report": Examples("Report what became of it", {"approval": DECIDED}, REPORT),
    "waiting": Examples(
        "List what waits for you",
        {"page": {"approvals": [WAITING], "next_cursor": None}},
        tag=PEOPLE,
    ),
    "ballot": Examples("Read what to answer", {"open": BALLOT}, tag=PEOPLE),
    "vote": Examples("Answer", {"answered": ANSWERED}, ANSWER, tag=PEOPLE),
    "take back": Examples("Take an answer back", {"open": BALLOT}, tag=PEOPLE),
}

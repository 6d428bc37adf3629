"""The record of an approval as sentences, oldest first."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from approvals.models import Approval, Event
from approvals.models.content import OUTCOME_LABELS
from approvals.people import Names, called

Kind = Event.Kind
# What a person did, for the outcomes that every approval may have.
DID = {"approved": "approved it", "rejected": "rejected it", "changes_requested": "sent it back"}
# Lines that are the same whoever acts; the event's reason stands below them.
SAYINGS = {
    Kind.REARMED: "The workflow asked again; the question stays the same",
    Kind.WITHDRAWN: "The workflow withdrew the request",
    Kind.STORED: "Google has the answer",
    Kind.CONFIRMED: "The workflow has the answer",
    Kind.BLOCKED: "The delivery needs attention",
    Kind.MISSED: "The workflow had ended already",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One entry: what happened, when, in whose words, and whether somebody must act."""

    at: datetime
    text: str
    quote: str = ""
    note: str = ""
    url: str = ""
    trouble: bool = False


def lines(approval: Approval, events: Iterable[Event], names: Names) -> list[Line]:
    """A line for each event; `names` are those of the people in it."""
    return [_line(approval, event, names) for event in events]


def _line(approval: Approval, event: Event, names: Names) -> Line:
    match event.kind:
        case Kind.REGISTERED:
            return _asked(approval, event, names)
        case Kind.DECIDED:
            outcome = event.data["outcome"]
            did = DID.get(outcome) or f"answered “{_label(approval, outcome)}”"
            who = called(event.actor, names)
            return Line(event.at, f"{who} {did}", quote=event.data.get("comment", ""))
        case Kind.EXPIRED:
            label = _label(approval, event.data["outcome"])
            text = f"Nobody answered in time; closed as “{label}”"
            return Line(event.at, text, note=event.data.get("reason", ""))
        case Kind.REQUEUED:
            who = called(event.actor, names)
            return Line(event.at, f"{who} asked to deliver the answer again")
        case Kind.OUTCOME:
            return _reported(event)
    lost = event.kind == Kind.MISSED and approval.decided_by_id is not None
    text = SAYINGS.get(Kind(event.kind), event.get_kind_display())
    trouble = lost or event.kind == Kind.BLOCKED
    return Line(event.at, text, note=event.data.get("reason", ""), trouble=trouble)


def _asked(approval: Approval, event: Event, names: Names) -> Line:
    asker, through = approval.requested_by, called(event.actor, names)
    asked = ", ".join(called(name, names) for name in event.data.get("approvers", ()))
    by = f"{names.get(asker.lower(), asker)} asked, through {through}"
    text = by if asker else f"{through} asked"
    return Line(event.at, text, note=f"Asked: {asked}" if asked else "")


def _reported(event: Event) -> Line:
    failed = event.data.get("result") == Approval.Result.FAILED
    return Line(
        event.at,
        f"The workflow reported: {'it failed' if failed else 'done'}",
        quote=event.data.get("result_message", ""),
        url=event.data.get("result_url", ""),
        trouble=failed,
    )


def _label(approval: Approval, outcome: str) -> str:
    declared = {option["value"]: option["label"] for option in approval.options}
    return OUTCOME_LABELS.get(outcome) or declared.get(outcome, outcome)

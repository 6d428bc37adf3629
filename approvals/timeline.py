"""The record of an approval as sentences, oldest first."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from approvals.fields import Filled, filled
from approvals.filling import beginnings
from approvals.models import Approval, Event
from approvals.models.content import OUTCOME_LABELS
from approvals.models.record import REMOVED
from approvals.people import Names, address_of, called

Kind = Event.Kind
# What a person did, for the outcomes that every approval may have, unless its author has words.
DID = {"approved": "approved it", "rejected": "rejected it", "changes_requested": "sent it back"}
# Lines that are the same whoever acts; the event's reason stands below them.
SAYINGS = {
    Kind.REARMED: "The workflow asked again; the question stays the same",
    Kind.STORED: "Google has the answer",
    Kind.CONFIRMED: "The workflow has the answer",
    Kind.BLOCKED: "The delivery needs attention",
    Kind.MISSED: "The workflow had ended already",
}
TOLD = "The operators were told."
# What an execution came to, as Google names it.
ENDS = {
    "SUCCEEDED": "The workflow finished",
    "FAILED": "The workflow failed",
    "CANCELLED": "The workflow was cancelled",
    "GONE": "Google does not know the workflow's execution any more",
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
    filled: tuple[Filled, ...] = ()


def lines(
    approval: Approval, events: Iterable[Event], names: Names, *, operator: bool = False
) -> list[Line]:
    """A line for each event; `names` are those of the people in it.

    What has to be mended, and by whom, is for operators.
    """
    events = list(events)
    began = beginnings(approval, events)
    return [
        replace(
            line if operator or event.kind != Kind.BLOCKED else replace(line, note=TOLD),
            filled=_filled(approval, event, began.get(event.number)),
        )
        for event, line in ((event, _line(approval, event, names)) for event in events)
    ]


def _filled(approval: Approval, event: Event, began: dict[str, Any] | None) -> tuple[Filled, ...]:
    """What came with an answer, against what its form began with."""
    if began is None:
        return ()
    return tuple(filled(approval.form, began, event.data.get("form", {})))


def _line(approval: Approval, event: Event, names: Names) -> Line:
    if event.data == REMOVED:
        return Line(event.at, event.get_kind_display(), note="What was said was removed since.")
    tell = TELLERS.get(Kind(event.kind))
    if tell is not None:
        return tell(approval, event, names)
    lost = event.kind == Kind.MISSED and approval.decided_by_id is not None
    text = SAYINGS.get(Kind(event.kind), event.get_kind_display())
    trouble = lost or event.kind == Kind.BLOCKED
    return Line(event.at, text, note=event.data.get("reason", ""), trouble=trouble)


def _asked(approval: Approval, event: Event, names: Names) -> Line:
    asker, through = approval.requested_by, called(event.actor, names)
    asked = ", ".join(called(each["name"], names) for each in event.data.get("approvers", ()))
    by = f"{names.get(asker.lower(), asker)} asked, through {through}"
    text = by if asker else f"{through} asked"
    return Line(event.at, text, note=f"Asked: {asked}" if asked else "")


def _voted(approval: Approval, event: Event, names: Names) -> Line:
    outcome = event.data["outcome"]
    label = approval.label_of(outcome)
    usual = label == OUTCOME_LABELS.get(outcome)
    did = DID[outcome] if usual and outcome in DID else f"answered “{label}”"
    who = called(event.actor, names)
    if principal := event.data.get("on_behalf_of"):
        who = f"{who}, for {names.get(principal, principal)},"
    return Line(event.at, f"{who} {did}", quote=event.data.get("comment", ""))


def _handed_over(_approval: Approval, event: Event, names: Names) -> Line:
    to = names.get(event.data["to"], event.data["to"])
    who = called(event.actor, names)
    text = f"{who} handed it over to {to}"
    if event.data["from"] != who:
        text = f"{who} gave it to {to} in place of {event.data['from']}"
    return Line(event.at, text, quote=event.data.get("reason", ""))


def _reported(_approval: Approval, event: Event, _names: Names) -> Line:
    failed = event.data.get("result") == Approval.Result.FAILED
    return Line(
        event.at,
        f"The workflow reported: {'it failed' if failed else 'done'}",
        quote=event.data.get("result_message", ""),
        url=event.data.get("result_url", ""),
        trouble=failed,
    )


def _decided(approval: Approval, event: Event, _names: Names) -> Line:
    return Line(event.at, f"Decided: {approval.label_of(event.data['outcome'])}")


def _expired(approval: Approval, event: Event, _names: Names) -> Line:
    text = f"Nobody answered in time; closed as “{approval.label_of(event.data['outcome'])}”"
    return Line(event.at, text, note=event.data.get("reason", ""))


def _withdrawn(_approval: Approval, event: Event, names: Names) -> Line:
    """By its workflow or by an operator, or because its workflow has ended."""
    if event.actor == "system":
        return Line(event.at, "Closed without an answer", note=event.data.get("reason", ""))
    by_person = address_of(event.actor)
    who = called(event.actor, names) if by_person else "The workflow"
    return Line(event.at, f"{who} withdrew the request", note=event.data.get("reason", ""))


def _ended(_approval: Approval, event: Event, _names: Names) -> Line:
    state = event.data.get("state", "")
    return Line(event.at, ENDS.get(state, "The workflow ended"), trouble=state == "FAILED")


def _taken_back(_approval: Approval, event: Event, names: Names) -> Line:
    return Line(event.at, f"{called(event.actor, names)} took the answer back")


def _next_stage(_approval: Approval, event: Event, _names: Names) -> Line:
    return Line(
        event.at, f"Agreed; next: {event.data['name'] or 'stage ' + str(event.data['stage'])}"
    )


def _reminded(_approval: Approval, event: Event, _names: Names) -> Line:
    return Line(event.at, f"Reminded, {event.data['after']} after asking")


def _escalated(_approval: Approval, event: Event, names: Names) -> Line:
    to = called(event.data["to"], names)
    after = event.data["after"]
    if failed := event.data.get("failed"):
        return Line(event.at, f"{to} could not be asked as well", note=failed, trouble=True)
    return Line(event.at, f"{to} was asked as well, as nobody had answered after {after}")


def _said(_approval: Approval, event: Event, names: Names) -> Line:
    verb = "asked" if event.kind == Kind.QUESTION else "answered"
    return Line(event.at, f"{called(event.actor, names)} {verb}", quote=event.data["text"])


def _requeued(_approval: Approval, event: Event, names: Names) -> Line:
    return Line(event.at, f"{called(event.actor, names)} asked to deliver the answer again")


def _attended(_approval: Approval, event: Event, names: Names) -> Line:
    """An operator looked, and says why nobody else need."""
    who = called(event.actor, names)
    if to := event.data.get("to"):
        text = f"{who} gave up telling {names.get(to, to)}"
    else:
        text = f"{who} put the trouble of the delivery aside"
    return Line(event.at, text, quote=event.data.get("reason", ""))


TELLERS: dict[Kind, Callable[[Approval, Event, Names], Line]] = {
    Kind.REGISTERED: _asked,
    Kind.VOTED: _voted,
    Kind.TAKEN_BACK: _taken_back,
    Kind.STAGE: _next_stage,
    Kind.DECIDED: _decided,
    Kind.EXPIRED: _expired,
    Kind.WITHDRAWN: _withdrawn,
    Kind.REMINDED: _reminded,
    Kind.ESCALATED: _escalated,
    Kind.HANDED_OVER: _handed_over,
    Kind.QUESTION: _said,
    Kind.ANSWER: _said,
    Kind.REQUEUED: _requeued,
    Kind.ENDED: _ended,
    Kind.ATTENDED: _attended,
    Kind.OUTCOME: _reported,
}

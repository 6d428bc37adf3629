"""The record of an approval and the notices of it as sentences, oldest first."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import merge
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from approvals.fields import Filled, filled
from approvals.filling import beginnings
from approvals.models import Approval, Event, Notice
from approvals.models.content import OUTCOME_LABELS
from approvals.models.notice import NoticeState
from approvals.models.record import REMOVED
from approvals.people import Names, address_of, called
from approvals.retold import length_retold, retold

Kind = Event.Kind
# What a person did, for the outcomes that every approval may have, unless its author has words.
DID = {
    "approved": _("%(who)s approved it"),
    "rejected": _("%(who)s rejected it"),
    "changes_requested": _("%(who)s sent it back"),
}
# Lines that are the same whoever acts; the event's reason stands below them.
SAYINGS = {
    Kind.REARMED: _("The workflow asked again; the question stays the same"),
    Kind.STORED: _("Google has the answer"),
    Kind.CONFIRMED: _("The workflow has the answer"),
    Kind.BLOCKED: _("The delivery needs attention"),
    Kind.MISSED: _("The workflow had ended already"),
}
TOLD = _("The operators were told.")
# What an execution came to, as Google names it.
ENDS = {
    "SUCCEEDED": _("The workflow finished"),
    "FAILED": _("The workflow failed"),
    "CANCELLED": _("The workflow was cancelled"),
    "GONE": _("Google does not know the workflow's execution any more"),
}
# What people do themselves, and what their answers come to; the rest is the workflow's and ours.
BY_PEOPLE = frozenset(
    {
        *(Kind.VOTED, Kind.TAKEN_BACK, Kind.STAGE, Kind.DECIDED, Kind.HANDED_OVER),
        *(Kind.QUESTION, Kind.ANSWER, Kind.REQUEUED, Kind.ATTENDED),
    }
)
# How notices are told of, by how far they have come; those that were no news any more are not.
NEWS = {
    NoticeState.SENT: _("Told: %(who)s"),
    NoticeState.QUEUED: _("About to be told: %(who)s"),
    NoticeState.SENDING: _("About to be told: %(who)s"),
    NoticeState.FAILED: _("Could not be told: %(who)s"),
}
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One entry: what happened, when, in whose words, and whether somebody must act.

    `people`: a person did it, and not the workflow or this inbox.
    """

    at: datetime
    text: str
    quote: str = ""
    note: str = ""
    url: str = ""
    trouble: bool = False
    filled: tuple[Filled, ...] = ()
    people: bool = False


def lines(
    approval: Approval,
    events: Iterable[Event],
    names: Names,
    *,
    operator: bool = False,
    notices: Iterable[Notice] = (),
) -> list[Line]:
    """A line for each event; `names` are those of the people in it.

    What has to be mended, and by whom, is for operators. With `notices`, who was told stands
    among the events.
    """
    events = list(events)
    began = beginnings(approval, events)
    found = [
        replace(
            line if operator or event.kind != Kind.BLOCKED else replace(line, note=str(TOLD)),
            filled=_filled(approval, event, began.get(event.number)),
            people=line.people or _by_people(event),
        )
        for event, line in ((event, _line(approval, event, names)) for event in events)
    ]
    # The record keeps its own order, whatever clocks say.
    return list(merge(found, told(notices), key=lambda line: line.at))


def told(notices: Iterable[Notice]) -> list[Line]:
    """A line for the notices of one event that have come equally far, oldest first."""
    groups: dict[tuple[int, str], list[Notice]] = {}
    for notice in notices:
        if NoticeState(notice.state) in NEWS:
            said = str(NEWS[NoticeState(notice.state)])
            groups.setdefault((notice.event_id, said), []).append(notice)
    found = [_told(said, group) for (_event, said), group in groups.items()]
    return sorted(found, key=lambda line: line.at)


def _told(said: str, notices: Sequence[Notice]) -> Line:
    who = [notice.recipient for notice in notices]
    named = ", ".join(who[:MOST_NAMED])
    if len(who) > MOST_NAMED:
        more = gettext("%(who)s and %(count)d more")
        named = more % {"who": named, "count": len(who) - MOST_NAMED}
    failed = notices[0].state == NoticeState.FAILED
    matter = str(notices[0].get_matter_display())
    reasons = dict.fromkeys(retold(notice.reason) for notice in notices if failed and notice.reason)
    return Line(
        max(notice.sent_at or notice.created_at for notice in notices),
        said % {"who": named},
        note=": ".join((matter, *reasons)),
        trouble=failed,
    )


def _by_people(event: Event) -> bool:
    by_person = event.kind == Kind.WITHDRAWN and bool(address_of(event.actor))
    return by_person or event.kind in BY_PEOPLE


def _filled(approval: Approval, event: Event, began: dict[str, Any] | None) -> tuple[Filled, ...]:
    """What came with an answer, against what its form began with."""
    if began is None:
        return ()
    return tuple(filled(approval.form, began, event.data.get("form", {})))


def _line(approval: Approval, event: Event, names: Names) -> Line:
    if event.data == REMOVED:
        gone = gettext("What was said has since been removed.")
        return Line(event.at, event.get_kind_display(), note=gone)
    tell = TELLERS.get(Kind(event.kind))
    if tell is not None:
        return tell(approval, event, names)
    text = str(SAYINGS.get(Kind(event.kind), event.get_kind_display()))
    if event.kind == Kind.MISSED and approval.decided_by_id is None:
        return Line(event.at, text)  # there was no answer that could have missed it
    trouble = event.kind in (Kind.MISSED, Kind.BLOCKED)
    return Line(event.at, text, note=retold(event.data.get("reason", "")), trouble=trouble)


def _asked(approval: Approval, event: Event, names: Names) -> Line:
    asker, through = approval.requested_by, called(event.actor, names)
    asked = ", ".join(called(each["name"], names) for each in event.data.get("approvers", ()))
    words = {"who": names.get(asker.lower(), asker), "through": through, "asked": asked}
    text = gettext("%(who)s asked, through %(through)s") if asker else gettext("%(through)s asked")
    note = gettext("Asked: %(asked)s") % words if asked else ""
    return Line(event.at, text % words, note=note, people=bool(asker))


def _voted(approval: Approval, event: Event, names: Names) -> Line:
    outcome = event.data["outcome"]
    label = approval.label_of(outcome)
    usual = label == str(OUTCOME_LABELS.get(outcome))
    did = DID[outcome] if usual and outcome in DID else gettext("%(who)s answered “%(label)s”")
    who = called(event.actor, names)
    if principal := event.data.get("on_behalf_of"):
        whose = {"who": who, "whom": names.get(principal, principal)}
        who = gettext("%(who)s, for %(whom)s,") % whose
    return Line(event.at, did % {"who": who, "label": label}, quote=event.data.get("comment", ""))


def _handed_over(_approval: Approval, event: Event, names: Names) -> Line:
    words = {
        "who": called(event.actor, names),
        "to": names.get(event.data["to"], event.data["to"]),
        "whose": event.data["from"],
    }
    text = gettext("%(who)s handed it over to %(to)s")
    if words["whose"] != words["who"]:
        text = gettext("%(who)s gave it to %(to)s in place of %(whose)s")
    return Line(event.at, text % words, quote=event.data.get("reason", ""))


def reported(*, failed: bool) -> str:
    """What the workflow said that it did with the answer, in words."""
    if failed:
        return gettext("The workflow reported: it failed")
    return gettext("The workflow reported: done")


def _reported(_approval: Approval, event: Event, _names: Names) -> Line:
    failed = event.data.get("result") == Approval.Result.FAILED
    return Line(
        event.at,
        reported(failed=failed),
        quote=event.data.get("result_message", ""),
        url=event.data.get("result_url", ""),
        trouble=failed,
    )


def _decided(approval: Approval, event: Event, _names: Names) -> Line:
    words = {"outcome": approval.label_of(event.data["outcome"])}
    return Line(event.at, gettext("Decided: %(outcome)s") % words)


def _expired(approval: Approval, event: Event, _names: Names) -> Line:
    words = {"outcome": approval.label_of(event.data["outcome"])}
    text = gettext("Nobody answered in time; closed as “%(outcome)s”") % words
    return Line(event.at, text, note=retold(event.data.get("reason", "")))


def _withdrawn(_approval: Approval, event: Event, names: Names) -> Line:
    """By its workflow or by an operator, or because its workflow has ended."""
    if event.actor == "system":
        text = gettext("Closed without an answer")
        return Line(event.at, text, note=retold(event.data.get("reason", "")))
    by_person = address_of(event.actor)
    who = called(event.actor, names) if by_person else gettext("The workflow")
    text = gettext("%(who)s withdrew the request") % {"who": who}
    return Line(event.at, text, note=retold(event.data.get("reason", "")))


def _ended(_approval: Approval, event: Event, _names: Names) -> Line:
    state = event.data.get("state", "")
    text = str(ENDS.get(state, _("The workflow ended")))
    return Line(event.at, text, trouble=state == "FAILED")


def _taken_back(_approval: Approval, event: Event, names: Names) -> Line:
    words = {"who": called(event.actor, names)}
    return Line(event.at, gettext("%(who)s took the answer back") % words)


def _next_stage(_approval: Approval, event: Event, _names: Names) -> Line:
    name = event.data["name"] or gettext("stage %(number)s") % {"number": event.data["stage"]}
    return Line(event.at, gettext("Agreed; next: %(stage)s") % {"stage": name})


def _after(event: Event) -> dict[str, str]:
    return {"after": length_retold(event.data["after"])}


def _reminded(_approval: Approval, event: Event, _names: Names) -> Line:
    return Line(event.at, gettext("Reminded, %(after)s after asking") % _after(event))


def _escalated(_approval: Approval, event: Event, names: Names) -> Line:
    words = {"to": called(event.data["to"], names), **_after(event)}
    if failed := event.data.get("failed"):
        text = gettext("%(to)s could not be asked as well")
        return Line(event.at, text % words, note=retold(failed), trouble=True)
    text = gettext("%(to)s was asked as well, as it was not decided after %(after)s")
    return Line(event.at, text % words)


def _said(_approval: Approval, event: Event, names: Names) -> Line:
    asked = event.kind == Kind.QUESTION
    text = gettext("%(who)s asked") if asked else gettext("%(who)s answered")
    return Line(event.at, text % {"who": called(event.actor, names)}, quote=event.data["text"])


def _requeued(_approval: Approval, event: Event, names: Names) -> Line:
    words = {"who": called(event.actor, names)}
    return Line(event.at, gettext("%(who)s asked to deliver the answer again") % words)


def _attended(_approval: Approval, event: Event, names: Names) -> Line:
    """An operator looked, and says why nobody else need."""
    to = event.data.get("to", "")
    words = {"who": called(event.actor, names), "to": names.get(to, to)}
    if to:
        text = gettext("%(who)s gave up telling %(to)s")
    else:
        text = gettext("%(who)s put the delivery problem aside")
    return Line(event.at, text % words, quote=event.data.get("reason", ""))


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

"""What a form begins with for each who answers: what was filled in last, and who changed what."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext

from approvals.fields import beginning, filled
from approvals.models import Approval, Event, Vote


@dataclass(frozen=True, slots=True)
class ChangedBy:
    """One field that an answer has changed; None stands for no value."""

    who: str
    label: str
    before: Any
    now: Any


def begins_with(approval: Approval, votes: Sequence[Vote]) -> dict[str, Any]:
    """The values that the form begins with after these answers.

    Those of the last answer that came with any, so that nothing that an earlier stage has filled
    in is lost; without one, those of the request before the schema's defaults.
    """
    return _after(approval, [vote.form for vote in votes])


def changed_by(approval: Approval, votes: Sequence[Vote]) -> list[ChangedBy]:
    """What these answers have changed in the form, in order, each against the one before it."""
    found: list[ChangedBy] = []
    for number, vote in enumerate(votes):
        who = str(vote.user)
        if vote.on_behalf_of:
            who = gettext("%(who)s, for %(whom)s,") % {"who": who, "whom": vote.on_behalf_of}
        began = begins_with(approval, votes[:number])
        found += [
            ChangedBy(who, each.label, each.before, each.value)
            for each in filled(approval.form, began, vote.form)
            if each.before != each.value and (each.before, each.value) != (None, False)
        ]
    return found


def beginnings(approval: Approval, events: Iterable[Event]) -> dict[int, dict[str, Any]]:
    """For each line of the record that is an answer, by its number: what its form began with."""
    found: dict[int, dict[str, Any]] = {}
    standing: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.kind == Event.Kind.VOTED:
            found[event.number] = _after(approval, list(standing.values()))
            standing[event.data.get("vote", "")] = event.data.get("form", {})
        elif event.kind == Event.Kind.TAKEN_BACK:
            standing.pop(event.data.get("vote", ""), None)
    return found


def _after(approval: Approval, forms: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if approval.form is None:
        return {}
    last = next((form for form in reversed(forms) if form), None)
    return beginning(approval.form, approval.prefill) if last is None else last

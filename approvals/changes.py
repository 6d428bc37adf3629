"""What a request says differently from the one it replaces, apart from its facts."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext

from approvals.models import Approval

NOTHING = object()
"""Where something stood in only one of the two."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs. `kind`: changed, added or removed."""

    label: str
    before: Any
    now: Any
    kind: str = "changed"


def changes(old: Approval, new: Approval) -> list[Change]:
    """What differs in the words that approvers read; the facts say it in their own table."""
    found = []
    for label, name in ((gettext("Title"), "title"), (gettext("Text"), "summary")):
        before, now = getattr(old, name), getattr(new, name)
        if before != now:
            found.append(_change(label, before or NOTHING, now or NOTHING))
    before, now = (_links(each) for each in (old, new))
    if before != now:
        found.append(_change(gettext("Links"), before or NOTHING, now or NOTHING))
    return found


def _links(approval: Approval) -> str:
    """Where they lead, one in a line."""
    return "\n".join(f"{link['label']}: {link['url']}" for link in approval.links)


def _change(label: str, before: Any, now: Any) -> Change:
    if before is NOTHING:
        return Change(label, None, now, "added")
    if now is NOTHING:
        return Change(label, before, None, "removed")
    return Change(label, before, now)

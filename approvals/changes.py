"""What a request says differently from the one it replaces."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from approvals.models import Approval

NOTHING = object()
"""Where a fact stood in only one of the two."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs. `kind`: changed, added or removed."""

    label: str
    before: Any
    now: Any
    kind: str = "changed"


def changes(old: Approval, new: Approval) -> list[Change]:
    """What differs in the words and facts that approvers read, in reading order."""
    return [*_words(old, new), *_facts(old, new)]


def _words(old: Approval, new: Approval) -> Iterator[Change]:
    for label, name in (("Title", "title"), ("Text", "summary")):
        before, now = getattr(old, name), getattr(new, name)
        if before != now:
            yield _change(label, before or NOTHING, now or NOTHING)
    links = [[f"{link['label']}: {link['url']}" for link in each.links] for each in (old, new)]
    if links[0] != links[1]:
        yield _change("Links", links[0] or NOTHING, links[1] or NOTHING)


def _facts(old: Approval, new: Approval) -> Iterator[Change]:
    before, now = dict(old.fields), dict(new.fields)
    for label in dict.fromkeys([*now, *before]):
        pair = before.get(label, NOTHING), now.get(label, NOTHING)
        if pair[0] != pair[1]:
            yield _change(label, *pair)


def _change(label: str, before: Any, now: Any) -> Change:
    if before is NOTHING:
        return Change(label, None, now, "added")
    if now is NOTHING:
        return Change(label, before, None, "removed")
    return Change(label, before, now)

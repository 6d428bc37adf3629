"""What a version of a type says, and what one changed, for people."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from approvals.durations import in_words
from approvals.models import Approval, PolicyVersion
from countersign.policies import rules_in, stages_in

LABELS: Mapping[str, str] = {
    "stages": "Approvers",
    "rules": "Rules",
    "comment_rule": "Comment",
    "expires_in": "Time limit",
    "on_expiry": "When nobody answers",
    "silence_approves": "Silence may approve",
    "reject_settles": "One rejection settles",
    "remind_after": "Reminders",
    "escalate_after": "Escalation after",
    "escalate_to": "Escalation to",
    "undo": "Undo window",
    "form": "Form",
    "invites": "Invites unknown addresses",
    "priority": "Priority",
}


def _time(seconds: int | None) -> str:
    return in_words(seconds) if seconds else "none"


def _times(seconds: list[int]) -> str:
    return ", ".join(in_words(each) for each in seconds) or "none"


def _stages(stages: list[dict[str, Any]]) -> str:
    found = []
    for stage in stages:
        name = f"{stage['name']}: " if stage.get("name") else ""
        found.append(f"{name}{', '.join(stage.get('approvers', []))} ({_votes(stage)})")
    return ", then ".join(found) or "nobody"


def _votes(entry: dict[str, Any]) -> str:
    needed = entry.get("votes_needed", 1)
    return "everyone" if needed == "everyone" else f"{needed} vote{'s' if needed > 1 else ''}"


def _rules(rules: list[dict[str, Any]]) -> str:
    said = (
        f"{rule['field']} {rule['operator']} {rule['value']}:"
        f" {', '.join(rule['approvers'])} ({_votes(rule)})"
        for rule in rules
    )
    return "; ".join(said) or "none"


def _form(form: dict[str, Any] | None) -> str:
    if not form:
        return "none"
    return ", ".join(form.get("properties", {})) or json.dumps(form, ensure_ascii=False)


WORDS: Mapping[str, Callable[[Any], str]] = {
    "stages": _stages,
    "rules": _rules,
    "comment_rule": lambda rule: str(dict(Approval.CommentRule.choices).get(rule, rule)),
    "priority": lambda name: str(dict(Approval.Priority.choices).get(name, name)),
    "expires_in": _time,
    "escalate_after": _time,
    "undo": _time,
    "remind_after": _times,
    "form": _form,
}

MEANT: Mapping[str, Callable[[Any], Any]] = {"stages": stages_in, "rules": rules_in}
"""How data is read that means the same with its defaults written out and without."""


def said(name: str, value: Any) -> str:
    """The value of a term as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return WORDS[name](value) if name in WORDS else str(value) or "none"


def terms_of(version: PolicyVersion) -> Iterator[tuple[str, str]]:
    """Every term with its value."""
    for name, value in version.as_data().items():
        yield LABELS[name], said(name, value)


def changes(version: PolicyVersion, before: PolicyVersion | None) -> list[str]:
    """What a version changed, a sentence each; nothing for the first."""
    if before is None:
        return []
    old, new = before.as_data(), version.as_data()
    found = []
    for name, label in LABELS.items():
        meant = MEANT.get(name, lambda value: value)
        if meant(old[name]) != meant(new[name]):
            was, now = said(name, old[name]), said(name, new[name])
            found.append(f"{label}: {was} → {now}" if was != now else f"{label}: other details")
    return found

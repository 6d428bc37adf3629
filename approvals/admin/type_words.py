"""What a version of a type says, and what one changed, for people."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from approvals.durations import in_words
from approvals.models import Approval, PolicyVersion
from countersign.policies import rules_in, stages_in

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as StrOrPromise

LABELS: "Mapping[str, StrOrPromise]" = {
    "stages": gettext_lazy("Approvers"),
    "rules": gettext_lazy("Rules"),
    "comment_rule": gettext_lazy("Comment"),
    "expires_in": gettext_lazy("Time limit"),
    "on_expiry": gettext_lazy("When nobody answers"),
    "silence_approves": gettext_lazy("Silence may approve"),
    "reject_settles": gettext_lazy("One rejection settles"),
    "remind_after": gettext_lazy("Reminders"),
    "escalate_after": gettext_lazy("Escalation after"),
    "escalate_to": gettext_lazy("Escalation to"),
    "undo": gettext_lazy("Undo window"),
    "form": gettext_lazy("Form"),
    "invites": gettext_lazy("Invites unknown addresses"),
    "priority": gettext_lazy("Priority"),
}


def _time(seconds: int | None) -> str:
    return in_words(seconds) if seconds else _("none")


def _times(seconds: list[int]) -> str:
    return ", ".join(in_words(each) for each in seconds) or _("none")


def _stages(stages: list[dict[str, Any]]) -> str:
    found = [stage_in_words(stage, ", ".join(stage.get("approvers", []))) for stage in stages]
    return _(", then ").join(found) or _("nobody")


def stage_in_words(stage: Mapping[str, Any], who: str = "") -> str:
    """One stage: its name, who is asked, how many must agree."""
    name = f"{stage['name']}: " if stage.get("name") else ""
    return f"{name}{who} ({_votes(stage)})" if who else f"{name}{_votes(stage)}"


def _votes(entry: Mapping[str, Any]) -> str:
    needed = entry.get("votes_needed", 1)
    if needed in (None, "everyone"):
        return _("everyone")
    return ngettext("%(number)s vote", "%(number)s votes", needed) % {"number": needed}


def _rules(rules: list[dict[str, Any]]) -> str:
    said = (
        f"{rule['field']} {rule['operator']} {rule['value']}:"
        f" {', '.join(rule['approvers'])} ({_votes(rule)})"
        for rule in rules
    )
    return "; ".join(said) or _("none")


def form_in_words(form: Mapping[str, Any] | None) -> str:
    """The names of its fields."""
    if not form:
        return _("none")
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
    "form": form_in_words,
}

MEANT: Mapping[str, Callable[[Any], Any]] = {"stages": stages_in, "rules": rules_in}
"""How data is read that means the same with its defaults written out and without."""


def said(name: str, value: Any) -> str:
    """The value of a term as people read it."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return WORDS[name](value) if name in WORDS else str(value) or _("none")


def terms_of(version: PolicyVersion) -> Iterator[tuple[str, str]]:
    """Every term with its value."""
    for name, value in version.as_data().items():
        yield str(LABELS[name]), said(name, value)


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
            found.append(
                f"{label}: {was} → {now}"
                if was != now
                else _("%(label)s: other details") % {"label": label}
            )
    return found

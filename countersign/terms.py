"""On which terms an approval is asked: a type's policy, narrowed by the request. Pure.

A request without a type sets its own terms. With a type it may only narrow what the policy says:
fewer approvers, more votes, less time, a stricter comment rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from countersign.phrases import phrase

COMMENT_RULES = ("optional", "on_reject", "always")
"""From the loosest to the strictest."""

NAMED_IN_REQUEST = phrase("Named in the request")
CHOSEN = phrase("%(why)s, chosen by the request from %(group)s")

EVERYONE = None
"""As a number of votes: everybody who is asked."""


class TermsRefused(Exception):
    """The request does not fit its type; `field` is the one to mend, the text says how."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = name


@dataclass(frozen=True, slots=True)
class Asked:
    """One approver as text (`user:…`, `group:…`), and why: the sentence that people read."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Stage:
    """Who is asked at the same time, and how many of them must agree."""

    asked: tuple[Asked, ...]
    votes_needed: int | None = 1
    name: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Picks approvers from the payload: the first rule of a policy that is true names them."""

    field: str
    operator: str
    value: Any
    approvers: tuple[str, ...]
    votes_needed: int | None = 1

    def __str__(self) -> str:
        return f"{self.field} {self.operator} {self.value}"

    def holds(self, facts: Mapping[str, Any]) -> bool:
        """Whether the payload fits. Raises `TermsRefused` where that cannot be told."""
        given = facts.get(self.field)
        if self.operator in EQUALITIES:
            return EQUALITIES[self.operator](given, self.value)
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise TermsRefused(
                "fields",
                f"This type decides by the number in “{self.field}”: send it as a number,"
                " without unit.",
            )
        return ORDERINGS[self.operator](given, self.value)


EQUALITIES: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": lambda given, value: given == value,
    "!=": lambda given, value: given != value,
    "in": lambda given, value: given in value,
}
ORDERINGS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">": lambda given, value: given > value,
    ">=": lambda given, value: given >= value,
    "<": lambda given, value: given < value,
    "<=": lambda given, value: given <= value,
}
OPERATORS = (*ORDERINGS, *EQUALITIES)


@dataclass(frozen=True, slots=True)
class Terms:
    """All that governs one approval. Times are in seconds, counted from the asking."""

    stages: tuple[Stage, ...] = ()
    rules: tuple[Rule, ...] = ()
    comment: str = "on_reject"
    expires_in: int | None = None
    on_expiry: str = "expired"
    silence_approves: bool = False
    reject_settles: bool = True
    remind_after: tuple[int, ...] = ()
    escalate_after: int | None = None
    escalate_to: str = ""
    undo: int = 0
    form: Mapping[str, Any] | None = None
    invites: bool = False
    priority: str = "normal"
    source: str = ""
    """The policy's name, for the reason why somebody was asked; empty without one."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request says about its terms; None where it says nothing."""

    approvers: tuple[str, ...] = ()
    votes_needed: int | str | None = None
    """A number, or `"everyone"`."""
    stages: tuple[Stage, ...] = ()
    comment: str | None = None
    expires_in: int | None = None
    on_expiry: str | None = None
    priority: str | None = None
    form: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def agreed(
    policy: Terms | None, wish: Wish, *, members: Mapping[str, Sequence[str]] | None = None
) -> Terms:
    """The terms of one approval.

    Args:
        policy: what its type says; None without a type.
        members: of each group the policy names, the people in it as `user:…`, so that a
            request may name one of them.

    Raises:
        TermsRefused: the request asks for more than its type gives, or names nobody.
    """
    if policy is None:
        return _own(wish)
    stages = _picked(policy, wish)
    if wish.approvers or wish.votes_needed is not None or wish.stages:
        stages = _narrowed(stages, wish, members or {})
    return replace(
        policy,
        stages=stages,
        rules=(),
        comment=_stricter(policy.comment, wish.comment),
        expires_in=_sooner(policy.expires_in, wish.expires_in),
        on_expiry=_on_expiry(policy, wish),
        priority=wish.priority or policy.priority,
        form=_one_form(policy, wish),
    )


def _own(wish: Wish) -> Terms:
    if wish.on_expiry == "approved":
        raise TermsRefused("on_expiry", _SILENCE)
    if wish.stages and (wish.approvers or wish.votes_needed is not None):
        raise TermsRefused(
            "stages", "Name approvers and votes_needed in the stages, or leave the stages out."
        )
    asked = tuple(Asked(name, NAMED_IN_REQUEST) for name in wish.approvers)
    stages = wish.stages or (Stage(asked, _needed(wish.votes_needed)),)
    return Terms(
        stages=stages,
        comment=wish.comment or "on_reject",
        expires_in=wish.expires_in,
        on_expiry=wish.on_expiry or "expired",
        priority=wish.priority or "normal",
        form=wish.form,
    )


_SILENCE = (
    "Silence is no approval unless the type allows it: choose a type with “silence approves”,"
    " or leave on_expiry out."
)


def _needed(wished: int | str | None) -> int | None:
    if wished == "everyone":
        return EVERYONE
    return int(wished) if wished is not None else 1


def _picked(policy: Terms, wish: Wish) -> tuple[Stage, ...]:
    """The stages of the policy, or the approvers of its first rule that holds."""
    for rule in policy.rules:
        if rule.holds(wish.facts):
            why = f"{policy.source}: {rule}"
            asked = tuple(Asked(name, why) for name in rule.approvers)
            return (Stage(asked, rule.votes_needed), *policy.stages[1:])
    if not any(stage.asked for stage in policy.stages):
        raise TermsRefused(
            "type", f"The type “{policy.source}” names nobody for this request; see its rules."
        )
    return policy.stages


def _narrowed(
    stages: tuple[Stage, ...], wish: Wish, members: Mapping[str, Sequence[str]]
) -> tuple[Stage, ...]:
    if wish.stages:
        raise TermsRefused("stages", "The type sets the stages; leave them out.")
    if len(stages) > 1:
        name = "approvers" if wish.approvers else "votes_needed"
        raise TermsRefused(name, "The type has stages, which a request cannot change.")
    (stage,) = stages
    asked = stage.asked
    if wish.approvers:
        asked = tuple(_chosen(name, stage.asked, members) for name in wish.approvers)
        left_out = {each.name for each in stage.asked} - set(wish.approvers)
        if stage.votes_needed is EVERYONE and left_out:
            raise TermsRefused(
                "approvers", "Everyone whom the type names must agree; leave the approvers out."
            )
    needed = stage.votes_needed
    if wish.votes_needed is not None:
        needed = _needed(wish.votes_needed)
        fewer = needed is not EVERYONE and (
            stage.votes_needed is EVERYONE or needed < stage.votes_needed
        )
        if fewer:
            most = "everyone" if stage.votes_needed is EVERYONE else stage.votes_needed
            raise TermsRefused(
                "votes_needed", f"The type asks for {most}; a request may not ask for fewer."
            )
    return (replace(stage, asked=asked, votes_needed=needed),)


def _chosen(name: str, asked: Sequence[Asked], members: Mapping[str, Sequence[str]]) -> Asked:
    for each in asked:
        if name == each.name:
            return each
        if name in members.get(each.name, ()):
            return Asked(name, CHOSEN % {"why": each.why, "group": each.name})
    raise TermsRefused("approvers", f"The type does not let {name} decide; name people it names.")


def _stricter(policy: str, wish: str | None) -> str:
    if wish is None:
        return policy
    if COMMENT_RULES.index(wish) < COMMENT_RULES.index(policy):
        raise TermsRefused(
            "comment", f"The type's rule is “{policy}”; a request may be stricter only."
        )
    return wish


def _sooner(policy: int | None, wish: int | None) -> int | None:
    if wish is None:
        return policy
    if policy is not None and wish > policy:
        raise TermsRefused(
            "expires_in", f"The type gives {policy} seconds at most; a request may give less."
        )
    return wish


def _on_expiry(policy: Terms, wish: Wish) -> str:
    if wish.on_expiry == "approved" and not policy.silence_approves:
        raise TermsRefused("on_expiry", _SILENCE)
    return wish.on_expiry or policy.on_expiry


def _one_form(policy: Terms, wish: Wish) -> Mapping[str, Any] | None:
    if policy.form is not None and wish.form is not None:
        raise TermsRefused("form", "The type has a form of its own; send values for it in prefill.")
    return policy.form if policy.form is not None else wish.form

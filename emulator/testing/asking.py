"""On which terms a question is asked in the inbox of a test, by the rules of the real one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from countersign.bodies import pairs_of
from countersign.errors import FormInvalid
from countersign.policies import rules_in, stages_in
from countersign.questionnaire import check_form, fitting
from countersign.terms import EVERYONE, Asked, Stage, Terms, TermsRefused, Wish, agreed
from emulator.testing.bodies import Registration
from emulator.testing.people import People, written


class UnknownApprover(Exception):
    """An approver who is nobody here: a 422."""


def type_of(title: str, said: Mapping[str, Any]) -> Terms:
    """The terms of a type.

    Args:
        said: as in the admin of the inbox: stages and rules as lists of maps, and any of `comment`,
            `expires_in`, `on_expiry`, `silence_approves`, `reject_settles`, `form`, `priority`.

    Raises:
        ValueError, TypeError, KeyError: stages or rules are not of that form.
    """
    others = {name: value for name, value in said.items() if name not in {"stages", "rules"}}
    return Terms(
        stages=stages_in(list(said.get("stages", [])), f"Named in the type “{title}”"),
        rules=rules_in(list(said.get("rules", []))),
        source=title,
        **others,
    )


def terms_of(body: Registration, policy: Terms | None, people: People) -> Terms:
    """The terms of one question.

    Raises:
        TermsRefused: it does not fit its type, or names nobody.
        FormInvalid: the form cannot be shown, or what it begins with does not fit it.
        UnknownApprover: there are groups, and this one or this person is in none.
    """
    terms = agreed(policy, _wish(body), members=people.members())
    if terms.form is not None:
        check_form(terms.form)
        try:
            fitting(terms.form, body.prefill)
        except FormInvalid as wrong:
            raise FormInvalid(wrong.errors, within="prefill") from None
    elif body.prefill:
        raise TermsRefused("prefill", "There is no form to fill in; leave prefill out.")
    return replace(terms, stages=tuple(_resolved(stage, people) for stage in terms.stages))


def _wish(body: Registration) -> Wish:
    stages = tuple(
        Stage(
            tuple(Asked(name, "Named in the request") for name in stage.approvers),
            EVERYONE if stage.votes_needed == "everyone" else stage.votes_needed,
            stage.name,
        )
        for stage in body.stages
    )
    return Wish(
        approvers=tuple(body.approvers),
        votes_needed=body.votes_needed,
        stages=stages,
        comment=body.comment,
        expires_in=body.expires_in,
        on_expiry=body.on_expiry,
        priority=body.priority,
        form=body.form,
        facts=dict(pairs_of(body.fields)),
    )


def _resolved(stage: Stage, people: People) -> Stage:
    default = [Asked(name, "Asked when nobody is named") for name in people.default_approvers]
    asked = tuple(written(stage.asked or default))
    if not asked:
        raise TermsRefused("approvers", "Name at least one: user:E-MAIL or group:NAME.")
    if unknown := [each.name for each in asked if not people.knows(each.name)]:
        raise UnknownApprover(
            f"Nobody here is called {', '.join(unknown)}. Use user:E-MAIL of an active person"
            " or group:NAME; both are kept in the admin."
        )
    return replace(stage, asked=asked)

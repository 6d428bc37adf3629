"""Answering several requests of one type at once: which, which not and why, and their totals."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.translation import gettext

from approvals.facts import Amount, is_number, sums_of
from approvals.models import Approval, User
from approvals.models.content import NEGATIVE, PENDING, button_of

MOST = 50


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A request that is not answered with the others, and why."""

    approval: Approval
    why: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact that is the same in most of the requests, and in which of them it is not."""

    label: str
    usual: Any
    others: Sequence[Approval]


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of which several stand in a list."""

    name: str
    approval: Approval
    number: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Several requests and the one answer to them."""

    outcome: str
    label: str
    chosen: Sequence[Approval]
    left_out: Sequence[LeftOut]
    totals: Sequence[Amount]
    differences: Sequence[Difference]

    @property
    def entries(self) -> list[tuple[Approval, str]]:
        """Each request, and in what it differs from most of the others."""
        return [
            (each, ", ".join(row.label for row in self.differences if each in row.others))
            for each in self.chosen
        ]

    @property
    def alone(self) -> list[str]:
        """The answers that these cannot be given together."""
        return answers_alone(self.chosen)


def answers_together(approvals: Iterable[Approval]) -> list[tuple[str, str]]:
    """(value, label) of the answers that several of these may be given at once."""
    found = dict.fromkeys(
        (option["value"], button_of(option))
        for approval in approvals
        for option in approval.options
        if not _unfit(approval, option["value"])
    )
    return list(found)


def answers_alone(approvals: Sequence[Approval]) -> list[str]:
    """The labels of the answers that these may not be given at once, as each needs a comment."""
    together = dict(answers_together(approvals))
    found = dict.fromkeys(
        button_of(option)
        for approval in approvals
        for option in approval.options
        if option["value"] not in together and approval.needs_comment(option["value"])
    )
    return list(found)


def selectable(approvals: Sequence[Approval]) -> list[Approval]:
    """Those of a list that can be answered together with another one in it."""
    fit = [each for each in approvals if each.type and answers_together([each])]
    number = Counter(each.type for each in fit)
    return [each for each in fit if number[each.type] > 1]


def kinds_in(approvals: Iterable[Approval]) -> list[Kind]:
    """The types of these, those of most of them first."""
    found: dict[str, list[Approval]] = {}
    for each in approvals:
        found.setdefault(each.type, []).append(each)
    kinds = [Kind(name, rows[0], len(rows)) for name, rows in found.items()]
    return sorted(kinds, key=lambda kind: -kind.number)


def select(user: User, outcome: str, revisions: Mapping[UUID, int]) -> Selection:
    """What a person has chosen to answer at once.

    Args:
        revisions: of each request, the revision that the person had before them.
    """
    keys = list(revisions)[:MOST]
    rows = Approval.objects.visible_to(user).filter(pk__in=keys).select_related("policy__policy")
    mine = set(rows.needing(user).values_list("pk", flat=True))
    chosen, left_out = [], []
    found = sorted(rows.select_related("decided_by"), key=lambda row: keys.index(row.pk))
    kind = _most_common_type(row for row in found if not _unfit(row, outcome))
    for row in found:
        why = _unfit(row, outcome) or _closed(row, revisions[row.pk], mine)
        if not why and row.type != kind:
            why = gettext("Its type differs from most of the others.")
        if why:
            left_out.append(LeftOut(row, why))
        else:
            chosen.append(row)
    label = button_of(chosen[0].option(outcome)) if chosen else outcome
    totals = sums_of(each.fields for each in chosen)
    return Selection(outcome, label, chosen, left_out, totals, differences(chosen))


def differences(approvals: Sequence[Approval]) -> list[Difference]:
    """In which facts few of these are unlike most; not in numbers, which are expected to vary.

    A fact is of interest where more than half agree, and at least two of three.
    """
    facts = [dict(approval.fields) for approval in approvals]
    found = []
    for label in dict.fromkeys(label for each in facts for label in each):
        values = [json.dumps(each.get(label), sort_keys=True) for each in facts]
        usual, number = Counter(values).most_common(1)[0]
        if number * 2 <= len(values) or number in {1, len(values)}:
            continue
        if all(is_number(each.get(label)) for each in facts):
            continue
        pairs = zip(approvals, values, strict=True)
        others = [approval for approval, value in pairs if value != usual]
        found.append(Difference(label, json.loads(usual), others))
    return found


def _unfit(approval: Approval, outcome: str) -> str:
    """Why this answer cannot be given without opening the request; empty where it can."""
    if outcome not in [option["value"] for option in approval.options]:
        return gettext("It does not offer this answer.")
    if approval.form is not None and outcome not in NEGATIVE:
        return gettext("It has a form to fill in.")
    if approval.needs_comment(outcome):
        return gettext("This answer needs a comment.")
    return ""


def _closed(approval: Approval, revision: int, mine: set[UUID]) -> str:
    """Why this person cannot answer the request now; empty where they can."""
    if approval.status != PENDING:
        return approval.how_it_closed()
    if approval.pk not in mine:
        return gettext("It is no longer waiting for your answer.")
    if approval.revision != revision:
        return gettext("It has changed in the meantime. Please read it again.")
    return ""


def _most_common_type(approvals: Iterable[Approval]) -> str:
    common = Counter(approval.type for approval in approvals).most_common(1)
    return common[0][0] if common else ""

"""What was decided before in the like of a request, and what is unusual about this one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import OuterRef, Subquery
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext

from approvals.facts import Amount, Facts, amount_of, shown, words_of
from approvals.models import Approval, User, Vote
from approvals.models.querysets import ApprovalQuerySet
from approvals.plain import visible

SHOWN = 4
# What is unusual is said against the last so many of the type, of which there must be a few.
COMPARED, ENOUGH = 20, 3
# Nobody's page searches further back, however many requests of a type there are.
WINDOW = 500
PARTY = re.compile(
    r"\b(payee|supplier|vendor|recipient|beneficiary|creditor|customer|lieferant|empfänger|kunde)\b"
)
ACCOUNT = re.compile(r"\b(iban|bank account|account number|kontonummer)\b")
WORDS = 12


@dataclass(frozen=True, slots=True)
class Precedent:
    """One decision of before. `said`: how its comment begins; `differs`: how this one does."""

    approval: Approval
    outcome: str
    who: str
    at: datetime
    said: str
    differs: str


@dataclass(frozen=True, slots=True)
class Precedents:
    """Those that are shown, and what is unusual about this request against the last ones."""

    found: Sequence[Precedent]
    warnings: Sequence[str]


def precedents_of(approval: Approval, user: User) -> Precedents | None:
    """Decisions of the type that this person may read, in two queries and one for whom they stand
    in for. None where there is no type.

    First those of the same requester, then those of like amount.
    """
    if not approval.type:
        return None
    earlier = _earlier(approval, user)
    recent = list(earlier[:COMPARED])
    theirs: list[Approval] = []
    if approval.requester_mailbox:
        mine = earlier.filter(requester_mailbox=approval.requester_mailbox)
        theirs = list(mine[:SHOWN])
    known = {each.pk for each in theirs}
    others = sorted(
        (each for each in recent if each.pk not in known),
        key=lambda each: _distance(approval.fields, each.fields),
    )
    return Precedents(
        [_precedent(approval, each) for each in [*theirs, *others][:SHOWN]],
        unusual(approval.fields, [each.fields for each in recent]),
    )


def differs(now: Facts, then: Facts) -> str:
    """How these facts differ from those, in one line."""
    new, old = dict(now), dict(then)
    found, known = [], set()
    here, there = amount_of(new.items()), amount_of(old.items())
    if here and there:
        found.append(_by_how_much(here, there))
        known = {here.label, there.label}
    for label in _names(new, old):
        value = new[label]
        if value != old[label]:
            known.add(label)
            words = {"now": _short(label, value), "then": _short(label, old[label])}
            said = gettext("%(label)s %(now)s, not %(then)s")
            found.append(said % {"label": visible(label), **words})
    labels = {*new, *old} - known
    others = sum(new.get(label) != old.get(label) for label in labels)
    if others:
        said = ngettext("%(count)d other fact differs", "%(count)d other facts differ", others)
        found.append(said % {"count": others})
    if new == old:
        return gettext("The same facts")
    text = "; ".join(found)
    return text[:1].upper() + text[1:]


def unusual(now: Facts, earlier: Sequence[Facts]) -> list[str]:
    """What an approver should look at twice, against the last requests of the type.

    Args:
        earlier: the facts of those, at most `COMPARED`; of too few nothing is said.
    """
    if len(earlier) < ENOUGH:
        return []
    pairs, before = dict(now), [dict(each) for each in earlier]
    return [*_unusual_amount(pairs, before), *_unusual_names(pairs, before)]


def _unusual_amount(now: dict[str, Any], before: Sequence[dict[str, Any]]) -> list[str]:
    amount = amount_of(now.items())
    if amount is None:
        return []
    others = [other for each in before if (other := amount_of(each.items()))]
    like = [other for other in others if other.unit == amount.unit]
    if len(like) < ENOUGH or amount.number <= max(other.number for other in like):
        return []
    most = max(like, key=lambda other: other.number)
    said = gettext(
        "The amount is higher than in any of the last %(count)d: at most %(most)s so far."
    )
    return [said % {"count": len(like), "most": most}]


def _unusual_names(now: dict[str, Any], before: Sequence[dict[str, Any]]) -> list[str]:
    """A payee that none of them had, or a known one with another account."""
    found = []
    for label, value in now.items():
        said = words_of(label)
        there = [each for each in before if label in each]
        if not PARTY.search(said) or not value or len(there) < ENOUGH:
            continue
        same = [each for each in there if _alike(each[label], value)]
        words = {"label": visible(label), "name": _short(label, value), "count": len(there)}
        if not same:
            new = gettext("New: %(label)s %(name)s is not in any of the last %(count)d.")
            found.append(new % words)
        found += _other_account(now, same, words)
    return found


def _other_account(
    now: dict[str, Any], same: Sequence[dict[str, Any]], words: dict[str, Any]
) -> list[str]:
    found = []
    for label, value in now.items():
        if ACCOUNT.search(words_of(label)) and value:
            accounts = [each[label] for each in same if each.get(label)]
            if accounts and not any(_alike(value, each) for each in accounts):
                other = gettext("%(name)s had another %(account)s until now.")
                found.append(other % {**words, "account": visible(label)})
    return found


def _alike(one: Any, other: Any) -> bool:
    """Whether two values are the same to people: neither case nor blanks matter."""
    return "".join(str(one).split()).casefold() == "".join(str(other).split()).casefold()


def _names(new: dict[str, Any], old: dict[str, Any]) -> list[str]:
    """The labels in both under which it is said who gets it; of the same payee, the account."""
    parties = [each for each in new if each in old and PARTY.search(words_of(each))]
    if any(not _alike(new[each], old[each]) for each in parties):
        return parties
    return [*parties, *(each for each in new if each in old and ACCOUNT.search(words_of(each)))]


def _by_how_much(now: Amount, then: Amount) -> str:
    if now.unit != then.unit:
        return gettext("%(now)s, not %(then)s") % {"now": now, "then": then}
    if now.number == then.number:
        return gettext("the same amount")
    difference = Amount("", abs(now.number - then.number), now.unit)
    said = gettext("%(amount)s more") if now.number > then.number else gettext("%(amount)s less")
    return said % {"amount": difference}


def _distance(now: Facts, then: Facts) -> Decimal:
    """How far two amounts are apart; those that cannot be compared are furthest."""
    one, other = amount_of(now), amount_of(then)
    if one is None or other is None or one.unit != other.unit:
        return Decimal("Infinity")
    return abs(one.number - other.number)


def _short(label: str, value: Any) -> str:
    return Truncator(shown(label, value).line).chars(40)


def _earlier(approval: Approval, user: User) -> ApprovalQuerySet:
    """Those of the type that a person has decided, the last one first."""
    decided = Approval.objects.filter(type=approval.type, decided_by__isnull=False)
    window = decided.exclude(pk=approval.pk).order_by("-decided_at").values("pk")[:WINDOW]
    last = Vote.objects.standing().filter(approval=OuterRef("pk")).order_by("-at")
    rows = Approval.objects.visible_to(user).filter(pk__in=Subquery(window))
    return (
        rows.annotate(said=Subquery(last.values("comment")[:1]))
        .select_related("decided_by")
        .only("title", "fields", "options", "status", "decided_at", "requested_by", "decided_by")
        .order_by("-decided_at", "pk")
    )


def _precedent(approval: Approval, other: Any) -> Precedent:
    return Precedent(
        approval=other,
        outcome=other.status_label,
        who=str(other.decided_by),
        at=other.decided_at,
        said=Truncator(other.said or "").words(WORDS, truncate="…"),
        differs=differs(approval.fields, other.fields),
    )

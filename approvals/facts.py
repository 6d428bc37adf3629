"""The facts of a request as people read them: numbers, amounts, days, lists, and what changed."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils import formats, timezone
from django.utils.translation import gettext

from approvals.plain import visible
from approvals.times import exact

# (label, value) in reading order, as an approval keeps them.
Facts = Iterable[tuple[str, Any]]

# What a label says that its number is, by its last such word: an invoice amount is money, a tax
# number is none. Numbers that name something have no separators: 20264711 is an invoice.
MEANING = re.compile(
    r"\b(?:(?P<money>amount|total|price|sum|costs?|budget|fees?|net|gross|tax|vat"
    r"|betrag|summe|preis|kosten|gebühr|netto|brutto)"
    r"|(?P<name>id|no|nr|number|code|year|invoice|order|ref|reference|account|phone|zip|postcode"
    r"|centre|center|version|nummer|jahr|rechnung|auftrag|konto|telefon|plz|kostenstelle))\b"
)
OF = re.compile(r" (?:of|for|per|je|für) ")
CURRENCY = re.compile(r"\b(currency|währung)\b")
CODE = re.compile(r"[A-Z]{3}|[€$£]")
UNIT = re.compile(r"\(([^()]{1,12})\)\s*$")
PLAIN_SUM = re.compile(r"([+-]?\d{1,15}(?:\.\d{1,2})?)\s*([A-Z]{3}|[€$£])")
ANY_SUM = re.compile(r"([+-]?\d[\d.,]{0,20})\s*([A-Z]{3}|[€$£])")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")
LONG, MANY_LINES, BEGINNING = 320, 6, 160


@dataclass(frozen=True, slots=True)
class Shown:
    """A value in words.

    `at`: what programs read of a day or a moment. `items`: those of a list. `start`: how a long
    text begins, which is folded.
    """

    text: str
    at: str = ""
    items: tuple[str, ...] = ()
    start: str = ""
    missing: bool = False

    def __str__(self) -> str:
        """All of it as text, an item a line."""
        return "\n".join(self.items) or self.text


@dataclass(frozen=True, slots=True)
class Fact:
    """One row of the table. `kind`: same, changed, new or gone, against the request before."""

    label: str
    now: Shown | None
    before: Shown | None = None
    kind: str = "same"


@dataclass(frozen=True, slots=True)
class Amount:
    """A sum of money; `unit` is its currency, empty where none is said."""

    label: str
    number: Decimal
    unit: str

    def __str__(self) -> str:
        return in_words(self.number, self.unit)


def facts_of(fields: Facts, before: Facts | None = None) -> list[Fact]:
    """The rows of the table, in order; with `before`, what that other request said instead.

    What only the other one said stands at the end.
    """
    now = list(fields)
    unit = currency_of(now)
    if before is None:
        return [Fact(label, shown(label, value, unit)) for label, value in now]
    old = dict(before)
    old_unit = currency_of(old.items())
    found = []
    for label, value in now:
        fresh = shown(label, value, unit)
        if label not in old:
            found.append(Fact(label, fresh, None, "new"))
        elif (was := shown(label, old[label], old_unit)) != fresh or old[label] != value:
            found.append(Fact(label, fresh, was, "changed"))
        else:
            found.append(Fact(label, fresh))
    left = {label for label, _ in now}
    found += [
        Fact(label, None, shown(label, value, old_unit), "gone")
        for label, value in old.items()
        if label not in left
    ]
    return found


def lines_of(fields: Facts) -> list[tuple[str, str]]:
    """Label and value of each as text, where there is no table: in mails and in the admin."""
    pairs = list(fields)
    unit = currency_of(pairs)
    return [(visible(str(label)), str(shown(label, value, unit))) for label, value in pairs]


def key_fact_of(fields: Facts) -> tuple[str, str] | None:
    """The label and the value of the first fact, which stands beside the title in lists."""
    pairs = list(fields)
    if not pairs:
        return None
    label, value = pairs[0]
    said = shown(label, value, currency_of(pairs))
    return label, said.text or ", ".join(said.items)


def sums_of(requests: Iterable[Facts]) -> list[Amount]:
    """Sums of the facts that are numbers in all of the requests, apart for each unit.

    Numbers that name something, as that of an invoice, are not added up.
    """
    all_facts = [list(fields) for fields in requests]
    pairs = [dict(fields) for fields in all_facts]
    labels = [label for label, _ in all_facts[0]] if len(pairs) > 1 else []
    found: dict[tuple[str, str], Decimal] = {}
    for label in labels:
        if _meaning(label) == "name" or not all(is_number(each.get(label)) for each in pairs):
            continue
        for each in pairs:
            unit = _unit_of(label, currency_of(each.items()))
            number = Decimal(str(each[label]))
            found[label, unit] = found.get((label, unit), Decimal(0)) + number
    return [Amount(label, number, unit) for (label, unit), number in found.items()]


def is_number(value: object) -> bool:
    """Whether it counts; yes and no do not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def amount_of(fields: Facts) -> Amount | None:
    """The sum that a request is about: the first of its facts that is one."""
    return next(_amounts(list(fields)), None)


def currency_of(fields: Facts) -> str:
    """The currency that a fact of its own names; empty where none does."""
    for label, value in fields:
        if CURRENCY.search(words_of(label)) and isinstance(value, str) and CODE.fullmatch(value):
            return value
    return ""


def words_of(label: str) -> str:
    """A label as small words: `net_amount` and `netAmount` are "net amount"."""
    apart = re.sub(r"(?<=[a-zäöü])(?=[A-ZÄÖÜ])", " ", str(label))
    return re.sub(r"[\W_]+", " ", apart).lower()


def in_words(number: Decimal | float, unit: str = "", *, grouped: bool = True) -> str:
    """A number as people here write it: 12,400 EUR, 0.5; whole ones without decimals."""
    exact = Decimal(str(number))
    if exact == exact.to_integral_value() and abs(exact) < Decimal("1e18"):
        text = formats.number_format(int(exact), force_grouping=True) if grouped else f"{exact:.0f}"
    else:
        cents = 2 if unit and exact == round(exact, 2) else None
        text = formats.number_format(exact, cents, use_l10n=True, force_grouping=grouped)
    return f"{text} {visible(unit)}" if unit else text


def shown(label: str, value: Any, currency: str = "") -> Shown:
    """One value in words; its label says whether a number counts something, and what."""
    match value:
        case None | "" | []:
            return Shown(gettext("not given"), missing=True)
        case bool():
            return Shown(gettext("Yes") if value else gettext("No"))
        case int() | float():
            return Shown(_number(label, value, currency))
        case list():
            return Shown("", items=tuple(str(shown(label, item, currency)) for item in value))
        case dict():
            return _text(json.dumps(value, ensure_ascii=False))
    return _text(str(value))


def _number(label: str, number: float, currency: str) -> str:
    meaning, unit = _meaning(label), _unit_of(label, currency)
    grouped = bool(unit) or meaning == "money" or (not meaning and abs(number) >= 10_000)
    return in_words(number, unit, grouped=grouped)


def _meaning(label: str) -> str | None:
    """Whether a label speaks of "money", or gives the number of something, a "name"."""
    found = [*MEANING.finditer(OF.split(words_of(label))[0])]
    return found[-1].lastgroup if found else None


def _unit_of(label: str, currency: str) -> str:
    """The unit at the end of a label: "kg" in "Weight (kg)"; else of money its currency."""
    if found := UNIT.search(str(label)):
        return found[1]
    return currency if _meaning(label) == "money" else ""


def _text(text: str) -> Shown:
    if found := PLAIN_SUM.fullmatch(text):
        return Shown(in_words(Decimal(found[1]), found[2]))
    if (at := _at(text)) is not None:
        return Shown(_said(at), at=at.isoformat())
    whole = visible(text)
    if len(whole) > LONG or whole.count("\n") >= MANY_LINES:
        return Shown(whole, start=whole[:BEGINNING].rpartition(" ")[0] or whole[:BEGINNING])
    return Shown(whole)


def _at(text: str) -> date | None:
    """The day or the moment that a text is; None for every other text, and for one that the
    reader's clock cannot show: the first or last hours of all time."""
    try:
        if DAY.fullmatch(text):
            return date.fromisoformat(text)
        at = datetime.fromisoformat(text) if MOMENT.fullmatch(text) else None
        return timezone.localtime(at) if at and at.tzinfo else at
    except (ValueError, OverflowError):
        return None


def _said(at: date) -> str:
    """A day or a moment in words; a moment without a zone stays where it is."""
    if not isinstance(at, datetime):
        return f"{formats.date_format(at, 'l')}, {formats.date_format(at, 'DATE_FORMAT')}"
    if at.tzinfo is None:
        return f"{formats.date_format(at, 'DATE_FORMAT')}, {formats.date_format(at, 'H:i')}"
    return exact(at)


def _amounts(pairs: Sequence[tuple[str, Any]]) -> Iterator[Amount]:
    currency = currency_of(pairs)
    for label, value in pairs:
        if isinstance(value, str) and (found := ANY_SUM.fullmatch(value.strip())):
            if (number := _read(found[1])) is not None:
                yield Amount(str(label), number, found[2])
        elif is_number(value) and _meaning(label) == "money":
            yield Amount(str(label), Decimal(str(value)), _unit_of(label, currency))


def _read(text: str) -> Decimal | None:
    """The number in a text: 12400, 12,400.50 or 12.400,50; None where it could be two."""
    if re.fullmatch(r"[+-]?\d+(\.\d{1,2})?", text):
        return Decimal(text)
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", text):
        return Decimal(text.replace(",", ""))
    if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?|[+-]?\d+,\d{1,2}", text):
        return Decimal(text.replace(".", "").replace(",", "."))
    return None

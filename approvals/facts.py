"""The facts of a request as people read them: numbers, amounts, days, lists, and what changed."""

import json
import re
from collections import Counter
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
# number is none, and an order quantity counts. Numbers that name something have no separators:
# 20264711 is an invoice.
MEANING = re.compile(
    r"\b(?:(?P<money>amount|total|price|sum|costs?|budget|fees?|net|gross|tax|vat"
    r"|betrag|summe|preis|kosten|gebühr|netto|brutto)"
    r"|(?P<count>value|balance|quantity|count|volume|wert|saldo|menge|anzahl)"
    r"|(?P<name>id|no|nr|number|code|year|invoice|order|ref|reference|account|phone|zip|postcode"
    r"|centre|center|version|nummer|jahr|rechnung|auftrag|konto|telefon|plz|kostenstelle))\b"
)
HOW_MANY = re.compile(r"(total )?number of ")
OF = re.compile(r" (?:of|for|per|je|für) ")
CURRENCY = re.compile(r"\b(currency|währung)\b")
CODE = re.compile(r"[A-Z]{3}|[€$£]")
UNIT = re.compile(r"\(([^()]{1,12})\)\s*$")
PLAIN_SUM = re.compile(r"(-?(?:0|[1-9]\d{0,14})(?:\.\d{1,2})?)\s*([A-Z]{3}|[€$£])")
ANY_SUM = re.compile(r"([+-]?\d[\d.,]{0,20})\s*([A-Z]{3}|[€$£])")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")
LONG, MANY_LINES, BEGINNING = 320, 6, 160
EXACT = 2**53  # up to this a float has every whole number
MOST_DIGITS = 40


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

    @property
    def line(self) -> str:
        """All of it in one line."""
        return " ".join((self.text or ", ".join(self.items)).split())


@dataclass(frozen=True, slots=True)
class Fact:
    """One row of the table. `kind`: same, changed, new or gone, against the request before."""

    label: str
    now: Shown | None
    before: Shown | None = None
    kind: str = "same"


@dataclass(frozen=True, slots=True)
class Amount:
    """A number that counts, mostly money; `unit` is its currency, empty where none is said."""

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
    return label, shown(label, value, currency_of(pairs)).line


def sums_of(requests: Iterable[Facts]) -> list[Amount]:
    """Sums of the facts that are numbers in all of the requests, apart for each unit.

    Left out is what no sum is true of: numbers that name something, as that of an invoice, shares,
    labels that stand twice, and what may be money where the currencies differ.
    """
    lists = [list(fields) for fields in requests]
    pairs = [dict(fields) for fields in lists]
    if len(pairs) < 2:
        return []
    twice = {label for each in lists for label, n in Counter(k for k, _ in each).items() if n > 1}
    currencies = [currency_of(each) or _raw_currency(each) for each in lists]
    found = []
    for label in pairs[0]:
        numbers = [each.get(label) for each in pairs]
        if label not in twice and _meaning(label) != "name" and all(map(is_number, numbers)):
            found += _sums(label, numbers, currencies)
    return found


def _sums(label: str, numbers: Sequence[Any], currencies: Sequence[str]) -> list[Amount]:
    """One for each unit; none where it is not known what is counted."""
    units = [_unit_of(label, currency) for currency in currencies]
    if "%" in units or ("" in units and len(set(currencies)) > 1):
        return []
    sums: dict[str, Decimal] = {}
    for unit, number in zip(units, numbers, strict=True):
        sums[unit] = sums.get(unit, Decimal(0)) + Decimal(str(number))
    return [Amount(label, number, unit) for unit, number in sums.items()]


def is_number(value: object) -> bool:
    """Whether it counts, and exactly; yes and no do not."""
    return isinstance(value, int | float) and type(value) is not bool and abs(value) <= EXACT


def amount_of(fields: Facts) -> Amount | None:
    """The sum that a request is about: the first of its facts that is one."""
    return next(_amounts(list(fields)), None)


def currency_of(fields: Facts) -> str:
    """The currency that a fact of its own names; empty where none does."""
    code = _raw_currency(fields).upper()
    return code if CODE.fullmatch(code) else ""


def _raw_currency(fields: Facts) -> str:
    """What a fact of its own says of the currency, as it was sent."""
    said = (value for label, value in fields if CURRENCY.search(words_of(label)))
    return next((value.strip() for value in said if isinstance(value, str)), "")


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
    if not abs(number) <= EXACT:  # also what is no number at all
        text = str(number)
        return text if len(text) <= MOST_DIGITS else f"{text[:MOST_DIGITS]}…"
    meaning, unit = _meaning(label), _unit_of(label, currency)
    grouped = bool(unit) or meaning == "money" or (meaning != "name" and abs(number) >= 10_000)
    return in_words(number, unit, grouped=grouped)


def _meaning(label: str) -> str | None:
    """Whether a label speaks of "money", or is a "count", or the number of something, a "name"."""
    if HOW_MANY.match(words_of(label)):
        return "count"
    found = [*MEANING.finditer(OF.split(words_of(label))[0])]
    return found[-1].lastgroup if found else None


def _unit_of(label: str, currency: str) -> str:
    """The unit at the end of a label: "kg" in "Weight (kg)"; of money its currency, where the end
    of the label is none, as in "Amount (net)"."""
    found = UNIT.search(str(label))
    own = found[1] if found else ""
    is_bare = _meaning(label) == "money" and not CODE.fullmatch(own)
    return (currency or own) if is_bare else own


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

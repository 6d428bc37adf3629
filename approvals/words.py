"""The words of a text as search compares them: the same on every database.

Case and accents do not count: “Müller”, “MULLER” and “muller” are one word, and “Straße” is
“strasse”. What is neither letter nor digit parts words. A number is found with its separators and
without: “1,240.00” is 1, 240, 00 and 1240. Scripts that set no blanks between words, as Chinese,
are found by what a run of letters begins with.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

LONGEST = 60
"""Characters of a word that count."""
WORD = re.compile(r"[^\W_]+")
LETTER = re.compile(r"[^\W\d_]")
# Digits in groups of three, as people write thousands.
GROUPED = re.compile(r"(?<![\w.,])\d{1,3}(?:[., '\u00a0\u2009\u202f\u2019]\d{3})+(?!\d)")


def words_of(text: str) -> list[str]:
    """The words of a text in order, none twice; numbers without their separators at the end."""
    return list(dict.fromkeys([*_split(text), *map(_joined, GROUPED.findall(text))]))


def begun_in(text: str) -> set[str]:
    """Those of its words that may go on behind its end: the last, also as a part of a number."""
    numbers = [each for each in GROUPED.finditer(text) if not LETTER.search(text, each.end())]
    return {*_split(text)[-1:], *(_joined(each[0]) for each in numbers[-1:])}


def _joined(number: str) -> str:
    return re.sub(r"\D", "", number)


def _split(text: str) -> list[str]:
    # Apart first, folded, and once more: what folding leaves may come apart again.
    for _ in range(2):
        text = unicodedata.normalize("NFKD", text).casefold()
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    return [word[:LONGEST] for word in WORD.findall(text)]


def wording(approval: Any, requester: str) -> str:
    """All words by which an approval is found, with one blank between two.

    Args:
        approval: its title, text, facts, type and requester; any version of the model.
        requester: the name of the person who asked, or nothing.
    """
    kind = approval.policy.policy.title if approval.policy else ""
    given = (approval.title, approval.type, kind, requester, approval.requested_by)
    texts = [*given, *_texts(approval.fields), approval.summary]
    return " ".join(words_of("\n".join(texts)))


def _texts(value: Any) -> Iterable[str]:
    """Every text and number in a value of JSON; no label of an object."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [] if value is None or isinstance(value, bool) else [str(value)]

"""English sentences of the record, in the language of who reads them."""

import re
from collections.abc import Iterator, Mapping
from functools import cache

from django.utils.translation import get_language, gettext, ngettext

from countersign.phrases import PHRASES

# Sentences inside of sentences; more than this nobody wrote.
DEEPEST = 3
_PLACE = re.compile(r"%\((\w+)\)s")
_LENGTH = re.compile(r"(\d+)\s(year|month|week|day|hour|minute|second)s?\b")


def retold(text: str) -> str:
    """The same sentence in the active language; what is not known there stays as it is.

    A sentence is found by its words, and one with names or numbers in it by the words around
    these. What people wrote, or workflows, is never translated.
    """
    if not text or (get_language() or "en").startswith("en"):
        return text
    return _told(text, DEEPEST)


def _told(text: str, depth: int) -> str:
    if text in PHRASES:
        return gettext(text)
    for pattern, phrase in _patterns(len(PHRASES)) if depth else ():
        if found := pattern.fullmatch(text):
            return gettext(phrase) % dict(_parts(found.groupdict(), depth - 1))
    return text


def _parts(parts: Mapping[str, str], depth: int) -> Iterator[tuple[str, str]]:
    """What stands in a sentence: lengths of time and further sentences are ours as well."""
    for name, text in parts.items():
        yield name, length_retold(text) if name == "after" else _told(text, depth)


@cache
def _patterns(number: int) -> list[tuple[re.Pattern[str], str]]:
    """How each sentence with places is recognised, those with the most words of their own first.

    Args:
        number: of all phrases, so that those of modules that are loaded later are seen.
    """
    del number
    found = [phrase for phrase in PHRASES if _PLACE.search(phrase)]
    found.sort(key=lambda phrase: (-len(_PLACE.sub("", phrase)), phrase))
    return [(_pattern(phrase), phrase) for phrase in found]


def _pattern(phrase: str) -> re.Pattern[str]:
    """The words as they are, and anything at the places."""
    words = _PLACE.split(phrase)  # words, name, words, name, … words
    parts = [
        f"(?P<{each}>.*)" if number % 2 else re.escape(each.replace("%%", "%"))
        for number, each in enumerate(words)
    ]
    return re.compile("".join(parts), re.DOTALL)


def length_retold(text: str) -> str:
    """A length of time that was kept in English, as "2 days, 4 hours", in the active language."""
    return _LENGTH.sub(_length, text)


def _length(found: re.Match[str]) -> str:
    number = int(found[1])
    match found[2]:
        case "year":
            text = ngettext("%(number)d year", "%(number)d years", number)
        case "month":
            text = ngettext("%(number)d month", "%(number)d months", number)
        case "week":
            text = ngettext("%(number)d week", "%(number)d weeks", number)
        case "day":
            text = ngettext("%(number)d day", "%(number)d days", number)
        case "hour":
            text = ngettext("%(number)d hour", "%(number)d hours", number)
        case "minute":
            text = ngettext("%(number)d minute", "%(number)d minutes", number)
        case _:
            text = ngettext("%(number)d second", "%(number)d seconds", number)
    return text % {"number": number}

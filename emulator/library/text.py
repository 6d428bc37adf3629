"""`text`: strings, by characters. Regular expressions are RE2, which nothing can make hang."""

import re
from itertools import islice
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote_plus

import re2  # type: ignore[import-untyped]  # it ships no types

from emulator import charsets
from emulator.errors import error
from emulator.library.registry import Context, function
from emulator.memory import string_exceeded
from emulator.values import Value

_OPTIONS = re2.Options()
_OPTIONS.longest_match = True
_OPTIONS.log_errors = False
_LARGEST_PROGRAM: Final = 10_000  # instructions; for each character RE2 may look at all
_MOST_READ: Final = 2**31  # characters, a second or two
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")


def _charset(name: str) -> str:
    """Return Python's name of a charset. Raises ValueError for what is none."""
    found = charsets.charset(name)
    if found is None:
        raise error("ValueError", f"unknown charset: {name[:40]}")
    return found


@function('text.decode(data: bytes, charset: string="UTF-8")')
def decode(data: bytes, charset: str) -> str:
    """Return the text of bytes; each that is not of the charset becomes U+FFFD."""
    return data.decode(_charset(charset), charsets.EACH_BYTE)


@function('text.encode(text: string, charset: string="UTF-8")')
def encode(text: str, charset: str) -> bytes:
    """Return the bytes of text. Raises ValueError for what the charset does not have."""
    try:
        return text.encode(_charset(charset))
    except UnicodeError:
        raise error("ValueError", f"text has no form in {charset}") from None


@function("text.find_all(source: string, substr: string)")
def find_all(source: str, substr: str) -> list[int]:
    """Return where the substring begins, without overlaps."""
    return [match.start() for match in re.finditer(re.escape(substr), source)]


@function("text.find_all_regex(source: string, regexp: string)", with_context=True)
def find_all_regex(context: Context, source: str, regexp: str) -> Value:
    """Return the matches as maps of `index` and `match`: leftmost, then longest."""
    most = context.limits.memory_bytes // len('{"index":0,"match":""},')
    found = _matches(source, regexp, most)
    return [{"index": match.start(), "match": match.group()} for match in found]


@function("text.match_regex(source: string, regexp: string)")
def match_regex(source: str, regexp: str) -> bool:
    """Tell whether the expression matches anywhere."""
    return _regex(regexp).search(source) is not None


@function(
    "text.replace_all(source: string, substr: string, repl: string)",
    with_context=True,
)
def replace_all(context: Context, source: str, substr: str, repl: str) -> str:
    """Return the text with every substring replaced; an empty one is between all characters."""
    _check_growth(context, source, source.count(substr), repl)
    return source.replace(substr, repl)


@function(
    "text.replace_all_regex(source: string, regexp: string, repl: string)",
    with_context=True,
)
def replace_all_regex(context: Context, source: str, regexp: str, repl: str) -> str:
    """Return the text with every match replaced. The replacement is literal."""
    spans = [match.span() for match in _matches(source, regexp, len(source) + 1)]
    _check_growth(context, source, len(spans), repl)
    pieces, done = [], 0
    for start, end in spans:
        pieces += [source[done:start], repl]
        done = end
    return "".join([*pieces, source[done:]])


@function("text.split(source: string, separator: string)")
def split(source: str, separator: str) -> list[str]:
    """Return the parts; an empty separator gives the characters."""
    return source.split(separator) if separator else list(source)


@function("text.substring(source: string, start: integer, end: integer)")
def substring(source: str, start: int, end: int) -> str:
    """Return the characters from `start` up to `end`, which is excluded."""
    if not 0 <= start <= end <= len(source):
        size = len(source)
        raise error("ValueError", f"substring {start} to {end} is outside of 0 to {size}")
    return source[start:end]


@function("text.to_lower(source: string)")
def to_lower(source: str) -> str:
    """Return the text in lower case."""
    return source.lower()


@function("text.to_upper(source: string)")
def to_upper(source: str) -> str:
    """Return the text in upper case."""
    return source.upper()


@function("text.url_encode(source: string)")
def url_encode(source: str) -> str:
    """Return the text for a URL, a space as %20; only letters, digits and `.-_` stay."""
    return quote(source, safe="").replace("~", "%7E")


@function("text.url_encode_plus(source: string)")
def url_encode_plus(source: str) -> str:
    """Return the text for a query, a space as +; only letters, digits and `.-_` stay."""
    return quote_plus(source).replace("~", "%7E")


@function("text.url_decode(source: string)")
def url_decode(source: str) -> str:
    """Undo both encodings. Raises ValueError for a bad escape."""
    if _BAD_ESCAPE.search(source):
        raise error("ValueError", "invalid URL escape")
    try:
        return unquote_plus(source, errors="strict")
    except UnicodeError:
        raise error("ValueError", "the URL escapes are not UTF-8") from None


def _check_growth(context: Context, source: str, count: int, repl: str) -> None:
    """Refuse a replacement whose result could not be a string, before it takes the memory."""
    if count * len(repl) > len(source) + context.limits.string_bytes:
        raise string_exceeded()


def _matches(source: str, regexp: str, most: int) -> list[Any]:
    """Return all matches, if they are not too many; an empty one right after another is none.

    After each match RE2 begins anew, and may read to the end of the text: what a long text with
    many matches can cost is limited too.
    """
    most = min(most, _MOST_READ // max(len(source), 1))
    found = list(islice(_regex(regexp).finditer(source), most + 1))
    if len(found) > most:
        raise error("ResourceLimitError", "too many matches of a regular expression")
    ends = [-1, *(match.end() for match in found)]
    return [match for match, end in zip(found, ends, strict=False) if match.span() != (end, end)]


def _regex(regexp: str) -> Any:
    try:
        compiled = re2.compile(regexp, _OPTIONS)
    except re2.error:
        raise error("ValueError", f"invalid regular expression: {regexp[:100]!r}") from None
    if compiled.programsize > _LARGEST_PROGRAM:
        raise error("ValueError", f"regular expression too large: {regexp[:100]!r}")
    return compiled

"""Text that strangers wrote, with nothing hidden in it."""

import unicodedata
from itertools import pairwise

# Characters that take no ink though their category says otherwise: Hangul and Braille blanks.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
_JOINERS = frozenset("\u200c\u200d")
_LINES = frozenset("\n\r\t")


def visible(text: str) -> str:
    """The text with every control, bidi and invisible character as a mark like ⟨U+202E⟩.

    Such characters make a page show another amount, payee or host than the workflow sends.
    Joiners stay where scripts and emoji need them: behind a letter without case, a sign or
    a combining mark.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(before, char) for before, char in pairwise(f" {text}"))


def _shown(before: str, char: str) -> str:
    return f"⟨U+{ord(char):04X}⟩" if _hides(before, char) else char


def _hides(before: str, char: str) -> bool:
    if char in _LINES:
        return False
    if char in _JOINERS:
        return unicodedata.category(before) not in {"Lo", "Mn", "Mc", "So", "Sk"}
    # Variation selectors 17 to 256 carry whole hidden texts; 1 to 16 shape emoji.
    selector = 0xE0100 <= ord(char) <= 0xE01EF
    invisible = unicodedata.category(char) in {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}
    return invisible or selector or char in _BLANK

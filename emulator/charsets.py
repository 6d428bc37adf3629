"""Names of charsets, as they come from sources and from the network."""

import codecs
import re
from typing import Final

EACH_BYTE: Final = "workflows.each_byte"
"""How to decode so that every byte that is wrong becomes U+FFFD, and not only the first."""

_CHARSETS = re.compile(
    r"utf-(8|16|32)(-[lb]e)?|ascii|iso8859-\d+|cp\d+|shift_jis|euc_\w+|gb\w+|big5\w*|koi8-\w"
)


def _replaced(wrong: UnicodeError) -> tuple[str, int]:
    if not isinstance(wrong, UnicodeDecodeError):
        raise wrong
    return "\ufffd" * (wrong.end - wrong.start), wrong.end


codecs.register_error(EACH_BYTE, _replaced)


def charset(name: str) -> str | None:
    """Python's name of a charset, or None. Python has codecs that are none: they are refused."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return found if _CHARSETS.fullmatch(found) else None

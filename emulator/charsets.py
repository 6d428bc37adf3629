"""Names of charsets, as they come from sources and from the network."""

import codecs
import re

_CHARSETS = re.compile(
    r"utf-(8|16|32)(-[lb]e)?|ascii|iso8859-\d+|cp\d+|shift_jis|euc_\w+|gb\w+|big5\w*|koi8-\w"
)


def charset(name: str) -> str | None:
    """Python's name of a charset, or None. Python has codecs that are none: they are refused."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return found if _CHARSETS.fullmatch(found) else None

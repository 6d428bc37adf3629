"""Bodies and headers of HTTP messages as a workflow sees them, alike for calls and callbacks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.message import Message

from emulator.charsets import charset
from emulator.values import Beyond, Value, from_json, scalar_text

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def canonical(name: str) -> str:
    """A header name in the case that Go writes: `x-trace-ID` is `X-Trace-Id`."""
    if _TOKEN.fullmatch(name) is None:
        return name
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


def headers_value(pairs: Iterable[tuple[str, str]]) -> dict[str, Value]:
    """Headers as a map of canonical names; several values of one name are joined with `, `.

    Bytes that are no UTF-8, which arrive as surrogates, are replaced: no file could hold them.
    """
    joined: dict[str, str] = {}
    for name, value in pairs:
        key, text = canonical(scalar_text(name)), scalar_text(value)
        joined[key] = f"{joined[key]}, {text}" if key in joined else text
    return dict(joined)


def media_type(content_type: str) -> tuple[str, str]:
    """Media type in lower case, and charset (UTF-8 unless said), of a Content-Type header."""
    message = Message()
    message["Content-Type"] = scalar_text(content_type)
    return message.get_content_type(), str(message.get_content_charset() or "utf-8")


def is_json(media: str) -> bool:
    """Whether the media type is JSON's or ends in `+json`."""
    return media == "application/json" or (
        media.startswith("application/") and media.endswith("+json")
    )


def decode(content_type: str, raw: bytes) -> Value:
    """The value of a body: JSON and text decoded, nothing null, other types as bytes.

    A JSON body that does not parse is given as text; a charset that is none is read as UTF-8.

    Raises:
        Beyond: the JSON is beyond what a value can be.
    """
    if not raw:
        return None
    if not content_type:
        return raw
    media, named = media_type(content_type)
    if is_json(media):
        text = raw.decode("utf-8", "replace").removeprefix("\ufeff")
        try:
            return from_json(text)
        except Beyond:
            raise
        except ValueError:
            return text
    if media.startswith("text/"):
        return scalar_text(raw.decode(charset(named) or "utf-8", "replace"))
    return raw

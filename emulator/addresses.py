"""Addresses of HTTP calls: as authors write them, as they are sent, and as stubs name them."""

from __future__ import annotations

import base64
import re
from urllib.parse import quote, unquote_to_bytes

from yarl import URL

from emulator.errors import error

_PARTS = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#\\\s\x00-\x1f\x7f]+)(?P<path>[^?#\x00-\x1f\x7f]*)"
    r"(?:\?(?P<query>[^#\x00-\x1f\x7f]*))?(?:#.*)?",
    re.IGNORECASE,
)
_ILLEGAL = re.compile(r"[^!-~]|[\"<>\\^`{|}]|%(?![0-9A-Fa-f]{2})")


def target(given: str, query: str = "") -> tuple[URL, str | None]:
    """The address that a text means, as it is written, and the Authorization header in it, if any.

    Nothing that a URL may hold is changed: a server may compare it, or a signature, byte by byte.
    What it may not hold, such as a space, is quoted. Messages do not show `user:password@`.

    Args:
        query: what is added to the query in the text, encoded.

    Raises:
        WorkflowError: ValueError, it is no URL of HTTP.
    """
    shown = given.rpartition("@")[2]
    parts = _PARTS.fullmatch(given.strip())
    if parts is None:
        raise error("ValueError", f"url must begin with http:// or https:// and a host: {shown!r}")
    user, _, authority = parts["authority"].rpartition("@")
    try:
        origin = URL(f"{parts['scheme'].lower()}://{authority}").origin()
    except ValueError:
        raise error("ValueError", f"url is malformed: {shown!r}") from None
    asked = "&".join(filter(None, (_quoted(parts["query"] or ""), query)))
    path = _quoted(parts["path"]) or "/"
    text = f"{origin}{path}?{asked}" if asked else f"{origin}{path}"
    return URL(text, encoded=True), _basic(user) if user else None


def pattern(written: str) -> str:
    """The regular expression for the addresses that a text with `*` means.

    `*` is any text, slashes included. A query matters only where the text has one.

    Raises:
        ValueError: it is no URL of HTTP.
    """
    parts = _PARTS.fullmatch(written)
    if parts is None:
        raise ValueError(
            f"{written!r} is no URL: it must begin with http:// or https:// and a host"
        )
    scheme, authority = parts["scheme"].lower(), parts["authority"].lower()
    authority = authority.removesuffix({"http": ":80", "https": ":443"}[scheme])
    path = _quoted(parts["path"]) or ("" if authority.endswith("*") else "/")
    query = r"(?:\?.*)?" if parts["query"] is None else r"\?" + _starred(_quoted(parts["query"]))
    return f"{scheme}://{_starred(authority + path)}{query}"


def _starred(text: str) -> str:
    return re.escape(text).replace(r"\*", ".*")


def _quoted(text: str) -> str:
    return _ILLEGAL.sub(lambda found: quote(found[0], safe="", errors="surrogateescape"), text)


def _basic(user: str) -> str:
    return f"Basic {base64.b64encode(unquote_to_bytes(user)).decode()}"

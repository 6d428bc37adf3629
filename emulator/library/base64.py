"""`base64`."""

import base64
import binascii

from emulator.errors import error
from emulator.library.registry import function


@function("base64.decode(data: string, padding: boolean=true)")
def decode(data: str, padding: bool) -> bytes:
    """Return the bytes; ends of lines are ignored.

    Raises ValueError for what is not base64 with, or without, padding.
    """
    data = data.replace("\r", "").replace("\n", "")
    if not padding and "=" in data:
        raise error("ValueError", "illegal base64 data: padding was not expected")
    try:
        return base64.b64decode(data + "=" * (0 if padding else -len(data) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise error("ValueError", "illegal base64 data") from None


@function("base64.encode(data: bytes, padding: boolean=true)")
def encode(data: bytes, padding: bool) -> str:
    """Return the text for bytes; a string must be encoded with `text.encode` before."""
    text = base64.b64encode(data).decode()
    return text if padding else text.rstrip("=")

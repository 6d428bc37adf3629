"""`hash`: bytes in, bytes out."""

import hashlib
import hmac
from typing import Final

from emulator.errors import error
from emulator.library.registry import function

ALGORITHMS: Final = ("SHA256", "SHA384", "SHA512", "SHA224", "SHA1", "MD5")


def _algorithm(name: str) -> str:
    if name not in ALGORITHMS:
        expected = ", ".join(ALGORITHMS)
        raise error("ValueError", f"unknown algorithm {name[:40]!r} (expecting one of {expected})")
    return name.lower()


@function("hash.compute_checksum(data: bytes, algorithm: string)")
def compute_checksum(data: bytes, algorithm: str) -> bytes:
    """Return the hash of the data."""
    return hashlib.new(_algorithm(algorithm), data, usedforsecurity=False).digest()


@function("hash.compute_hmac(key: bytes, data: bytes, algorithm: string)")
def compute_hmac(key: bytes, data: bytes, algorithm: str) -> bytes:
    """Return the keyed hash of the data."""
    return hmac.digest(key, data, _algorithm(algorithm))

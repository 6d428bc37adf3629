"""Ed25519 keys of receipts: the one that signs, and those whose signatures are accepted."""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PURPOSE = b"countersign receipt, Ed25519"


class BadKey(ValueError):
    """A key that is none; the message says what a key looks like."""


def encoded(data: bytes) -> str:
    """Base64url without padding, as JSON Web Keys have it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Raises `BadKey`."""
    try:
        padded = text.encode() + b"=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise BadKey("This is no base64url.") from error


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that checks signatures. `id` is the beginning of its digest."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise BadKey("A public key has 32 bytes.")

    @property
    def id(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()[:16]

    @property
    def jwk(self) -> dict[str, str]:
        """As a JSON Web Key (RFC 8037)."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "use": "sig",
            "alg": "EdDSA",
            "kid": self.id,
            "x": encoded(self.raw),
        }

    def accepts(self, signature: bytes, message: bytes) -> bool:
        """Whether the key's owner has signed exactly this."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that signs, from 32 secret bytes."""

    seed: bytes

    def __post_init__(self) -> None:
        if len(self.seed) != 32:
            raise BadKey("A signing key has 32 bytes.")

    @classmethod
    def derived(cls, secret: str) -> "SigningKey":
        """The key that belongs to a SECRET_KEY."""
        hkdf = HKDF(hashes.SHA256(), length=32, salt=None, info=PURPOSE)
        return cls(hkdf.derive(secret.encode()))

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @property
    def public(self) -> PublicKey:
        return PublicKey(self._private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


def signing_key() -> SigningKey:
    """RECEIPT_KEY, or without it the key that belongs to SECRET_KEY. Raises `BadKey`."""
    if settings.RECEIPT_KEY:
        try:
            return SigningKey(decoded(settings.RECEIPT_KEY))
        except BadKey as error:
            hint = "is 32 bytes as base64url; `manage.py receipt_keys --new` makes one"
            raise BadKey(f"RECEIPT_KEY {hint}. {error}") from error
    return SigningKey.derived(settings.SECRET_KEY)


def accepted_keys() -> list[PublicKey]:
    """Our own key first, then those that signed before it. Raises `BadKey`."""
    keys = [signing_key().public]
    keys += [PublicKey(decoded(text)) for text in settings.RECEIPT_PUBLIC_KEYS]
    keys += [SigningKey.derived(secret).public for secret in settings.SECRET_KEY_FALLBACKS]
    if settings.RECEIPT_KEY:  # receipts from before it was set
        keys.append(SigningKey.derived(settings.SECRET_KEY).public)
    return list(dict.fromkeys(keys))


def key_set(keys: Iterable[PublicKey]) -> dict[str, Any]:
    """As a JSON Web Key Set, which other programs read as well."""
    return {"keys": [key.jwk for key in keys]}


def keys_of(key_set: Mapping[str, Any]) -> list[PublicKey]:
    """The Ed25519 keys of a JSON Web Key Set. Raises `BadKey`."""
    try:
        found = [key["x"] for key in key_set["keys"] if key.get("crv") == "Ed25519"]
    except (KeyError, TypeError, AttributeError) as error:
        raise BadKey("This is no JSON Web Key Set.") from error
    return [PublicKey(decoded(text)) for text in found]

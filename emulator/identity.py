"""The token issuer: signing key and certificate, access and ID tokens, and who may do what."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt

from emulator.database import Database

ISSUER = "https://accounts.google.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LIFETIME = 3600
"""Seconds that a token is valid, as Google's."""

_PREFIX = "ya29.emulator."

_VIEW = frozenset(
    {
        "workflows.workflows.get",
        "workflows.workflows.list",
        "workflows.operations.get",
        "workflows.operations.list",
        "workflows.executions.get",
        "workflows.executions.list",
        "workflows.callbacks.list",
        "workflows.stepEntries.get",
        "workflows.stepEntries.list",
        "workflows.locations.get",
        "workflows.locations.list",
    }
)
_INVOKE = frozenset(
    {
        "workflows.callbacks.list",
        "workflows.callbacks.send",
        "workflows.executions.create",
        "workflows.executions.cancel",
        "workflows.executions.get",
        "workflows.executions.list",
        "workflows.stepEntries.get",
        "workflows.stepEntries.list",
    }
)
_EDIT = _VIEW | {
    "workflows.workflows.create",
    "workflows.workflows.update",
    "workflows.workflows.delete",
    "workflows.executions.delete",
    "workflows.operations.cancel",
}
ROLES: Mapping[str, frozenset[str]] = {
    "roles/workflows.viewer": _VIEW,
    "roles/workflows.invoker": _INVOKE,
    "roles/workflows.editor": _EDIT | _INVOKE,
    "roles/workflows.admin": _EDIT | _INVOKE,
}
"""Permissions of the predefined roles, as far as the emulator asks for them."""


class InvalidToken(Exception):
    """A bearer token that this emulator did not issue, or whose time is over."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The RSA key of the issuer as PEM text, and the name under which it is published."""

    name: str
    private_pem: str
    certificate_pem: str

    @classmethod
    def kept_in(cls, database: Database) -> SigningKey:
        """The key of this data file, made when the file is new."""
        kept = database.get("signing_key")
        if kept is not None:
            return cls(**json.loads(kept))
        made = cls._generate()
        record = {
            "name": made.name,
            "private_pem": made.private_pem,
            "certificate_pem": made.certificate_pem,
        }
        database.put("signing_key", json.dumps(record))
        return made

    @classmethod
    def _generate(cls) -> SigningKey:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Workflows emulator")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(who)
            .issuer_name(who)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=3650))
            .sign(key, hashes.SHA256())
        )
        return cls(
            name=certificate.fingerprint(hashes.SHA1()).hex(),  # noqa: S303 - a name, as Google's
            private_pem=key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ).decode(),
            certificate_pem=certificate.public_bytes(serialization.Encoding.PEM).decode(),
        )

    def jwk(self) -> dict[str, str]:
        """The public key as one entry of a JWKS."""
        certificate = x509.load_pem_x509_certificate(self.certificate_pem.encode())
        key = certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise TypeError("the signing key is no RSA key")
        numbers = key.public_numbers()
        size = (key.key_size + 7) // 8
        return {
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "kid": self.name,
            "n": _encode(numbers.n.to_bytes(size, "big")),
            "e": _encode(numbers.e.to_bytes(3, "big")),
        }


@lru_cache(maxsize=8)
def _signer(key: SigningKey) -> crypt.Signer:
    """What signs with a key. To load one takes longer than to start an emulator."""
    signer: crypt.Signer = crypt.RSASigner.from_string(key.private_pem, key_id=key.name)
    return signer


class Issuer:
    """Issues tokens and knows its own again, also after a restart.

    An access token is its own record, signed with a secret of the data file: nothing has to be
    remembered.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.key = SigningKey.kept_in(database)
        self._signer = _signer(self.key)
        secret = database.get("token_secret")
        if secret is None:
            secret = secrets.token_hex(32)
            database.put("token_secret", secret)
        self._secret = bytes.fromhex(secret)
        self._clock = clock

    def access_token(
        self, email: str, scopes: Iterable[str] = (SCOPE,), life: int = LIFETIME
    ) -> str:
        """An OAuth 2.0 access token for an account, valid `life` seconds."""
        record = {
            "email": email,
            "scope": " ".join(scopes),
            "exp": int(self._clock()) + life,
            "jti": secrets.token_hex(8),
        }
        text = _encode(json.dumps(record).encode())
        return f"{_PREFIX}{text}.{self._seal(text)}"

    def account_of(self, token: str) -> str:
        """The account that an access token was issued for.

        Raises:
            InvalidToken: not issued by this emulator, or expired.
        """
        return str(self.read(token)["email"])

    def read(self, token: str) -> dict[str, Any]:
        """What an access token says: `email`, `scope`, and `exp` in seconds since 1970.

        Raises:
            InvalidToken: not issued by this emulator, or expired.
        """
        if not token.isascii():
            raise InvalidToken("the token was not issued by this emulator")
        text, _, seal = token.removeprefix(_PREFIX).partition(".")
        expected = self._seal(text).encode()
        if not token.startswith(_PREFIX) or not hmac.compare_digest(seal.encode(), expected):
            raise InvalidToken("the token was not issued by this emulator")
        record: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if record["exp"] <= self._clock():
            raise InvalidToken("the token has expired")
        return record

    def id_token(
        self,
        email: str,
        audience: str,
        life: int = LIFETIME,
        extra: Mapping[str, object] | None = None,
    ) -> str:
        """An OpenID Connect ID token for an account and one audience, valid `life` seconds."""
        now = int(self._clock())
        claims = {
            **(extra or {}),
            "iss": ISSUER,
            "aud": audience,
            "azp": account_number(email),
            "sub": account_number(email),
            "email": email,
            "email_verified": True,
            "iat": min(now, now + life),
            "exp": now + life,
        }
        signed: bytes = jwt.encode(self._signer, claims)
        return signed.decode()

    def certificates(self) -> dict[str, str]:
        """What `/oauth2/v1/certs` shows: key name to X.509 certificate."""
        return {self.key.name: self.key.certificate_pem}

    def _seal(self, text: str) -> str:
        return _encode(hmac.new(self._secret, text.encode(), hashlib.sha256).digest())


class Grants:
    """Which account may do what, in the mode `iam`.

    Args:
        trusted: tells of an account about which nothing is said whether it may do everything.
        grants: roles of the accounts about which something is said.

    Raises:
        ValueError: a role that does not exist.
    """

    def __init__(self, trusted: Callable[[str], bool], grants: Mapping[str, Iterable[str]]) -> None:
        self._trusted = trusted
        self._granted: dict[str, frozenset[str]] = {}
        for email, roles in grants.items():
            permissions: set[str] = set()
            for role in roles:
                full = role if role.startswith("roles/") else f"roles/workflows.{role}"
                if full not in ROLES:
                    raise ValueError(f"no role {role!r}; there are {', '.join(sorted(ROLES))}")
                permissions |= ROLES[full]
            self._granted[email] = frozenset(permissions)

    def allow(self, email: str, permission: str) -> bool:
        """Whether the account has the permission."""
        if email in self._granted:
            return permission in self._granted[email]
        return self._trusted(email)


def account_number(email: str) -> str:
    """The numeric ID of an account: 21 digits, always the same for one e-mail address."""
    return "1" + str(int(hashlib.sha256(email.encode()).hexdigest(), 16))[:20].zfill(20)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

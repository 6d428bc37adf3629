"""ID tokens as Google signs them, made with google-auth and a key of the tests' own."""

import time
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from google.auth import crypt, jwt
from google.auth.crypt import es

ACCOUNT = "workflow@project.iam.gserviceaccount.example"
AUDIENCE = "http://127.0.0.1:8000"


def _pem(key: Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _public(key: Any) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


@cache
def _rsa(name: str) -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def _ec() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


def certificates() -> dict[str, str]:
    """What the issuer publishes: key id -> PEM."""
    return {"rs-1": _public(_rsa("issuer")), "es-1": _public(_ec())}


def issuer() -> crypt.Signer:
    return crypt.RSASigner.from_string(_pem(_rsa("issuer")), key_id="rs-1")


def stranger() -> crypt.Signer:
    """Another key under the issuer's key id."""
    return crypt.RSASigner.from_string(_pem(_rsa("stranger")), key_id="rs-1")


def elliptic() -> crypt.Signer:
    return es.EsSigner.from_string(_pem(_ec()), key_id="es-1")


def id_token(signer: crypt.Signer | None = None, **claims: Any) -> str:
    """A token good in everything that `claims` does not change."""
    now = int(time.time())
    body = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "sub": "1001",
        "azp": "1001",
        "email": ACCOUNT,
        "email_verified": True,
        "iat": now,
        "exp": now + 3600,
        **claims,
    }
    return jwt.encode(signer or issuer(), body).decode()

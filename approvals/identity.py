"""Who is calling: Google-signed tokens, verified with google-auth.

google-auth checks the signature, the audience and the expiry. What it leaves open is checked
here: algorithm, issuer, verified e-mail, lifetime, and the shape of the text before any work
is spent on it. Keys are cached, so that garbage tokens cost no request each.
"""

import base64
import json
import math
import re
import threading
import time
from collections.abc import Callable
from typing import Any

from google.auth import jwt

from approvals.google import certificates

# google-auth ignores junk between base64 letters; one token must have one spelling.
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
GOOGLE_ISSUERS = frozenset({"https://accounts.google.com", "accounts.google.com"})
IAP_ISSUERS = frozenset({"https://cloud.google.com/iap"})
SKEW = 30  # seconds that clocks may differ
HOUR = 3600


class Rejected(Exception):
    """401. The message is a fixed word, safe to log; it never holds text of the token."""


class KeysUnavailable(Exception):
    """503: we cannot tell, and the caller should try again."""


class Keys:
    """Signing certificates of one issuer, fetched at most once a minute, used for a day at most."""

    def __init__(
        self, fetch: Callable[[], dict[str, str]], *, refetch: float = 60, stale: float = 24 * HOUR
    ) -> None:
        self._fetch, self._refetch, self._stale = fetch, refetch, stale
        self._lock = threading.Lock()
        self._pems: dict[str, str] = {}
        self._fetched = self._tried = -math.inf

    def get(self, key_id: str) -> str:
        """The PEM of this key. Raises `Rejected` for an unknown one, `KeysUnavailable`."""
        now = time.monotonic()
        with self._lock:
            due = key_id not in self._pems or now - self._fetched > HOUR
            if due and now - self._tried > self._refetch:
                self._tried = now
                try:
                    self._pems, self._fetched = self._fetch(), now
                except certificates.CannotFetch:
                    # Short of keys the next request may ask again soon: issuers come back.
                    self._tried = now - self._refetch + 1
            if not self._pems or now - self._fetched > self._stale:
                raise KeysUnavailable("no usable keys")
            if key_id not in self._pems:
                raise Rejected("unknown key")
            return self._pems[key_id]


google_keys = Keys(lambda: certificates.fetch_certificates(certificates.certificates_url()))
iap_keys = Keys(lambda: certificates.fetch_certificates(certificates.IAP_CERTIFICATES))


def _header(token: str) -> tuple[str, str]:
    if not 20 < len(token) <= 4096 or not _SHAPE.fullmatch(token):
        raise Rejected("malformed")
    if len(token.partition(".")[0]) > 512:
        raise Rejected("malformed")
    try:
        first, _body, _signature = map(_bytes_of, token.split("."))
        head = json.loads(first)
        algorithm, key_id = head["alg"], head["kid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Rejected("malformed") from None
    if not (isinstance(algorithm, str) and isinstance(key_id, str)):
        raise Rejected("malformed")
    return algorithm, key_id


def _bytes_of(part: str) -> bytes:
    """What a part says. Raises ValueError where other letters would say the same: the last one has
    bits that nobody reads."""
    said = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(said).decode().rstrip("=") != part:
        raise ValueError("another spelling")
    return said


def _times_fit(claims: dict[str, Any], now: float, max_life: int) -> bool:
    times: list[Any] = [claims.get("iat"), claims.get("exp"), claims.get("nbf", claims.get("iat"))]
    if not all(type(t) in (int, float) and math.isfinite(t) for t in times):
        return False
    issued, expires, valid_from = times
    return bool(
        issued <= now + SKEW
        and valid_from <= now + SKEW
        and now - SKEW <= expires <= issued + max_life
    )


def verify(
    token: str,
    keys: Keys,
    *,
    algorithm: str,
    issuers: frozenset[str],
    audience: str,
    max_life: int = HOUR + 300,
) -> dict[str, Any]:
    """The claims of a good token. Raises `Rejected` (401) or `KeysUnavailable` (503)."""
    if not audience:
        raise Rejected("no audience configured")
    named, key_id = _header(token)
    if named != algorithm:
        raise Rejected("algorithm")
    certificate = keys.get(key_id)
    try:
        claims: dict[str, Any] = jwt.decode(
            token, certs={key_id: certificate}, audience=audience, clock_skew_in_seconds=SKEW
        )
    except Exception:
        raise Rejected("invalid") from None
    if not _times_fit(claims, time.time(), max_life):
        raise Rejected("times")
    if claims.get("iss") not in issuers:
        raise Rejected("issuer")
    if not isinstance(claims.get("email"), str):
        raise Rejected("identity")
    return claims


def service_account(token: str, audience: str) -> str:
    """The verified e-mail of the Google identity in an ID token."""
    claims = verify(
        token, google_keys, algorithm="RS256", issuers=GOOGLE_ISSUERS, audience=audience
    )
    if claims.get("email_verified") is not True:
        raise Rejected("identity")
    return str(claims["email"]).lower()


def proxy_user(assertion: str, audience: str) -> str:
    """The e-mail of the person in the assertion of Identity-Aware Proxy."""
    claims = verify(
        assertion,
        iap_keys,
        algorithm="ES256",
        issuers=IAP_ISSUERS,
        audience=audience,
        max_life=660,
    )
    return str(claims["email"]).lower()

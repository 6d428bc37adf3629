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
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from google.auth import jwt

from approvals.google import certificates

# google-auth ignores junk between base64 letters; one token must have one spelling.
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
GOOGLE_ISSUERS = frozenset({"https://accounts.google.com", "accounts.google.com"})
IAP_ISSUERS = frozenset({"https://cloud.google.com/iap"})
SKEW = 30  # seconds that clocks may differ
HOUR = 3600
WAIT = 2.0  # seconds for a key that another request may just be fetching
# Where there is none at all: as long as that may take.
WAIT_FOR_ANY = sum(certificates.TIMEOUT) + certificates.MAX_SECONDS


class Rejected(Exception):
    """401. The message is a fixed word, safe to log; it never holds text of the token."""


class KeysUnavailable(Exception):
    """503: we cannot tell, and the caller should try again."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What fetching keys has come to. Times are of the monotonic clock."""

    pems: dict[str, str]
    at: float = -math.inf  # when they were fetched
    tried: float = -math.inf  # when the last try ended
    failed: bool = False  # whether it came to nothing


class Keys:
    """Signing certificates of one issuer, fetched at most once a minute, used for a day at most.

    One request at a time fetches them; whoever has a known one does not wait for it.
    """

    def __init__(
        self, fetch: Callable[[], dict[str, str]], *, refetch: float = 60, stale: float = 24 * HOUR
    ) -> None:
        self._fetch, self._refetch, self._stale = fetch, refetch, stale
        self._fetching = threading.Lock()
        self._found = _Found({})  # replaced as a whole, by whoever fetches

    def get(self, key_id: str) -> str:
        """The PEM of this key. Raises `Rejected` for an unknown one, `KeysUnavailable`."""
        settled = not self._is_due(key_id) or self._refresh(key_id)
        found = self._found
        usable = self._usable(found)
        if key_id in usable:
            return usable[key_id]
        if not settled or found.failed or not usable:
            raise KeysUnavailable("no usable keys")
        raise Rejected("unknown key")

    def _usable(self, found: _Found) -> dict[str, str]:
        return found.pems if time.monotonic() - found.at <= self._stale else {}

    def _is_due(self, key_id: str) -> bool:
        found, now = self._found, time.monotonic()
        known = key_id in self._usable(found)
        if known and now - found.at <= HOUR:
            return False
        # Short of a key the next request may ask again soon: issuers come back.
        return now - found.tried > (self._refetch if known or not found.failed else 1)

    def _refresh(self, key_id: str) -> bool:
        """Fetch, unless another request just did. False where one does so still."""
        usable = self._usable(self._found)
        wait = 0.0 if key_id in usable else WAIT if usable else WAIT_FOR_ANY
        if not self._fetching.acquire(timeout=wait):
            return False
        try:
            if self._is_due(key_id):
                self._ask()
        finally:
            self._fetching.release()
        return True

    def _ask(self) -> None:
        found = replace(self._found, failed=True)
        try:
            with suppress(certificates.CannotFetch):
                found = _Found(self._fetch(), at=time.monotonic())
        finally:
            # The pause begins here: to be told nothing may itself take seconds.
            self._found = replace(found, tried=time.monotonic())


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

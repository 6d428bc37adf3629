"""Google's access token and the sessions that carry it, guarded; and reading what is answered.

Google's access token is attached here and nowhere else, and only after the address was taken
apart, matched whole, and put together again. Redirects are never followed, and neither
`.netrc` nor proxy variables are read: each of them could replace or carry off the token.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import google.auth
import requests
from django.conf import settings
from google.auth import compute_engine
from google.auth.credentials import Credentials
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.auth.transport.requests import AuthorizedSession, Request
from urllib3.exceptions import HTTPError

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
MAX_ANSWER = 1_000_000  # bytes read of any answer
MAX_SECONDS = 10.0  # for the body of an answer
AT_A_TIME = 65_536  # bytes, of those that have arrived
# Of a list: 20,000 executions, 2,000 endpoints. What is longer cannot be read.
MAX_PAGES = 20
TIMEOUT = (5.0, 10.0)  # seconds to connect, and between two reads


class CannotLook(Exception):
    """Google's state could not be read. Nothing is known; the message has no secrets.

    `status`: of the answer, where that was the trouble. `answered`: whether the host is there and
    well, and we had a token for it; None where it was not asked.
    """

    def __init__(
        self, message: str, *, status: int | None = None, answered: bool | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.answered = status, answered


_lock = threading.Lock()
_local = threading.local()
_credentials: Credentials | None = None


def credentials() -> Credentials:
    """The credentials of this process, made once.

    On Google the application default ones. With the emulator only its own metadata server's:
    a key file or login that lies about must not be sent there. Raises `GoogleAuthError`.
    """
    global _credentials  # noqa: PLW0603 - one token for all threads is the purpose
    emulator = urlsplit(settings.WORKFLOWS_EMULATOR_HOST).netloc
    if emulator and os.environ.get("GCE_METADATA_HOST") != emulator:
        raise DefaultCredentialsError("WORKFLOWS_EMULATOR_HOST and GCE_METADATA_HOST differ")
    with _lock:
        if _credentials is None and emulator:
            _credentials = compute_engine.Credentials(scopes=[SCOPE])
        elif _credentials is None:
            _credentials = google.auth.default(scopes=[SCOPE], request=token_request())[0]
        return _credentials


def token_request() -> Request:
    """What google-auth fetches tokens through; without proxies, which would see them."""
    session = requests.Session()
    session.trust_env = False
    return Request(session)


def session() -> AuthorizedSession:
    """This thread's pooled session. A 401 is tried once more with a fresh token."""
    found: AuthorizedSession | None = getattr(_local, "session", None)
    if found is None:
        found = AuthorizedSession(
            credentials(), max_refresh_attempts=1, auth_request=token_request()
        )
        found.trust_env = False
        _local.session = found
    return found


def get(url: str, timeout: tuple[float, float] = TIMEOUT, /, **query: str) -> dict[str, Any] | None:
    """One JSON object of Google's; None for a 404. Raises `CannotLook` for other statuses."""
    response = session().get(
        url,
        params={name: value for name, value in query.items() if value},
        headers={"Accept-Encoding": "identity"},
        timeout=timeout,
        allow_redirects=False,
        stream=True,
    )
    with contextlib.closing(response):
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            status = response.status_code
            raise CannotLook(f"HTTP {status}", status=status, answered=status < 500)
        decoded: dict[str, Any] = json.loads(body_of(response, MAX_ANSWER, MAX_SECONDS))
        return decoded


def pages(url: str, key: str, **query: str) -> Iterator[list[Any]]:
    """What stands under a key of each page of a list; a request for each. Raises `CannotLook`."""
    token = ""
    for _ in range(MAX_PAGES):
        with understood():
            page = get(url, pageToken=token, **query)
            if page is None:
                raise CannotLook("Google does not know it.", status=404, answered=True)
            rows, token = list(page.get(key, ())), str(page.get("nextPageToken", ""))
        yield rows
        if not token:
            return
    raise CannotLook("There are too many to list.", answered=True)


@contextlib.contextmanager
def understood() -> Iterator[None]:
    """Whatever goes wrong with an answer is a `CannotLook`, without the texts of others."""
    try:
        yield
    except (GoogleAuthError, requests.RequestException, HTTPError) as error:
        # Without a token nothing is answered either, whatever is asked next.
        raise CannotLook(type(error).__name__, answered=False) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CannotLook("The answer was not understood.", answered=True) from None


def body_of(response: requests.Response, most: int, seconds: float) -> bytes:
    """The body of a streamed answer, as it was sent: up to `most` bytes, in so many seconds.

    A read takes what has arrived, so between two of them the clock is looked at, however the body
    comes. Raises `CannotLook` beyond either, and whatever urllib3 raises for a broken one.
    """
    body, deadline = bytearray(), time.monotonic() + seconds
    length = response.raw.length_remaining or 0  # as announced
    while length <= most and time.monotonic() < deadline:
        part = response.raw.read1(AT_A_TIME, decode_content=False)
        if not part:
            return bytes(body)
        body += part
        length = max(length, len(body))
    raise CannotLook("The answer is too long.", answered=True)

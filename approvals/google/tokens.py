"""Whether this process can get Google's access token: asked rarely, in a thread of its own."""

import logging
import threading
import time
from collections.abc import Callable

from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

from approvals.google.wire import credentials, token_request

log = logging.getLogger(__name__)

FRESH = 300.0  # seconds for which it is believed that a token can be had
AGAIN = 30.0  # seconds until it is asked again where none could
PATIENCE = 1.0  # seconds that the very first one to ask waits


def fetch() -> None:
    """Get a token, unless there is a good one already. Raises `GoogleAuthError` or `OSError`."""
    found = credentials()
    if not found.valid:
        found.refresh(token_request())


class TokenSource:
    """What is known of it. Whoever asks is told what was found last, and never waits for Google."""

    def __init__(self, ask: Callable[[], None] = fetch) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._known = threading.Event()
        self._asking = False
        self._ask_at = 0.0
        self._trouble = "It is not known yet whether Google gives this process an access token."

    def trouble(self) -> str:
        """What is wrong, in a sentence without secrets; empty where all is well."""
        with self._lock:
            if not self._asking and time.monotonic() >= self._ask_at:
                self._asking = True
                threading.Thread(target=self._find_out, name="token", daemon=True).start()
        self._known.wait(PATIENCE)
        return self._trouble

    def _find_out(self) -> None:
        trouble = _asked(self._ask)
        with self._lock:
            self._trouble, self._asking = trouble, False
            self._ask_at = time.monotonic() + (AGAIN if trouble else FRESH)
        self._known.set()


def _asked(ask: Callable[[], None]) -> str:
    try:
        ask()
    except DefaultCredentialsError:
        return "This process has no credentials of Google, so it cannot deliver answers."
    except (GoogleAuthError, OSError):
        return "Google gives this process no access token just now, so it cannot deliver answers."
    except Exception:  # the thread has nobody else to tell
        log.exception("token not asked for")
        return "Whether Google gives this process an access token could not be found out."
    return ""


token_source = TokenSource()

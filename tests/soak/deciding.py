"""Clients that decide over HTTP, by token and by page, and send again what was not answered."""

import queue
import re
import threading
import time
from collections.abc import Iterator
from html import unescape
from typing import Protocol

import requests

from tests.soak.ledger import REFUSED, SAVED, TRY_AGAIN, Answer, Ledger

PATIENCE = 60.0
"""Seconds for which one client sends one answer again and again."""
HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')


class Client(Protocol):
    """One person's program or browser. `send` may raise `requests.RequestException`."""

    email: str

    def send(self, approval: str, outcome: str) -> requests.Response: ...


class Program:
    """Votes over the API, with a personal token."""

    def __init__(self, base: str, email: str, token: str) -> None:
        self.base, self.email, self.session = base, email, requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {token}"

    def send(self, approval: str, outcome: str) -> requests.Response:
        url = f"{self.base}/api/v1/approvals/{approval}/vote"
        vote = {"outcome": outcome, "revision": 1, "comment": "Because."}
        return self.session.post(url, json=vote, timeout=40)


class Page:
    """Presses the buttons of pages, without script: after a 503 the one that this page has."""

    def __init__(self, base: str, email: str) -> None:
        self.base, self.email, self.session = base, email, requests.Session()
        self.session.trust_env = False
        self.session.get(f"{base}/sign-in/", timeout=40)
        form = {"username": email, "password": "demo"} | self._token()
        signed_in = self._post("/sign-in/", form)
        assert signed_in.status_code == 302, signed_in.text
        self.offered: dict[str, dict[str, str]] = {}

    def send(self, approval: str, outcome: str) -> requests.Response:
        form = {"outcome": outcome, "revision": "1", "comment": "Because."} | self._token()
        again = self.offered.pop(approval, form)
        answer = self._post(f"/approvals/{approval}/decide/", again)
        if answer.status_code == TRY_AGAIN:
            found = HIDDEN.findall(answer.text)
            self.offered[approval] = {unescape(name): unescape(value) for name, value in found}
            assert self.offered[approval] == form, "the page does not offer what was sent"
        return answer

    def _token(self) -> dict[str, str]:
        return {"csrfmiddlewaretoken": self.session.cookies["csrf"]}

    def _post(self, path: str, form: dict[str, str]) -> requests.Response:
        return self.session.post(self.base + path, form, allow_redirects=False, timeout=40)


class Crowd:
    """All clients, each in a thread, until every approval has had its answer."""

    def __init__(self, clients: list[Client], approvals: list[str]) -> None:
        self.ledger = Ledger()
        self.left: queue.SimpleQueue[str] = queue.SimpleQueue()
        for approval in approvals:
            self.left.put(approval)
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._act, args=(each,)) for each in clients]

    def __enter__(self) -> "Crowd":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        while not self.left.empty() and any(error):
            self.left.get()
        for thread in self._threads:
            thread.join()

    @property
    def at_work(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    @property
    def saved(self) -> int:
        return sum(self.ledger.statuses[status] for status in SAVED)

    def _act(self, client: Client) -> None:
        for number, approval in enumerate(self._next()):
            outcome = "approved" if number % 2 else "rejected"
            # Some give up after the first try, and never learn whether it was saved.
            patience = 0.0 if number % 5 == 4 else PATIENCE
            self._send(client, approval, outcome, time.monotonic() + patience)

    def _next(self) -> Iterator[str]:
        while True:
            try:
                yield self.left.get_nowait()
            except queue.Empty:
                return

    def _send(self, client: Client, approval: str, outcome: str, until: float) -> None:
        while True:
            told = self._once(client, approval, outcome)
            if told in (*SAVED, *REFUSED) or time.monotonic() > until:
                return
            time.sleep(0.1)  # as a client does that is told to try again

    def _once(self, client: Client, approval: str, outcome: str) -> int:
        told, text = 0, ""
        try:
            answer = client.send(approval, outcome)
            told, text = answer.status_code, answer.text
        except requests.RequestException:
            pass  # nobody was there, or the answer was lost
        except AssertionError as error:
            with self._lock:
                self.ledger.wrong.append(str(error))
        with self._lock:
            self.ledger.saw(f"{type(client).__name__} {approval}", told, text)
            self.ledger.note(Answer(approval, client.email, outcome, told))
        return told

"""People who answer over HTTP, several at once, and write down what they were told."""

import asyncio
import random
import re
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.soak.ledger import REFUSED, SAVED, Answer, Ledger

DOWN = (aiohttp.ClientError, TimeoutError, ConnectionError)
SILENT = "Nobody answers"
"""How questions begin that are left to time out."""
SOON = 3.0  # seconds after which a question that still waits is answered again
TIMES = 6  # an answer that was lost is repeated so often
PAGES = 0.1  # of the answers are given on the page
IMPATIENT = 0.7  # of those whose answer was lost repeat it
_CSRF = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a personal token for programs, and a session for pages."""

    email: str
    token: str
    session: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the inbox."""

    status: int
    text: str = ""
    body: Any = None


class Inbox:
    """Both web servers as clients see them: whoever is not there, the other may be."""

    def __init__(self, client: aiohttp.ClientSession, ports: tuple[int, int], ledger: Ledger):
        self.client, self.ledger = client, ledger
        self.bases = [f"http://127.0.0.1:{port}" for port in ports]

    async def ask(
        self, method: str, path: str, headers: dict[str, str], **options: Any
    ) -> Reply | None:
        """What one of them answers, None where no answer came: it may have been done or not."""
        url = random.choice(self.bases) + path
        try:
            async with self.client.request(
                method, url, headers=headers, allow_redirects=False, **options
            ) as answer:
                text = await answer.text()
                is_json = answer.content_type == "application/json"
                body = await answer.json() if is_json else None
        except DOWN:
            return None
        self.ledger.saw(f"{method} {path}", answer.status, text)
        return Reply(answer.status, text, body)


class Crowd:
    """Everybody who is asked: they look what waits for them, and answer it in many ways."""

    def __init__(
        self, inbox: Inbox, people: list[Person], ledger: Ledger, seed: int, at_once: int = 24
    ) -> None:
        self.inbox, self.people, self.ledger = inbox, people, ledger
        self.chance = random.Random(f"{seed} crowd")
        self.slots = asyncio.Semaphore(at_once)
        self.again: dict[str, float] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Look and answer until cancelled."""
        while True:
            found = 0
            for row in await self._waiting(self.chance.choice(self.people)):
                if row["title"].startswith(SILENT):
                    continue
                if self.again.get(row["approval_id"], 0) <= time.monotonic():
                    found += 1
                    self.again[row["approval_id"]] = time.monotonic() + SOON
                    await self.slots.acquire()
                    task = asyncio.create_task(self._answer(row["approval_id"]))
                    self.tasks.add(task)
                    task.add_done_callback(self._done)
            await asyncio.sleep(0.05 if found else 0.3)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self.tasks.discard(task)
        self.slots.release()
        if not task.cancelled() and (error := task.exception()):
            self.ledger.wrong.append(f"a client failed: {error!r}")

    async def _waiting(self, person: Person) -> list[dict[str, Any]]:
        """What waits for a person: all pages of the list, as far as they come."""
        rows: list[dict[str, Any]] = []
        query = ""
        while True:
            reply = await self.inbox.ask("GET", f"/api/v1/me/approvals{query}", _bearer(person))
            if reply is None or reply.status != 200:
                return rows
            rows += reply.body["approvals"]
            if not (cursor := reply.body["next_cursor"]):
                return rows
            query = f"?cursor={cursor}"

    async def _answer(self, approval: str) -> None:
        """One answers; or two at once, who race; or one who clicks twice."""
        one, other = self.chance.sample(self.people, 2)
        outcome, another = (self._outcome() for _ in range(2))
        kind = self.chance.random()
        votes = [self._insist(approval, one, outcome)]
        if kind < 0.15:
            votes.append(self._insist(approval, other, another))
        elif kind < 0.25:
            votes.append(self._insist(approval, one, outcome))
        await asyncio.gather(*votes)

    def _outcome(self) -> str:
        return self.chance.choice(["approved", "approved", "rejected"])

    async def _insist(self, approval: str, person: Person, outcome: str) -> None:
        """Answer; and where no answer comes back, mostly answer the same again."""
        vote = self._on_page if self.chance.random() < PAGES else self._by_token
        for _ in range(TIMES):
            answer = await vote(approval, person, outcome)
            if answer is not None:
                self.ledger.note(answer)
                if answer.told in (*SAVED, *REFUSED) or self.chance.random() > IMPATIENT:
                    return
            await asyncio.sleep(self.chance.random() * 0.5)

    async def _by_token(self, approval: str, person: Person, outcome: str) -> Answer:
        body = {"outcome": outcome, "comment": _comment(person), "revision": 1}
        path = f"/api/v1/approvals/{approval}/vote"
        reply = await self.inbox.ask("POST", path, _bearer(person), json=body)
        if reply is None:
            return Answer(approval, person.email, outcome, 0)
        status = reply.body["status"] if reply.status == 200 else ""
        return Answer(approval, person.email, outcome, reply.status, status)

    async def _on_page(self, approval: str, person: Person, outcome: str) -> Answer | None:
        """None where there was no page, and so nothing was sent."""
        path = f"/approvals/{approval}/"
        cookies = {"Cookie": "; ".join(f"{name}={text}" for name, text in person.session.items())}
        page = await self.inbox.ask("GET", path, cookies)
        found = _CSRF.search(page.text) if page and page.status == 200 else None
        if found is None:
            return None
        form = {"csrfmiddlewaretoken": found[1], "revision": "1", "outcome": outcome}
        form["comment"] = _comment(person)
        reply = await self.inbox.ask("POST", f"{path}decide/", cookies, data=form)
        return Answer(approval, person.email, outcome, reply.status if reply else 0)


def _bearer(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.token}"}


def _comment(person: Person) -> str:
    return f"{person.email} says so."

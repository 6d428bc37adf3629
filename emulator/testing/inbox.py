"""The inbox that tests talk to: the rules of approvals, without people, pages and database.

It decides as the inbox does and says it in the same words. Nothing here touches the network: the
API is in `inbox_api`, and answers are brought to their callbacks by `delivery`.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import Any

from emulator.testing.bodies import PENDING, Registration, Report
from emulator.testing.errors import AnswerRefused
from emulator.testing.record import Record, how_it_closed, payload

NEGATIVE = ("rejected", "changes_requested")
SOMEBODY = "somebody@example.com"
"""Who answers where nobody is named."""


class Conflict(Exception):
    """What is asked for conflicts with what is on record: a 409."""


class UnknownApprover(Exception):
    """An approver who is nobody here: a 422."""


class Inbox:
    """The approvals of one test, oldest first.

    Args:
        url: where its API is served, `BASE_URL` of the inbox.
        now: tells the time by which questions expire.
    """

    def __init__(self, url: str, now: Callable[[], datetime]) -> None:
        self.url = url
        self.records: list[Record] = []
        self.groups: dict[str, tuple[str, ...]] = {}
        self.default_approvers: Sequence[str] = ()
        self.has_worker = True
        self._now = now

    # --- what workflows ask for -----------------------------------------------------------------

    def register(self, caller: str, key: str | None, body: Registration) -> tuple[Record, bool]:
        """Keep a question, once; (the approval, whether it is new).

        Raises:
            Conflict: the same callback or key was registered with other content.
            UnknownApprover: there are groups, and this one or this person is in none.
        """
        content = body.model_dump(mode="json", exclude={"callback_url"})
        sha256 = _digest(content)
        found = self._registered(caller, body.callback_url, key)
        if found is not None:
            return self._again(found, caller, body.callback_url, sha256), False
        if unknown := [name for name in body.approvers if not self._known(name)]:
            raise UnknownApprover(
                f"Nobody here is called {', '.join(unknown)}. Use user:E-MAIL of an active person"
                " or group:NAME; both are kept in the admin."
            )
        now = self._now()
        record = Record(
            id=str(uuid.uuid4()),
            caller=caller,
            key=key,
            execution=_execution(body.callback_url),
            callback_url=body.callback_url,
            body=body,
            sha256=sha256,
            url="",
            created_at=now,
            expires_at=_deadline(now, body.expires_in),
            callback_urls={body.callback_url},
        )
        record.url = f"{self.url}/approvals/{record.id}/"
        self.records.append(record)
        return record, True

    def settle(self, record: Record, *, timed_out: bool) -> dict[str, Any]:
        """The outcome on record, which is closed first if it is open and the wait timed out."""
        if timed_out and record.status == PENDING:
            self._close(record, record.body.on_expiry)
        if record.payload is None:
            return {"approval_id": record.id, "outcome": PENDING}
        record.delivery, record.due = "confirmed", None
        return record.payload

    def withdraw(self, record: Record) -> None:
        """Close a question whose answer is no longer needed.

        Raises:
            Conflict: it was answered before.
        """
        if record.status not in (PENDING, "withdrawn"):
            raise Conflict(how_it_closed(record))
        if record.status == PENDING:
            self._close(record, "withdrawn")

    def report(self, record: Record, said: Report) -> None:
        """Keep what the workflow did with the answer.

        Raises:
            Conflict: there is none yet.
        """
        if record.status == PENDING:
            raise Conflict("This approval is still waiting for an answer.")
        record.reported = said

    # --- what people and time do ----------------------------------------------------------------

    def decide(self, record: Record, outcome: str, *, by: str, comment: str) -> None:
        """Record a person's answer; its delivery is due at once. One's own again is no error.

        Args:
            by: an e-mail address, or `Ana Almeida <ana@example.com>`; empty is the first who was
                asked.

        Raises:
            AnswerRefused: as the inbox would refuse it.
        """
        name, email = self._person(record, by)
        labels = {option.value: option.label for option in record.body.options}
        if outcome not in labels:
            known = ", ".join(f"{label} ({value})" for value, label in labels.items())
            raise AnswerRefused(f"“{outcome}” is not one of the answers: {known}.")
        comment = comment.strip()
        if not comment and self._needs_comment(record, outcome):
            raise AnswerRefused("Please say why: the comment goes to the person who asked.")
        if record.status != PENDING:
            if record.status == outcome and record.decided_by == (email, name):
                return
            raise AnswerRefused(how_it_closed(record))
        if record.expires_at is not None and record.expires_at <= self._now():
            raise AnswerRefused("The time to answer has passed; nothing was saved.")
        if not self._may_decide(record, email):
            raise AnswerRefused(
                "You may read this request, but others were asked to decide it:"
                f" {', '.join(record.body.approvers)}, and not {email}. Nobody decides their own."
            )
        record.decided_by, record.comment = (email, name), comment
        self._close(record, outcome)

    def expire_until(self, moment: float) -> None:
        """Close what nobody answered in time; the moment is in seconds since 1970."""
        for record in self.pending():
            if record.expires_at is not None and record.expires_at.timestamp() <= moment:
                self._close(record, record.body.on_expiry)

    # --- looking --------------------------------------------------------------------------------

    def pending(self) -> Iterator[Record]:
        """Those that wait for an answer, oldest first."""
        return (record for record in self.records if record.status == PENDING)

    def find(self, caller: str, approval: str) -> Record | None:
        """A caller's own approval, or None."""
        own = (record for record in self.records if record.caller == caller)
        return next((record for record in own if record.id == approval), None)

    def next_due(self) -> float | None:
        """When something happens here next by itself, in seconds since 1970."""
        if not self.has_worker:
            return None
        expiries = [
            record.expires_at.timestamp()
            for record in self.pending()
            if record.expires_at is not None
        ]
        deliveries = [record.due for record in self.records if record.due is not None]
        return min([*expiries, *deliveries], default=None)

    # --- parts ----------------------------------------------------------------------------------

    def _registered(self, caller: str, url: str, key: str | None) -> Record | None:
        found = [
            record
            for record in self.records
            if url in record.callback_urls
            or (key and record.caller == caller and record.key == key)
        ]
        if len(found) > 1:
            raise Conflict(
                "This callback URL belongs to one question and this Idempotency-Key to another."
                " Use a fresh callback endpoint and key for every question."
            )
        return found[0] if found else None

    def _again(self, record: Record, caller: str, url: str, sha256: str) -> Record:
        if record.caller != caller or record.sha256 != sha256:
            raise Conflict(
                "This callback URL or Idempotency-Key was registered before with other content."
                " Use a fresh callback endpoint and key for every question."
            )
        if url not in record.callback_urls:
            if record.execution != _execution(url):
                raise Conflict(
                    "This Idempotency-Key belongs to another execution."
                    " Put the execution id into the key."
                )
            if record.status == PENDING:
                record.callback_url = url
                record.callback_urls.add(url)
        return record

    def _close(self, record: Record, outcome: str) -> None:
        record.status, record.decided_at = outcome, self._now()
        record.payload = payload(record)
        record.delivery, record.due = "queued", record.decided_at.timestamp()

    def _known(self, approver: str) -> bool:
        """Where groups are told, they and the people in them are all there are."""
        kind, _, name = approver.partition(":")
        people = {address(member)[1] for members in self.groups.values() for member in members}
        known = self.groups.keys() if kind == "group" else people
        wanted = name.strip() if kind == "group" else name.strip().lower()
        return not self.groups or wanted in known

    def _person(self, record: Record, by: str) -> tuple[str, str]:
        asked = list(self._asked(record))
        name, email = address(by or next(iter(asked), SOMEBODY))
        if not by:
            return name, email
        told = (address(member) for members in self.groups.values() for member in members)
        return name or next((known for known, mail in told if mail == email), ""), email

    def _asked(self, record: Record) -> Iterator[str]:
        """The people who were asked and may answer, as far as they are known."""
        requester = _mailbox(record.body.requested_by)
        for approver in record.body.approvers:
            kind, _, name = approver.partition(":")
            people = self.groups.get(name.strip(), ()) if kind == "group" else (name.strip(),)
            yield from (person for person in people if _mailbox(address(person)[1]) != requester)

    def _may_decide(self, record: Record, email: str) -> bool:
        if _mailbox(email) == _mailbox(record.body.requested_by):
            return False
        names = [name.partition(":")[2].strip() for name in record.body.approvers]
        open_groups = any(
            name.startswith("group:") and name.partition(":")[2].strip() not in self.groups
            for name in record.body.approvers
        )
        if open_groups or not names:  # nobody has told who is in them
            return True
        return email in {address(person)[1] for person in self._asked(record)}

    @staticmethod
    def _needs_comment(record: Record, outcome: str) -> bool:
        rule = record.body.comment
        return rule == "always" or (rule == "on_reject" and outcome in NEGATIVE)


def address(person: str) -> tuple[str, str]:
    """(name, e-mail in lower case) of `ana@example.com` or `Ana Almeida <ana@example.com>`."""
    name, email = parseaddr(person)
    return name, email.lower()


def _mailbox(email: str) -> str:
    """The person behind an address: lower case, without a "+tag"."""
    local, at, domain = email.strip().lower().partition("@")
    return local.partition("+")[0] + at + domain


def _execution(callback_url: str) -> str:
    return callback_url.partition("/v1/")[2].partition("/callbacks/")[0]


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _deadline(now: datetime, expires_in: int | None) -> datetime | None:
    """The inbox closes before the workflow gives up: 2 % earlier, at least 30 seconds."""
    if expires_in is None:
        return None
    margin = min(max(30.0, expires_in * 0.02), expires_in / 2)
    return now + timedelta(seconds=expires_in - margin)

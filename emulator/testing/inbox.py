"""The inbox that tests talk to: the rules of approvals, without people, pages and database.

It decides as the inbox does and says it in the same words. Nothing here touches the network: the
API is in `inbox_api`, and answers are brought to their callbacks by `delivery`.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from countersign.bodies import PENDING, OutcomeIn
from countersign.questionnaire import filled_in
from countersign.tally import NEGATIVE, outcome_of
from countersign.terms import Terms, TermsRefused
from emulator.testing.asking import terms_of
from emulator.testing.bodies import Registration
from emulator.testing.errors import AnswerRefused, TestingError
from emulator.testing.people import SOMEBODY, People, mailbox
from emulator.testing.record import Cast, Record, how_it_closed, payload

_MANY = 10**6
"""People of a group of which nobody has told who is in it: enough for every number of votes."""


class Conflict(Exception):
    """What is asked for conflicts with what is on record: a 409."""


class Inbox:
    """The approvals of one test, oldest first.

    Args:
        url: where its API is served, `BASE_URL` of the inbox.
        now: tells the time by which questions expire.
    """

    def __init__(self, url: str, now: Callable[[], datetime]) -> None:
        self.url = url
        self.records: list[Record] = []
        self.people = People()
        self.types: dict[str, Terms] = {}
        self.has_worker = True
        self._now = now

    # --- what workflows ask for -----------------------------------------------------------------

    def register(self, caller: str, key: str | None, body: Registration) -> tuple[Record, bool]:
        """Keep a question, once; (the approval, whether it is new).

        Raises:
            Conflict: the same callback or key was registered with other content.
            TermsRefused, FormInvalid, UnknownApprover: as `terms_of`.
        """
        content = body.model_dump(mode="json", exclude={"callback_url"})
        sha256 = _digest(content)
        found = self._registered(caller, body.callback_url, key)
        if found is not None:
            return self._again(found, caller, body.callback_url, sha256), False
        policy = self._type(body.type)
        terms = terms_of(body, policy, self.people)
        old = self._superseded(caller, body)
        now = self._now()
        record = Record(
            id=str(uuid.uuid4()),
            caller=caller,
            key=key,
            execution=_execution(body.callback_url),
            callback_url=body.callback_url,
            body=body,
            terms=terms,
            names=self.people.names(),
            version=1 if policy else None,
            sha256=sha256,
            url="",
            created_at=now,
            expires_at=_deadline(now, terms.expires_in),
            callback_urls={body.callback_url},
        )
        record.url = f"{self.url}/approvals/{record.id}/"
        self.records.append(record)
        if old is not None:
            old.superseded_by = record.id
            if old.status == PENDING:
                self._close(old, "withdrawn")
        return record, True

    def settle(self, record: Record, *, timed_out: bool) -> dict[str, Any]:
        """The outcome on record, which is closed first if it is open and the wait timed out."""
        if timed_out and record.status == PENDING:
            self._close(record, record.terms.on_expiry)
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

    def report(self, record: Record, said: OutcomeIn) -> None:
        """Keep what the workflow did with the answer.

        Raises:
            Conflict: there is none yet.
        """
        if record.status == PENDING:
            raise Conflict("This approval is still waiting for an answer.")
        record.reported = said

    # --- what people and time do ----------------------------------------------------------------

    def decide(
        self, record: Record, outcome: str, *, by: str, comment: str, form: Mapping[str, Any]
    ) -> None:
        """Record a person's answer; what settles it is due at once. One's own again is no error.

        Args:
            by: an e-mail address, or `Ana Almeida <ana@example.com>`; empty is the first who was
                asked and has not answered.
            form: what was filled in, by its property.

        Raises:
            AnswerRefused: as the inbox would refuse it.
            FormInvalid: what was filled in does not fit.
            TestingError: nobody has told who has to answer.
        """
        email, name = self._person(record, by)
        labels = {option.value: option.label for option in record.body.options}
        if outcome not in labels:
            known = ", ".join(f"{label} ({value})" for value, label in labels.items())
            raise AnswerRefused(f"“{outcome}” is not one of the answers: {known}.")
        comment = comment.strip()
        if not comment and _needs_comment(record, outcome):
            raise AnswerRefused("Please say why: the comment goes to the person who asked.")
        values = filled_in(record.terms.form, form, negative=outcome in NEGATIVE)
        if self._is_cast(record, email, outcome):
            return
        self._require_right(record, email)
        vote = Cast(email, name, record.stage, outcome, comment, values, self._now())
        record.votes.append(vote)
        settled = self._tally(record)
        if settled in NEGATIVE or (settled and record.stage + 1 == len(record.terms.stages)):
            record.decided_by = (email, name)
            self._close(record, settled)
        elif settled:
            record.stage += 1

    def expire_until(self, moment: float) -> None:
        """Close what nobody answered in time; the moment is in seconds since 1970."""
        for record in self.pending():
            if record.expires_at is not None and record.expires_at.timestamp() <= moment:
                self._close(record, record.terms.on_expiry)

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

    def _type(self, name: str) -> Terms | None:
        """The type of that name. Where no type was told of, names are labels."""
        if name and name not in self.types and self.types:
            raise TermsRefused(
                "type", f"There is no active type “{name}” here; types are kept in the admin."
            )
        return self.types.get(name)

    def _superseded(self, caller: str, body: Registration) -> Record | None:
        if body.supersedes is None:
            return None
        found = self.find(caller, str(body.supersedes))
        if found is None or found.superseded_by is not None:
            raise TermsRefused(
                "supersedes",
                "No approval of yours has this id, or another has replaced it already.",
            )
        return found

    def _is_cast(self, record: Record, email: str, outcome: str) -> bool:
        """Whether this person has given this answer in this stage already."""
        return any((vote.email, vote.outcome) == (email, outcome) for vote in record.votes_now())

    def _require_right(self, record: Record, email: str) -> None:
        if record.status != PENDING:
            raise AnswerRefused(how_it_closed(record))
        if record.expires_at is not None and record.expires_at <= self._now():
            raise AnswerRefused("The time to answer has passed; nothing was saved.")
        if not self._is_asked(record, email):
            if any(vote.email == email for vote in record.votes):
                raise AnswerRefused("You have answered this request already; others have not yet.")
            asked = ", ".join(asked.name for asked in record.now_asked.asked)
            raise AnswerRefused(
                "You may read this request, but others were asked to decide it:"
                f" {asked}, and not {email}. Nobody decides their own."
            )

    def _is_asked(self, record: Record, email: str) -> bool:
        """Whether this person may answer now, and has not."""
        requester = record.body.requested_by
        if mailbox(email) == mailbox(requester):
            return False
        if any(vote.email == email for vote in record.votes_now()):
            return False
        if self.people.strangers(record.now_asked):
            return True
        return email in self.people.reached(record.now_asked, requester)

    def _tally(self, record: Record) -> str | None:
        """What the answers of this stage come to; None while it is open."""
        stage, votes = record.now_asked, record.votes_now()
        strangers = self.people.strangers(stage)
        if strangers and stage.votes_needed is None:
            raise TestingError(
                f"everybody in {', '.join(strangers)} must answer, and nobody has said who they"
                " are: workflows.inbox.has_group(…)"
            )
        reached = set(self.people.reached(stage, record.body.requested_by))
        able = _MANY if strangers else len(reached | {vote.email for vote in votes})
        return outcome_of(
            [vote.outcome for vote in votes],
            needed=stage.votes_needed,
            able=able,
            reject_settles=record.terms.reject_settles,
            order=[option.value for option in record.body.options],
        )

    def _person(self, record: Record, by: str) -> tuple[str, str]:
        if by:
            return self.people.who(by)
        voted = {vote.email for vote in record.votes_now()} if record.status == PENDING else set()
        asked = self.people.reached(record.now_asked, record.body.requested_by)
        if not asked or self.people.strangers(record.now_asked):
            asked += [SOMEBODY, *(f"somebody-{number}@example.com" for number in range(2, 60))]
        left = [email for email in asked if email not in voted]
        return self.people.who((left or asked)[0])


def _needs_comment(record: Record, outcome: str) -> bool:
    rule = record.terms.comment
    return rule == "always" or (rule == "on_reject" and outcome in NEGATIVE)


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

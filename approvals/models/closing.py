"""Closing an approval: the one transition to an outcome, and what comes after it."""

import json
import uuid
from datetime import datetime
from typing import Any, Self

from django.db import models, transaction
from django.utils import timezone

from approvals.models.callback import Callback
from approvals.models.caller import Caller
from approvals.models.content import NEGATIVE, PENDING, digest
from approvals.models.delivery import Delivery, lane_of
from approvals.models.errors import AlreadyClosed, AlreadyRegistered
from approvals.models.execution import Execution
from approvals.models.querysets import ApprovalQuerySet, all_approvals
from approvals.models.question import Question
from approvals.models.record import Event, Vote
from approvals.models.user import User
from countersign.phrases import phrase

WAIT_TIMED_OUT = phrase("The workflow's wait timed out.")


class Closing(Question):
    """The part of `Approval` that ends it, and what the workflow says of it."""

    class Meta:
        abstract = True

    def expire(self) -> bool:
        """Close it because its time is over, and tell the workflow; False if it was closed.

        An answer that waits for the end of its undo window counts: it was given in time.
        """
        return self._close_undecided(all_approvals().overdue(), "system", {})

    def _close_undecided(
        self, candidates: ApprovalQuerySet, actor: str, data: dict[str, Any]
    ) -> bool:
        with transaction.atomic():
            held = candidates.filter(pk=self.pk, status=PENDING)
            if not held.update(changed_at=timezone.now()):
                return False
            self.refresh_from_db()
            final = self.settles_as in NEGATIVE or self.stage + 1 >= len(self.stages)
            if self.settles_as and final:
                return self.close(held, self.settles_as, Event.Kind.DECIDED, self.last_voter.actor)
            return self.close(held, self.on_expiry, Event.Kind.EXPIRED, actor, data=data)

    def withdraw(self, reason: str, *, actor: str) -> None:
        """Close it because the answer is no longer needed. Raises `AlreadyClosed`."""
        pending = self.rows().filter(status=PENDING)
        kind = Event.Kind.WITHDRAWN
        with transaction.atomic():
            closed = self.close(pending, "withdrawn", kind, actor, data={"reason": reason})
        if not closed:
            self.refresh_from_db()
            if self.status != "withdrawn":
                raise AlreadyClosed(self.how_it_closed())

    def abandon(self, reason: str) -> bool:
        """Close it because its workflow has ended; False if it was closed, or answered and only
        waiting for the end of its undo window: that answer was given, and counts."""
        unanswered = self.rows().filter(status=PENDING, settles_at__isnull=True)
        kind = Event.Kind.WITHDRAWN
        with transaction.atomic():
            return self.close(unanswered, "withdrawn", kind, "system", data={"reason": reason})

    def note_end(self, state: str) -> bool:
        """Keep what the execution came to, once, where there was an outcome for it; False where
        there is none yet, or where the outcome is that end itself."""
        with transaction.atomic():
            # The row first, as everywhere: whoever else has seen the end waits, and finds the line.
            had_outcome = self.rows().exclude(status__in=(PENDING, "withdrawn"))
            if not had_outcome.update(record_length=models.F("record_length")):
                return False
            lines = Event.objects.filter(approval=self.pk, kind=Event.Kind.ENDED)
            if lines.exists():
                return False
            Event.append(self.pk, Event.Kind.ENDED, "system", data={"state": state})
        return True

    def settle(self, *, timed_out: bool, actor: str) -> dict[str, Any] | None:
        """The recorded outcome (the callback body), or None while it is pending.

        `timed_out`: the workflow waits no longer, so an undecided approval is closed in the
        same statement, and that is the answer ever after. Being asked is the proof that the
        workflow has the outcome.
        """
        if timed_out:
            reason = {"reason": WAIT_TIMED_OUT}
            self._close_undecided(all_approvals(), actor, reason)
        self.refresh_from_db()
        if self.status == PENDING:
            return None
        Delivery.confirm(self.pk, actor=actor)
        return self.outgoing.payload

    def report(self, result: str, message: str, url: str, *, actor: str) -> None:
        """Keep what the workflow did with the outcome. Raises `AlreadyClosed` while undecided."""
        said = {"result": result, "result_message": message, "result_url": url}
        with transaction.atomic():
            undone = self.rows().exclude(status=PENDING).exclude(**said)
            if undone.update(**said):
                Event.append(self.pk, Event.Kind.OUTCOME, actor, data=said)
        self.refresh_from_db()
        if self.status == PENDING:
            raise AlreadyClosed("This approval is still waiting for an answer.")

    def register_again(
        self, caller: Caller, callback_url: str, execution: str, sha256: str
    ) -> Self:
        """Answer a repeated registration; with a new URL of the same execution, re-arm."""
        if self.require_same(caller, callback_url, execution, sha256):
            return self
        with transaction.atomic():
            pending = self.rows().filter(status=PENDING).exclude(callback_url=callback_url)
            if pending.update(callback_url=callback_url):
                Callback.objects.create(url=callback_url, approval_id=self.pk)
                Event.append(self.pk, Event.Kind.REARMED, caller.actor)
                Execution.objects.follow([execution])
        self.refresh_from_db()
        return self

    def require_same(self, caller: Caller, callback_url: str, execution: str, sha256: str) -> bool:
        """Whether this URL is known already; raises `AlreadyRegistered` for another question."""
        if self.caller_id != caller.pk or self.request_sha256 != sha256:
            raise AlreadyRegistered(
                "This callback URL or Idempotency-Key was registered before with other content."
                " Use a fresh callback endpoint and key for every question."
            )
        known = Callback.objects.filter(approval=self.pk, url=callback_url).exists()
        if not known and self.execution != execution:
            raise AlreadyRegistered(
                "This Idempotency-Key belongs to another execution."
                " Put the execution id into the key."
            )
        return known

    @property
    def last_voter(self) -> User:
        """Whose answer decided the stage."""
        vote = self.standing_votes().select_related("user").last()
        if vote is None:
            raise LookupError(f"approval {self.pk} has no vote")
        return vote.user

    def close(
        self,
        candidates: ApprovalQuerySet,
        outcome: str,
        kind: str,
        actor: str,
        *,
        data: dict[str, Any] | None = None,
        at: datetime | None = None,
    ) -> bool:
        """The one transition: outcome, delivery and event, if `candidates` still has it.

        In the caller's transaction. The conditional UPDATE is the lock: of any number at once,
        one changes a row.
        """
        now = at or timezone.now()
        decided = kind == Event.Kind.DECIDED
        if not candidates.filter(pk=self.pk).update(
            status=outcome,
            decided_at=now,
            decided_by=self.last_voter if decided else None,
            settles_as="",
            settles_at=None,
            changed_at=now,
        ):
            return False
        self.refresh_from_db()
        decision_id = uuid.uuid4()
        body = json.dumps(self._payload(decision_id, decided=decided), ensure_ascii=False)
        Delivery.objects.create(
            id=decision_id,
            approval_id=self.pk,
            body=body,
            lane=lane_of(self.callback_url, self.execution),
            created_at=now,
        )
        told = {
            "outcome": outcome,
            "decision_id": str(decision_id),
            "body_sha256": digest(body),
            "content_sha256": self.content_sha256,
            **(data or {}),
        }
        Event.append(self.pk, kind, actor, data=told, was=PENDING, at=now)
        if kind != Event.Kind.WITHDRAWN:  # which its workflow does itself, or its end
            Execution.objects.hurry(self.execution)
        return True

    def _payload(self, decision_id: uuid.UUID, *, decided: bool) -> dict[str, Any]:
        """The callback body of the contract."""
        standing = self.standing_votes().select_related("user", "principal")
        votes = list(standing)
        last = votes[-1] if decided else None
        return {
            "approval_id": str(self.pk),
            "decision_id": str(decision_id),
            "outcome": self.status,
            "decided_at": _moment(self.decided_at or timezone.now()),
            "decided_by": _person(last) if last else None,
            "comment": last.comment if last else "",
            "form": next((vote.form for vote in reversed(votes) if vote.form), {}),
            "votes": [
                {
                    "email": vote.user.email,
                    "on_behalf_of": vote.behalf,
                    "outcome": vote.outcome,
                    "comment": vote.comment,
                    "at": _moment(vote.at),
                }
                for vote in votes
            ],
            "content_sha256": self.content_sha256,
            "url": self.url,
        }


def _moment(at: datetime) -> str:
    return str(at.isoformat(timespec="milliseconds")).replace("+00:00", "Z")


def _person(vote: Vote) -> dict[str, Any]:
    return {
        "email": vote.user.email,
        "name": vote.user.get_full_name(),
        "on_behalf_of": vote.behalf,
    }

"""Bringing an outcome to its workflow: one round on one delivery.

What to do next is decided in `verdicts`, which is pure; here it is asked and done.
"""

import logging
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from django.utils import timezone

from approvals.google import callbacks
from approvals.google.callbacks import Answer, Reply, Sight, Trace
from approvals.google.wire import CannotLook
from approvals.models import Attempt, Delivery
from approvals.models.outbox import FINAL, State, Trouble
from approvals.verdicts import Past, Step, Unseen, Verdict, next_step

Found = TypeVar("Found")

log = logging.getLogger(__name__)

# Of the jitter in pauses; nothing secret hangs on it.
chance: Callable[[], float] = random.random

RESULTS = {
    Answer.STORED: Attempt.Result.STORED,
    Answer.RETRY: Attempt.Result.RETRY,
    Answer.UNKNOWN: Attempt.Result.UNKNOWN,
    Answer.FULL: Attempt.Result.FULL,
    Answer.DENIED: Attempt.Result.REFUSED,
    Answer.REFUSED: Attempt.Result.REFUSED,
    Answer.GONE: Attempt.Result.GONE,
}
# Put back by hand, left in the middle, or not understood: look before anything is sent.
UNSURE = (State.UNKNOWN, State.SENDING)


def deliver(delivery: Delivery) -> bool | None:
    """One round on a claimed delivery. Never raises for trouble on Google's side.

    Returns whether the callback's host answered: False where it did not, was not reached, for
    want of a token too, or is not well (5xx); None where it was not asked.
    """
    return Round(delivery).play()


class Round:
    """What is asked and answered in one round, and whether the host is there."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.past = past_of(delivery)
        self.reply: Reply | None = None
        self.sight: Sight | Unseen | None = None
        self.trace: Trace | Unseen | None = None
        self.answered: bool | None = None

    def play(self) -> bool | None:
        """Ask and act until there is a verdict, and write it down."""
        while not isinstance(step := self._next(), Verdict):
            if step is Step.LOOK:
                self.sight = self._ask(callbacks.look)
            elif step is Step.TRACE:
                self.trace = self._ask(callbacks.trace)
            elif not self._send():
                return self.answered  # somebody else has the delivery now
        _write(self.delivery, self.past, step)
        return self.answered

    def _next(self) -> Step | Verdict:
        return next_step(self.past, self.reply, self.sight, self.trace, chance=chance())

    def _send(self) -> bool:
        """One try, written down before it leaves. What was seen before it counts no more."""
        attempt = self.delivery.begin_attempt()
        if attempt is None:
            return False
        self.reply = callbacks.post(self.delivery.approval.callback_url, self.delivery.body)
        self.sight = None
        result = RESULTS[self.reply.answer]
        attempt.finish(result, status=self.reply.status, detail=self.reply.detail)
        self._hear(answered=self.reply.answered)
        return True

    def _ask(self, question: Callable[[str], Found]) -> Found | Unseen:
        """What Google answers to a question about the callback, if it can be asked."""
        try:
            found = question(self.delivery.approval.callback_url)
        except CannotLook as error:
            self._hear(answered=error.answered)
            about = {"approval": str(self.delivery.approval_id), "why": str(error)}
            log.info("cannot look", extra=about)
            return Unseen(error.status)
        self._hear(answered=True)
        return found

    def _hear(self, *, answered: bool | None) -> None:
        """One silence in a round is a silence, whatever was answered before it."""
        if answered is not None:
            self.answered = answered and self.answered is not False


def past_of(delivery: Delivery) -> Past:
    """What the record says of a delivery, in one query of its tries."""
    now, tries = timezone.now(), list(delivery.attempts.all())
    results = [attempt.result for attempt in tries]
    landed = delivery.stored_at is not None or Attempt.Result.STORED in results
    trouble = delivery.trouble
    return Past(
        decision_id=str(delivery.pk),
        landed=landed,
        doubt=any(result in Attempt.DOUBTFUL for result in results),
        unsure=delivery.state in UNSURE or trouble in (Trouble.FOREIGN, Trouble.NO_CALLBACK),
        unheard=delivery.unheard,
        tries=delivery.tries,
        gone=results.count(Attempt.Result.GONE),
        kept=_seconds(delivery.stored_at, now),
        quiet=_seconds(tries[-1].started_at if tries else None, now),
        trouble=trouble,
    )


def _seconds(since: datetime | None, now: datetime) -> float:
    return (now - since).total_seconds() if since else 0.0


def _write(delivery: Delivery, past: Past, verdict: Verdict) -> None:
    """The verdict becomes the state of the row, if it is still ours, and a line of the log."""
    due = timezone.now() + timedelta(seconds=verdict.pause)
    if not delivery.move(
        verdict.state,
        verdict.reason,
        next_attempt_at=None if verdict.state in FINAL else due,
        trouble=verdict.trouble,
        unheard=verdict.unheard,
    ):
        return
    about = {
        "approval": str(delivery.approval_id),
        "decision": str(delivery.pk),
        "tries": delivery.tries,
        "reason": verdict.reason,
        "trouble": delivery.trouble,
    }
    log.info("delivery %s", verdict.state, extra=about)
    if verdict.trouble == Trouble.FOREIGN and past.trouble != Trouble.FOREIGN:
        log.warning("callback used by somebody else", extra=about)

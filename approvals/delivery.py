"""Bringing an outcome to its workflow: one round on one delivery, and what to do next.

Deciding is pure (`judge`, `conclude`, `pause`); `deliver` asks and acts. Doubt is resolved by
looking at Google's state, never by sending again on a guess.
"""

import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, connections
from django.utils import timezone

from approvals.google import callbacks
from approvals.google.callbacks import Answer, Reply, Sight
from approvals.google.wire import CannotLook
from approvals.models import Attempt, Delivery
from approvals.models.outbox import State

log = logging.getLogger(__name__)

# Seconds before each further try; then every minute for an hour, then every ten minutes.
PAUSES = (1, 2, 5, 10, 30, 60)
HOUR_OF_MINUTES = len(PAUSES) + 60
SLOW = 600.0
# Seconds before each look at a stored answer that is not known to be read.
LOOKS = (2, 8, 30, 60)
# The person who clicked waits this long, in seconds, for the first try.
IN_REQUEST = 3.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state a delivery goes to, why in words, and the seconds to the next round."""

    state: State
    reason: str
    pause: float = 0.0


def pause(
    tries: int, retry_after: float | None = None, chance: Callable[[], float] = random.random
) -> float:
    """Seconds to wait after this many rounds: growing, +-20 % jitter, `Retry-After` honoured."""
    if tries < len(PAUSES):
        base = float(PAUSES[tries])
    else:
        base = 60.0 if tries < HOUR_OF_MINUTES else SLOW
    return max(base * (0.8 + 0.4 * chance()), min(retry_after or 0.0, 3600.0))


def look_pause(tries: int) -> float:
    """Seconds before the next look at an answer that Google keeps."""
    return float(LOOKS[tries]) if tries < len(LOOKS) else 300.0


def judge(reply: Reply, tries: int) -> Verdict | None:
    """What the answer to a POST means; None when only a look at Google's state can tell."""
    wait = pause(tries, reply.retry_after)
    match reply.answer:
        case Answer.STORED:
            return Verdict(State.STORED, "Google has accepted the answer.", look_pause(0))
        case Answer.RETRY:
            return Verdict(
                State.QUEUED, "Google could not take the answer yet. Trying again.", wait
            )
        case Answer.UNKNOWN:
            return Verdict(
                State.UNKNOWN, "Google gave no clear answer. Checking whether it arrived.", wait
            )
        case Answer.DENIED if reply.status == 401:
            reason = (
                "Google did not accept the credentials of this inbox."
                " An operator has to check the service account it runs as."
            )
            return Verdict(State.BLOCKED, reason, max(wait, 60.0))
        case Answer.DENIED:
            reason = (
                "Google does not let this inbox answer the workflow. An operator has to grant its"
                " service account the role Workflows Invoker (workflows.callbacks.send)."
            )
            return Verdict(State.BLOCKED, reason, SLOW)
        case Answer.REFUSED:
            what = "Google refused the answer."
            if reply.status is None:
                what = "Answers may not be sent to the address that the workflow gave."
            reason = f"{what} An operator has to look at it."
            return Verdict(State.BLOCKED, reason, SLOW)
        case Answer.FULL | Answer.GONE:
            return None


def conclude(
    sight: Sight, decision_id: str, *, landed: bool, doubt: bool, tries: int
) -> Verdict | None:
    """What Google's state means for a delivery; None means: send it.

    `landed`: Google accepted it once. `doubt`: a try of ours may have arrived unseen.
    """
    if sight.ended:
        return _ended(sight.state, landed=landed, doubt=doubt)
    if any(decision_id in payload for payload in sight.payloads):
        reason = "Google keeps the answer; the workflow has not read it yet."
        if not sight.waiters and tries > len(LOOKS):
            reason = "Google keeps the answer, but the workflow is not listening for it."
        return Verdict(State.STORED, reason, look_pause(tries))
    if sight.payloads:
        reason = (
            "Somebody else has answered this workflow directly, and this answer waits behind"
            " that one. An operator has to look at it."
        )
        return Verdict(State.BLOCKED, reason, SLOW)
    if landed:
        return Verdict(State.CONFIRMED, "The workflow took the answer.")
    return None


def _ended(state: str, *, landed: bool, doubt: bool) -> Verdict:
    if state == "SUCCEEDED" and landed:
        return Verdict(State.CONFIRMED, "The workflow finished after the answer was delivered.")
    how = {
        "SUCCEEDED": "had finished",
        "FAILED": "had failed",
        "CANCELLED": "was cancelled",
    }.get(state, "had ended")
    if landed or doubt:
        reason = f"The workflow {how}; whether it read the answer is not known."
    else:
        reason = f"The workflow {how} before the answer could be delivered."
    return Verdict(State.MISSED, reason)


def deliver(delivery: Delivery) -> None:
    """One round on a claimed delivery. Never raises for trouble on Google's side."""
    url, tries = delivery.approval.callback_url, delivery.tries
    landed, doubt = delivery.has_landed(), delivery.in_doubt()
    verdict = None
    if landed or doubt or delivery.state == State.UNKNOWN:
        verdict = _look(delivery, landed=landed, doubt=doubt)
    if verdict is None:
        attempt = delivery.begin_attempt()
        if attempt is None:
            return
        reply = callbacks.post(url, delivery.body)
        attempt.finish(RESULTS[reply.answer], status=reply.status, detail=reply.detail)
        verdict = judge(reply, tries)
        if verdict is None:
            verdict = _look(delivery, landed=landed, doubt=doubt)
        if verdict is None:
            verdict = _nothing_to_see(reply, tries)
    due = timezone.now() + timedelta(seconds=verdict.pause)
    if delivery.move(verdict.state, verdict.reason, next_attempt_at=due):
        log.info(
            "delivery %s",
            verdict.state,
            extra={
                "approval": str(delivery.approval_id),
                "decision": str(delivery.pk),
                "tries": delivery.tries,
                "reason": verdict.reason,
            },
        )


RESULTS = {
    Answer.STORED: Attempt.Result.STORED,
    Answer.RETRY: Attempt.Result.RETRY,
    Answer.UNKNOWN: Attempt.Result.UNKNOWN,
    Answer.FULL: Attempt.Result.FULL,
    Answer.DENIED: Attempt.Result.REFUSED,
    Answer.REFUSED: Attempt.Result.REFUSED,
    Answer.GONE: Attempt.Result.GONE,
}


def _look(delivery: Delivery, *, landed: bool, doubt: bool) -> Verdict | None:
    try:
        sight = callbacks.look(delivery.approval.callback_url)
    except CannotLook as error:
        log.info("cannot look", extra={"approval": str(delivery.approval_id), "why": str(error)})
        state = State.STORED if landed else State.UNKNOWN
        reason = "Google cannot be asked just now whether the answer arrived. Checking again."
        return Verdict(state, reason, pause(delivery.tries))
    return conclude(sight, str(delivery.pk), landed=landed, doubt=doubt, tries=delivery.tries)


def _nothing_to_see(reply: Reply, tries: int) -> Verdict:
    """A 429 or 404 that Google's state does not explain."""
    if reply.answer == Answer.FULL:
        reason = "Google is busy. Trying again."
        return Verdict(State.QUEUED, reason, pause(tries, reply.retry_after))
    reason = (
        "Google does not know the question any more, though the workflow is running."
        " An operator has to look at it."
    )
    return Verdict(State.BLOCKED, reason, max(30.0, pause(tries)))


_pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="deliver")


def deliver_now(delivery: Delivery) -> None:
    """Try at once, for at most `IN_REQUEST` seconds of the caller's time; never raises.

    What is not done by then goes on in its thread, or falls to a worker when the lease ends.
    Inside a transaction nothing is sent: the outcome is not committed yet.
    """
    if connection.in_atomic_block:
        return
    about = {"approval": str(delivery.approval_id)}
    try:
        if Delivery.objects.claim(delivery):
            _pool.submit(_deliver_in_thread, delivery).result(timeout=IN_REQUEST)
    except Late:
        log.info("delivery goes on", extra=about)
    except Exception:  # the decision is saved; whatever is wrong now is the worker's to try again
        log.exception("delivery not tried", extra=about)


def _deliver_in_thread(delivery: Delivery) -> None:
    try:
        deliver(delivery)
    finally:
        connections.close_all()

"""How far an answer has come, in steps, and how soon a page should look again."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils import timezone

from approvals.models import Approval, Delivery, Vote
from approvals.models.content import PENDING
from approvals.models.outbox import FINAL, State

# How long a page waits for what the workflow reports, once it has the answer.
REPORT_WITHIN = timedelta(minutes=10)


class Stage(StrEnum):
    """What a step looks like."""

    DONE = "done"
    NOW = "now"
    TODO = "todo"
    TROUBLE = "trouble"  # an operator should look at it
    FAILED = "failed"  # the workflow has the answer, and reported a failure of its own


@dataclass(frozen=True, slots=True)
class Step:
    """One station of the answer on its way."""

    label: str
    stage: Stage
    at: datetime | None = None
    note: str = ""


def in_words(approval: Approval) -> str:
    """Where the answer is: "Google has it", "Needs attention"; nothing while undecided."""
    delivery = _delivery(approval)
    if delivery is None:
        return ""
    if delivery.needs_attention:
        return "Needs attention"
    if delivery.state == State.MISSED:
        return "The workflow had ended"
    return str(delivery.get_state_display())


def in_trouble(approval: Approval) -> bool:
    """Whether an operator should look at it."""
    delivery = _delivery(approval)
    return delivery is not None and delivery.needs_attention


def steps(approval: Approval) -> list[Step]:
    """Decided, Google has it, the workflow has it, what it came to. Empty while undecided."""
    delivery = _delivery(approval)
    if delivery is None:
        return []
    confirmed = delivery.state == State.CONFIRMED
    stored = confirmed or delivery.stored_at is not None
    found = [Step(approval.status_label, Stage.DONE, approval.decided_at)]
    if stored:
        found.append(Step("Google has it", Stage.DONE, delivery.stored_at))
    if confirmed:
        found.append(Step("The workflow has it", Stage.DONE, delivery.confirmed_at))
    else:
        found.append(_under_way(delivery, stored=stored))
    if not stored and delivery.state != State.MISSED:
        found.append(Step("The workflow has it", Stage.TODO))
    if approval.result:
        failed = approval.result == Approval.Result.FAILED
        label = f"The workflow reported: {'it failed' if failed else 'done'}"
        stage = Stage.FAILED if failed else Stage.DONE
        found.append(Step(label, stage, note=approval.result_message))
    return found


def _under_way(delivery: Delivery, *, stored: bool) -> Step:
    trouble = delivery.needs_attention
    if delivery.state == State.MISSED:
        stage = Stage.TROUBLE if trouble else Stage.DONE
        return Step("The workflow had ended", stage, note=delivery.reason)
    if stored:
        label = "The workflow has not read it yet"
    else:
        label = "Google does not have it yet" if trouble else "Sending"
    return Step(label, Stage.TROUBLE if trouble else Stage.NOW, note=delivery.reason)


def look_again(approval: Approval, now: datetime | None = None) -> int | None:
    """Seconds until an open page should look again; None when nothing more is to come."""
    now = now or timezone.now()
    delivery = _delivery(approval)
    if approval.status == PENDING or delivery is None:
        return 2 if approval.settles_at else 10
    if delivery.state not in FINAL:
        return 2 if now - delivery.created_at < timedelta(minutes=2) else 15
    confirmed_at = delivery.confirmed_at
    if confirmed_at and not approval.result and now - confirmed_at < REPORT_WITHIN:
        return 2 if now - confirmed_at < timedelta(seconds=30) else 10
    return None


def undoable_for(approval: Approval, vote: Vote, now: datetime | None = None) -> int:
    """For how many seconds this answer can still be taken back; 0 when it cannot."""
    now = now or timezone.now()
    until = vote.at + timedelta(seconds=approval.undo)
    if approval.settles_at is not None:
        until = min(until, approval.settles_at)
    standing = vote.taken_back_at is None and vote.stage == approval.stage
    if approval.status != PENDING or not standing:
        return 0
    return max(math.ceil((until - now).total_seconds()), 0)


def _delivery(approval: Approval) -> Delivery | None:
    found: Delivery | None = getattr(approval, "delivery", None)
    return found

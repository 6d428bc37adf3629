"""How far an answer has come, in steps, and how soon a page should look again."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from approvals.models import Approval, Attempt, Delivery, Execution, Vote, Worker
from approvals.models.content import PENDING
from approvals.models.outbox import FINAL, State
from approvals.retold import retold
from approvals.timeline import ENDS, reported

# How long a page waits for what the workflow reports, once it has the answer.
REPORT_WITHIN = timedelta(minutes=10)


class Stage(StrEnum):
    """What a step looks like."""

    DONE = "done"
    NOW = "now"
    TODO = "todo"
    TROUBLE = "trouble"  # an operator should look at it
    FAILED = "failed"  # the workflow has the answer, and failed by itself


@dataclass(frozen=True, slots=True)
class Step:
    """One station of the answer on its way; `advice` is what people can do about it."""

    label: str
    stage: Stage
    at: datetime | None = None
    note: str = ""
    advice: str = ""
    since: datetime | None = None


AGAIN = _("If it is still needed, the workflow has to be started again. It then asks again.")
NOT_TWICE = _(
    "Ask whoever runs the workflow whether it acted on the answer, before it is started again."
)
FAILED = ("FAILED", "CANCELLED")
NEED_NOTHING = _(
    "The operators have been told, and it is tried again automatically. You do not need to do"
    " anything, and can close this page."
)
NOBODY_SENDS = _(
    "The answer is saved but not sent yet: the service that sends it is not running. The"
    " operators can see this."
)
# Due for longer than this, and no worker there: nobody is about to send it.
PROMPTLY = timedelta(seconds=10)


def in_words(approval: Approval) -> str:
    """Where the answer is: "Google has it", "Needs attention"; nothing while undecided."""
    delivery = _delivery(approval)
    if delivery is None:
        return ""
    if delivery.needs_attention:
        return gettext("Needs attention")
    if delivery.state == State.MISSED:
        return gettext("The workflow had ended")
    if _leaves_now(delivery):
        return gettext("Sending to Google")
    return str(delivery.get_state_display())


def in_trouble(approval: Approval) -> bool:
    """Whether an operator should look at it."""
    delivery = _delivery(approval)
    return delivery is not None and delivery.needs_attention


def said_of(approval: Approval, *, operator: bool = False) -> str:
    """Why the answer is where it is, as this reader needs it: what is technical is for operators,
    and so is what they should do; others are told that they need do nothing.
    """
    delivery = _delivery(approval)
    if delivery is None or _leaves_now(delivery) or _had_no_answer(delivery):
        return ""
    troubled = _is_technical(delivery)
    if operator and troubled:
        return retold(delivery.reason)
    if _nobody_sends(delivery):
        return str(NOBODY_SENDS)
    return _plainly(delivery) if troubled else retold(delivery.reason)


def _is_technical(delivery: Delivery) -> bool:
    """Whether the reason speaks to operators, also where they have put it aside."""
    if delivery.state == State.MISSED:
        return False
    return bool(delivery.trouble) or delivery.state == State.BLOCKED or delivery.needs_attention


def _plainly(delivery: Delivery) -> str:
    """What is wrong, for somebody who cannot mend it."""
    if delivery.state == State.CONFIRMED:
        return gettext("The workflow took the answer. You do not need to do anything.")
    if delivery.stored_at is not None:
        said = gettext("The workflow has not read it yet.")
    elif _may_have_arrived(delivery):
        said = gettext("It is not known yet whether it has arrived.")
    else:
        said = gettext("It has not arrived yet.")
    return f"{said} {NEED_NOTHING}"


def _may_have_arrived(delivery: Delivery) -> bool:
    # That the last try failed for sure says nothing of one before it. A 429 leaves no doubt: a look
    # has told that nothing is there.
    lost = delivery.attempts.filter(result__in=(Attempt.Result.STARTED, Attempt.Result.UNKNOWN))
    return delivery.state == State.UNKNOWN or (delivery.state == State.QUEUED and lost.exists())


def _leaves_now(delivery: Delivery) -> bool:
    """Whether a try is under way: somebody has the lease, and it has not run out."""
    until = delivery.next_attempt_at
    going = delivery.state == State.SENDING and delivery.lease is not None
    return going and until is not None and until > timezone.now()


def _nobody_sends(delivery: Delivery) -> bool:
    """Whether it should be on its way, and there is nobody who would send it."""
    due = delivery.next_attempt_at
    if delivery.state == State.STORED or due is None or due > timezone.now() - PROMPTLY:
        return False
    return not Worker.objects.alive().exists()


def steps(approval: Approval, *, operator: bool = False) -> list[Step]:
    """Decided, Google has it, the workflow has it, what it came to. Empty while undecided."""
    delivery = _delivery(approval)
    if delivery is None:
        return []
    found = [Step(approval.status_label, Stage.DONE, approval.decided_at)]
    confirmed = delivery.state == State.CONFIRMED
    # Not so where the workflow has asked for the outcome before the answer had left.
    if delivery.stored_at is not None or (confirmed and delivery.has_landed()):
        found.append(Step(gettext("Google has it"), Stage.DONE, delivery.stored_at))
    if confirmed:
        found.append(_arrived(delivery, said_of(approval, operator=operator)))
    elif delivery.state == State.MISSED:
        found.append(_missed(delivery))
    else:
        found += _under_way(delivery, said_of(approval, operator=operator))
    return found + _came_to(approval, delivery)


def _arrived(delivery: Delivery, said: str) -> Step:
    label, at = gettext("The workflow has it"), delivery.confirmed_at
    if delivery.needs_attention:
        return Step(label, Stage.TROUBLE, at, said)
    return Step(label, Stage.DONE, at)


def _missed(delivery: Delivery) -> Step:
    """The run ended first; what can be done depends on whether it may have read the answer."""
    if _had_no_answer(delivery):
        return Step(gettext("The workflow had ended"), Stage.DONE)
    stage = Stage.TROUBLE if delivery.needs_attention else Stage.DONE
    label, advice = gettext("The workflow had ended"), what_now(delivery)
    return Step(label, stage, note=retold(delivery.reason), advice=advice)


def _had_no_answer(delivery: Delivery) -> bool:
    """Whether its run ended before anybody had answered, so that there was nothing to miss."""
    return delivery.state == State.MISSED and delivery.approval.decided_by_id is None


def what_now(delivery: Delivery) -> str:
    """What people can do about an answer that came too late."""
    return str(NOT_TWICE if delivery.has_landed() or delivery.in_doubt() else AGAIN)


def _under_way(delivery: Delivery, said: str) -> list[Step]:
    trouble = delivery.needs_attention
    stage = Stage.TROUBLE if trouble else Stage.NOW
    if delivery.stored_at is not None:
        since = delivery.stored_at if trouble else None
        label = gettext("The workflow has not read it yet")
        return [Step(label, stage, note=said, since=since)]
    if _may_have_arrived(delivery):
        label = gettext("It may have arrived")
    elif _leaves_now(delivery):
        label = gettext("Sending to Google…")
    else:
        label = gettext("Google does not have it yet") if trouble else gettext("Sending")
    now = Step(label, stage, note=said, since=delivery.created_at if trouble else None)
    return [now, Step(gettext("The workflow has it"), Stage.TODO)]


def _came_to(approval: Approval, delivery: Delivery) -> list[Step]:
    """What the workflow reported, and how its run ended where that says more."""
    found = []
    if approval.result:
        failed = approval.result == Approval.Result.FAILED
        stage = Stage.FAILED if failed else Stage.DONE
        found.append(Step(reported(failed=failed), stage, note=approval.result_message))
    if delivery.state != State.CONFIRMED:
        return found
    state = _state_of_run(approval)
    if state in FAILED or (state in ENDS and not found):
        stage = Stage.FAILED if state in FAILED else Stage.DONE
        found.append(Step(str(ENDS[state]), stage))
    elif not found and (state is not None or _is_recent(delivery, timezone.now())):
        found.append(Step(gettext("The result"), Stage.TODO))
    return found


def _state_of_run(approval: Approval) -> str | None:
    """As Google named it when it was last asked; None where it is not asked about."""
    states = Execution.objects.filter(name=approval.execution).values_list("state", flat=True)
    return states.first()


def _is_recent(delivery: Delivery, now: datetime) -> bool:
    return now - (delivery.confirmed_at or delivery.created_at) < REPORT_WITHIN


def look_again(approval: Approval, now: datetime | None = None) -> int | None:
    """Seconds until an open page should look again; None when nothing more is to come."""
    now = now or timezone.now()
    delivery = _delivery(approval)
    if approval.status == PENDING or delivery is None:
        return 2 if approval.settles_at else 10
    if delivery.state not in FINAL:
        return 2 if now - delivery.created_at < timedelta(minutes=2) else 15
    since = now - (delivery.confirmed_at or delivery.created_at)
    if delivery.state == State.MISSED or approval.result or not _is_recent(delivery, now):
        return None
    if _state_of_run(approval) in ENDS:
        return None
    return 2 if since < timedelta(seconds=30) else 10


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

"""Rows in every kind of trouble, for tests of what needs attention."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Permission
from django.utils import timezone

from approvals.models import Approval, Delivery, Event, Execution, Notice, User
from approvals.models.outbox import FINAL, State, Trouble
from approvals.reasons import Kind
from tests.approvals.reading import decide
from tests.factories import make_approval, make_user

AGO, SOON = timedelta(hours=1), timedelta(minutes=5)


def make_delivery(by: User, state: str, trouble: str = "", **changes: Any) -> Delivery:
    """The delivery of an approval that this person has decided, an hour ago."""
    approval = decide(make_approval(title=f"Decided, {state}"), by=by)
    then = timezone.now() - AGO
    given: dict[str, Any] = {
        "state": state,
        "trouble": trouble,
        "reason": f"It is {state}.",
        "created_at": then,
        "stored_at": then if state == State.STORED else None,
        "next_attempt_at": None if state in FINAL else timezone.now() + SOON,
        **changes,
    }
    Delivery.objects.filter(approval=approval).update(**given)
    return Delivery.objects.get(approval=approval)


def make_notice(approval: Approval, state: str = "failed", **given: Any) -> Notice:
    """A notice to somebody, that could not be sent."""
    event = approval.events.earliest("number")
    given = {"address": f"reader{Notice.objects.count()}@example.com", **given}
    over = state in ("sent", "failed", "dropped")
    return Notice.objects.create(
        approval=approval,
        event=event,
        matter="asked",
        state=state,
        reason="550 No such user",
        next_attempt_at=None if over else timezone.now() + SOON,
        **given,
    )


def make_orphan(name: str = "", **given: Any) -> Execution:
    """An execution that waits at a callback which nobody registered."""
    number = Execution.objects.count()
    name = name or (
        f"projects/p/locations/us-central1/workflows/pay/executions/0a1b2c3d-{number:04}"
    )
    given = {"state": "ACTIVE", "unregistered_since": timezone.now() - AGO, **given}
    return Execution.objects.create(name=name, **given)


def one_of_each(by: User) -> dict[Kind, Any]:
    """A row of every kind that has rows; a group `nobody` must exist, and one `managers`."""
    asked = make_approval(title="Without anybody", approvers=["group:nobody"])
    return {
        Kind.UNDELIVERABLE: make_delivery(by, State.BLOCKED, Trouble.ROLE),
        Kind.NOBODY: asked,
        Kind.UNREAD: make_delivery(by, State.STORED, Trouble.NOT_LISTENING),
        Kind.ORPHANED: make_orphan(),
        Kind.MISSED: make_delivery(by, State.MISSED, Trouble.MISSED),
        Kind.NOTICE: make_notice(make_approval(title="Untold")),
    }


def make_reader(*codenames: str) -> User:
    """Staff with these permissions alone."""
    person = make_user(is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return person


def last_line(approval: Approval) -> Event:
    """The newest line of a record."""
    return approval.events.latest("number")

"""Mixes of hundreds of rows, stuck or not, and what must be said of them, in plain Python."""

from copy import deepcopy
from datetime import timedelta
from random import Random
from uuid import uuid4

from django.utils import timezone
from hypothesis import strategies as st

from approvals.models import Approval, Delivery, Execution, Notice
from approvals.models.approver import Approver
from approvals.models.outbox import FINAL, State, Trouble
from tests.approvals.troubles import AGO, SOON
from tests.factories import make_approval, make_group, make_user

AGES = [0, 4, 5, 6, 9, 10, 11, 60]
GROUPS = ["managers", "nobody", "left"]
TOLD = ["queued", "sending", "sent", "failed", "dropped"]
RUNS = ["", "ACTIVE", "QUEUED", "SUCCEEDED", "FAILED", "CANCELLED", "GONE"]
MINUTES = st.sampled_from(AGES)

DECIDED = st.tuples(
    st.sampled_from(State.values),
    st.sampled_from(["", *Trouble.values]),
    MINUTES,  # since it was decided
    st.none() | MINUTES,  # since Google has it
    st.booleans(),  # a person decided
    st.booleans(),  # put aside
)
ASKED = st.tuples(st.sampled_from(GROUPS), st.booleans(), st.booleans())
TELLING = st.tuples(st.sampled_from(TOLD), st.integers(0, 6))
RUNNING = st.tuples(
    st.sampled_from(RUNS),
    st.none() | MINUTES,
    st.booleans(),
)
KINDS = (DECIDED, ASKED, TELLING, RUNNING)
MIX = st.tuples(*(st.lists(kind, max_size=20) for kind in KINDS))


def five_hundred(seed):
    """A mix of 200 deliveries and 100 of each other thing, the same for a seed."""
    chance = Random(seed)

    def minutes():
        return chance.choice(AGES)

    decided = [
        (
            chance.choice(State.values),
            chance.choice(["", "", "", *Trouble.values]),
            minutes(),
            chance.choice([None, minutes()]),
            chance.random() < 0.8,
            chance.random() < 0.2,
        )
        for _ in range(200)
    ]
    asked = [
        (chance.choice(GROUPS), chance.random() < 0.2, chance.random() < 0.2) for _ in range(100)
    ]
    telling = [(chance.choice(TOLD), chance.randint(0, 6)) for _ in range(100)]
    running = [
        (chance.choice(RUNS), chance.choice([None, minutes()]), chance.random() < 0.3)
        for _ in range(100)
    ]
    return decided, asked, telling, running


def expected(decided, asked, telling, running):
    """What the queue must have, worked out from what was generated and nothing else."""
    found = {(_kind(*what), pk) for pk, what in decided if _is_stuck(*what)}
    for pk, (group, over, settled) in asked:
        if group != "managers" and not over and not settled:
            found.add(("nobody", pk))
    for pk, (state, tries) in telling:
        if state == "failed" or (state in ("queued", "sending") and tries >= 4):
            found.add(("notice", pk))
    for pk, (state, since, dismissed) in running:
        if since is not None and not dismissed and state in ("", "ACTIVE", "QUEUED"):
            found.add(("orphaned", pk))
    return found


def _is_stuck(state, trouble, age, kept, *by_person_and_aside):
    by_person, aside = by_person_and_aside
    late = state in ("queued", "sending", "unknown") and age >= 5
    unread = state == "stored" and kept is not None and kept >= 10
    lost = state == "missed" and by_person
    return not aside and bool(trouble or late or unread or lost or state == "blocked")


def _kind(state, trouble, *_):
    if state == "missed":
        return "missed"
    unread = trouble == "not_listening" or (not trouble and state == "stored")
    return "unread" if unread else "undeliverable"


class Mix:
    """One approval that is copied: a mix of hundreds of rows takes a few statements."""

    def __init__(self):
        ana = make_user("ana@example.com")
        left = make_user("left@example.com", is_active=False)
        make_group("managers", ana)
        make_group("nobody")
        make_group("left", left)
        self.ana = ana
        self.patterns = {name: make_approval(approvers=[f"group:{name}"]) for name in GROUPS}

    def copies(self, names):
        """New approvals, each like the pattern of its name, without approvers."""
        rows = []
        for number, name in enumerate(names):
            row = deepcopy(self.patterns[name])
            row.pk, row._state.adding = uuid4(), True
            row.callback_url, row.idempotency_key = f"https://x.example/{row.pk}", None
            row.title = f"{name} {number}"
            rows.append(row)
        Approval.objects.bulk_create(rows)
        return rows

    def fill(self, decided, pending, telling, running):
        """Rows of these; (id, what was generated) of each kind."""
        now = timezone.now()
        approvals = self._decided(decided, now)
        asked = self._pending(pending, now)
        told = self._told(telling)
        executions = [
            Execution(
                name=f"projects/p/locations/l/workflows/w/executions/{n}",
                state=state,
                unregistered_since=None if since is None else now - timedelta(minutes=since),
                dismissed_at=now if dismissed else None,
            )
            for n, (state, since, dismissed) in enumerate(running)
        ]
        Execution.objects.bulk_create(executions)
        return (
            list(zip(approvals, decided, strict=True)),
            list(zip(asked, pending, strict=True)),
            list(zip(told, telling, strict=True)),
            [(row.name, what) for row, what in zip(executions, running, strict=True)],
        )

    def _decided(self, decided, now):
        rows = self.copies("managers" for _ in decided)
        for row, (*_, by_person, _aside) in zip(rows, decided, strict=True):
            row.status, row.decided_at = "approved", now
            row.decided_by = self.ana if by_person else None
        Approval.objects.bulk_update(rows, ["status", "decided_at", "decided_by"])
        made = [
            Delivery(
                approval=row,
                body="{}",
                state=state,
                trouble=trouble,
                reason="A reason.",
                next_attempt_at=None if state in FINAL else now + SOON,
                created_at=now - timedelta(minutes=age),
                stored_at=None if kept is None else now - timedelta(minutes=kept),
                attended_at=now if aside else None,
            )
            for row, (state, trouble, age, kept, _, aside) in zip(rows, decided, strict=True)
        ]
        Delivery.objects.bulk_create(made)
        return [str(row.pk) for row in made]

    def _pending(self, pending, now):
        rows = self.copies(group for group, _, _ in pending)
        asked = []
        for row, (group, over, settled) in zip(rows, pending, strict=True):
            row.expires_at = now if over else None
            row.settles_as, row.settles_at = ("approved", now + AGO) if settled else ("", None)
            for approver in self.patterns[group].approvers.all():
                approver.pk, approver.approval = None, row
                asked.append(approver)
        Approval.objects.bulk_update(rows, ["expires_at", "settles_as", "settles_at"])
        Approver.objects.bulk_create(asked)
        return [str(row.pk) for row in rows]

    def _told(self, telling):
        event = self.patterns["managers"].events.get()
        made = [
            Notice(
                approval_id=event.approval_id,
                event=event,
                matter="asked",
                address=f"reader{number}@example.com",
                state=state,
                tries=tries,
                next_attempt_at=timezone.now() + SOON if state in ("queued", "sending") else None,
            )
            for number, (state, tries) in enumerate(telling)
        ]
        Notice.objects.bulk_create(made)
        return [str(row.pk) for row in made]

    def empty(self):
        """Only the patterns stay, decided, so that they need nobody."""
        Delivery.objects.all().delete()
        Notice.objects.all().delete()
        Execution.objects.all().delete()
        kept = [pattern.pk for pattern in self.patterns.values()]
        Approver.objects.exclude(approval__in=kept).delete()
        Approval.objects.exclude(pk__in=kept).delete()

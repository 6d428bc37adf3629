"""Whether the record holds: every chain, and what is stored beside it, against each other."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction

from approvals.models import Approval, Delivery, Event, Vote
from approvals.models.content import PENDING, canonical, content_digest, digest
from approvals.models.querysets import ApprovalQuerySet
from approvals.models.record import BEGINNING, REMOVED, utc

BATCH = 200
LINES = 2000
Kind = Event.Kind
ENDS = (Kind.DECIDED, Kind.EXPIRED, Kind.WITHDRAWN)


@dataclass(slots=True)
class Chain:
    """What the lines of one approval say, read one after the other; memory does not grow by them.

    `broken` is the first thing wrong with the lines themselves, as a sentence.
    """

    length: int = 0
    head: str = BEGINNING
    status: str = PENDING
    broken: str = ""
    kinds: Counter[str] = field(default_factory=Counter)
    registered: dict[str, Any] = field(default_factory=dict)
    ended: dict[str, Any] = field(default_factory=dict)
    removed: dict[str, Any] = field(default_factory=dict)
    votes: dict[str, str] = field(default_factory=dict)
    taken_back: dict[str, str] = field(default_factory=dict)

    def add(self, line: Event) -> None:
        """Follow the chain by one line."""
        if self.broken:
            return
        self.broken = self._wrong_with(line)
        self.length, self.head, self.status = line.number, line.sha256, line.new_status
        self.kinds[line.kind] += 1
        if line.data == REMOVED:
            return
        if line.kind == Kind.REGISTERED:
            self.registered = line.data
        elif line.kind == Kind.REMOVED:
            self.removed = line.data
        elif line.kind in ENDS:
            self.ended = line.data
        elif line.kind == Kind.VOTED:
            self.votes[line.data.get("vote", "")] = line.data.get("vote_sha256", "")
        elif line.kind == Kind.TAKEN_BACK:
            self.taken_back[line.data.get("vote", "")] = utc(line.at)

    def _wrong_with(self, line: Event) -> str:
        number = self.length + 1
        if line.number != number:
            return f"Line {number} is missing."
        if line.previous_sha256 != self.head:
            return f"Line {number} does not follow the line before it."
        if line.sha256 != line.computed():
            return f"Line {number} was changed."
        if line.data != REMOVED and line.data_sha256 != digest(canonical(line.data)):
            return f"The contents of line {number} were changed."
        if line.old_status != self.status:
            return f"Line {number} begins as “{line.old_status}”, but it was “{self.status}”."
        if (line.kind == Kind.REGISTERED) != (number == 1):
            return f"Line {number} is not where a line of its kind can be."
        return ""


@dataclass(frozen=True, slots=True)
class Checked:
    """One approval: how many lines its record has, and the first break in it as a sentence."""

    approval: UUID
    lines: int
    broken: str


def verify(approval: Approval) -> str:
    """The first break in the record of an approval as a sentence; empty where it holds.

    Reads in a transaction that keeps others from writing to the approval meanwhile.
    """
    with transaction.atomic():
        held = Approval.objects.select_for_update(of=("self",)).select_related("policy")
        current = held.get(pk=approval.pk)
        lines = Event.objects.filter(approval=current.pk).order_by("number")
        votes = list(Vote.objects.filter(approval=current.pk).order_by("at"))
        delivery = Delivery.objects.filter(approval=current.pk).first()
        return _check(current, _chain(lines.iterator(LINES)), votes, delivery)


def _chain(lines: Iterable[Event]) -> Chain:
    chain = Chain()
    for line in lines:
        chain.add(line)
    return chain


def _check(approval: Approval, chain: Chain, votes: list[Vote], delivery: Delivery | None) -> str:
    if chain.broken:
        return chain.broken
    if (chain.length, chain.head) != (approval.record_length, approval.record_head):
        return f"Lines after {chain.length} are missing."
    if chain.status != approval.status:
        return f"It is “{approval.status}”, but its record ends with “{chain.status}”."
    return (
        _check_content(approval, chain)
        or _check_votes(chain, votes)
        or _check_delivery(approval, chain, delivery)
    )


def _check_content(approval: Approval, chain: Chain) -> str:
    said = chain.removed or chain.registered
    if said.get("content_sha256") != approval.content_sha256:
        return "The digest of the content is not the one that was recorded."
    if approval.removed_at is not None or chain.removed:
        told = chain.kinds[Kind.REMOVED] == 1 and approval.removed_at is not None
        return "" if told else "Its contents were removed, but its record does not say so."
    if content_digest(approval.content()) != approval.content_sha256:
        return "The content was changed after it was asked."
    expires_at = utc(approval.expires_at) if approval.expires_at else None
    if said.get("expires_at") != expires_at or said.get("execution") != approval.execution:
        return "The time limit or the execution was changed after it was asked."
    return ""


def _check_votes(chain: Chain, votes: list[Vote]) -> str:
    lines, taken = chain.kinds[Kind.VOTED], chain.kinds[Kind.TAKEN_BACK]
    if len(votes) != lines:
        return f"The record has {lines} answers, but {len(votes)} votes are stored."
    if sum(vote.taken_back_at is not None for vote in votes) != taken:
        return "The votes that were taken back are not those of the record."
    if chain.removed:
        same = chain.removed.get("votes_sha256") == votes_digest(votes)
        return "" if same else "A vote was changed after the contents were removed."
    for number, vote in enumerate(votes, start=1):
        if chain.votes.get(str(vote.pk)) != vote.computed():
            return f"Vote {number}, of {vote.at:%Y-%m-%d %H:%M} UTC, was changed."
        at = vote.taken_back_at
        if chain.taken_back.get(str(vote.pk)) != (utc(at) if at else None):
            return f"Vote {number} was taken back at another time than the record says."
    return ""


def votes_digest(votes: Iterable[Vote]) -> str:
    """The digest of all votes of an approval, oldest first, and of when they were taken back."""
    return digest(
        canonical(
            [
                [vote.computed(), utc(vote.taken_back_at) if vote.taken_back_at else None]
                for vote in votes
            ]
        )
    )


def _check_delivery(approval: Approval, chain: Chain, delivery: Delivery | None) -> str:
    ends = sum(chain.kinds[kind] for kind in ENDS)
    if ends != (approval.status != PENDING):
        return f"The record has {ends} outcomes."
    if delivery is None:
        return "It is closed, but what is delivered is missing." if ends else ""
    if not ends:
        return "Something is delivered, but nothing was decided."
    said = chain.removed or chain.ended
    if said.get("body_sha256") != digest(delivery.body):
        return "What is delivered is not what was decided."
    body = delivery.payload
    if (body["outcome"], body["decision_id"]) != (approval.status, str(delivery.pk)):
        return "What is delivered is another outcome than the one that was decided."
    return ""


def check_all(approvals: ApprovalQuerySet) -> Iterator[Checked]:
    """Check each of these, by their ids; in batches, so that their number does not matter."""
    rows = approvals.order_by("pk").select_related("policy")
    batch = list(rows[:BATCH])
    while batch:
        yield from _check_batch(batch)
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:BATCH])


def _check_batch(approvals: list[Approval]) -> Iterator[Checked]:
    """What looks broken may only have been written meanwhile: it is read again, held."""
    keys = [approval.pk for approval in approvals]
    chains = {pk: Chain() for pk in keys}
    votes: dict[UUID, list[Vote]] = {pk: [] for pk in keys}
    for vote in Vote.objects.filter(approval__in=keys).order_by("at"):
        votes[vote.approval_id].append(vote)
    deliveries = {each.approval_id: each for each in Delivery.objects.filter(approval__in=keys)}
    lines = Event.objects.filter(approval__in=keys).order_by("approval", "number")
    for line in lines.iterator(LINES):
        chains[line.approval_id].add(line)
    for approval in approvals:
        pk = approval.pk
        sentence = _check(approval, chains[pk], votes[pk], deliveries.get(pk))
        yield Checked(pk, approval.record_length, sentence and verify(approval))

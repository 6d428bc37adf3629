"""The checker: what clients were told, what the inbox has on record, and what executions did.

Pure: facts in, sentences out. An answer that never came may have been saved or not, but nothing
between; everything else has to agree.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.soak.ledger import Ledger

PENDING = "pending"
NOT_KNOWN = "is not known"
"""What the reason of a delivery says where nobody can tell whether it was read: an answer was lost,
or came before the workflow listened, and the execution ended before anybody could look."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One approval in the database, with all that belongs to it."""

    id: str
    execution: str
    status: str
    votes_needed: int
    votes: tuple[tuple[str, str], ...]
    """Person and outcome."""
    events: Counter[str]
    decision: str = ""
    """The id of its delivery, as it is told to the workflow."""
    delivery: str = ""
    reason: str = ""
    attempts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ran:
    """One execution in the emulator: how it ended, and what was given to its steps."""

    name: str
    workflow: str
    state: str
    result: dict[str, Any] | None
    received: tuple[str, ...] = ()
    """The decision ids of all requests that were kept for it."""
    consumed: tuple[str, ...] = ()
    """Those that a step was given."""


@dataclass
class Found:
    """What is wrong, by kind, and what was in doubt and is right."""

    problems: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    ambiguous: int = 0
    ambiguous_saved: int = 0
    missed_in_doubt: int = 0
    copies: int = 0

    def add(self, kind: str, what: object) -> None:
        self.problems[kind].append(str(what))


def compare(ledger: Ledger, approvals: list[Recorded], executions: list[Ran]) -> Found:
    """Hold the three against each other."""
    found = Found()
    known = {approval.id: approval for approval in approvals}
    _acknowledgements(ledger, known, found)
    for approval in approvals:
        for kind, what in _inconsistent(approval):
            found.add(kind, f"{what}: {approval}")
    by_execution = defaultdict(list)
    for approval in approvals:
        by_execution[approval.execution].append(approval)
    for ran in executions:
        mine = by_execution.pop(ran.name, [])
        if len(mine) != 1:
            found.add("registered twice or never", f"{ran} has {mine}")
            continue
        _outcomes(mine[0], ran, found)
    for rest in by_execution.values():
        found.add("of no execution", rest)
    for wrong in ledger.wrong:
        found.add("wrong answers", wrong)
    return found


def _acknowledgements(ledger: Ledger, known: dict[str, Recorded], found: Found) -> None:
    """What was told is so; what was not told is so or not so."""
    for answer in ledger.saved():
        approval = known.get(answer.approval)
        if approval is None or (answer.person, answer.outcome) not in approval.votes:
            found.add("lost acknowledgements", f"{answer}: {approval}")
        elif answer.status not in ("", PENDING, approval.status):
            found.add("wrong outcomes", f"{answer} was told of {approval}")
    for approval_id, person, outcome in ledger.ambiguous():
        found.ambiguous += 1
        found.ambiguous_saved += (person, outcome) in known[approval_id].votes
    asked = {each.vote for each in ledger.answers}
    for approval in known.values():
        for person, outcome in approval.votes:
            if (approval.id, person, outcome) not in asked:
                found.add("votes of nobody", f"{person}, {outcome}: {approval}")


def _inconsistent(approval: Recorded) -> Iterator[tuple[str, str]]:
    """What of one approval's rows does not go together."""
    people = [person for person, _ in approval.votes]
    decided = approval.events["decided"] + approval.events["expired"] + approval.events["withdrawn"]
    if approval.status == PENDING:
        yield "undecided", "nobody decided"
    if len(set(people)) != len(people) or len(people) > approval.votes_needed or decided > 1:
        yield "double decisions", f"{len(people)} votes, decided {decided} times"
    if (decided == 1) != (approval.status != PENDING) or bool(approval.decision) != bool(decided):
        yield "halves", f"decided {decided} times, delivery {approval.decision!r}"
    if approval.events["voted"] != len(approval.votes):
        yield "halves", f"{approval.events['voted']} lines of {len(approval.votes)} votes"
    in_doubt = approval.delivery == "missed" and NOT_KNOWN in approval.reason
    if approval.delivery != "confirmed" and not in_doubt:
        yield "unexplained deliveries", approval.delivery or "none"


def _outcomes(approval: Recorded, ran: Ran, found: Found) -> None:
    """What an execution acted on is what its approval shows, once."""
    if ran.state != "SUCCEEDED" or ran.result is None:
        found.add("undelivered", f"{ran}: {approval}")
        return
    expected = {
        "approval": approval.id,
        "decision": approval.decision,
        "outcome": approval.status,
    }
    if ran.result != expected:
        found.add("wrong outcomes", f"{ran}: {approval}")
    if len(ran.consumed) > 1:
        found.add("consumed twice", f"{ran}: {approval}")
    if set(ran.received) - {approval.decision}:
        found.add("wrong outcomes", f"somebody else's in {ran}: {approval}")
    if ran.workflow.startswith("simple") and len(ran.consumed) != 1:
        found.add("undelivered", f"not consumed: {ran}: {approval}")
    found.copies += max(0, len(ran.received) - 1)
    found.missed_in_doubt += approval.delivery == "missed"

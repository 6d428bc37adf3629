"""What the clients were told: every answer of the inbox to every vote, and the answers that never
came. The checker holds it against the database."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

SAVED = (200, 303)
"""A vote over the API, and one from a page."""
REFUSED = (403, 404, 409, 422)
TRY_AGAIN = 503


@dataclass(frozen=True, slots=True)
class Answer:
    """What one client was told of one vote. `told` is the HTTP status, 0 where none came."""

    approval: str
    person: str
    outcome: str
    told: int
    status: str = ""
    """What the approval had come to, where the answer says."""

    @property
    def vote(self) -> tuple[str, str, str]:
        return self.approval, self.person, self.outcome


@dataclass
class Ledger:
    """The answers in their order, and what else was seen over HTTP."""

    answers: list[Answer] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def saw(self, where: str, status: int, text: str = "") -> None:
        """One answer of the inbox, whatever was asked: nothing may ever be a 500."""
        self.statuses[status] += 1
        if status >= 500 and status != TRY_AGAIN:
            self.wrong.append(f"{where}: HTTP {status} {text[:300]}")

    def note(self, answer: Answer) -> None:
        self.answers.append(answer)
        if answer.told not in (*SAVED, *REFUSED, TRY_AGAIN, 0):
            self.wrong.append(f"an answer that no vote has: {answer}")

    def saved(self) -> Iterator[Answer]:
        return (each for each in self.answers if each.told in SAVED)

    def ambiguous(self) -> set[tuple[str, str, str]]:
        """Votes of which nobody was ever told whether they were saved."""
        told = {each.vote for each in self.answers if each.told in (*SAVED, *REFUSED)}
        return {each.vote for each in self.answers if each.vote not in told}

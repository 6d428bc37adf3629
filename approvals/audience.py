"""Who is told of an event, and of what. Pure: the people come in as addresses."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from countersign.phrases import phrase


class Matter(StrEnum):
    """What somebody is told: the kind of a notice."""

    ASKED = "asked"
    REMINDER = "reminder"
    ESCALATED = "escalated"
    HANDED_OVER = "handed_over"
    QUESTION = "question"
    ANSWER = "answer"
    RECEIPT = "receipt"
    RESULT = "result"
    REPORT = "report"
    CLOSED = "closed"
    ATTENTION = "attention"


LABELS: Mapping[str, str] = {
    Matter.ASKED.value: phrase("Asked"),
    Matter.REMINDER.value: phrase("Reminder"),
    Matter.ESCALATED.value: phrase("Asked as well"),
    Matter.HANDED_OVER.value: phrase("Handed over"),
    Matter.QUESTION.value: phrase("Question"),
    Matter.ANSWER.value: phrase("Answer to a question"),
    Matter.RECEIPT.value: phrase("Receipt"),
    Matter.RESULT.value: phrase("Result"),
    Matter.REPORT.value: phrase("What the workflow reported"),
    Matter.CLOSED.value: phrase("Closed"),
    Matter.ATTENTION.value: phrase("Needs attention"),
}
"""How people read them."""
TO_ANSWER = (Matter.ASKED, Matter.REMINDER, Matter.ESCALATED, Matter.HANDED_OVER)
"""Those that ask for an answer."""


class Circle(StrEnum):
    """People around an approval, as they are at the moment of the event."""

    ASKED = "asked"  # who may answer now, with their stand-ins
    NEW = "new"  # who may answer because of this event
    REQUESTER = "requester"
    VOTERS = "voters"  # whose answer stands, with those in whose right it was given
    ACTORS = "actors"  # who did it, and in whose right
    ASKERS = "askers"  # who asked the requester something
    OPERATORS = "operators"


Step = tuple[Matter, Circle]

STEPS: Mapping[str, tuple[Step, ...]] = {
    "registered": ((Matter.ASKED, Circle.ASKED),),
    "stage": ((Matter.ASKED, Circle.ASKED),),
    "reminded": ((Matter.REMINDER, Circle.ASKED),),
    "escalated": ((Matter.ESCALATED, Circle.NEW),),
    "handed_over": ((Matter.HANDED_OVER, Circle.NEW),),
    "question": ((Matter.QUESTION, Circle.REQUESTER),),
    "answer": ((Matter.ANSWER, Circle.ASKED), (Matter.ANSWER, Circle.ASKERS)),
    "voted": ((Matter.RECEIPT, Circle.ACTORS),),
    "decided": ((Matter.RESULT, Circle.REQUESTER), (Matter.RESULT, Circle.VOTERS)),
    "expired": (
        (Matter.RESULT, Circle.REQUESTER),
        (Matter.RESULT, Circle.VOTERS),
        (Matter.CLOSED, Circle.ASKED),
    ),
    "withdrawn": (
        (Matter.RESULT, Circle.REQUESTER),
        (Matter.CLOSED, Circle.VOTERS),
        (Matter.CLOSED, Circle.ASKED),
    ),
    "outcome": ((Matter.REPORT, Circle.REQUESTER), (Matter.REPORT, Circle.VOTERS)),
    # A result that is corrected: the yes that was told of has not arrived, or never will.
    "blocked": (
        (Matter.ATTENTION, Circle.OPERATORS),
        (Matter.RESULT, Circle.REQUESTER),
        (Matter.RESULT, Circle.VOTERS),
    ),
    "missed": (
        (Matter.ATTENTION, Circle.OPERATORS),
        (Matter.RESULT, Circle.REQUESTER),
        (Matter.RESULT, Circle.VOTERS),
    ),
}
"""Who is told what by the kind of an event. The other kinds are of interest on the page alone."""


@dataclass(frozen=True, slots=True)
class Telling:
    """One person who is told one thing."""

    matter: Matter
    address: str


def told(
    kind: str,
    data: Mapping[str, Any],
    people: Callable[[Circle], Collection[str]],
) -> list[Telling]:
    """Who is told of this event, nobody twice.

    Args:
        kind: of the event.
        data: of the event.
        people: the lower-case addresses of a circle. Called for those circles only that matter.
    """
    found: dict[str, Telling] = {}
    for matter, circle in steps(kind, data):
        there = people(circle)
        if not there and (matter, circle) == (Matter.ASKED, Circle.ASKED):
            # Nobody who could answer: that is for those who can mend it.
            matter, there = Matter.ATTENTION, people(Circle.OPERATORS)  # noqa: PLW2901 - see above
        for address in there:
            found.setdefault(address, Telling(matter, address))
    if kind == "decided":
        # Who gave the deciding answer has a receipt that says what it came to.
        for address in people(Circle.ACTORS):
            found.pop(address, None)
    return list(found.values())


def steps(kind: str, data: Mapping[str, Any]) -> tuple[Step, ...]:
    """The rows of the table for this event."""
    found = STEPS.get(kind, ())
    if kind == "withdrawn" and "superseded_by" in data:
        # The requester has asked anew, and hears of that one.
        found = tuple(step for step in found if step[1] != Circle.REQUESTER)
    if kind == "escalated" and "failed" in data:
        # Whom the type names is not here any more: that is for those who can mend the type.
        found = ((Matter.ATTENTION, Circle.OPERATORS),)
    if kind == "outcome" and data.get("result") != "failed":
        # Success is news to who asked; a failure also to those who answered.
        found = tuple(step for step in found if step[1] == Circle.REQUESTER)
    return found


def matters_of(kind: str, data: Mapping[str, Any]) -> tuple[Matter, ...]:
    """What a channel is told of this event, where it takes that."""
    return tuple(dict.fromkeys(matter for matter, _ in steps(kind, data)))

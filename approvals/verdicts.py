"""The decision table of a delivery: what an answer and a look at Google's state mean for it.

Pure: no clock, no chance, no database. `delivery.deliver` asks, acts, and asks again. Doubt is
resolved by looking, never by sending on a guess; what is not known is not claimed.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from approvals.google.callbacks import Answer, Reply, Sight, Trace
from approvals.models.outbox import State, Trouble
from countersign.phrases import phrase

# Seconds before each further try; then every minute for an hour, then every ten minutes.
PAUSES = (1, 2, 5, 10, 30, 60)
HOUR_OF_MINUTES = len(PAUSES) + 60
SLOW = 600.0
MOST_RETRY_AFTER = 600.0
# Seconds before each look at a stored answer that is not known to be read; then `SELDOM`.
LOOKS = (2, 8, 30, 30, 60)
SELDOM = 300.0
# A workflow may await its endpoint a little after the answer was stored.
FIRST_MINUTE = 60.0
# After a try that may have arrived, look so long before the same answer is sent once more: a
# workflow that was woken asks `settle` in this time.
SETTLES_WITHIN = 30.0
# A 404 for an execution that is not seen to have ended is asked about once more, after this.
ONCE_MORE = 30.0

# What a delivery's state is explained with. It is kept as it is, and read in many languages.
ACCEPTED = phrase("Google has accepted the answer.")
AGAIN_SOON = phrase("Google could not take the answer yet. Trying again.")
UNCLEAR = phrase("Google gave no clear answer. Checking whether it arrived.")
UNCLEAR_AND_IDLE = phrase(
    "Google gave no clear answer, and the workflow is not waiting now."
    " Checking whether it has the answer before it is sent again."
)
NO_CREDENTIALS = phrase(
    "Google did not accept the credentials of this inbox."
    " An operator has to check the service account it runs as."
)
MAY_NOT_SEND = phrase(
    "Google does not let this inbox answer the workflow. An operator has to grant its"
    " service account a role with workflows.callbacks.send (docs: Operations, step 1)."
)
MAY_NOT_LOOK = phrase(
    "Google does not let this inbox see whether the answer arrived. An operator has to"
    " grant its service account the role Workflows Viewer (workflows.callbacks.list)."
)
REFUSED = phrase("Google refused the answer. An operator has to look at it.")
BAD_ADDRESS = phrase(
    "Answers may not be sent to the address that the workflow gave. An operator has to look at it."
)
REDIRECTED = phrase(
    "Something between this inbox and Google sends it elsewhere; it does not follow."
    " An operator has to look at it."
)
UNSEEN = phrase("Google cannot be asked just now whether the answer arrived. Checking again.")
BUSY = phrase("Google is busy. Trying again.")
UNKNOWN_ONCE = phrase("Google does not know the question. Checking once more.")
UNKNOWN_TWICE = phrase(
    "Google does not know the question any more, though the workflow is running."
    " An operator has to look at it."
)
TAKEN_BEFORE_ANOTHER = phrase(
    "The workflow took the answer. Somebody else then answered it directly too."
    " An operator has to look at it."
)
BEHIND_ANOTHER = phrase(
    "Somebody else has answered this workflow directly, and this answer waits behind"
    " that one. An operator has to look at it."
)
KEPT = phrase("Google keeps the answer; the workflow has not read it yet.")
MOVED_ON = phrase(
    "Google keeps the answer, but the workflow is not listening for it: it has moved on, as when"
    " its wait has timed out."
)
MOVED_ON_OR_COPY = phrase(
    "Google keeps the answer, but the workflow is not listening for it: it took an earlier copy, or"
    " it has moved on, as when its wait has timed out."
)
TAKEN = phrase("The workflow took the answer.")
STILL_WAITING = phrase("Google has accepted the answer, and the workflow is still waiting.")
FINISHED_AFTER = phrase("The workflow finished after the answer was delivered.")
UNHEARD = phrase(
    "The workflow %(how)s. When last seen it had not read the answer and was not"
    " listening for it; whether it read the answer is not known."
)
PERHAPS_READ = phrase("The workflow %(how)s; whether it read the answer is not known.")
UNDELIVERED = phrase("The workflow %(how)s before the answer could be delivered.")
ENDS = {
    "SUCCEEDED": phrase("had finished"),
    "FAILED": phrase("had failed"),
    "CANCELLED": phrase("was cancelled"),
}
ENDED = phrase("had ended")


class Step(StrEnum):
    """What to do before more can be said."""

    LOOK = "look"
    TRACE = "trace"
    SEND = "send"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state a delivery goes to, why in words, and the seconds to the next round."""

    state: State
    reason: str
    pause: float = 0.0
    trouble: Trouble | str = ""
    unheard: bool = False


@dataclass(frozen=True, slots=True)
class Unseen:
    """Google's state could not be read; the status of its refusal, if there was an answer."""

    status: int | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """What our own record says of a delivery when its round begins.

    landed: Google accepted it once. doubt: a try may have arrived without our knowing.
    unsure: the last round, or a person, asks for a look before anything is sent.
    unheard: when last seen it was unread, and nobody listened.
    tries: rounds since it was queued, or since it was stored. gone: tries answered with 404.
    kept, quiet: seconds since Google accepted it, and since the last try left.
    """

    decision_id: str
    landed: bool = False
    doubt: bool = False
    unsure: bool = False
    unheard: bool = False
    tries: int = 0
    gone: int = 0
    kept: float = 0.0
    quiet: float = 0.0
    trouble: str = ""


def next_step(
    past: Past,
    reply: Reply | None = None,
    sight: Sight | Unseen | None = None,
    trace: Trace | Unseen | None = None,
    *,
    chance: float = 0.5,
) -> Step | Verdict:
    """What to do next in a round, or where it ends.

    Args:
        reply: the answer to the try of this round, if one was made.
        sight: what was seen of Google's state, after that try or without one.
        trace: what the steps of an execution that is over tell of its waits.
        chance: from 0 to 1, for the jitter of pauses.
    """
    if reply is not None and reply.answer not in (Answer.FULL, Answer.GONE):
        return _answered(past, reply, chance)
    if reply is not None and reply.answer == Answer.FULL:
        past = replace(past, doubt=True)  # what is in the slot may be this very try
    if sight is None:
        if reply is None and not (past.landed or past.doubt or past.unsure):
            return Step.SEND
        return Step.LOOK
    if isinstance(sight, Unseen):
        return _unseen(past, sight, reply, chance)
    if isinstance(trace, Unseen):
        return _unseen(past, trace, reply, chance)
    return (
        _unexplained(past, sight, reply, chance)
        or _seen(past, sight, trace, chance)
        or _nothing_there(past, sight, chance)
    )


def pause(tries: int, retry_after: float | None = None, chance: float = 0.5) -> float:
    """Seconds to wait after this many rounds: growing, +-20 % jitter.

    `Retry-After` is honoured up to ten minutes, and what was asked of many comes back spread.
    """
    if tries < len(PAUSES):
        base = float(PAUSES[tries])
    else:
        base = 60.0 if tries < HOUR_OF_MINUTES else SLOW
    asked = min(retry_after or 0.0, MOST_RETRY_AFTER)
    return max(_spread(base, chance), asked * (1 + 0.2 * chance))


def look_pause(tries: int, chance: float = 0.5) -> float:
    """Seconds before the next look at an answer that Google keeps."""
    return _spread(float(LOOKS[tries]) if tries < len(LOOKS) else SELDOM, chance)


def _next_look(past: Past, chance: float) -> float:
    """Seconds to the next look; the first was made when it was stored."""
    return look_pause(past.tries + 1 if past.landed else 0, chance)


def _spread(seconds: float, chance: float) -> float:
    return seconds * (0.8 + 0.4 * chance)


def _answered(past: Past, reply: Reply, chance: float) -> Verdict:
    """An answer that tells enough by itself."""
    wait = pause(past.tries, reply.retry_after, chance)
    match reply.answer:
        case Answer.STORED:
            return Verdict(State.STORED, ACCEPTED, look_pause(0, chance))
        case Answer.RETRY:
            return Verdict(State.QUEUED, AGAIN_SOON, wait)
        case Answer.UNKNOWN:
            return Verdict(State.UNKNOWN, UNCLEAR, wait)
        case Answer.DENIED if reply.status == 401:
            wait = max(wait, _spread(60.0, chance))
            return Verdict(State.BLOCKED, NO_CREDENTIALS, wait, Trouble.CREDENTIALS)
        case Answer.DENIED:
            return Verdict(State.BLOCKED, MAY_NOT_SEND, _spread(SLOW, chance), Trouble.ROLE)
        case _:
            return _refused(reply, chance)


def _refused(reply: Reply, chance: float) -> Verdict:
    """A redirect, another 4xx, or an address that nothing is sent to."""
    reason, trouble = REFUSED, Trouble.REFUSED
    if reply.status is None:
        reason, trouble = BAD_ADDRESS, Trouble.ADDRESS
    elif reply.status < 400:
        reason = REDIRECTED
    return Verdict(State.BLOCKED, reason, _spread(SLOW, chance), trouble)


def _unseen(past: Past, sight: Unseen, reply: Reply | None, chance: float) -> Verdict:
    """Google cannot be asked: what is not known stays so, and so does what is wrong."""
    state = State.STORED if past.landed else State.UNKNOWN
    wait = pause(past.tries, reply.retry_after if reply else None, chance)
    if reply is not None and reply.answer == Answer.GONE:
        wait = max(wait, _spread(ONCE_MORE, chance))
    if sight.status == 401:
        wait = max(wait, _spread(60.0, chance))
        return Verdict(state, NO_CREDENTIALS, wait, Trouble.CREDENTIALS, past.unheard)
    if sight.status == 403:
        wait = max(wait, _spread(60.0, chance))
        return Verdict(state, MAY_NOT_LOOK, wait, Trouble.ROLE, past.unheard)
    return Verdict(state, UNSEEN, wait, past.trouble, past.unheard)


def _unexplained(past: Past, sight: Sight, reply: Reply | None, chance: float) -> Verdict | None:
    """A 404 or 429 that Google's state does not explain."""
    empty = not sight.payloads
    if reply is not None and reply.answer == Answer.FULL and empty and not sight.ended:
        return Verdict(State.QUEUED, BUSY, pause(past.tries, reply.retry_after, chance))
    gone = reply is not None and reply.answer == Answer.GONE and empty
    if gone and not past.gone and (sight.state == "GONE" or not sight.ended):
        wait = max(pause(past.tries, None, chance), _spread(ONCE_MORE, chance))
        return Verdict(State.UNKNOWN, UNKNOWN_ONCE, wait)
    still = past.trouble == Trouble.NO_CALLBACK and empty and not sight.waiters
    if (gone or still) and not sight.ended:
        return Verdict(State.BLOCKED, UNKNOWN_TWICE, _spread(SLOW, chance), Trouble.NO_CALLBACK)
    return None


def _seen(past: Past, sight: Sight, trace: Trace | None, chance: float) -> Step | Verdict | None:
    """What tells enough, whatever a try was answered: an end, or a payload in the slot."""
    if sight.ended:
        return _ended(past, sight.state, trace)
    if any(past.decision_id in payload for payload in sight.payloads):
        return _kept(past, sight, chance)
    if sight.payloads and past.landed:
        return Verdict(State.CONFIRMED, TAKEN_BEFORE_ANOTHER, trouble=Trouble.FOREIGN)
    if sight.payloads:
        return Verdict(State.BLOCKED, BEHIND_ANOTHER, _spread(SLOW, chance), Trouble.FOREIGN)
    return None


def _kept(past: Past, sight: Sight, chance: float) -> Verdict:
    """Our answer is in the slot, unread."""
    wait = _next_look(past, chance)
    if sight.waiters or not past.landed or past.kept <= FIRST_MINUTE:
        return Verdict(State.STORED, KEPT, wait)
    reason = MOVED_ON_OR_COPY if past.doubt else MOVED_ON
    return Verdict(State.STORED, reason, wait, Trouble.NOT_LISTENING, unheard=True)


def _ended(past: Past, state: str, trace: Trace | None) -> Step | Verdict:
    """The execution is over: nothing can be sent any more."""
    if state == "SUCCEEDED" and past.landed and not past.unheard:
        # A run whose wait timed out just before the answer came may well have succeeded, too.
        if trace is None:
            return Step.TRACE
        if trace is Trace.HEARD:
            return Verdict(State.CONFIRMED, FINISHED_AFTER)
    if past.unheard:
        reason = UNHEARD
    elif past.landed or past.doubt:
        reason = PERHAPS_READ
    else:
        reason = UNDELIVERED
    said = reason % {"how": ENDS.get(state, ENDED)}
    return Verdict(State.MISSED, said, trouble=Trouble.MISSED)


def _nothing_there(past: Past, sight: Sight, chance: float) -> Step | Verdict:
    """The execution goes on and its slot is empty."""
    if past.landed and not sight.waiters:
        return Verdict(State.CONFIRMED, TAKEN)
    if past.landed:
        return Verdict(State.STORED, STILL_WAITING, _next_look(past, chance))
    if past.doubt and not sight.waiters and 0 <= past.quiet < SETTLES_WITHIN:
        return Verdict(State.UNKNOWN, UNCLEAR_AND_IDLE, pause(past.tries, None, chance))
    return Step.SEND

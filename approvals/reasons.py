"""What operators read of trouble: each kind's name, what it means, what to do. Words alone."""

from collections.abc import Mapping

from django.db.models import TextChoices

from approvals.models import Delivery, Execution, Notice
from approvals.models.outbox import UNDER_WAY, Trouble


class Kind(TextChoices):
    """Kinds of trouble, in the order of the queue: what somebody waits for first stands first."""

    WORKER = "worker", "The worker does not work"
    HOST = "host", "A host does not answer"
    UNDELIVERABLE = "undeliverable", "Delivery in trouble"
    NOBODY = "nobody", "Nobody can answer"
    UNREAD = "unread", "Not read"
    ORPHANED = "orphaned", "Nobody was asked"
    MISSED = "missed", "Came too late"
    NOTICE = "notice", "Not told"


SAYS: Mapping[Kind, str] = {
    Kind.WORKER: "What only a worker does is not done: deliver, close, remind, tell.",
    Kind.HOST: "Google, or the way there, is away, or gives no access token. Answers for it wait,"
    " and lose nothing.",
    Kind.UNDELIVERABLE: "An answer is not on its way to the workflow as it should be.",
    Kind.NOBODY: "A workflow waits, and nobody who was asked may answer.",
    Kind.UNREAD: "Google keeps the answer, and the workflow does not read it.",
    Kind.ORPHANED: "A workflow waits for an answer, and has not asked here.",
    Kind.MISSED: "Somebody decided, and the workflow had ended before it had the answer.",
    Kind.NOTICE: "A message to a person or into a chat did not get through.",
}
"""What each kind means."""

DO: Mapping[Kind, str] = {
    Kind.WORKER: "Start a worker (manage.py deliver), or read in its log why it does not get on.",
    Kind.HOST: "Nothing, if it is Google's trouble: it is tried again by itself. Otherwise look at"
    " the network, and at the service account of the inbox.",
    Kind.UNDELIVERABLE: "What is merely late is tried again by itself. What else to do stands at"
    " each.",
    Kind.NOBODY: "Ask somebody else, put somebody into the group, or withdraw it.",
    Kind.UNREAD: "Read the execution: it is busy before its wait, or waits elsewhere. If it will"
    " never read it, cancel it, and put this aside.",
    Kind.ORPHANED: "Read the execution: its call to this inbox failed, or is missing. Cancel it"
    " and start it again; or say that the wait is not for this inbox.",
    Kind.MISSED: "Read the execution, and start it again if it should have gone on; then put this"
    " aside.",
    Kind.NOTICE: "Mend the address or the channel, and tell again; or put it aside.",
}
"""What to do about each kind."""

ADVICE: Mapping[Trouble, str] = {
    Trouble.CREDENTIALS: "Enable the service account of the inbox, then deliver again.",
    Trouble.ROLE: "Grant the inbox's service account the role in the workflow's project. The next"
    " try comes within ten minutes, or at once with “Deliver again”.",
    Trouble.REFUSED: "Look at the tries on the page of the approval: the endpoint must be made for"
    " POST, and nothing on the way may redirect.",
    Trouble.ADDRESS: "Set WORKFLOWS_EMULATOR_HOST as it was, or let the workflow ask again.",
    Trouble.FOREIGN: "Find out who else may send callbacks in that project. A workflow that asks"
    " this inbox for the outcome is safe; any other may have acted on theirs.",
    Trouble.NO_CALLBACK: "Let the workflow register what events.create_callback_endpoint returned,"
    " unchanged; it has to ask again.",
    Trouble.NOT_LISTENING: DO[Kind.UNREAD],
    Trouble.MISSED: DO[Kind.MISSED],
}
"""What to do about each trouble of a delivery."""

SINCE: Mapping[Kind, str] = {
    Kind.WORKER: "the first thing was due",
    Kind.HOST: "seen",
    Kind.UNDELIVERABLE: "decided",
    Kind.NOBODY: "asked",
    Kind.UNREAD: "taken by Google",
    Kind.ORPHANED: "seen first",
    Kind.MISSED: "decided",
    Kind.NOTICE: "written",
}
"""What the time beside an item is the time of."""

NO_WORKER = "No worker runs. Answers are not delivered, nothing is closed, nobody is told."
UNREGISTERED = "It waits at a callback that nobody registered here."
UNDONE: Mapping[str, str] = {
    "close": "A worker runs, and yet requests whose time is over are not closed.",
    "settle": "A worker runs, and yet answers that nobody can take back any more do not go out.",
    "remind": "A worker runs, and yet nobody is reminded.",
    "tell": "A worker runs, and yet nobody is told anything.",
}
"""Of what a worker leaves undone."""


def what_is_wrong(delivery: Delivery) -> str:
    """Why a delivery needs attention, as a sentence or two."""
    late = delivery.state in UNDER_WAY and not delivery.trouble
    return f"It is not through yet. {delivery.reason}" if late else delivery.reason


def host_away(name: str) -> str:
    """That a host is left alone for a moment, or one workflow's callbacks there for longer."""
    host, _, workflow = name.partition("/")
    if workflow:
        what = f"{workflow.rpartition('/')[2]} at {host}"
        return f"{what} has taken no answer for minutes; others there may. It is tried again."
    why = "it does not answer, or there is no access token for it"
    return f"{host} cannot be asked just now: {why}. It is tried again by itself."


def not_told(notice: Notice) -> str:
    """Whom a notice did not reach, and why."""
    return f"{notice.recipient} was not told: {notice.reason}"


def execution_name(execution: Execution) -> str:
    """An execution as people call it: the workflow, and the beginning of its id."""
    workflow = execution.workflow.rpartition("/")[2]
    return f"{workflow}, execution {execution.name.rpartition('/')[2][:8]}"

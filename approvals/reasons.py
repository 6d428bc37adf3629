"""What operators read of trouble: each kind's name, what it means, what to do. Words alone."""

from collections.abc import Mapping

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from approvals.models import Delivery, Execution, Notice
from approvals.models.outbox import UNDER_WAY, Trouble
from approvals.retold import retold


class Kind(TextChoices):
    """Kinds of trouble, in the order of the queue: what somebody waits for first stands first."""

    WORKER = "worker", _("The worker is not working")
    HOST = "host", _("A host does not answer")
    UNDELIVERABLE = "undeliverable", _("Delivery in trouble")
    NOBODY = "nobody", _("Nobody can answer")
    UNREAD = "unread", _("Not read")
    ORPHANED = "orphaned", _("Nobody was asked")
    MISSED = "missed", _("The workflow had ended")
    NOTICE = "notice", _("Not told")


SAYS: Mapping[Kind, str | Promise] = {
    Kind.WORKER: _(
        "Work that only a worker does is not being done: delivering, closing, reminding, telling."
    ),
    Kind.HOST: _(
        "Google cannot be reached, or gives no access token. Answers for it wait, and nothing is"
        " lost."
    ),
    Kind.UNDELIVERABLE: _("An answer is not getting to the workflow as it should."),
    Kind.NOBODY: _("A workflow is waiting, but nobody who was asked can answer."),
    Kind.UNREAD: _("Google keeps the answer, and the workflow does not read it."),
    Kind.ORPHANED: _("A workflow is waiting for an answer, but has not asked here."),
    Kind.MISSED: _(
        "Somebody decided, but the workflow had ended: it did not get the answer, or is not known"
        " to have read it."
    ),
    Kind.NOTICE: _("A message to a person or into a chat did not get through."),
}
"""What each kind means."""

DO: Mapping[Kind, str | Promise] = {
    Kind.WORKER: _("Start a worker (manage.py deliver), or check its log to see why it is stuck."),
    Kind.HOST: _(
        "If the trouble is Google's, nothing: it is tried again automatically. Otherwise check"
        " the network and the inbox's service account."
    ),
    Kind.UNDELIVERABLE: _(
        "Anything merely late is tried again automatically. Each item says what else to do."
    ),
    Kind.NOBODY: _("Ask somebody else, add somebody to the group, or withdraw it."),
    Kind.UNREAD: _(
        "Read the execution: it is busy with earlier steps, or is waiting elsewhere. If it will"
        " never read the answer, cancel it and put this aside."
    ),
    Kind.ORPHANED: _(
        "Read the execution: its call to this inbox failed, or is missing. Cancel it"
        " and start it again; or say that the wait is not for this inbox."
    ),
    Kind.MISSED: _(
        "Read the execution: did it act on the answer? If not, and if it should have gone on, start"
        " it again; then put this aside."
    ),
    Kind.NOTICE: _("Correct the address or the channel and tell again, or put it aside."),
}
"""What to do about each kind."""

ADVICE: Mapping[Trouble, str | Promise] = {
    Trouble.CREDENTIALS: _("Enable the service account of the inbox, then deliver again."),
    Trouble.ROLE: _(
        "Grant the inbox's service account the role in the workflow's project. The next"
        " try comes within ten minutes, or at once with “Deliver again”."
    ),
    Trouble.REFUSED: _(
        "Look at the tries on the page of the approval: the endpoint must be made for"
        " POST, and nothing on the way may redirect."
    ),
    Trouble.ADDRESS: _("Set WORKFLOWS_EMULATOR_HOST as it was, or let the workflow ask again."),
    Trouble.FOREIGN: _(
        "Find out who else may send callbacks in that project. A workflow that asks"
        " this inbox for the outcome is safe; any other may have acted on theirs."
    ),
    Trouble.NO_CALLBACK: _(
        "Let the workflow register what events.create_callback_endpoint returned,"
        " unchanged; it has to ask again."
    ),
    Trouble.NOT_LISTENING: DO[Kind.UNREAD],
    Trouble.MISSED: DO[Kind.MISSED],
}
"""What to do about each trouble of a delivery."""

SINCE: Mapping[Kind, str | Promise] = {
    Kind.WORKER: _("the first thing was due"),
    Kind.HOST: _("seen"),
    Kind.UNDELIVERABLE: _("decided"),
    Kind.NOBODY: _("asked"),
    Kind.UNREAD: _("taken by Google"),
    Kind.ORPHANED: _("seen first"),
    Kind.MISSED: _("decided"),
    Kind.NOTICE: _("written"),
}
"""What the time beside an item is the time of."""

NO_WORKER = _("No worker is running. Answers are not delivered, nothing is closed, nobody is told.")
UNREGISTERED = _("It waits at a callback that nobody registered here.")
UNDONE: Mapping[str, str | Promise] = {
    "close": _("A worker is running, but requests whose time is up are not being closed."),
    "settle": _(
        "A worker is running, but answers that can no longer be taken back are not going out."
    ),
    "remind": _("A worker is running, but nobody is being reminded."),
    "tell": _("A worker is running, but nobody is being told anything."),
}
"""Of what a worker leaves undone."""


def what_is_wrong(delivery: Delivery) -> str:
    """Why a delivery needs attention, as a sentence or two."""
    late = delivery.state in UNDER_WAY and not delivery.trouble
    why = retold(delivery.reason)
    return gettext("It has not got through yet. %(why)s") % {"why": why} if late else why


def host_away(name: str) -> str:
    """That a host is left alone for a moment, or one workflow's callbacks there for longer."""
    host, _, workflow = name.partition("/")
    if workflow:
        sentence = gettext(
            "%(workflow)s at %(host)s has not taken an answer for some minutes; other workflows"
            " there may. It is tried again."
        )
        return sentence % {"workflow": workflow.rpartition("/")[2], "host": host}
    sentence = gettext(
        "%(host)s cannot be asked just now: it does not answer, or there is no access token for it."
        " It is tried again by itself."
    )
    return sentence % {"host": host}


def not_told(notice: Notice) -> str:
    """Whom a notice did not reach, and why."""
    told = {"who": notice.recipient, "why": retold(notice.reason)}
    return gettext("%(who)s was not told: %(why)s") % told


def execution_name(execution: Execution) -> str:
    """An execution as people call it: the workflow, and the beginning of its id."""
    workflow = execution.workflow.rpartition("/")[2]
    told = {"workflow": workflow, "id": execution.name.rpartition("/")[2][:8]}
    return gettext("%(workflow)s, execution %(id)s") % told

"""What operators can do about trouble: each deed with its button, permission and words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from approvals.models import Approval, Delivery, Execution, Notice, User
from approvals.models.attending import put_delivery_aside, put_notice_aside
from approvals.reasons import UNREGISTERED, Kind, execution_name, not_told, what_is_wrong


@dataclass(frozen=True, slots=True)
class Noun:
    """What a deed is done to: where it is found, by which id, what it is called, what is wrong."""

    rows: Callable[[User], QuerySet[Any]]
    name: Callable[[Any], str]
    wrong: Callable[[Any], str]
    key: Callable[[str], Any] = UUID


NOUNS: Mapping[str, Noun] = {
    "delivery": Noun(
        lambda _user: Delivery.objects.select_related("approval__decided_by"),
        lambda delivery: str(delivery.approval),
        what_is_wrong,
    ),
    "approval": Noun(Approval.objects.visible_to, str, lambda approval: str(approval.trouble)),
    "execution": Noun(
        lambda _user: Execution.objects.all(), execution_name, lambda _row: str(UNREGISTERED), str
    ),
    "notice": Noun(
        lambda _user: Notice.objects.select_related("approval", "user", "channel"), str, not_told
    ),
}


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that an operator can do.

    Attributes:
        does: what follows from it, said before.
        done, late: what is said after; `late` where there was nothing to do any more.
        at_once: it changes nothing for others, so one click does it; the others ask why first.
        act: does it, for this operator and reason; False where somebody was faster. May raise
            `ApprovalError`.
    """

    noun: str
    verb: str
    label: str | Promise
    permission: str
    does: str | Promise
    done: str | Promise
    late: str | Promise
    act: Callable[[Any, User, str], bool]
    at_once: bool = False


NEEDS_NOBODY = _("This no longer needs attention. Nothing was changed.")


def _withdraw(approval: Approval, user: User, why: str) -> bool:
    approval.withdraw(why, actor=user.actor)
    return True


def _dismiss(execution: Execution, user: User, why: str) -> bool:
    return _noted(execution.dismiss, execution, user, f"Not for this inbox: {why}")


def _dismiss_workflow(execution: Execution, user: User, why: str) -> bool:
    said = f"No wait of this workflow is for this inbox: {why}"
    return _noted(execution.dismiss_workflow, execution, user, said)


def _noted(act: Callable[[], bool], execution: Execution, user: User, said: str) -> bool:
    """It is of no approval, so no record has it: the history of the admin keeps who and why."""
    with transaction.atomic():
        if not act():
            return False
        LogEntry.objects.log_actions(user.pk, [execution], CHANGE, said, single_object=True)
    return True


DEEDS: Mapping[tuple[str, str], Deed] = {
    (deed.noun, deed.verb): deed
    for deed in (
        Deed(
            "delivery",
            "again",
            _("Deliver again"),
            "approvals.change_delivery",
            _(
                "The worker looks at Google first, and sends the answer if it is not there. The"
                " decision stays as it is."
            ),
            _("It is delivered again. The result will show here."),
            _("Nothing to do: the workflow has the answer."),
            lambda delivery, user, _why: delivery.requeue(actor=user.actor),
            at_once=True,
        ),
        Deed(
            "delivery",
            "aside",
            _("Put aside"),
            "approvals.change_delivery",
            _(
                "It disappears from the list for all operators until something else goes wrong"
                " with it. The answer does not change, and the record keeps your reason."
            ),
            _("Put aside."),
            NEEDS_NOBODY,
            lambda delivery, user, why: put_delivery_aside(delivery, why, actor=user.actor),
        ),
        Deed(
            "approval",
            "withdraw",
            _("Withdraw"),
            "approvals.change_approval",
            _(
                "It closes unanswered, and its workflow gets “withdrawn”. Your reason goes on"
                " record, and to the people who were asked and the one who asked."
            ),
            _("Withdrawn."),
            _("It was withdrawn already."),
            _withdraw,
        ),
        Deed(
            "execution",
            "aside",
            _("Not for this inbox"),
            "approvals.change_execution",
            _(
                "It disappears from the list for all operators. The workflow keeps waiting for"
                " whoever answers it."
            ),
            _("It is not listed any more."),
            NEEDS_NOBODY,
            _dismiss,
        ),
        Deed(
            "execution",
            "workflow",
            _("Nor any of this workflow"),
            "approvals.change_execution",
            _(
                "When this workflow waits at callbacks that were not registered here, now or"
                " later, operators no longer see it listed. Requests that it registers here work"
                " as before. In the admin it can be listed again."
            ),
            _("Waits of its workflow are no longer listed."),
            _("This was already done. Nothing was changed."),
            _dismiss_workflow,
        ),
        Deed(
            "notice",
            "again",
            _("Tell again"),
            "approvals.change_notice",
            _("It is sent once more."),
            _("It is sent once more. The result will show here."),
            _("Nothing to do: it was sent."),
            lambda notice, user, _why: notice.again(by=str(user)),
            at_once=True,
        ),
        Deed(
            "notice",
            "aside",
            _("Put aside"),
            "approvals.change_notice",
            _(
                "It is no longer sent, and disappears from the list for all operators. The record"
                " keeps your reason."
            ),
            _("Put aside."),
            NEEDS_NOBODY,
            lambda notice, user, why: put_notice_aside(notice, why, by=str(user), actor=user.actor),
        ),
    )
}

FOR: Mapping[Kind, tuple[tuple[str, str], ...]] = {
    Kind.WORKER: (),
    Kind.HOST: (),
    Kind.UNDELIVERABLE: (("delivery", "again"), ("delivery", "aside")),
    Kind.NOBODY: (("approval", "withdraw"),),
    Kind.UNREAD: (("delivery", "again"), ("delivery", "aside")),
    Kind.ORPHANED: (("execution", "aside"), ("execution", "workflow")),
    Kind.MISSED: (("delivery", "aside"),),
    Kind.NOTICE: (("notice", "again"), ("notice", "aside")),
}
"""The deeds that each kind of trouble has a button for."""


def deeds_for(kind: Kind, user: User) -> list[Deed]:
    """What this person may do about trouble of this kind."""
    deeds = [DEEDS[name] for name in FOR[kind]]
    return [deed for deed in deeds if user.has_perm(deed.permission)]

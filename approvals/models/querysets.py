"""Which approvals: whose, in which state, and registering a new one."""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.utils import timezone

from approvals.models.approver import Approver
from approvals.models.content import NEGATIVE, PENDING
from approvals.models.delivery import Delivery
from approvals.models.notice import Notice
from approvals.models.record import Event, Vote
from approvals.models.stand_in import StandIn
from approvals.models.user import User, without

if TYPE_CHECKING:
    from approvals.models.approval import Approval  # noqa: F401 - named in a string


def _asks(user: User, *, now: bool = True) -> models.Q:
    """The approval asks this person, by name or through a group; `now`: in its present stage.

    Two questions, as PostgreSQL takes an index for each, and for both at once goes through all.
    """
    rows = Approver.objects.filter(approval=models.OuterRef("pk"))
    if now:
        rows = rows.current().filter(stage=models.OuterRef("stage"))
    return models.Q(models.Exists(rows.naming(user))) | models.Q(models.Exists(rows.through(user)))


def _given() -> models.QuerySet[Vote]:
    """The votes that stand in the present stage of an approval; for a sub-select of it."""
    return Vote.objects.standing().filter(
        approval=models.OuterRef("pk"), stage=models.OuterRef("stage")
    )


def _answered(user: User, role: str) -> models.Exists:
    """The person has a vote in the present stage, as its `user` or as its `principal`."""
    return models.Exists(_given().filter(**{role: user}))


def _took_part(user: User) -> models.Exists:
    """The person has answered, in any stage and in whosever right."""
    votes = Vote.objects.standing().filter(approval=models.OuterRef("pk"))
    return models.Exists(votes.filter(user=user))


def _asked_by(user: User) -> models.Q:
    """The approval is this person's own request."""
    return models.Q(requester_mailbox=user.mailbox)


def _right_of(user: User) -> models.Q:
    """The person may answer in their own right, and nobody has done so for them."""
    return _asks(user) & models.Q(~_answered(user, "principal"), ~_asked_by(user))


class ApprovalQuerySet(models.QuerySet["Approval"]):
    def open(self, now: datetime | None = None) -> "ApprovalQuerySet":
        """Still to be decided: pending, not past the deadline, no answer on its way out."""
        now = now or timezone.now()
        return self.filter(
            models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=now),
            status=PENDING,
            settles_at__isnull=True,
        )

    def overdue(self, now: datetime | None = None) -> "ApprovalQuerySet":
        """Pending though the deadline has passed: the worker closes these."""
        return self.filter(status=PENDING, expires_at__lte=now or timezone.now())

    def settling(self, now: datetime | None = None) -> "ApprovalQuerySet":
        """Answered, and the time to take it back is over: the worker goes on with these."""
        return self.filter(status=PENDING, settles_at__lte=now or timezone.now())

    def undoable(self, now: datetime | None = None) -> "ApprovalQuerySet":
        """Those in which an answer can still be taken back."""
        still = models.Q(settles_at__isnull=True) | models.Q(settles_at__gt=now or timezone.now())
        return self.filter(still, status=PENDING, undo__gt=0)

    def asking(self, user: User) -> "ApprovalQuerySet":
        """Those this person has the right to answer now, their own or a colleague's; never their
        own request, never a colleague's own request for that colleague.

        Four eyes: who has answered in one stage answers in another in their own right alone, where
        that stage asks them too; never once more, for somebody else.

        Without joins, so that an UPDATE on it checks `status` in the outermost WHERE:
        PostgreSQL looks there again after waiting for a row, and not in a sub-select.
        """
        active = User.objects.filter(pk=user.pk, is_active=True)
        rights = _right_of(user)
        for principal in StandIn.objects.all().principals_of(user):
            rights |= _right_of(principal) & ~models.Q(_took_part(user))
        return self.filter(
            rights, models.Exists(active), ~_asked_by(user), ~_answered(user, "user")
        )

    def in_right_of(self, person: User) -> "ApprovalQuerySet":
        """Those this person was asked, and nobody has answered in their right."""
        return self.filter(_right_of(person))

    def visible_to(self, user: User | AnonymousUser) -> "ApprovalQuerySet":
        """Those this person may read: asked in any stage or before, also as a stand-in, own
        request, answered, or a reader by permission."""
        if not isinstance(user, User) or not user.is_active:
            return self.none()
        if user.has_perm("approvals.view_approval"):
            return self
        voted = Vote.objects.filter(approval=models.OuterRef("pk"), user=user)
        mine = _asks(user, now=False) | models.Exists(voted) | _asked_by(user)
        for principal in StandIn.objects.all().principals_of(user):
            mine |= _asks(principal, now=False)
        return self.filter(mine)

    def needing(self, user: User) -> "ApprovalQuerySet":
        """Open, and mine to decide."""
        return self.open().asking(user)

    def with_open_question(self) -> "ApprovalQuerySet":
        """Those in which somebody's question has no answer yet."""
        spoken = Event.objects.filter(
            approval=models.OuterRef("pk"), kind__in=(Event.Kind.QUESTION, Event.Kind.ANSWER)
        )
        last = models.Subquery(spoken.order_by("-number").values("kind")[:1])
        return self.alias(word=last).filter(word=Event.Kind.QUESTION)

    def owing(self, user: User) -> "ApprovalQuerySet":
        """Open requests of this person in which somebody's question has no answer yet."""
        return self.open().filter(_asked_by(user)).with_open_question()

    def waiting_for(self, user: User) -> "ApprovalQuerySet":
        """Tab "needs me": mine to decide, or mine to explain to those who asked."""
        decide, explain = self.needing(user).values("pk"), self.owing(user).values("pk")
        # Both are of open ones; that the status is said again keeps the decided out of the search.
        return self.filter(models.Q(pk__in=decide) | models.Q(pk__in=explain), status=PENDING)

    def waiting_on_others(self, user: User) -> "ApprovalQuerySet":
        """Tab "waiting on others": I asked or have answered, somebody else must act now."""
        voted = Vote.objects.standing().filter(approval=models.OuterRef("pk"), user=user)
        mine = self.filter(_asked_by(user) | models.Exists(voted), status=PENDING)
        # Asked of each of these few, not first of all that wait.
        return mine.filter(~models.Exists(self.waiting_for(user).filter(pk=models.OuterRef("pk"))))

    def decided_for(self, user: User) -> "ApprovalQuerySet":
        """Tab "decided": closed ones that were mine to answer, or that I asked."""
        voted = Vote.objects.standing().filter(approval=models.OuterRef("pk"), user=user)
        mine = _asks(user, now=False) | models.Exists(voted) | _asked_by(user)
        return self.exclude(status=PENDING).filter(mine)

    def needing_attention(self) -> "ApprovalQuerySet":
        """Tab "needs attention", for operators: not got through, nobody there to answer, or
        somebody who could not be told."""
        stuck = models.Q(pk__in=Delivery.objects.needing_attention().values("approval"))
        stuck |= models.Q(pk__in=self.nobodys().values("pk"))
        untold = Notice.objects.needing_attention().values("approval")
        return self.filter(stuck | models.Q(pk__in=untold))

    def nobodys(self) -> "ApprovalQuerySet":
        """Open ones that too few active people may still decide: empty groups, the requester
        alone, or fewer people than votes are still needed."""
        agreeing = _given().exclude(outcome__in=NEGATIVE)
        left = models.Q(silent__lt=models.F("votes_needed") - models.F("agreeing"))
        none_left = models.Q(votes_needed__isnull=True, silent=0)
        return (
            self.open()
            .alias(silent=count_of(silent_for(models.OuterRef)), agreeing=count_of(agreeing))
            .filter(left | none_left)
            .exclude(pk__in=self.all_left_have_answered().values("pk"))
        )

    def all_left_have_answered(self) -> "ApprovalQuerySet":
        """Open ones whose votes settle them, as whoever was still to answer has left since: the
        worker goes on with these."""
        against = models.Exists(_given().filter(outcome__in=NEGATIVE))
        return self.open().filter(
            models.Q(votes_needed__isnull=True) | against,
            models.Exists(_given()),
            ~models.Exists(silent_for(models.OuterRef)),
        )

    def after(self, created_at: datetime, pk: uuid.UUID) -> "ApprovalQuerySet":
        """The rows that follow this one, newest first: a page never skips or repeats."""
        same = models.Q(created_at=created_at, pk__lt=pk)
        return self.filter(models.Q(created_at__lt=created_at) | same)


def able_for(outer: type[models.OuterRef]) -> models.QuerySet[User]:
    """The active people whom an approval asks in its present stage, the requester excluded.

    Args:
        outer: how to name a column of the approval: `OuterRef`, in a sub-select of it.
    """
    inner = models.OuterRef
    asked = Approver.objects.current().filter(
        approval=inner(outer("pk")), stage=inner(outer("stage"))
    )
    reached = models.Q(user=inner("pk")) | models.Q(group__user=inner("pk"))
    people = User.objects.filter(models.Exists(asked.filter(reached)), is_active=True)
    return without(people, outer("requester_mailbox"))


def silent_for(outer: type[models.OuterRef]) -> models.QuerySet[User]:
    """Those of them who have not answered, and for whom nobody has: who still can.

    Args:
        outer: as of `able_for`.
    """
    inner = models.OuterRef
    answered = Vote.objects.standing().filter(
        models.Q(user=inner("pk")) | models.Q(principal=inner("pk")),
        approval=inner(outer("pk")),
        stage=inner(outer("stage")),
    )
    return able_for(outer).exclude(models.Exists(answered))


def count_of(rows: models.QuerySet[Any]) -> models.Subquery:
    """The number of these rows, as a column."""
    number = rows.order_by().annotate(number=models.Func("pk", function="Count")).values("number")
    return models.Subquery(number, output_field=models.IntegerField())


def all_approvals() -> ApprovalQuerySet:
    """All of them, for the layers on which the model itself is built."""
    rows: ApprovalQuerySet = apps.get_model("approvals", "Approval").objects.all()
    return rows

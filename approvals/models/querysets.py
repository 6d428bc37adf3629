"""Which approvals: whose, in which state, and registering a new one."""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from approvals.models.approver import Approver, resolve
from approvals.models.callback import Callback
from approvals.models.caller import Caller
from approvals.models.content import PENDING, content_digest, inbox_deadline, pairs_of
from approvals.models.delivery import Delivery
from approvals.models.errors import AlreadyRegistered
from approvals.models.record import Event, Vote
from approvals.models.user import User, mailbox

if TYPE_CHECKING:
    from approvals.models.approval import Approval

# Fields that take their value from the request's key of the same name.
PLAIN_FIELDS = (
    "type",
    "title",
    "summary",
    "links",
    "requested_by",
    "votes_needed",
    "options",
    "priority",
    "on_expiry",
)


def _asks(user: User) -> models.Exists:
    """The approval asks this person, by name or through a group."""
    return models.Exists(Approver.objects.filter(approval=models.OuterRef("pk")).reaching(user))


def _asked_by(user: User) -> models.Q:
    """The approval is this person's own request."""
    return models.Q(requester_mailbox=user.mailbox)


class ApprovalQuerySet(models.QuerySet["Approval"]):
    def open(self, now: datetime | None = None) -> "ApprovalQuerySet":
        """Still to be decided: pending, and not past the deadline."""
        now = now or timezone.now()
        return self.filter(
            models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=now), status=PENDING
        )

    def overdue(self, now: datetime | None = None) -> "ApprovalQuerySet":
        """Pending though the deadline has passed: the worker closes these."""
        return self.filter(status=PENDING, expires_at__lte=now or timezone.now())

    def asking(self, user: User) -> "ApprovalQuerySet":
        """Those this person has the right to decide; never their own request.

        Without joins, so that an UPDATE on it checks `status` in the outermost WHERE:
        PostgreSQL looks there again after waiting for a row, and not in a sub-select.
        """
        active = User.objects.filter(pk=user.pk, is_active=True)
        return self.filter(_asks(user), models.Exists(active)).exclude(_asked_by(user))

    def visible_to(self, user: User | AnonymousUser) -> "ApprovalQuerySet":
        """Those this person may read: asked, own request, answered, or a reader by permission."""
        if not isinstance(user, User) or not user.is_active:
            return self.none()
        if user.has_perm("approvals.view_approval"):
            return self
        voted = Vote.objects.filter(approval=models.OuterRef("pk"), user=user)
        return self.filter(_asks(user) | models.Exists(voted) | _asked_by(user))

    def needing(self, user: User) -> "ApprovalQuerySet":
        """Tab "needs me": open, and mine to decide."""
        return self.open().asking(user)

    def waiting_on_others(self, user: User) -> "ApprovalQuerySet":
        """Tab "waiting on others": I asked, somebody else must answer."""
        return self.filter(_asked_by(user), status=PENDING)

    def decided_for(self, user: User) -> "ApprovalQuerySet":
        """Tab "decided": closed ones that were mine to answer, or that I asked."""
        return self.exclude(status=PENDING).filter(_asks(user) | _asked_by(user))

    def needing_attention(self) -> "ApprovalQuerySet":
        """Tab "needs attention", for operators: not got through, or nobody there to answer."""
        stuck = Delivery.objects.needing_attention().values("approval")
        return self.filter(models.Q(pk__in=stuck) | models.Q(pk__in=self.nobodys().values("pk")))

    def nobodys(self) -> "ApprovalQuerySet":
        """Open ones that no active person may decide: empty groups, or the requester alone."""
        requester = models.OuterRef(models.OuterRef("requester_mailbox"))
        able = User.objects.filter(is_active=True).exclude(email=requester)
        asked = Approver.objects.filter(approval=models.OuterRef("pk")).filter(
            models.Q(user__in=able) | models.Q(group__user__in=able)
        )
        return self.open().exclude(models.Exists(asked))

    def register(
        self,
        *,
        caller: Caller,
        callback_url: str,
        execution: str,
        key: str | None,
        content: dict[str, Any],
    ) -> tuple["Approval", bool]:
        """Store a question, once; (approval, whether it is new).

        The same callback URL, or the same key, with the same content is the same approval.
        A new URL under the same key re-arms it while it is pending. Raises
        `AlreadyRegistered` for other content, `UnknownApprover` for approvers unknown here.
        """
        sha256 = content_digest(content)
        if existing := self._registered(caller, callback_url, key):
            return existing.register_again(caller, callback_url, execution, sha256), False
        approvers = resolve(content["approvers"] or settings.DEFAULT_APPROVERS)
        try:
            with transaction.atomic():
                approval = self.create(
                    caller=caller,
                    callback_url=callback_url,
                    execution=execution,
                    idempotency_key=key,
                    content_sha256=sha256,
                    requester_mailbox=mailbox(content["requested_by"]),
                    expires_at=inbox_deadline(timezone.now(), content["expires_in"]),
                    fields=pairs_of(content["fields"]),
                    comment_rule=content["comment"],
                    **{name: content[name] for name in PLAIN_FIELDS},
                )
                Callback.objects.create(url=callback_url, approval=approval)
                for approver in approvers:
                    approver.approval = approval
                Approver.objects.bulk_create(approvers)
                Event.objects.create(
                    approval=approval,
                    kind=Event.Kind.REGISTERED,
                    actor=caller.actor,
                    data={"content_sha256": sha256, "approvers": [str(a) for a in approvers]},
                )
        except IntegrityError:
            # The same registration came in twice at once; the other one won.
            if existing := self._registered(caller, callback_url, key):
                return existing.register_again(caller, callback_url, execution, sha256), False
            raise
        return approval, True

    def after(self, created_at: datetime, pk: uuid.UUID) -> "ApprovalQuerySet":
        """The rows that follow this one, newest first: a page never skips or repeats."""
        same = models.Q(created_at=created_at, pk__lt=pk)
        return self.filter(models.Q(created_at__lt=created_at) | same)

    def _registered(self, caller: Caller, callback_url: str, key: str | None) -> "Approval | None":
        """The approval of this callback or of this key. Raises `AlreadyRegistered` for two."""
        known = models.Q(pk__in=Callback.objects.filter(url=callback_url).values("approval"))
        if key:
            known |= models.Q(caller=caller, idempotency_key=key)
        found = list(self.filter(known))
        if len(found) > 1:
            raise AlreadyRegistered(
                "This callback URL belongs to one question and this Idempotency-Key to another."
                " Use a fresh callback endpoint and key for every question."
            )
        return found[0] if found else None

"""The approval: one question, its right answerers, and its one outcome."""

from typing import ClassVar

from django.db import models

from approvals.models.content import PENDING
from approvals.models.querysets import ApprovalQuerySet
from approvals.models.sharing import Sharing


class Approval(Sharing):
    """One question put to people by one workflow execution, with one callback for the answer.

    `status` is `pending` or the outcome; every change of it is one conditional UPDATE in
    one transaction with its event and its delivery. The layers below it, each on top of the next:
    `Sharing` brings in others, `Voting` answers, `Closing` ends, `Question` has the columns.
    """

    objects: ClassVar[ApprovalQuerySet] = ApprovalQuerySet.as_manager()  # type: ignore[assignment]  # typed queryset

    class Meta:
        ordering = ("-created_at",)
        indexes = (
            models.Index(fields=["status", "created_at"], name="approval_by_status"),
            # The last decisions of a type, whatever else of it there is.
            models.Index(
                fields=["type", "-decided_at"],
                condition=models.Q(decided_by__isnull=False),
                name="approval_decided_by_type",
            ),
            # What has changed a moment ago, of what still waits.
            models.Index(
                fields=["changed_at"],
                condition=models.Q(status=PENDING),
                name="approval_pending_by_changed",
            ),
        )
        constraints = (
            models.UniqueConstraint(fields=["callback_url"], name="one_approval_per_callback"),
            models.UniqueConstraint(
                fields=["caller", "idempotency_key"], name="one_approval_per_key"
            ),
            models.CheckConstraint(
                condition=models.Q(status=PENDING) ^ models.Q(decided_at__isnull=False),
                name="approval_pending_or_decided",
            ),
            models.CheckConstraint(
                condition=models.Q(votes_needed__isnull=True) | models.Q(votes_needed__gte=1),
                name="approval_votes_at_least_one",
            ),
            models.CheckConstraint(
                condition=models.Q(settles_as="") ^ models.Q(settles_at__isnull=False),
                name="approval_settles_as_and_at",
            ),
        )

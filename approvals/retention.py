"""Removing what approvals contain once they were kept long enough; what was decided stays."""

import json
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from approvals import search
from approvals.models import Approval, Delivery, Event, Vote
from approvals.models.content import PENDING, digest
from approvals.models.outbox import FINAL
from approvals.models.querysets import ApprovalQuerySet
from approvals.models.record import REMOVED
from approvals.verification import verify, votes_digest


class Broken(Exception):
    """The record of an approval does not hold: its contents are evidence, and stay."""


def removable(before: datetime) -> ApprovalQuerySet:
    """Closed before that moment, delivered or past delivering, and not emptied yet."""
    over = Delivery.objects.filter(approval=models.OuterRef("pk"), state__in=FINAL)
    closed = Approval.objects.exclude(status=PENDING).filter(decided_at__lt=before)
    return closed.filter(models.Exists(over), removed_at__isnull=True)


def remove_contents(approval: Approval) -> bool:
    """Empty what was asked and written; False where that was done meanwhile, or where it is being
    delivered again: what is sent stays as it is.

    Left are title, people, times, outcomes and every digest, so that the record still holds. The
    last line of the record tells of it, with digests of what is left. Raises `Broken`.
    """
    with transaction.atomic():
        now = timezone.now()
        # The delivery's row before the approval's, as whoever moves a delivery takes them: the
        # other way round each would wait for the other.
        over = Delivery.objects.filter(approval=approval.pk, state__in=FINAL)
        if not over.update(body=models.F("body")):
            return False
        mine = Approval.objects.filter(pk=approval.pk, removed_at__isnull=True)
        if not mine.exclude(status=PENDING).update(changed_at=now):
            return False
        if broken := verify(approval):
            raise Broken(broken)
        mine.update(removed_at=now, summary="", fields=[], links=[], prefill={}, result_message="")
        Vote.objects.filter(approval=approval.pk).update(comment="", form={})
        search.index(Approval.objects.get(pk=approval.pk))
        body = _emptied(approval.pk)
        Event.objects.filter(approval=approval.pk).update(data=REMOVED)
        left = {
            "content_sha256": approval.content_sha256,
            "votes_sha256": votes_digest(Vote.objects.filter(approval=approval.pk).order_by("at")),
            "body_sha256": digest(body),
        }
        Event.append(approval.pk, Event.Kind.REMOVED, "system", data=left)
    approval.refresh_from_db()
    return True


def _emptied(approval: Any) -> str:
    """The delivery's body without what people wrote; a workflow that asks again is still told."""
    delivery = Delivery.objects.get(approval=approval)
    payload = delivery.payload | {"comment": "", "form": {}}
    payload["votes"] = [vote | {"comment": ""} for vote in payload["votes"]]
    body = json.dumps(payload, ensure_ascii=False)
    Delivery.objects.filter(pk=delivery.pk).update(body=body)
    return body

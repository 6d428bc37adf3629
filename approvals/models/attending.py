"""What an operator puts aside: one conditional UPDATE with its line of the record, each."""

from django.db import transaction
from django.utils import timezone

from approvals.models.delivery import Delivery
from approvals.models.notice import Notice
from approvals.models.record import Event


def put_delivery_aside(delivery: Delivery, reason: str, *, actor: str) -> bool:
    """Its trouble needs nobody any more; False where it has none, or somebody was faster.

    The answer stays as it is, and goes on being tried where it was.
    """
    troubled = Delivery.objects.needing_attention().values("pk")
    # The column stands in the outermost WHERE: PostgreSQL looks there again after waiting.
    mine = Delivery.objects.filter(pk=delivery.pk, attended_at__isnull=True, pk__in=troubled)
    with transaction.atomic():
        if not mine.update(attended_at=timezone.now()):
            return False
        data = {"what": "delivery", "reason": reason}
        Event.append(delivery.approval_id, Event.Kind.ATTENDED, actor, data=data)
    return True


def put_notice_aside(notice: Notice, reason: str, *, by: str, actor: str) -> bool:
    """It is not sent any more; False where it is sent or needed no more.

    Args:
        by: the name of who does it, for those who read the outbox.
    """
    with transaction.atomic():
        if not notice.give_up(by=by, why=reason):
            return False
        data = {"what": "notice", "to": notice.recipient, "reason": reason}
        Event.append(notice.approval_id, Event.Kind.ATTENDED, actor, data=data)
    return True

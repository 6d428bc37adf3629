"""A round of a delivery as the worker plays it, and what Google lists."""

from django.utils import timezone

from approvals.delivery import deliver
from approvals.models import Delivery


def run(delivery):
    """One round, as the worker does it; the row as it is afterwards."""
    Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=timezone.now())
    claimed = Delivery.objects.claim_next()
    assert claimed == delivery
    deliver(claimed)
    return Delivery.objects.get(pk=delivery.pk)


def methods(google):
    return [said.method for said in google.seen]


def listing(delivery, payloads=(), waiters=0):
    """What callbacks.list answers for this delivery's endpoint."""
    name = delivery.approval.callback_url.partition("/v1/")[2].replace("/callbacks/", "/callback/")
    callback = {"name": name, "method": "POST", "availablePayloads": list(payloads)}
    return {"callbacks": [callback | ({"waiters": str(waiters)} if waiters else {})]}


def steps(*states):
    """What stepEntries.list answers, where steps came to these states."""
    return {"stepEntries": [{"state": state} for state in states]}

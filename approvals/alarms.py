"""A line of the log for whatever is new in the operators' queue, that an alert can be made of."""

import logging
from itertools import islice
from uuid import uuid4

from django.db import transaction

from approvals.attention import everything
from approvals.models import Alarm

log = logging.getLogger(__name__)
# So many lines at one look; the others follow with the next.
MOST = 500


def raise_alarms() -> int:
    """Log what is new in the queue, each thing once for as long as it is there; how many.

    The insert decides which of several workers logs it. It is committed after the line is written:
    a worker that dies in between leaves a line too many, never one too few.
    """
    there = {f"{kind}:{key}": (kind, key, approval) for kind, key, approval in everything()}
    known = set(Alarm.objects.values_list("key", flat=True))
    Alarm.objects.filter(key__in=list(islice(known - there.keys(), MOST))).delete()
    new = list(islice((key for key in there if key not in known), MOST))
    batch = uuid4()
    with transaction.atomic():
        rows = [Alarm(key=key, batch=batch) for key in sorted(new)]
        Alarm.objects.bulk_create(rows, ignore_conflicts=True)
        mine = Alarm.objects.filter(batch=batch).values_list("key", flat=True) if new else ()
        for found in mine:
            kind, key, approval = there[found]
            about = {"approval": approval} if approval else {}
            log.warning("needs attention", extra={"kind": str(kind), "subject": key, **about})
    return len(mine)

"""The approvals that clients decide, made and counted in a process of the besieged database.

manage.py shell --no-imports -c 'from tests.soak import rows; rows.make(3000, "http://…")'
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.core.management import call_command
from django.db import transaction

from approvals.models import Approval, Delivery, Event, PersonalToken, Vote
from approvals.models.outbox import UNDER_WAY
from approvals.verification import check_all
from tests.factories import make_approval, make_callback_url, make_group, make_user

PEOPLE = ("ana@example.com", "ben@example.com")
GOOGLE = "https://workflowexecutions.googleapis.com"


def make(count: int, origin: str) -> None:
    """Migrate, then make so many approvals for Ana and Ben; prints their ids and
    callbacks, and a token of each person.

    Args:
        origin: of the server in Google's place, in every callback URL.
    """
    call_command("migrate", verbosity=0)
    with transaction.atomic():
        people = [make_user(email) for email in PEOPLE]
        make_group("managers", *people)
        tokens = {each.email: PersonalToken.objects.issue(each, "siege")[1] for each in people}
        urls = [make_callback_url().replace(GOOGLE, origin) for _ in range(count)]
        ids = [str(make_approval(callback_url=url).pk) for url in urls]
    _print({"tokens": tokens, "approvals": ids, "callbacks": urls})


def read(seconds: float) -> None:
    """Wait until nothing is on its way, or has not become less for so many seconds; then print
    every approval with what belongs to it, and every break in the record.
    """
    under_way = Delivery.objects.filter(state__in=UNDER_WAY)
    fewest, deadline = under_way.count(), time.monotonic() + seconds
    while (left := under_way.count()) and time.monotonic() < deadline:
        if left < fewest:
            fewest, deadline = left, time.monotonic() + seconds
        time.sleep(0.2)
    ended = Event.objects.filter(kind=Event.Kind.DECIDED)
    found = {
        "status": {str(pk): status for pk, status in Approval.objects.values_list("pk", "status")},
        "votes": _count(Vote.objects.values_list("approval", flat=True)),
        "deliveries": _count(Delivery.objects.values_list("approval", flat=True)),
        "ends": _count(ended.values_list("approval", flat=True)),
        "states": _count(Delivery.objects.values_list("state", flat=True)),
        "broken": [
            f"{each.approval}: {each.broken}"
            for each in check_all(Approval.objects.all())
            if each.broken
        ],
    }
    _print(found)


def _count(values: Iterable[Any]) -> Counter[str]:
    return Counter(map(str, values))


def _print(found: Any) -> None:
    sys.stdout.write(json.dumps(found))

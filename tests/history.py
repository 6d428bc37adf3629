"""Four weeks of answers for the demo people, so that pictures show an inbox that is in use.

python manage.py shell -c "from tests.history import fill; fill()"
"""

import random
from datetime import datetime, timedelta

import time_machine
from django.db import transaction
from django.utils import timezone

from approvals.models import Approval, Delivery, User
from approvals.models.outbox import State
from tests.factories import make_approval

TOWNS = ("Lisbon", "Porto", "Berlin", "Vienna", "Madrid", "Zürich", "Oslo", "Paris")
SUPPLIERS = ("Papelaria Sol", "Café Central", "ACME", "Atlas Lda", "Norte Energia")
NUMBER, DAYS = 90, 28


def fill() -> None:
    """Make them as they would have come, each at its time; no workflow waits for them any more."""
    chance = random.Random(4711)
    deciders = list(User.objects.filter(email__in=["ana@example.com", "ben@example.com"]))
    begin = timezone.now() - timedelta(days=DAYS)
    with transaction.atomic():  # nothing is seen of them before they are delivered
        for n in range(NUMBER):
            asked = begin + timedelta(days=DAYS * n / NUMBER, hours=chance.uniform(0, 4))
            _one(chance, asked, chance.choice(deciders))
        Delivery.objects.update(
            state=State.CONFIRMED, next_attempt_at=None, reason="The workflow has the answer."
        )


def _one(chance: random.Random, asked: datetime, decider: User) -> None:
    amount = chance.choice((64, 88, 131, 180, 240, 310, 480, 620, 980, 1240, 1450))
    with time_machine.travel(asked, tick=False):
        approval = _expense(chance, amount) if chance.random() < 0.6 else _payment(chance, amount)
    answered = asked + timedelta(hours=min(chance.expovariate(1 / 3.5), 48))
    outcome = "approved" if chance.random() < 0.8 else "rejected"
    with time_machine.travel(answered, tick=False):
        approval.decide(outcome, by=decider, revision=1, comment="Please take the train.")
    if approval.settles_at:
        with time_machine.travel(approval.settles_at, tick=False):
            approval.conclude()


def _expense(chance: random.Random, amount: int) -> Approval:
    town, nights = chance.choice(TOWNS), chance.randint(1, 4)
    purpose = f"Hotel in {town}, {nights} night{'s' * (nights > 1)}"
    return _request("expense", purpose, amount, {"label": "Purpose", "value": purpose})


def _payment(chance: random.Random, amount: int) -> Approval:
    supplier = chance.choice(SUPPLIERS)
    title = f"Pay {supplier}, invoice {chance.randint(60, 4700)}"
    return _request("supplier-payment", title, amount, {"label": "Supplier", "value": supplier})


def _request(kind: str, title: str, amount: int, about: dict[str, str]) -> Approval:
    facts = [{"label": "Amount", "value": amount}, {"label": "Currency", "value": "EUR"}, about]
    return make_approval(
        type=kind, title=title, fields=facts, approvers=[], requested_by="eva@example.com"
    )

"""Opening pages as somebody, and reading them as people do."""

import re
from typing import Any

from django.db.models import Model
from django.test import Client
from django.urls import reverse

from approvals.models import Approval, Delivery, Event, User, Vote


def as_person(user: User) -> Client:
    """A browser in which this person has signed in."""
    client = Client()
    client.force_login(user)
    return client


def pages(approval: Approval) -> dict[str, str]:
    """The addresses that show this approval."""
    return {
        "inbox": reverse("approvals:inbox"),
        "detail": reverse("approvals:detail", args=[approval.pk]),
        "receipt": reverse("approvals:receipt", args=[approval.pk]),
    }


def address(model: type[Model], page: str, *args: object) -> str:
    """The address of one of the operators' pages."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def text_of(response: Any) -> str:
    """What a reader sees of a page's main part: without tags, blanks collapsed."""
    body = response.content.decode().partition("<main")[2].partition(">")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split()).replace(" ,", ",").replace(" .", ".")


def is_whole(response: Any) -> bool:
    """True for a page with what readers of the screen go by: language, title, landmarks, one h1."""
    body = response.content.decode()
    once = ("<title>", "<h1", "<main", "<header", 'href="#main"', 'id="main"')
    return '<html lang="en">' in body and all(body.count(each) == 1 for each in once)


def send(client: Client, approval: Approval, outcome: str = "approved", **fields: object) -> Any:
    """Press the button of this outcome."""
    url = reverse("approvals:decide", args=[approval.pk])
    return client.post(url, {"outcome": outcome, "revision": 1, "comment": "", **fields})


def decide(
    approval: Approval, by: User, outcome: str = "approved", comment: str = "why"
) -> Approval:
    """Record an answer without a page."""
    approval.decide(outcome, by=by, revision=1, comment=comment)
    return approval


def counts() -> tuple[int, int, int]:
    """How many votes, deliveries and events there are."""
    return Vote.objects.count(), Delivery.objects.count(), Event.objects.count()

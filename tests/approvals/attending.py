"""The operators' tab as tests read it, and where each deed is tried."""

import re
from typing import Any

import pytest
from django.urls import reverse

from approvals.attending import DEEDS, Deed
from approvals.reasons import Kind

QUEUE = "/?tab=attention"
# Where each deed is tried: the kind of the row that it is done to.
TRIED = {
    ("delivery", "again"): Kind.UNDELIVERABLE,
    ("delivery", "aside"): Kind.UNDELIVERABLE,
    ("approval", "withdraw"): Kind.NOBODY,
    ("execution", "aside"): Kind.ORPHANED,
    ("execution", "workflow"): Kind.ORPHANED,
    ("notice", "again"): Kind.NOTICE,
    ("notice", "aside"): Kind.NOTICE,
}
every_deed = pytest.mark.parametrize("deed", DEEDS.values(), ids=lambda d: f"{d.noun}-{d.verb}")


def address(deed: Deed, rows: dict[Kind, Any]) -> str:
    """The page of a deed, for the row of its kind."""
    return reverse("approvals:attend", args=[deed.noun, deed.verb, key_of(deed, rows)])


def key_of(deed: Deed, rows: dict[Kind, Any]) -> str:
    return str(rows[TRIED[deed.noun, deed.verb]].pk)


def listed(response: Any) -> list[tuple[Kind, str]]:
    """The items on a page, as kind and id."""
    found = re.findall(r'data-item="([a-z]+):([^"]+)"', response.content.decode())
    return [(Kind(kind), key) for kind, key in found]

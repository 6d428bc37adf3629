"""What the release before leaves to search: approvals without words, and words of removed ones."""

import time
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef
from django.utils import timezone

from approvals import search
from approvals.models import Approval, SearchText
from approvals.people import names_of
from approvals.words import wording

BATCH = 200
EVERY = 600.0
"""Seconds between two looks, once all were looked at."""
BACK = timedelta(days=1)
"""How far those looks go back: for as long a process of the release before may register."""


class Indexer:
    """The worker's part of search: a batch each time it is called, the newest first."""

    def __init__(self) -> None:
        self.next_look = 0.0
        self.upto: datetime | None = None
        self.since: datetime | None = None

    def __call__(self) -> bool:
        """Find words for a batch; False where nothing was missing."""
        if time.monotonic() < self.next_look:
            return False
        rows = self._missing()
        if not rows:
            self._empty()
            self.next_look = time.monotonic() + EVERY
            self.upto, self.since = None, timezone.now() - BACK
            return False
        names = names_of(row.requested_by for row in rows)
        SearchText.objects.bulk_create(
            [
                SearchText(approval=row, text=wording(row, names.get(row.requested_by.lower(), "")))
                for row in rows
            ],
            ignore_conflicts=True,
        )
        self.upto = rows[-1].created_at
        return True

    def _empty(self) -> None:
        """Words of contents that were removed, by the release before too, leave the search."""
        back = timedelta(seconds=2 * EVERY) if self.since else BACK
        for row in Approval.objects.filter(removed_at__gte=timezone.now() - back).iterator(BATCH):
            search.index(row)

    def _missing(self) -> list[Approval]:
        rows = Approval.objects.exclude(Exists(SearchText.objects.filter(approval=OuterRef("pk"))))
        if self.upto:
            rows = rows.filter(created_at__lte=self.upto)
        if self.since:
            rows = rows.filter(created_at__gte=self.since)
        return list(rows.select_related("policy__policy").order_by("-created_at")[:BATCH])

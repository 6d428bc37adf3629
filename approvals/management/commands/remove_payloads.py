"""Retention: what closed approvals contain is removed after some days, what was decided stays."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from approvals.management.progress import Progress, stopping
from approvals.models.querysets import ApprovalQuerySet
from approvals.retention import Broken, removable, remove_contents

BATCH = 100


class Command(BaseCommand):
    help = (
        "Remove summary, facts, links, form values, comments and details of the record from"
        " approvals that were closed long ago. The record still holds afterwards."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than",
            type=int,
            required=True,
            metavar="DAYS",
            help="those that were closed more than so many days ago",
        )
        parser.add_argument("--dry-run", action="store_true", help="say how many, remove nothing")

    def handle(self, *, older_than: int, dry_run: bool, **options: Any) -> None:
        if older_than < 0:
            raise CommandError("--older-than is a number of days, 0 or more.")
        wanted = removable(timezone.now() - timedelta(days=older_than))
        count = wanted.count()
        if dry_run:
            self.stdout.write(f"Contents of {count:,} approvals would be removed.")
            return
        removed, broken, stopped = self._remove(wanted, Progress(self.stderr, count, "approvals"))
        words = "Stopped: contents" if stopped else "Contents"
        self.stdout.write(f"{words} of {removed:,} approvals removed.")
        if broken:
            raise CommandError(f"{broken:,} were left as they are: their record does not hold.")

    def _remove(self, wanted: ApprovalQuerySet, progress: Progress) -> tuple[int, int, bool]:
        """(removed, broken, whether it was stopped). Each is a transaction of its own."""
        removed = broken = 0
        rows = wanted.order_by("pk")
        with stopping() as stop:
            batch = list(rows[:BATCH])
            while batch and not stop.is_set():
                for approval in batch:
                    if stop.is_set():
                        break
                    try:
                        removed += remove_contents(approval)
                    except Broken as error:
                        broken += 1
                        progress.clear()
                        self.stdout.write(f"{approval.pk}: {error}")
                    progress.step()
                batch = list(rows.filter(pk__gt=batch[-1].pk)[:BATCH])
            progress.clear()
            return removed, broken, stop.is_set()

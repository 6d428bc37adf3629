"""The auditor's command: does the record hold, is this receipt true."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from approvals.guards import unguarded
from approvals.management.progress import Progress
from approvals.models import Approval, Event
from approvals.models.querysets import ApprovalQuerySet
from approvals.receipts import BadReceipt, check_receipt
from approvals.signing import PublicKey, accepted_keys, keys_of
from approvals.verification import check_all


class Command(BaseCommand):
    help = (
        "Check the record of every approval, and name the first break in each."
        " Exit code 1 if there is any."
    )
    requires_system_checks = ()  # a receipt needs no database

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--approval", type=UUID, metavar="ID", help="check this one")
        parser.add_argument(
            "--since", type=moment, metavar="DATE", help="those in which something happened since"
        )
        parser.add_argument(
            "--receipt",
            type=Path,
            metavar="FILE",
            help="check this receipt, without a database",
        )
        parser.add_argument(
            "--keys",
            type=Path,
            metavar="FILE",
            help="public keys for --receipt, as published at /receipt-keys.json (default: our own)",
        )

    def handle(
        self,
        *,
        approval: UUID | None,
        since: datetime | None,
        receipt: Path | None,
        keys: Path | None,
        **options: Any,
    ) -> None:
        if receipt is not None:
            self._receipt(receipt, keys)
        else:
            self._record(self._wanted(approval, since))

    def _wanted(self, approval: UUID | None, since: datetime | None) -> ApprovalQuerySet:
        found = Approval.objects.all()
        if approval is not None:
            found = found.filter(pk=approval)
            if not found.exists():
                raise CommandError(f"There is no approval {approval}.")
        if since is not None:
            later = Event.objects.filter(approval=OuterRef("pk"), at__gte=since)
            found = found.filter(Exists(later))
        return found

    def _record(self, wanted: ApprovalQuerySet) -> None:
        open_to_change = unguarded(connection, apps)
        for trigger in open_to_change:
            self.stdout.write(f"The database does not refuse changes: {trigger} is missing.")
        progress = Progress(self.stderr, wanted.count(), "approvals")
        lines = broken = 0
        for checked in check_all(wanted):
            lines += checked.lines
            if checked.broken:
                broken += 1
                progress.clear()
                self.stdout.write(f"{checked.approval}: {checked.broken}")
            progress.step()
        progress.clear()
        if broken:
            raise CommandError(f"{broken:,} of {progress.done:,} records are broken.")
        if open_to_change:
            raise CommandError("Run `manage.py migrate`, or find out who took the triggers away.")
        self.stdout.write(f"{progress.done:,} approvals, {lines:,} lines: the record holds.")

    def _receipt(self, receipt: Path, keys: Path | None) -> None:
        try:
            found = check_receipt(receipt.read_text(encoding="utf-8"), self._keys(keys))
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{receipt} cannot be read: {error}") from error
        except BadReceipt as error:
            raise CommandError(f"{receipt}: {error}") from error
        approval, outcome = found["approval"], found["outcome"]
        words = f"{outcome['value']} on {outcome['decided_at']}" if outcome else "undecided"
        self.stdout.write(
            f"The receipt is whole: “{approval['title']}” ({approval['id']}), {words}."
        )
        self.stdout.write(
            f"Issued by {found['issuer']} at {found['issued_at']},"
            f" signed with the key {found['signature']['key']}."
        )

    def _keys(self, file: Path | None) -> list[PublicKey]:
        try:
            if file is None:
                return accepted_keys()
            return keys_of(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:  # BadKey is one
            raise CommandError(f"The public keys cannot be read: {error}") from error


def moment(text: str) -> datetime:
    """A date or a time as argument; without zone in the TIME_ZONE of the settings."""
    found = parse_datetime(text)
    if found is None:
        raise ValueError(text)
    return timezone.make_aware(found) if timezone.is_naive(found) else found

"""The keys of signed receipts: which are accepted, and a new one."""

import json
import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from approvals.signing import BadKey, SigningKey, accepted_keys, encoded, key_set


class Command(BaseCommand):
    help = "Print the public keys of receipts as a JSON Web Key Set, our own first."
    requires_system_checks = ()  # it mends a bad key

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--new", action="store_true", help="make a key for RECEIPT_KEY")

    def handle(self, *, new: bool, **options: Any) -> None:
        if new:
            key = SigningKey(secrets.token_bytes(32))
            self.stderr.write(
                "Set RECEIPT_KEY to this, and keep it secret."
                f" Its public key, for RECEIPT_PUBLIC_KEYS one day: {encoded(key.public.raw)}"
            )
            self.stdout.write(encoded(key.seed))
            return
        try:
            self.stdout.write(json.dumps(key_set(accepted_keys()), indent=2))
        except BadKey as error:
            raise CommandError(str(error)) from error

"""An API key for a caller that has no service account."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from approvals.models import ApiKey, Caller


class Command(BaseCommand):
    help = "Make an API key for a caller and print it. It is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("caller", help="name of the caller, as in the admin")
        parser.add_argument("--label", default="", help="what the key is for")

    def handle(self, *, caller: str, label: str, **options: Any) -> None:
        owner = Caller.objects.filter(name=caller).first()
        if owner is None:
            names = ", ".join(Caller.objects.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"There is no caller “{caller}” (there is: {names}).")
        _, text = ApiKey.objects.issue(owner, label)
        self.stderr.write("Keep this key now; only its hash is stored.")
        self.stdout.write(text)

"""Demo people and their groups, types, a caller for the emulator, and two example executions."""

import os
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError, CommandParser

from approvals.callbacks import CannotLook, start_execution
from approvals.models import Caller, Policy, User

# Address, first and last name, groups: those that the workflows in `workflows/` ask.
PEOPLE = (
    ("ana@example.com", "Ana", "Almeida", ("managers", "purchasing", "quality", "editors")),
    ("ben@example.com", "Ben", "Berger", ("managers", "finance", "security")),
    ("dora@example.com", "Dora", "Dahl", ("directors", "finance")),
    ("eva@example.com", "Eva", "Engel", ()),
)
# Name -> title, description and what the type says.
TYPES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "expense": (
        "Expense",
        "Managers decide; above 5000 it is the directors.",
        {
            "stages": [{"approvers": ["group:managers"]}],
            "rules": [
                {
                    "field": "Amount",
                    "operator": ">",
                    "value": 5000,
                    "approvers": ["group:directors"],
                }
            ],
            "remind_after": [24 * 3600],
        },
    )
}
OPERATOR = "olga@example.com"
# The accounts and numbers that the emulator plays.
EMULATOR_ACCOUNT = "workflow@emulator.invalid"
EMULATOR_PROJECTS = "countersign-demo 123456789012"
EXAMPLES = (
    {
        "requester": "eva@example.com",
        "purpose": "Hotel in Lisbon, 3 nights",
        "amount": 1240,
        "currency": "EUR",
    },
    {
        "requester": "eva@example.com",
        "purpose": "Conference ticket, PyCon Portugal",
        "amount": 480,
        "currency": "EUR",
    },
)


class Command(BaseCommand):
    help = (
        "Make demo people and callers (again and again without harm); --examples starts two runs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--examples", action="store_true", help="start two expense approvals")

    def handle(self, *, examples: bool, **options: Any) -> None:
        if not settings.WORKFLOWS_EMULATOR_HOST:
            raise CommandError("Demo people have known passwords: only with the emulator.")
        if examples:
            self._start_examples()
        else:
            self._make_people()
            self._make_types()

    def _make_people(self) -> None:
        password = os.environ.get("DEMO_PASSWORD", "demo")
        for email, first, last, groups in PEOPLE:
            person = self._person(email, password, first_name=first, last_name=last)
            person.groups.add(*(Group.objects.get_or_create(name=name)[0] for name in groups))
        names = {"first_name": "Olga", "last_name": "Operator"}
        self._person(OPERATOR, password, is_staff=True, is_superuser=True, **names)
        Caller.objects.get_or_create(
            email=EMULATOR_ACCOUNT,
            defaults={"name": "Emulator workflows", "projects": EMULATOR_PROJECTS},
        )

    def _make_types(self) -> None:
        """Types that are missing; those that somebody has changed stay as they are."""
        for name, (title, description, said) in TYPES.items():
            policy, is_new = Policy.objects.get_or_create(
                name=name, defaults={"title": title, "description": description}
            )
            if is_new:
                policy.revise("seed_demo", **said)

    def _person(self, email: str, password: str, **fields: Any) -> User:
        """This person with this password, which may have changed since the last start."""
        person = User.objects.filter(email=email).first()
        if person is None:
            return User.objects.create_user(email, password, **fields)
        if not person.check_password(password):
            person.set_password(password)
            person.save(update_fields=["password"])
        return person

    def _start_examples(self) -> None:
        for example in EXAMPLES:
            try:
                name = start_execution("expense-approval", example)
            except CannotLook as error:
                raise CommandError(str(error)) from error
            self.stdout.write(f"started {name}")

"""Demo people, a caller for the emulator, and two example executions."""

import os
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError, CommandParser

from approvals.callbacks import CannotLook, start_execution
from approvals.models import Caller, User

PEOPLE = (
    ("ana@example.com", "Ana", "Almeida", "managers"),
    ("ben@example.com", "Ben", "Berger", "managers"),
    ("eva@example.com", "Eva", "Engel", None),
)
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

    def _make_people(self) -> None:
        password = os.environ.get("DEMO_PASSWORD", "demo")
        managers = Group.objects.get_or_create(name="managers")[0]
        for email, first, last, group in PEOPLE:
            person = self._person(email, password, first_name=first, last_name=last)
            if group:
                person.groups.add(managers)
        names = {"first_name": "Olga", "last_name": "Operator"}
        self._person(OPERATOR, password, is_staff=True, is_superuser=True, **names)
        Caller.objects.get_or_create(
            email=EMULATOR_ACCOUNT,
            defaults={"name": "Emulator workflows", "projects": EMULATOR_PROJECTS},
        )

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

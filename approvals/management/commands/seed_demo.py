"""Demo people, groups, types and a stand-in, a caller for the emulator, and examples that wait."""

import os
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from approvals.google.executions import start_execution
from approvals.google.wire import CannotLook
from approvals.models import Caller, Policy, StandIn, User

# Address, first and last name, groups: those that the workflows in `workflows/` ask.
PEOPLE = (
    (
        "ana@example.com",
        "Ana",
        "Almeida",
        ("managers", "accounting", "purchasing", "quality", "editors"),
    ),
    ("ben@example.com", "Ben", "Berger", ("managers", "accounting", "finance", "security")),
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
    ),
    "supplier-payment": (
        "Supplier payment",
        "Accounting decides; above 10000 it takes two. An answer can be taken back for a while.",
        {
            "stages": [{"approvers": ["group:accounting"]}],
            "rules": [
                {
                    "field": "Amount",
                    "operator": ">",
                    "value": 10000,
                    "approvers": ["group:accounting"],
                    "votes_needed": 2,
                }
            ],
            "comment_rule": "optional",
            "undo": 20,
        },
    ),
}
AWAY, STAND_IN = "dora@example.com", "ana@example.com"
OPERATOR = "olga@example.com"
# The accounts and numbers that the emulator plays.
EMULATOR_ACCOUNT = "workflow@emulator.invalid"
EMULATOR_PROJECTS = "countersign-demo 123456789012"
EVA = {"requester": "eva@example.com", "currency": "EUR"}
EXAMPLES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("expense-approval", EVA | {"purpose": "Hotel in Lisbon, 3 nights", "amount": 1240}),
    ("expense-approval", EVA | {"purpose": "Conference ticket, PyCon Portugal", "amount": 480}),
    # Above the limit: the directors are asked, and Ana stands in for the one of them.
    ("expense-approval", EVA | {"purpose": "Stand at the spring fair", "amount": 7200}),
    ("supplier-payment", EVA | {"supplier": "ACME", "invoice": "4711", "amount": 12400}),
    ("supplier-payment", EVA | {"supplier": "Papelaria Sol", "invoice": "88", "amount": 64}),
    ("supplier-payment", EVA | {"supplier": "Café Central", "invoice": "1203", "amount": 131}),
    (
        "supplier-onboarding",
        {
            "requester": "eva@example.com",
            "supplier": {"name": "Atlas Lda", "country": "PT", "iban": "PT50000201231234567890154"},
        },
    ),
    (
        "release-gate",
        {
            "requester": "eva@example.com",
            "service": "checkout",
            "version": "2.14.0",
            "changes": "- Orders can be paid in two parts\n- A fault in rounding is mended",
        },
    ),
    (
        "translation-review",
        {
            "requester": "eva@example.com",
            "document": "Terms of sale",
            "language": "Portuguese",
            "original": "Goods remain ours until paid.",
            "translation": "Os bens são nossos até pagos.",
        },
    ),
)


class Command(BaseCommand):
    help = (
        "Make demo people, types and callers (again and again without harm);"
        " --examples starts runs that wait for them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--examples", action="store_true", help="start one execution for each kind"
        )

    def handle(self, *, examples: bool, **options: Any) -> None:
        if not settings.WORKFLOWS_EMULATOR_HOST:
            raise CommandError("Demo people have known passwords: only with the emulator.")
        if examples:
            self._start_examples()
        else:
            self._make_people()
            self._make_types()
            self._make_stand_in()

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

    def _make_stand_in(self) -> None:
        """Somebody is away; made once, so that it stays ended when it was ended."""
        user = User.objects.get(email=AWAY)
        if not user.stand_ins.exists():
            now = timezone.now()
            StandIn.objects.create(
                user=user,
                colleague=User.objects.get(email=STAND_IN),
                starts_at=now,
                ends_at=now + timedelta(days=30),
                reason="Parental leave",
                created_by="seed_demo",
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
        for workflow, argument in EXAMPLES:
            try:
                name = start_execution(workflow, argument)
            except CannotLook as error:
                raise CommandError(str(error)) from error
            self.stdout.write(f"started {name}")

"""A database of the release before, with what it has written, goes on under this one."""

import copy
from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import IntegrityError, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import load_backend
from django.utils import timezone

from approvals.delivery import deliver
from approvals.guards import unguarded
from approvals.models import Approval, Attempt, Delivery, Event, User
from approvals.models.outbox import State, Trouble
from tests.factories import make_approval, make_group, make_user

# Rows of these are numbered by the database, which has to know where to go on.
HAVE_NUMBERS = [each for each in apps.get_models() if each._meta.auto_field]
BEFORE = ("approvals", "0002_record_triggers")
DELIVERY = ("approvals", "delivery")
GOOGLE = "https://workflowexecutions.googleapis.com"
NOW = timezone.now()
NO_ROLE = (
    "Google does not let this inbox answer the workflow. An operator has to grant its service"
    " account the role Workflows Invoker"
)
# State -> what the release before had said of it, and the results of its tries.
LEFT = {
    State.QUEUED: ("Google could not take the answer yet. Trying again.", ("retry",)),
    State.SENDING: ("Waiting for its turn.", ("started",)),
    State.UNKNOWN: ("Google gave no clear answer. Checking whether it arrived.", ("unknown",)),
    State.STORED: ("Google has accepted the answer.", ("stored",)),
    State.CONFIRMED: ("The workflow took the answer.", ("stored",)),
    State.MISSED: ("The workflow had failed before the answer could be delivered.", ("gone",)),
    State.BLOCKED: (f"{NO_ROLE} (workflows.callbacks.send).", ("refused",)),
}


def leave(approval, ana, state, reason, tries):
    """Decide it, and leave its delivery as the release before would have."""
    approval.decide("approved", by=ana, revision=1)
    final = state in {State.CONFIRMED, State.MISSED}
    Delivery.objects.filter(approval=approval).update(
        state=state,
        reason=reason,
        next_attempt_at=None if final else NOW,
        lease=uuid4() if state == State.SENDING else None,
        stored_at=NOW if state in {State.STORED, State.CONFIRMED} else None,
    )
    for number, result in enumerate(tries, 1):
        Attempt.objects.create(delivery=approval.outgoing, number=number, result=result)


def make_rows():
    """One approval that waits, and one for each state that a delivery can be in."""
    ana, ben = make_user("ana@example.com"), make_user("ben@example.com")
    make_group("managers", ana, ben)
    make_approval(title="pending")
    for state, (reason, tries) in LEFT.items():
        leave(make_approval(title=state), ana, state, reason, tries)


def migrate(connection, *targets):
    """To these, or to the newest."""
    executor = MigrationExecutor(connection)
    executor.migrate([*(targets or executor.loader.graph.leaf_nodes())])


def tables_of(connection):
    """Table -> columns, of what the inbox keeps."""
    with connection.cursor() as cursor:
        read = connection.introspection
        names = [name for name in read.table_names(cursor) if name.startswith("approvals_")]
        return {
            name: [column.name for column in read.get_table_description(cursor, name)]
            for name in (*names, "auth_group")
        }


def carry_over(source, target):
    """Copy all rows into the older tables, as far as those have columns for them."""
    with instead(target), transaction.atomic(), target.cursor() as put, source.cursor() as get:
        older = tables_of(target)
        for table, columns in older.items():
            named = ", ".join(f'"{column}"' for column in columns)
            get.execute(f'SELECT {named} FROM "{table}"')
            marks = ", ".join(["%s"] * len(columns))
            if rows := get.fetchall():
                put.executemany(f'INSERT INTO "{table}" ({named}) VALUES ({marks})', rows)
        numbered = [each for each in HAVE_NUMBERS if each._meta.db_table in older]
        for statement in target.ops.sequence_reset_sql(no_style(), numbered):
            put.execute(statement)


def empty_database(folder):
    """Settings for a database of the test's own, beside that of the others."""
    settings = copy.deepcopy(connections["default"].settings_dict)
    if connections["default"].vendor == "sqlite":
        return settings | {"NAME": str(folder / "before.sqlite3")}
    name = f"before_{uuid4().hex}"
    with connections["default"]._nodb_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    return settings | {"NAME": name}


@contextmanager
def instead(connection):
    """Inside the block the product runs on this database."""
    ours = connections["default"]
    connections["default"] = connection
    try:
        yield
    finally:
        connections["default"] = ours


@pytest.fixture(scope="module")
def migrated(django_db_setup, django_db_blocker, tmp_path_factory):
    """The database of the release before, with its rows, migrated."""
    with django_db_blocker.unblock():
        ours, settings = connections["default"], empty_database(tmp_path_factory.mktemp("before"))
        connection = load_backend(settings["ENGINE"]).DatabaseWrapper(settings, "default")
        with instead(connection):
            leaves = MigrationExecutor(connection).loader.graph.leaf_nodes()
            migrate(connection, BEFORE, *(leaf for leaf in leaves if leaf[0] != BEFORE[0]))
        with transaction.atomic():
            make_rows()
            carry_over(ours, connection)
            transaction.set_rollback(True)
        with instead(connection):
            migrate(connection)
        yield connection
        connection.close()


@pytest.fixture
def upgraded(migrated, db):
    """The same for each test."""
    with instead(migrated), transaction.atomic():
        yield migrated
        transaction.set_rollback(True)


@pytest.fixture
def ana(upgraded):
    return User.objects.get(email="ana@example.com")


@pytest.fixture
def lead(google):
    """Leads the callback of an approval to the server in Google's place."""

    def lead(**which):
        approval = Approval.objects.get(**which)
        approval.callback_url = approval.callback_url.replace(GOOGLE, google.origin)
        approval.save()

    return lead


def of(state):
    """The delivery that the release before had left in a state."""
    return Delivery.objects.get(approval__title=state)


@pytest.mark.usefixtures("upgraded")
class TestMigrate:
    def test_every_row_is_there_and_the_record_holds(self, capsys):
        call_command("verify_record")

        assert f"{len(LEFT) + 1} approvals" in capsys.readouterr().out
        assert Attempt.objects.count() == len(LEFT)

    def test_the_record_is_guarded_as_before(self, upgraded):
        assert unguarded(upgraded, apps) == []
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            Event.objects.update(actor="user:mallory@example.com")

    def test_what_waited_can_be_decided(self, ana):
        approval = Approval.objects.get(title="pending")

        approval.decide("approved", by=ana, revision=1)

        assert approval.outgoing.state == State.QUEUED

    def test_what_was_due_is_delivered(self, google, lead):
        lead(title=State.QUEUED)
        google.answer(200)

        delivery = of(State.QUEUED)
        assert Delivery.objects.claim(delivery)
        deliver(delivery)

        assert of(State.QUEUED).state == State.STORED

    def test_a_doubt_of_before_is_still_one(self, google, lead):
        lead(title=State.SENDING)

        delivery = of(State.SENDING)
        assert Delivery.objects.claim(delivery)
        deliver(delivery)

        assert google.seen[0].method == "GET"

    def test_what_needed_a_person_still_does_and_says_why(self):
        needing = Delivery.objects.needing_attention().values_list("approval__title", flat=True)

        assert {State.BLOCKED, State.MISSED} <= set(needing)
        assert of(State.BLOCKED).trouble == Trouble.ROLE
        assert of(State.MISSED).trouble == Trouble.MISSED
        assert not of(State.CONFIRMED).trouble


@pytest.mark.usefixtures("upgraded")
class TestProcessesOfTheReleaseBefore:
    """They run on until each is exchanged, and know nothing of what is new."""

    def test_what_they_decide_is_delivered_by_the_new_ones(self, upgraded, ana, google, lead):
        lead(title="pending")
        approval = Approval.objects.get(title="pending")
        approval.decide("approved", by=ana, revision=1)
        theirs = MigrationExecutor(upgraded).loader.project_state(BEFORE).apps
        columns = [field.attname for field in theirs.get_model(*DELIVERY)._meta.local_fields]
        row = Delivery.objects.filter(approval=approval).values(*columns).get()
        Delivery.objects.filter(approval=approval).delete()

        theirs.get_model(*DELIVERY).objects.create(**row)  # with the columns that they know
        google.answer(200)
        delivery = approval.outgoing
        assert Delivery.objects.claim(delivery)
        deliver(delivery)

        assert (delivery.state, delivery.trouble) == (State.STORED, "")

    def test_what_they_do_not_know_keeps_its_value(self, upgraded):
        theirs = MigrationExecutor(upgraded).loader.project_state(BEFORE).apps

        theirs.get_model(*DELIVERY).objects.update(reason="Trying again.")

        assert of(State.BLOCKED).trouble == Trouble.ROLE

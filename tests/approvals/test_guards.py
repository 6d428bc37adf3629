"""What is recorded cannot be changed or deleted, by no statement: the database refuses it."""

import uuid

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.db.models import DateTimeField, JSONField, Model
from django.utils import timezone

from approvals.guards import TABLES, guard, unguarded
from approvals.models import Event, PolicyVersion, Vote
from approvals.models.record import REMOVED
from approvals.verification import verify
from tests import guards
from tests.factories import make_approval, make_type

APPEND_ONLY = "append-only"
MODELS = (Event, Vote, PolicyVersion)


@pytest.fixture
def approval(managers, ana):
    """One that was asked under a type, and answered."""
    make_type("expense", "group:managers")
    approval = make_approval(type="expense", approvers=[], fields={"Amount": 5})
    approval.decide("approved", by=ana, revision=1, comment="Fine")
    return approval


def columns():
    return [
        pytest.param(model, field, id=f"{model.__name__}.{field.name}")
        for model in MODELS
        for field in model._meta.local_fields
        if not field.primary_key
    ]


def execute(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def other(row: Model, field):
    """A value that this column has not, and could have."""
    value = getattr(row, field.attname)
    if isinstance(field, JSONField):
        return {"other": 1}
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return "other"
    return timezone.now() if isinstance(field, DateTimeField) else 7


@pytest.mark.usefixtures("approval")
class TestUpdate:
    @pytest.mark.parametrize(("model", "field"), columns())
    def test_no_column_can_be_changed(self, model, field):
        row = model.objects.first()
        if field.name == "taken_back_at":
            model.objects.update(taken_back_at=timezone.now())  # once

        with pytest.raises(IntegrityError, match=APPEND_ONLY), transaction.atomic():
            model.objects.filter(pk=row.pk).update(**{field.attname: other(row, field)})

    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
    def test_no_row_can_be_given_another_id(self, model):
        statement = f"UPDATE {model._meta.db_table} SET id = %s"
        key = str(uuid.uuid4()) if model is Vote else 4711

        with pytest.raises(IntegrityError, match=APPEND_ONLY), transaction.atomic():
            execute(statement, key)

    def test_a_vote_is_taken_back_once_and_stays_so(self):
        Vote.objects.update(taken_back_at=timezone.now())

        for again in (None, timezone.now()):
            with pytest.raises(IntegrityError, match=APPEND_ONLY), transaction.atomic():
                Vote.objects.update(taken_back_at=again)

    def test_what_a_line_says_can_be_removed_and_nothing_besides(self, approval):
        with pytest.raises(IntegrityError, match=APPEND_ONLY), transaction.atomic():
            Event.objects.update(data=REMOVED, actor="user:mallory@example.com")
        with pytest.raises(IntegrityError, match=APPEND_ONLY), transaction.atomic():
            Event.objects.update(data={})

        Event.objects.update(data=REMOVED)

        assert all(line.data == REMOVED for line in approval.events.all())

    def test_what_was_written_in_a_vote_can_be_removed_and_nothing_besides(self):
        with pytest.raises(IntegrityError, match=APPEND_ONLY), transaction.atomic():
            Vote.objects.update(comment="", form={}, outcome="rejected")

        Vote.objects.update(comment="", form={})

        assert Vote.objects.get().comment == ""


@pytest.mark.usefixtures("approval")
class TestDelete:
    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
    def test_no_row_can_be_deleted(self, model):
        with pytest.raises(IntegrityError, match=APPEND_ONLY), transaction.atomic():
            model.objects.all()._raw_delete("default")
        assert model.objects.exists()

    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
    def test_no_table_can_be_emptied(self, model):
        connection.check_constraints()  # what is still to be checked keeps tables from it, too
        statement = f"DELETE FROM {model._meta.db_table}"
        if connection.vendor == "postgresql":
            statement = f"TRUNCATE {model._meta.db_table} CASCADE"

        with pytest.raises(IntegrityError, match=APPEND_ONLY), transaction.atomic():
            execute(statement)

        assert model.objects.exists()

    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
    def test_no_row_can_be_put_in_place_of_another(self, model):
        row = model.objects.first()
        names = [field.column for field in model._meta.local_fields]
        values = ", ".join("'other'" if name in ("actor", "outcome") else name for name in names)
        into = "INSERT OR REPLACE INTO" if connection.vendor == "sqlite" else "INSERT INTO"
        table = model._meta.db_table
        with pytest.raises(IntegrityError), transaction.atomic():
            execute(f"{into} {table} ({', '.join(names)}) SELECT {values} FROM {table}")

        row.refresh_from_db()
        assert "other" not in (getattr(row, "actor", ""), getattr(row, "outcome", ""))


class TestGuard:
    def test_every_trigger_is_there_after_the_migrations(self, db):
        assert unguarded(connection, apps) == []

    def test_a_trigger_that_is_gone_is_named_and_can_be_put_back(self, db):
        on = " ON approvals_event" if connection.vendor == "postgresql" else ""
        execute(f"DROP TRIGGER approvals_event_no_update{on}")
        assert unguarded(connection, apps) == ["approvals_event_no_update"]

        guard(connection, apps)

        assert unguarded(connection, apps) == []

    def test_the_tests_own_way_round_leaves_them_in_place(self, approval):
        with guards.unguarded():
            Event.objects.filter(number=1).update(actor="user:mallory@example.com")

        assert verify(approval) == "Line 1 was changed."
        assert unguarded(connection, apps) == []
        with pytest.raises(IntegrityError, match=APPEND_ONLY), transaction.atomic():
            Event.objects.update(actor="x")

    def test_all_models_that_are_recorded_are_guarded(self):
        assert {each.model for each in TABLES} == {model.__name__ for model in MODELS}

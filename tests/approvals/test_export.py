"""Exports: every row that fits, no formula, bounded queries, for readers alone."""

import csv
import json
import uuid
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.export import BOM, CHUNK, COLUMNS, as_csv, as_json
from approvals.models import Approval
from tests.approvals.reading import as_person, is_whole
from tests.factories import make_approval, make_caller, make_staff, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(db):
    """May read every approval, and is no operator."""
    person = make_user("rita@example.com")
    person.user_permissions.add(Permission.objects.get(codename="view_approval"))
    return person


@pytest.fixture
def decided(approval, ana):
    approval.decide("approved", by=ana, revision=1, comment="Fine")
    Approval.objects.update(created_at=datetime(2026, 1, 31, 23, 30, tzinfo=UTC))
    return Approval.objects.get()


def table(text):
    assert text.startswith(BOM)
    return list(csv.DictReader(StringIO(text.removeprefix(BOM), newline="")))


def downloaded(person, kind, **query):
    response = as_person(person).get(reverse("approvals:export_file", args=[kind]), query)
    assert (response.status_code, response.streaming) == (200, True)
    return response.getvalue().decode()


def make_many(count):
    """Open approvals, the short way."""
    caller = make_caller()
    Approval.objects.bulk_create(
        Approval(
            caller=caller,
            callback_url=f"https://example.com/{number}",
            execution="e",
            title=f"Number {number}",
            stages=[{"name": "", "votes_needed": 1}],
            request_sha256="0" * 64,
            content_sha256="0" * 64,
        )
        for number in range(count)
    )


class TestCsv:
    def test_a_row_has_what_was_asked_and_decided_in_utc(self, decided, reader):
        (row,) = table(downloaded(reader, "csv"))

        assert tuple(row) == COLUMNS
        assert (row["title"], row["status"], row["decided_by"]) == (
            "Expense of 1240 EUR, hotel in Lisbon",
            "approved",
            "ana@example.com",
        )
        assert row["created_at"] == "2026-01-31T23:30:00Z"
        assert row["votes"].startswith("ana@example.com: approved, 20")
        assert json.loads(row["fields"]) == decided.fields
        assert row["record_head"] == decided.record_head

    def test_lines_end_as_the_standard_says(self, decided, reader):
        text = downloaded(reader, "csv")

        assert text.count("\r\n") == 2
        assert text.encode()[:3] == b"\xef\xbb\xbf"

    @pytest.mark.parametrize(
        "title", ["=HYPERLINK(1)", "+1", "-1+1", "@SUM(A1)", "=1;2", '="a","b"', "\t=1", "\r=1"]
    )
    def test_no_cell_is_a_formula(self, approval, title):
        Approval.objects.update(title=title, result_message=title)

        (row,) = table("".join(as_csv(Approval.objects.all())))

        assert row["title"] == row["result_message"] == f"'{title}"

    def test_commas_quotes_and_lines_stay_in_their_cell(self, approval):
        Approval.objects.update(title='a, "b"\nc; ü 界')

        (row,) = table("".join(as_csv(Approval.objects.all())))

        assert row["title"] == 'a, "b"\nc; ü 界'


class TestJson:
    def test_each_has_its_content_its_votes_and_its_record(self, decided, reader):
        (row,) = json.loads(downloaded(reader, "json"))["approvals"]

        assert row["fields"] == decided.fields
        assert row["votes"][0]["email"] == "ana@example.com"
        assert [line["kind"] for line in row["events"]] == ["registered", "voted", "decided"]
        assert row["events"][-1]["sha256"] == row["record_head"] == decided.record_head

    def test_none_is_json_too(self, reader):
        assert json.loads(downloaded(reader, "json"))["approvals"] == []


class TestFilters:
    def test_those_of_the_list_and_days(self, decided, managers, reader):
        other = make_approval(type="trip", requested_by="cleo@example.com")
        today = datetime.now(UTC).date()

        def found(**query):
            return {row["id"] for row in table(downloaded(reader, "csv", **query))}

        both, first, second = {str(decided.pk), str(other.pk)}, {str(decided.pk)}, {str(other.pk)}
        assert found() == found(status="", unknown="x") == both
        assert found(status="approved") == found(execution=decided.execution) == first
        assert found(type="trip") == found(requested_by="cleo@example.com") == second
        assert found(since="2026-01-31", until="2026-01-31") == first
        assert found(since="2026-02-01") == found(since=str(today)) == second
        assert found(until="2026-01-30") == set()
        assert found(until=str(today - timedelta(days=1))) == first

    @pytest.mark.parametrize(
        "query",
        [{"since": "yesterday"}, {"until": "9999-12-31"}, {"status": "\0"}, {"type": "x" * 101}],
    )
    def test_what_is_no_filter_is_said_beside_it(self, reader, query):
        response = as_person(reader).get(reverse("approvals:export_file", args=["csv"]), query)

        assert response.status_code == 422
        assert 'role="alert"' in response.content.decode()


class TestPermission:
    def test_only_readers_of_all_may_export(self, decided, ana, reader, client):
        addresses = [reverse("approvals:export")]
        addresses += [reverse("approvals:export_file", args=[kind]) for kind in ("csv", "json")]
        for url in addresses:
            assert as_person(ana).get(url).status_code == 403
            assert client.get(url).status_code == 302
            assert as_person(reader).get(url).status_code == 200
            assert as_person(reader).post(url).status_code == 405

    def test_the_decided_lead_readers_there(self, decided, ana, reader):
        for person, leads in ((ana, False), (reader, True)):
            body = as_person(person).get(reverse("approvals:inbox"), {"tab": "decided"}).content
            assert (reverse("approvals:export").encode() in body) is leads

    def test_the_page_is_whole(self, reader):
        assert is_whole(as_person(reader).get(reverse("approvals:export")))


class TestAdmin:
    def test_the_selected_or_filtered_rows_are_exported(self, decided, managers):
        make_approval(title="Another")
        browser, url = as_person(make_staff()), reverse("admin:approvals_approval_changelist")
        form = {"_selected_action": [str(decided.pk)], "index": 0}

        text = browser.post(url, {**form, "action": "export_csv"}).getvalue().decode()
        assert [row["id"] for row in table(text)] == [str(decided.pk)]

        every = {**form, "action": "export_json", "select_across": 1}
        text = browser.post(f"{url}?status=pending", every).getvalue().decode()
        assert [row["title"] for row in json.loads(text)["approvals"]] == ["Another"]


class TestMany:
    @pytest.mark.parametrize("export", [as_csv, as_json])
    def test_ten_thousand_rows_take_queries_by_the_chunk_and_memory_for_one(self, export):
        make_many(10_000)
        with CaptureQueriesContext(connection) as queries:
            lines = export(Approval.objects.all())
            first = next(lines)
            assert len(queries) == 0  # the first line leaves before anything is read
            rest = sum(1 for _ in lines)

        assert first
        assert rest in (10_000, 10_001)
        assert len(queries) <= 1 + 10_000 / CHUNK * 2

    def test_the_newest_come_first(self, approval, managers):
        other = make_approval()
        rows = table("".join(as_csv(Approval.objects.all())))

        assert [uuid.UUID(row["id"]) for row in rows] == [other.pk, approval.pk]

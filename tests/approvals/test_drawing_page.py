"""The page of what happens: what is asked of Google, what is shown, and what when it fails."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from approvals import runs, way
from approvals.google import sources
from approvals.google.wire import CannotLook
from approvals.models import User
from approvals.runs import Told
from tests.approvals.drawings import OURS
from tests.factories import make_approval, make_callback_url, make_user

FLOW = "projects/1/locations/us-central1/workflows/expense"
REVISION, NEWER = "000001-a4d", "000002-b7c"
ENTRIES = [("main", "describe", "STATE_SUCCEEDED"), ("main", "ask_accounting", "STATE_IN_PROGRESS")]
PAID = [
    ("main", "describe", "STATE_SUCCEEDED"),
    ("main", "ask_accounting", "STATE_SUCCEEDED"),
    ("request_approval", "settle", "STATE_SUCCEEDED"),
    ("main", "branch", "STATE_SUCCEEDED"),
    ("main", "pay", "STATE_SUCCEEDED"),
    ("main", "report_payment", "STATE_SUCCEEDED"),
    ("main", "paid", "STATE_SUCCEEDED"),
]


@pytest.fixture
def asked(managers, google):
    """Ana and Ben are asked by a workflow that Google, or who stands in its place, knows."""
    origin = "https://workflowexecutions.googleapis.com"
    return make_approval(
        title="Pay ACME, invoice 4711",
        callback_url=make_callback_url().replace(origin, google.origin),
        options=[
            {"value": "approved", "label": "Approve"},
            {"value": "rejected", "label": "Reject"},
        ],
        expires_in=3600,
    )


def execution(state="ACTIVE", step="ask_accounting", revision=REVISION):
    current = {"currentSteps": [{"routine": "main", "step": step}]}
    argument = json.dumps({"password": "hunter2"})
    fields = {"state": state, "workflowRevisionId": revision, "status": current}
    return {**fields, "argument": argument}


def entries(rows):
    return {
        "stepEntries": [
            {"routine": routine, "step": step, "state": state, "stepType": "STEP_CALL"}
            for routine, step, state in rows
        ]
    }


def workflow(source="supplier-payment", revision=REVISION):
    return {"sourceContents": OURS[source], "revisionId": revision}


def play(google, *answers):
    for answer in answers:
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        google.answer(status, body)


CASES = [
    ([(403, {})], "The inbox may not read this workflow; an operator can grant"),
    ([execution(), (403, {})], "The inbox may not read this workflow"),
    ([(404, {}), (404, {})], "The workflow is not there any more"),
    ([execution(), (404, {})], "The workflow is not there any more"),
    ([(500, {})], "Google could not be asked just now"),
    ([[1, 2]], "Google could not be asked just now"),
    ([execution(), workflow(), (403, {})], "The path so far could not be read"),
    ([(404, {}), workflow()], "Google does not keep this run of the workflow any more"),
    (
        [execution(), {"sourceContents": "- no: [", "revisionId": REVISION}],
        "The workflow could not be read as steps.",
    ),
    (
        [execution(), {"sourceContents": "- a: {return: 1}", "revisionId": REVISION}],
        "does not show where it asks this question",
    ),
]


def look(client, person, approval):
    client.force_login(person)
    return client.get(reverse("approvals:way", args=[approval.pk]))


def usual(google, state="ACTIVE", rows=ENTRIES, latest=REVISION):
    play(google, execution(state), workflow(), entries(rows), {"revisionId": latest})


class TestWay:
    def test_it_says_what_follows_each_answer_and_where_it_waits(self, client, ana, asked, google):
        usual(google)

        page = look(client, ana, asked).content.decode()

        for words in (
            "ask accounting",
            "report payment",
            "tells the people involved",
            "waits here",
        ):
            assert words in page
        assert "Reject</bdi>, <bdi>No answer in time" in page  # both lead to the same
        assert page.count("Then the workflow ends.") == 2
        assert "✓ done" in page
        assert "hunter2" not in page

    def test_google_is_asked_for_no_more_than_is_shown(self, client, ana, asked, google):
        usual(google)

        look(client, ana, asked)

        urls = [urlsplit(each.path) for each in google.seen]
        name = asked.execution
        flow = name.partition("/executions/")[0]
        assert [url.path for url in urls] == [
            f"/v1/{name}",
            f"/v1/{flow}",
            f"/v1/{name}/stepEntries",
            f"/v1/{flow}",
        ]
        assert parse_qs(urls[1].query)["revisionId"] == [REVISION]
        assert {each.method for each in google.seen} == {"GET"}

    def test_what_was_asked_is_kept(self, client, ana, ben, asked, google):
        usual(google)
        first = look(client, ana, asked).content
        again = look(client, ben, asked).content

        assert len(google.seen) == 4
        assert b"waits here" in first
        assert b"waits here" in again

    def test_a_revision_is_kept_for_longer_than_a_state(self, client, ana, asked, google):
        usual(google)
        look(client, ana, asked)
        with time_machine.travel(timezone.now() + timedelta(minutes=10)):
            play(google, execution(), entries(ENTRIES), {"revisionId": REVISION})
            page = look(client, ana, asked).content

        assert b"waits here" in page
        assert sum("revisionId=" in each.path for each in google.seen) == 1

    def test_it_reads_the_approval_alone_and_in_no_transaction(
        self, client, ana, asked, google, monkeypatch
    ):
        usual(google)
        depth = len(connection.savepoint_ids)
        ask = runs.asked

        def watched(name):
            assert len(connection.savepoint_ids) == depth
            return ask(name)

        monkeypatch.setattr(way, "asked", watched)
        client.force_login(ana)
        with CaptureQueriesContext(connection) as counted:
            client.get(reverse("approvals:way", args=[asked.pk]))

        # Session, person with preferences, and two for what the person may do: those of any page.
        assert len(counted) == 6
        assert sum('FROM "approvals_approval"' in query["sql"] for query in counted) == 1

    def test_a_workflow_that_has_changed_is_drawn_as_it_was(self, client, ana, asked, google):
        usual(google, latest=NEWER)

        page = look(client, ana, asked).content.decode()

        assert "The workflow has been changed since." in page

    def test_after_the_answer_the_path_that_was_taken_is_told(self, client, ana, asked, google):
        asked.decide("approved", by=ana, revision=1)
        usual(google, "SUCCEEDED", PAID)

        page = look(client, ana, asked).content.decode()

        assert "What the workflow did" in page
        assert "The answer was “Approved”" in page
        took = page.partition('<ol class="way-lines">')[2].partition("</ol>")[0]
        found = [took.find(f"<bdi>{name}</bdi>") for name in ("pay", "report payment", "paid")]
        assert found == sorted(found)
        assert -1 not in found
        assert "The workflow has ended well." in page
        assert "waits here" not in page

    def test_without_an_answer_none_is_told(self, client, ana, asked, google):
        asked.withdraw(actor="system", reason="Its execution was cancelled.")
        waited = [*ENTRIES[:1], ("main", "ask_accounting", "STATE_CANCELLED")]
        usual(google, "CANCELLED", waited)

        page = look(client, ana, asked).content.decode()

        assert "“Withdrawn”, without an answer" in page
        assert "✕ cancelled" in page
        assert "The workflow was cancelled." in page

    def test_the_words_of_the_workflow_are_what_it_came_to(self, client, ana, asked, google):
        asked.decide("approved", by=ana, revision=1)
        asked.report("succeeded", message="Paid 12 <b>EUR</b>", url="", actor="workflow")
        usual(google, "SUCCEEDED", PAID)

        assert b"Paid 12 &lt;b&gt;EUR&lt;/b&gt;" in look(client, ana, asked).content

    @pytest.mark.parametrize(
        ("who", "heading"),
        [("ana", "What happens if I click"), ("eva", "What happens after each answer")],
    )
    def test_the_page_of_the_approval_leads_to_it(self, client, asked, eva, who, heading):
        client.force_login(User.objects.get(email=f"{who}@example.com"))

        page = client.get(asked.get_absolute_url()).content.decode()
        assert heading in page

        address = reverse("approvals:way", args=[asked.pk])
        assert f'<a href="{address}">' in page
        assert f'hx-get="{address}" hx-trigger="revealed"' in page


class TestEntries:
    def test_attempts_of_a_step_are_not_the_step(self, google):
        row = {"routine": "main", "step": "pay"}
        tried = {"entryId": "1", "state": "STATE_SUCCEEDED", **row}
        inner = [
            {"entryId": f"{n}", "state": "STATE_FAILED", "navigationInfo": {"parent": "1"}, **row}
            for n in (2, 3)
        ]
        google.answer(200, {"stepEntries": [tried, *inner]})

        [entry] = sources.step_entries(f"{FLOW}/executions/e1")

        assert entry == sources.Entry(sources.Place("main", "pay"), "STATE_SUCCEEDED", "")


class TestRights:
    def test_who_may_not_read_the_approval_finds_nothing(self, client, asked, google):
        assert look(client, make_user("zoe@example.com"), asked).status_code == 404
        assert google.seen == []

    def test_nobody_is_led_to_the_sign_in(self, client, asked):
        answer = client.get(reverse("approvals:way", args=[asked.pk]))

        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/sign-in/")

    def test_it_can_only_be_read(self, client, ana, asked):
        client.force_login(ana)

        assert client.post(reverse("approvals:way", args=[asked.pk])).status_code == 405


class TestTrouble:
    @pytest.mark.parametrize("case", CASES, ids=lambda case: case[1])
    def test_what_cannot_be_had_is_said(self, client, ana, asked, google, case):
        answers, words = case
        play(google, *answers)

        answer = look(client, ana, asked)

        assert answer.status_code == 200
        assert words in answer.content.decode()

    def test_without_the_path_the_current_step_still_shows(self, client, ana, asked, google):
        play(google, execution(), workflow(), (403, {}))

        assert b"waits here" in look(client, ana, asked).content

    def test_google_out_of_reach_is_said_once_and_then_known(self, client, ana, asked, google):
        google.hang_up().hang_up().hang_up()

        for _ in range(2):
            assert b"Google could not be asked just now" in look(client, ana, asked).content
        assert len(google.seen) <= 2

    def test_who_looks_waits_three_seconds_at_most(self, client, ana, asked, google):
        google.stalling = "/v1/"
        begun = time.monotonic()

        page = look(client, ana, asked).content

        assert time.monotonic() - begun < 4.5
        assert b"Google could not be asked just now" in page

    def test_a_token_that_does_not_come_is_not_waited_for(self, monkeypatch):
        def slow(name):
            time.sleep(1)

        monkeypatch.setattr(sources, "_pool", ThreadPoolExecutor(1))
        deadline = sources.Deadline(0.2)
        begun = time.monotonic()

        with pytest.raises(CannotLook):
            deadline.ask(slow, "name")
        with pytest.raises(CannotLook):
            deadline.ask(slow, "name")

        assert time.monotonic() - begun < 0.9

    @pytest.mark.parametrize("name", ["", "projects/x", "https://evil.example/executions/1"])
    def test_only_names_of_google_are_asked_for(self, google, name):
        assert runs.asked(name) == Told(trouble=runs.asked(name).trouble)
        assert google.seen == []


class TestHostile:
    def test_a_source_full_of_html_is_text(self, client, ana, asked, google):
        source = OURS["supplier-payment"].replace("report_payment", '"<script>alert(1)</script>"')
        play(google, execution(), {"sourceContents": source, "revisionId": REVISION}, entries([]))

        page = look(client, ana, asked).content.decode()

        assert "alert(1)" in page
        assert "<script>alert" not in page

"""Google's API for step entries, and the emulator's own record of each execution, over HTTP."""

import json
from typing import Any

import pytest
import requests
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build

from emulator.history import DETAILED
from tests.emulator.rest import WAITING, error_of, workflows
from tests.emulators import EmulatorProcess, Execution

LOOP = """
main:
  params: [input]
  steps:
    - loop:
        for:
          value: v
          in: "${input}"
          steps:
            - check: {switch: [{condition: "${v > 2}", raise: "too much"}]}
            - keep: {assign: [{last: "${v}"}]}
    - done: {return: "${input}"}
"""
ASKING = """
main:
  steps:
    - create: {call: events.create_callback_endpoint, result: callback}
    - wait: {call: events.await_callback, args: {callback: "${callback}"}, result: request}
    - code: {assign: [{raw: "${text.encode(request.http_request.body)}"}]}
    - fetch: {call: uuid.generate, result: id}
    - say: {call: sys.log, args: {json: {id: "${id}"}}}
    - done: {return: "${request.http_request.body}"}
"""


@pytest.fixture
def failed(emulator: EmulatorProcess) -> Execution:
    """An execution with eleven entries, some of which failed."""
    emulator.deploy("loop", LOOP)
    execution = emulator.execute("loop", [1, 2, 3])
    execution.wait()
    return execution


def entries(execution: Execution, **query: Any) -> dict[str, Any]:
    return execution.emulator.ask("GET", f"{execution.name}/stepEntries", params=query)


def ids(page: dict[str, Any]) -> list[int]:
    return [int(entry["entryId"]) for entry in page.get("stepEntries", [])]


def ours(execution: Execution, name: str, **query: Any) -> dict[str, Any]:
    """A page of what the emulator itself tells of an execution; it needs no token."""
    url = f"{execution.emulator.url}/emulator/executions/{execution.id}/{name}"
    page: dict[str, Any] = requests.get(url, params=query, timeout=20).json()
    return page


class TestStepEntries:
    def test_an_entry_has_googles_fields(self, failed):
        page = entries(failed)

        assert page["totalSize"] == 11
        assert "nextPageToken" not in page
        times = {"createTime", "updateTime"}
        shown = [
            {key: value for key, value in entry.items() if key not in times}
            for entry in page["stepEntries"]
        ]
        assert shown[1] == {
            "name": f"{failed.read()['name']}/stepEntries/2",
            "entryId": "2",
            "routine": "main",
            "step": "loop",
            "stepType": "STEP_FOR_ITERATION",
            "state": "STATE_SUCCEEDED",
            "navigationInfo": {"parent": "1", "next": "5", "children": ["3", "4"]},
            "stepEntryMetadata": {
                "progressType": "PROGRESS_TYPE_FOR",
                "progressNumber": "1",
                "expectedIteration": "3",
            },
        }
        assert shown[-1] == {
            "name": f"{failed.read()['name']}/stepEntries/11",
            "entryId": "11",
            "routine": "main",
            "step": "check",
            "stepType": "STEP_RAISE",
            "state": "STATE_FAILED",
            "exception": {"payload": '"too much"'},
            "navigationInfo": {"parent": "10"},
        }

    def test_pages_follow_one_another(self, failed):
        first = entries(failed, pageSize=5)
        second = entries(failed, pageSize=5, pageToken=first["nextPageToken"])
        third = entries(failed, pageSize=5, pageToken=second["nextPageToken"])

        assert [ids(first), ids(second), ids(third)] == [*([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11])]
        assert "nextPageToken" not in third
        assert [page["totalSize"] for page in (first, second, third)] == [11] * 3

    def test_some_can_be_skipped(self, failed):
        first = entries(failed, pageSize=2, skip=3)

        assert ids(first) == [4, 5]
        assert ids(entries(failed, pageToken=first["nextPageToken"], skip=4)) == [10, 11]
        assert entries(failed, skip=99) == {"totalSize": 11}

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('state="FAILED"', [1, 8, 9, 10, 11]),
            ('state="STATE_FAILED" AND stepType="SWITCH"', [9]),
            ("step=keep", [4, 7]),
            ("entryId>=10", [10, 11]),
            ("parent=2", [3, 4]),
            ('routine="sub"', []),
            ('createTime<"2020-01-01"', []),
            ('stepType="STEP_FOR" OR stepType="STEP_RAISE"', [1, 11]),
        ],
    )
    def test_filters(self, failed, text, expected):
        page = entries(failed, filter=text)

        assert ids(page) == expected
        assert page.get("totalSize", 0) == len(expected)

    def test_orders(self, failed):
        assert ids(entries(failed, orderBy="entryId desc")) == list(range(11, 0, -1))
        assert ids(entries(failed, orderBy="step desc, entryId desc", pageSize=3)) == [8, 5, 2]
        first = entries(failed, orderBy="state,entryId desc", pageSize=2)
        assert ids(first) == [11, 10]
        following = entries(
            failed, orderBy="state,entryId desc", pageSize=2, pageToken=first["nextPageToken"]
        )
        assert ids(following) == [9, 8]

    @pytest.mark.parametrize(
        "query",
        [
            {"filter": "colour=red"},
            {"orderBy": "parent"},
            {"skip": "-1"},
            {"pageSize": "x"},
            {"pageToken": "nonsense"},
            {"filter": "entryId=many"},
        ],
    )
    def test_what_is_not_understood_is_refused(self, failed, query):
        answer = failed.emulator.request("GET", f"{failed.name}/stepEntries", params=query)

        assert error_of(answer)["status"] == "INVALID_ARGUMENT"

    def test_one_is_read_by_its_number(self, failed):
        listed = entries(failed)["stepEntries"]

        for entry in listed:
            path = f"{failed.name}/stepEntries/{entry['entryId']}"
            assert failed.emulator.ask("GET", path) == entry
        for number in ("0", "12", "x", "1" * 30, "%C2%B2"):
            answer = failed.emulator.request("GET", f"{failed.name}/stepEntries/{number}")
            assert error_of(answer)["status"] == "NOT_FOUND"

    def test_variables_are_shown_at_the_detailed_level(self, emulator):
        emulator.deploy("loop", LOOP)
        body = {"argument": "[1]", "executionHistoryLevel": DETAILED}
        made = emulator.ask("POST", f"{workflows(emulator, 'loop')}/executions", json=body)
        execution = Execution(emulator, made["name"])
        execution.wait()

        shown = {
            entry["step"]: entry.get("variableData") for entry in entries(execution)["stepEntries"]
        }

        assert shown["done"] == {"variables": {"input": [1]}}
        assert shown["keep"] == {"variables": {"input": [1], "last": 1, "v": 1}}

    def test_pages_are_shorter_where_variables_are_large(self, emulator):
        """Each of 60 entries sees a text of 200 KB: no page shows more than 4 MB."""
        emulator.deploy(
            "large",
            """
            - begin: {assign: [{text: "0123456789"}]}
            - grow:
                for:
                  value: i
                  range: [1, 14]
                  steps: [{twice: {assign: [{text: "${text + text}"}]}}]
            - each: {for: {value: i, range: [1, 30], steps: [{one: {assign: [{n: "${i}"}]}}]}}
            """,
        )
        body = {"executionHistoryLevel": DETAILED}
        made = emulator.ask("POST", f"{workflows(emulator, 'large')}/executions", json=body)
        execution = Execution(emulator, made["name"])
        assert execution.wait()["state"] == "SUCCEEDED"

        seen, token = [], ""
        while True:
            answer = emulator.request(
                "GET", f"{execution.name}/stepEntries", params={"pageToken": token}
            )
            assert len(answer.content) < 5_000_000
            seen += ids(answer.json())
            assert all("variableData" in entry for entry in answer.json()["stepEntries"])
            token = answer.json().get("nextPageToken", "")
            if not token:
                break

        assert seen == list(range(1, 92))


class TestEnds:
    def test_what_waits_is_in_progress_and_then_cancelled(self, emulator):
        emulator.deploy("waiting", WAITING)
        execution = emulator.execute("waiting")
        assert entries(execution)["stepEntries"][0]["state"] == "STATE_IN_PROGRESS"

        emulator.ask("POST", f"{execution.name}:cancel", json={})

        assert entries(execution)["stepEntries"][0]["state"] == "STATE_CANCELLED"

    def test_after_kill_9_it_is_what_it_would_have_been(self, start_emulator):
        emulator = start_emulator()
        emulator.deploy("asking", ASKING)
        outlines = []
        for killed in (False, True):
            execution = emulator.execute("asking")
            execution.callback_url()
            before = entries(execution)["stepEntries"]
            if killed:
                emulator.kill()
                emulator.restart()
                assert entries(execution)["stepEntries"] == before
            execution.send("yes")
            assert execution.result() == "yes"
            after = entries(execution)["stepEntries"]
            assert after[0] == before[0]
            outlines.append([(entry["step"], entry["stepType"], entry["state"]) for entry in after])
        assert outlines[0] == outlines[1]
        assert len(outlines[0]) == 6


class TestExport:
    def test_it_is_the_step_entries_as_text(self, failed):
        exported = failed.emulator.ask("GET", f"{failed.name}:exportData")

        data = json.loads(exported["data"])
        assert data["execution"] == failed.read()["name"]
        assert data["stepEntries"] == entries(failed)["stepEntries"]
        assert data["totalSize"] == 11


class TestDelete:
    def test_the_history_goes_and_the_execution_stays(self, failed):
        path = f"{failed.name}:deleteExecutionHistory"
        before = failed.read()

        assert failed.emulator.ask("POST", path, json={}) == {}
        assert failed.emulator.ask("POST", path, json={}) == {}

        assert entries(failed) == {}
        assert failed.read() == before

    def test_what_to_delete_cannot_be_said(self, failed):
        path = f"{failed.name}:deleteExecutionHistory"

        refused = failed.emulator.request("POST", path, json={"before": "2026-01-01"})

        assert error_of(refused)["status"] == "INVALID_ARGUMENT"
        assert entries(failed)["stepEntries"]

    def test_an_execution_that_is_not_over_needs_its_own(self, emulator):
        emulator.deploy("waiting", WAITING)
        execution = emulator.execute("waiting")

        answer = emulator.request("POST", f"{execution.name}:deleteExecutionHistory", json={})

        assert error_of(answer)["status"] == "FAILED_PRECONDITION"
        assert len(entries(execution)["stepEntries"]) == 1

    def test_who_may_only_read_does_not_delete(self, start_emulator):
        emulator = start_emulator(auth="iam", options=["--grant", "reader@x.example=viewer"])
        emulator.deploy("one", "- done: {return: 1}\n")
        execution = emulator.execute("one")
        assert execution.result() == 1
        path, reader = (
            f"{execution.name}:deleteExecutionHistory",
            emulator.token("reader@x.example"),
        )

        refused = emulator.request("POST", path, token=reader, json={})

        assert refused.status_code == 403
        assert len(entries(execution)["stepEntries"]) == 1


class TestOurs:
    def test_the_journal_the_requests_and_the_log_are_there_to_read(self, emulator):
        emulator.deploy("asking", ASKING)
        execution = emulator.execute("asking")
        execution.send("ä")
        execution.result()

        calls = ours(execution, "journal")["calls"]
        (received,) = ours(execution, "received")["received"]
        (line,) = ours(execution, "logs")["logs"]

        assert [call["function"] for call in calls] == [
            "events.create_callback_endpoint",
            "events.await_callback",
            "uuid.generate",
            "sys.log",
        ]
        assert calls[1]["args"]["callback"] == calls[0]["returned"]
        assert calls[1]["returned"]["http_request"]["body"] == "ä"
        assert (calls[2]["step"], calls[2]["stepEntry"], calls[2]["key"]) == ("fetch", 4, "0:3")
        assert calls[1]["asked"] <= calls[1]["answered"]
        assert (received["verdict"], received["method"], received["body"]) == (
            "HANDED_OVER",
            "POST",
            "ä",
        )
        assert received["time"] == received["taken"]
        assert calls[0]["returned"]["url"].endswith(received["callback"])
        assert line["payload"] == {"id": calls[2]["returned"]}
        assert (line["step"], line["severity"]) == ("say", "DEFAULT")

    def test_they_come_in_pages(self, emulator):
        emulator.deploy(
            "talks",
            "- talk: {for: {value: v, range: [1, 250], steps: "
            '[{say: {call: sys.log, args: {text: "${string(v)}"}}}]}}\n',
        )
        execution = emulator.execute("talks")
        execution.wait()
        for name, shown in (("journal", "calls"), ("logs", "logs")):
            sizes, token = [], ""
            while True:
                page = ours(execution, name, pageSize=100, pageToken=token)
                sizes.append(len(page[shown]))
                token = page.get("nextPageToken", "")
                if not token:
                    break
            assert sizes == [100, 100, 50]

    def test_an_execution_that_is_not_there(self, emulator):
        for name in ("journal", "received", "logs"):
            answer = requests.get(f"{emulator.url}/emulator/executions/none/{name}", timeout=20)
            assert error_of(answer)["status"] == "NOT_FOUND"


class TestGooglesClient:
    def test_it_lists_and_reads_step_entries(self, failed, emulator):
        with build(
            "workflowexecutions",
            "v1",
            credentials=Credentials(token=emulator.token()),
            client_options={"api_endpoint": emulator.url},
            static_discovery=True,
        ) as client:
            self._use(client, failed)

    def _use(self, client: Any, failed: Execution) -> None:
        executions = client.projects().locations().workflows().executions()
        resource = executions.stepEntries()
        parent = failed.read()["name"]

        listed, request = [], resource.list(parent=parent, pageSize=5)
        while request is not None:
            answer = request.execute()
            listed += answer["stepEntries"]
            request = resource.list_next(request, answer)

        assert [entry["entryId"] for entry in listed] == [str(number) for number in range(1, 12)]
        assert resource.get(name=listed[3]["name"]).execute() == listed[3]
        exported = executions.exportData(name=parent).execute()
        assert json.loads(exported["data"])["stepEntries"] == listed
        executions.deleteExecutionHistory(name=parent, body={}).execute()
        assert resource.list(parent=parent).execute() == {}

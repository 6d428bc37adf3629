"""Executions over REST: starting, reading, listing, cancelling."""

import json

import pytest

from tests.emulator.rest import SOURCE, WAITING, create, error_of, workflows
from tests.emulators import LOCATION, NUMBER, PROJECT, EmulatorProcess, Execution, eventually

KINDS = """
main:
  params: [input]
  steps:
    - which:
        switch:
          - {condition: '${input == "fail"}', next: broken}
          - {condition: '${input == "wait"}', next: wait}
    - done: {return: "${input}"}
    - broken: {raise: no}
    - wait: {call: sys.sleep, args: {seconds: 36000}}
"""


@pytest.fixture(scope="module")
def filtered(emulator: EmulatorProcess) -> tuple[EmulatorProcess, list[str]]:
    """The names of four executions: two succeeded, one failed, one waits."""
    emulator.deploy("kinds", KINDS)
    path = f"{workflows(emulator, 'kinds')}/executions"
    bodies: list[dict[str, object]] = [
        {"argument": '"a"'},
        {"argument": '"b"', "labels": {"tier": "gold"}},
        {"argument": '"fail"'},
        {"argument": '"wait"', "disableConcurrencyQuotaOverflowBuffering": True},
    ]
    started = [
        Execution(emulator, emulator.ask("POST", path, json=body)["name"]) for body in bodies
    ]
    for execution in started[:3]:
        execution.wait()
    eventually(lambda: started[3].read().get("status"))
    return emulator, [execution.name for execution in started]


class TestExecutions:
    def test_an_execution_is_shown_as_google_shows_it(self, emulator):
        emulator.deploy("echo", SOURCE)

        shown = emulator.execute("echo", {"n": 1, "d": 1.5}).wait()

        assert shown["name"].startswith(f"projects/{NUMBER}/locations/{LOCATION}/workflows/echo/")
        assert shown["state"] == "SUCCEEDED"
        assert json.loads(shown["argument"]) == {"n": 1, "d": 1.5}
        assert shown["result"] == '{"d":1.5,"n":1}'
        assert shown["workflowRevisionId"].startswith("000001-")
        assert shown["duration"].endswith("s")
        assert shown["status"] == {"currentSteps": [{"routine": "main", "step": "done"}]}
        assert "error" not in shown

    def test_a_failure_has_payload_context_and_stack(self, emulator):
        emulator.deploy("failing", "main:\n  steps:\n    - bad:\n        raise: no money\n")

        error = emulator.execute("failing").wait()["error"]

        assert error["payload"] == '"no money"'
        assert error["context"].startswith('RuntimeError: "no money"\nin step "bad"')
        (frame,) = error["stackTrace"]["elements"]
        assert (frame["step"], frame["routine"]) == ("bad", "main")
        assert frame["position"]["line"].isdigit()

    def test_without_an_argument_it_is_null(self, emulator):
        emulator.deploy("echo", SOURCE)

        shown = emulator.execute("echo").wait()

        assert (shown["argument"], shown["result"]) == ("null", "null")

    def test_a_body_that_is_not_given_may_come_as_an_empty_text(self, emulator):
        emulator.deploy("echo", SOURCE)
        path = f"{workflows(emulator, 'echo')}/executions"

        for body in ("", '""', "{}"):
            assert emulator.ask("POST", path, data=body)["argument"] == "null", body

    @pytest.mark.parametrize(
        "body",
        [
            {"argument": "{broken"},
            {"argument": {"not": "text"}},
            {"argument": json.dumps("ä" * 20_000)},
            {"colour": "red"},
            {"labels": {"a": 1}},
        ],
    )
    def test_a_start_that_is_wrong_is_refused(self, emulator, body):
        emulator.deploy("echo", SOURCE)

        answer = emulator.request("POST", f"{workflows(emulator, 'echo')}/executions", json=body)

        assert error_of(answer)["status"] == "INVALID_ARGUMENT"

    def test_settings_are_kept_and_labels_inherited(self, emulator):
        create(emulator, "labelled", labels={"team": "a", "tier": "b"}, callLogLevel="LOG_NONE")
        body = {"labels": {"tier": "c"}, "disableConcurrencyQuotaOverflowBuffering": True}

        shown = emulator.ask("POST", f"{workflows(emulator, 'labelled')}/executions", json=body)

        assert shown["labels"] == {"team": "a", "tier": "c"}
        assert shown["callLogLevel"] == "LOG_NONE"
        assert shown["disableConcurrencyQuotaOverflowBuffering"] is True

    def test_names_and_numbers_are_read_in_every_spelling(self, emulator):
        emulator.deploy("echo", SOURCE)
        path = f"{workflows(emulator, 'echo')}/executions"
        body = {"call_log_level": 2, "executionHistoryLevel": 1, "argument": "1"}

        shown = emulator.ask("POST", path, json=body)

        assert shown["callLogLevel"] == "LOG_ERRORS_ONLY"
        assert shown["executionHistoryLevel"] == "EXECUTION_HISTORY_BASIC"
        for view, full in (("1", False), ("2", True), ("BASIC", False), ("", True), ("0", True)):
            read = emulator.ask("GET", shown["name"], params={"view": view})
            assert ("argument" in read) is full, view

    def test_lists_are_newest_first_basic_and_in_pages(self, emulator):
        emulator.deploy("listed", SOURCE)
        executions = [emulator.execute("listed", number) for number in range(3)]
        for execution in executions:
            execution.wait()
        started = [execution.name for execution in executions]
        path = f"{workflows(emulator, 'listed')}/executions"

        first = emulator.ask("GET", path, params={"pageSize": 2})
        emulator.execute("listed")
        params = {"pageSize": 2, "pageToken": first["nextPageToken"]}
        second = emulator.ask("GET", path, params=params)

        names = [shown["name"] for page in (first, second) for shown in page["executions"]]
        assert names == started[::-1]
        assert first["executions"][0].keys() == {
            *("name", "startTime", "endTime", "duration", "state", "workflowRevisionId")
        }
        full = emulator.ask("GET", path, params={"view": "FULL", "orderBy": "createTime"})
        assert [shown["argument"] for shown in full["executions"]] == ["0", "1", "2", "null"]
        none = emulator.ask("GET", path, params={"filter": 'state="FAILED"'})
        assert none == {}
        assert emulator.request("GET", path, params={"view": "HALF"}).status_code == 400

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('state="SUCCEEDED"', {0, 1}),
            ("state=SUCCEEDED OR state=FAILED", {0, 1, 2}),
            ("NOT state=SUCCEEDED", {2, 3}),
            ('startTime>"2026-01-01" AND state="FAILED"', {2}),
            ("endTime>2020-01-01T00:00:00Z AND duration<1000s", {0, 1, 2}),
            ("duration>1000s", set()),
            ("label.tier=gold", {1}),
            ("labels:tier", {1}),
            ("disableConcurrencyQuotaOverflowBuffering=true", {3}),
            ("disableConcurrencyQuotaOverflowBuffering=false", {0, 1, 2}),
            ("stepName=wait", {3}),
            ('stepName="broken" OR stepName:wait', {2, 3}),
            ('workflowRevisionId="000001*"', {0, 1, 2, 3}),
            ("executionId={third}", {2}),
        ],
    )
    def test_lists_are_filtered_by_all_that_google_names(self, filtered, text, expected):
        emulator, names = filtered
        text = text.replace("{third}", names[2].rpartition("/")[2])
        path = names[0].rpartition("/")[0]

        shown = emulator.ask("GET", path, params={"filter": text}).get("executions", [])

        assert {names.index(found["name"]) for found in shown} == expected

    @pytest.mark.parametrize(
        "order",
        ["createTime", "startTime desc", "state, createTime desc", "duration", "executionId desc"],
    )
    def test_ordered_lists_come_in_pages_as_well(self, filtered, order):
        emulator, names = filtered
        path = names[0].rpartition("/")[0]
        whole = emulator.ask("GET", path, params={"orderBy": order})["executions"]
        params = {"orderBy": order, "pageSize": 3}
        first = emulator.ask("GET", path, params=params)
        rest = emulator.ask("GET", path, params=params | {"pageToken": first["nextPageToken"]})

        assert first["executions"] + rest["executions"] == whole
        assert {found["name"] for found in whole} == set(names)
        refused = emulator.request("GET", path, params={"orderBy": "argument"})
        assert refused.status_code == 400

    def test_a_workflow_that_was_deleted_is_not_started(self, emulator):
        emulator.deploy("deleted", SOURCE)
        emulator.ask("DELETE", workflows(emulator, "deleted"))

        answer = emulator.request("POST", f"{workflows(emulator, 'deleted')}/executions", json={})

        assert error_of(answer)["status"] == "NOT_FOUND"

    def test_a_running_one_keeps_its_revision(self, emulator):
        emulator.deploy("replaced", WAITING)
        execution = emulator.execute("replaced")
        emulator.deploy("replaced", SOURCE)

        assert execution.read()["workflowRevisionId"].startswith("000001-")
        assert emulator.execute("replaced").read()["workflowRevisionId"].startswith("000002-")

    def test_cancelling_ends_a_wait_at_once_and_only_once(self, emulator):
        emulator.deploy("waiting", WAITING)
        execution = emulator.execute("waiting")
        eventually(lambda: execution.read().get("status"))

        shown = emulator.ask("POST", f"{execution.name}:cancel", json={})

        assert shown["state"] == execution.read()["state"] == "CANCELLED"
        again = emulator.request("POST", f"{execution.name}:cancel")
        assert error_of(again)["status"] == "FAILED_PRECONDITION"

    def test_a_cancellation_has_no_fields(self, emulator):
        emulator.deploy("waiting", WAITING)
        execution = emulator.execute("waiting")

        refused = emulator.request("POST", f"{execution.name}:cancel", json={"force": True})

        assert error_of(refused)["status"] == "INVALID_ARGUMENT"
        assert "force" in error_of(refused)["message"]
        assert execution.read()["state"] == "ACTIVE"

    def test_the_verb_may_come_with_its_colon_encoded(self, emulator):
        emulator.deploy("waiting", WAITING)
        execution = emulator.execute("waiting")

        assert emulator.ask("POST", f"{execution.name}%3Acancel")["state"] == "CANCELLED"

    def test_environment_and_log_are_the_workflows_own(self, emulator):
        source = """
        - say: {call: sys.log, args: {data: {who: '${sys.get_env("WHO")}'}, severity: NOTICE}}
        - done:
            return:
              - ${sys.get_env("GOOGLE_CLOUD_PROJECT_ID")}
              - ${sys.get_env("GOOGLE_CLOUD_PROJECT_NUMBER")}
              - ${sys.get_env("GOOGLE_CLOUD_LOCATION")}
              - ${sys.get_env("GOOGLE_CLOUD_WORKFLOW_ID")}
              - ${sys.get_env("GOOGLE_CLOUD_SERVICE_ACCOUNT_NAME")}
              - ${sys.get_env("PATH")}
        """
        account = "projects/-/serviceAccounts/payer@x.example"
        create(
            *(emulator, "env"),
            sourceContents=source,
            userEnvVars={"WHO": "eva"},
            serviceAccount=account,
        )

        execution = emulator.execute("env")

        known = [PROJECT, NUMBER, LOCATION, "env", "payer@x.example", None]
        assert execution.result() == known
        (line,) = [line for line in emulator.logged(execution.id) if " log " in line]
        assert "severity=NOTICE" in line
        assert "step=main/say" in line
        assert 'text="{\\"who\\":\\"eva\\"}"' in line


def test_requests_are_answered_while_a_long_loop_runs(emulator):
    source = """
    - start: {assign: [{n: 0}, {text: "aaaaaaaaaaaaaaaaaaaa"}]}
    - grow: {assign: [{text: "${text + text + text + text + text}"}]}
    - count:
        assign: [{n: "${n + 1}"}, {found: "${len(text.find_all(text + text + text, text))}"}]
    - more:
        switch: [{condition: "${n < 40000}", next: count}]
    - done: {return: "${n}"}
    """
    emulator.deploy("loop", source)
    execution = emulator.execute("loop")
    token = emulator.token()
    answers = 0
    while emulator.ask("GET", execution.name, token=token)["state"] == "ACTIVE":
        answers += 1

    assert execution.result() == 40000
    assert answers >= 5

"""Google's REST, asked with plain HTTP: definitions, executions, errors, and who is let in."""

import json
import socket
from typing import Any

import pytest
import requests

from tests.emulators import APP, LOCATION, NUMBER, PROJECT, WORKFLOW, EmulatorProcess, eventually

SOURCE = "main:\n  params: [input]\n  steps:\n    - done:\n        return: ${input}\n"
BROKEN = "main:\n  steps:\n    - done:\n        return: ${1 +}\n"
WAITING = "- wait: {call: sys.sleep, args: {seconds: 36000}}\n"


def workflows(emulator: EmulatorProcess, workflow: str = "") -> str:
    """The path of all workflows, or of one."""
    return f"{emulator.parent}/workflows" + (f"/{workflow}" if workflow else "")


def create(emulator: EmulatorProcess, workflow: str, **fields: Any) -> requests.Response:
    """The answer to a workflow's creation."""
    body = {"sourceContents": SOURCE, **fields}
    params = {"workflowId": workflow}
    return emulator.request("POST", workflows(emulator), params=params, json=body)


def error_of(answer: requests.Response) -> dict[str, Any]:
    """The error in an answer, which has Google's form."""
    error: dict[str, Any] = answer.json()["error"]
    assert error["code"] == answer.status_code
    assert isinstance(error["message"], str)
    assert answer.headers["Content-Type"].startswith("application/json")
    return error


class TestCreateWorkflow:
    def test_the_operation_is_done_and_can_be_asked_for_again(self, emulator):
        operation = create(emulator, "created", description="d", labels={"team": "a"}).json()

        assert operation["done"] is True
        assert operation["metadata"]["verb"] == "create"
        assert operation["metadata"]["target"] == workflows(emulator, "created")
        made = operation["response"]
        assert made["@type"] == "type.googleapis.com/google.cloud.workflows.v1.Workflow"
        assert (made["state"], made["description"]) == ("ACTIVE", "d")
        assert made["revisionId"].startswith("000001-")
        assert made["serviceAccount"].endswith(WORKFLOW)
        assert emulator.ask("GET", operation["name"]) == operation
        listed = emulator.ask("GET", f"{emulator.parent}/operations")["operations"]
        assert operation in listed
        assert emulator.ask("DELETE", operation["name"]) == {}
        assert emulator.request("GET", operation["name"]).status_code == 404

    def test_a_source_that_does_not_build_is_refused_with_step_line_and_column(self, emulator):
        answer = create(emulator, "broken", sourceContents=BROKEN)

        error = error_of(answer)
        assert (answer.status_code, error["status"]) == (400, "INVALID_ARGUMENT")
        assert error["message"].startswith("main.yaml:4:")
        assert "step 'done'" in error["message"]
        assert error["details"][0]["fieldViolations"][0]["field"] == "workflow.source_contents"

    def test_a_name_that_is_taken_is_a_conflict(self, emulator):
        create(emulator, "taken")

        assert error_of(create(emulator, "taken"))["status"] == "ALREADY_EXISTS"

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"colour": "red"}, "colour"),
            ({"description": "x" * 1001}, "description"),
            ({"description": 7}, "description"),
            ({"labels": {"Team": "a"}}, "labels"),
            ({"labels": {f"k{n}": "" for n in range(65)}}, "labels"),
            ({"callLogLevel": "LOUD"}, "callLogLevel"),
            ({"userEnvVars": {"GOOGLE_X": "1"}}, "userEnvVars"),
            ({"userEnvVars": {"A": "x" * 4097}}, "userEnvVars"),
            ({"sourceContents": "#" * (128 * 1024 + 1)}, "sourceContents"),
            ({"sourceContents": ""}, "sourceContents"),
        ],
    )
    def test_a_field_that_is_wrong_is_named(self, emulator, fields, named):
        error = error_of(create(emulator, "fields", **fields))

        assert error["status"] == "INVALID_ARGUMENT"
        assert named in error["message"]

    def test_enums_and_names_come_in_both_spellings(self, emulator):
        answer = create(emulator, "spellings", call_log_level=1, executionHistoryLevel=2)

        made = answer.json()["response"]
        assert made["callLogLevel"] == "LOG_ALL_CALLS"
        assert made["executionHistoryLevel"] == "EXECUTION_HISTORY_DETAILED"


class TestUpdateWorkflow:
    def test_only_the_fields_of_the_mask_change(self, emulator):
        create(emulator, "masked", description="kept", labels={"a": "b"})

        changed = emulator.ask(
            "PATCH",
            workflows(emulator, "masked"),
            params={"updateMask": "source_contents"},
            json={"sourceContents": WAITING, "description": "not in the mask", "labels": {}},
        )["response"]

        assert (changed["description"], changed["labels"]) == ("kept", {"a": "b"})
        assert changed["sourceContents"] == WAITING
        assert changed["revisionId"].startswith("000002-")

    def test_a_field_of_the_mask_that_is_not_given_is_cleared(self, emulator):
        create(emulator, "cleared", userEnvVars={"A": "1"}, description="kept")

        path = workflows(emulator, "cleared")
        emulator.ask("PATCH", path, params={"updateMask": "userEnvVars"}, json={})

        shown = emulator.ask("GET", path)
        assert "userEnvVars" not in shown
        assert shown["description"] == "kept"

    def test_without_a_mask_all_is_replaced(self, emulator):
        create(emulator, "replaced", description="gone")

        path = workflows(emulator, "replaced")
        emulator.ask("PATCH", path, json={"name": path, "sourceContents": SOURCE})

        assert "description" not in emulator.ask("GET", path)

    def test_an_unknown_field_in_the_mask_is_refused(self, emulator):
        create(emulator, "strict")

        answer = emulator.request(
            "PATCH", workflows(emulator, "strict"), params={"updateMask": "colour"}, json={}
        )

        assert "colour" in error_of(answer)["message"]

    def test_a_broken_source_changes_nothing(self, emulator):
        create(emulator, "safe")

        path = workflows(emulator, "safe")
        answer = emulator.request("PATCH", path, json={"sourceContents": BROKEN})

        assert answer.status_code == 400
        assert emulator.ask("GET", path)["sourceContents"] == SOURCE


class TestReadWorkflows:
    def test_revisions_are_listed_newest_first_and_can_be_read(self, emulator):
        emulator.deploy("history", SOURCE)
        emulator.deploy("history", WAITING)
        path = workflows(emulator, "history")

        newest, oldest = emulator.ask("GET", f"{path}:listRevisions")["workflows"]

        assert (newest["sourceContents"], oldest["sourceContents"]) == (WAITING, SOURCE)
        first = emulator.ask("GET", path, params={"revisionId": oldest["revisionId"]})
        assert first["sourceContents"] == SOURCE
        missing = emulator.request("GET", path, params={"revisionId": "000009-abc"})
        assert missing.status_code == 404

    def test_lists_come_in_pages_without_sources(self, start_emulator):
        emulator = start_emulator()
        for name in ("b", "a", "c"):
            emulator.deploy(name, SOURCE)

        first = emulator.ask("GET", workflows(emulator), params={"pageSize": 2})
        params = {"pageSize": 2, "pageToken": first["nextPageToken"]}
        second = emulator.ask("GET", workflows(emulator), params=params)

        names = [shown["name"].rpartition("/")[2] for shown in first["workflows"]]
        assert names == ["a", "b"]
        assert [shown["name"] for shown in second["workflows"]] == [workflows(emulator, "c")]
        assert "nextPageToken" not in second
        assert "sourceContents" not in first["workflows"][0]
        other = {"pageToken": first["nextPageToken"], "filter": 'state="ACTIVE"'}
        for params in ({"pageToken": "junk"}, other, {"pageSize": "-1"}, {"pageSize": "many"}):
            assert emulator.request("GET", workflows(emulator), params=params).status_code == 400

    def test_filters_are_applied_or_refused_but_never_ignored(self, emulator):
        create(emulator, "filtered", labels={"team": "blue"})
        path = workflows(emulator)

        shown = emulator.ask("GET", path, params={"filter": 'labels.team="blue" AND state=ACTIVE'})
        assert [found["name"] for found in shown["workflows"]] == [f"{path}/filtered"]
        assert emulator.ask("GET", path, params={"filter": 'state="UNAVAILABLE"'}) == {}
        for text in ('state="ACTIVE" OR state="X"', "NOT state=ACTIVE", "state"):
            assert emulator.request("GET", path, params={"filter": text}).status_code == 501
        for params in ({"filter": "colour=red"}, {"orderBy": "colour"}):
            assert emulator.request("GET", path, params=params).status_code == 400

    def test_the_project_is_known_by_its_number_too(self, emulator):
        create(emulator, "numbered")
        path = f"projects/{NUMBER}/locations/{LOCATION}/workflows/numbered"

        assert emulator.ask("GET", path)["name"] == path

    def test_there_is_one_location(self, emulator):
        place = {"name": emulator.parent, "locationId": LOCATION}

        assert emulator.ask("GET", emulator.parent) == place
        assert emulator.ask("GET", f"projects/{PROJECT}/locations") == {"locations": [place]}

    def test_another_project_or_location_is_refused_with_the_right_one(self, emulator):
        project = emulator.request("GET", f"projects/other/locations/{LOCATION}/workflows")
        location = emulator.request("GET", f"projects/{PROJECT}/locations/mars/workflows")

        assert PROJECT in error_of(project)["message"]
        assert LOCATION in error_of(location)["message"]
        assert (project.status_code, location.status_code) == (403, 404)


class TestDeleteWorkflow:
    def test_its_executions_end_and_everything_of_it_is_gone(self, emulator):
        emulator.deploy("doomed", WAITING)
        execution = emulator.execute("doomed")
        path = workflows(emulator, "doomed")

        operation = emulator.ask("DELETE", path)

        assert operation["response"] == {"@type": "type.googleapis.com/google.protobuf.Empty"}
        assert emulator.request("GET", path).status_code == 404
        assert emulator.request("GET", execution.name).status_code == 404
        assert emulator.request("DELETE", path).status_code == 404
        assert emulator.ask("GET", operation["name"])["done"] is True


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

    def test_cancelling_ends_a_wait_at_once_and_only_once(self, emulator):
        emulator.deploy("waiting", WAITING)
        execution = emulator.execute("waiting")
        eventually(lambda: execution.read().get("status"))

        shown = emulator.ask("POST", f"{execution.name}:cancel", json={})

        assert shown["state"] == execution.read()["state"] == "CANCELLED"
        again = emulator.request("POST", f"{execution.name}:cancel")
        assert error_of(again)["status"] == "FAILED_PRECONDITION"

    def test_the_verb_may_come_with_its_colon_encoded(self, emulator):
        emulator.deploy("waiting", WAITING)
        execution = emulator.execute("waiting")

        assert emulator.ask("POST", f"{execution.name}%3Acancel")["state"] == "CANCELLED"

    def test_what_is_not_offered_says_so(self, emulator):
        emulator.deploy("echo", SOURCE)
        execution = emulator.execute("echo")

        error = error_of(emulator.request("GET", f"{execution.name}/stepEntries"))

        assert error["status"] == "UNIMPLEMENTED"
        assert "stepEntries" in error["message"]

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


class TestErrors:
    def test_every_way_to_go_wrong_has_googles_form(self, emulator):
        path = workflows(emulator)
        kind = {"Content-Type": "application/json"}
        asked: list[tuple[str, str, dict[str, Any], int]] = [
            ("GET", "nothing/here", {}, 404),
            ("GET", f"{path}/none", {}, 404),
            ("GET", f"{path}/none/executions", {}, 404),
            ("GET", f"{path}/none/executions/none", {}, 404),
            ("PUT", f"{path}/none", {}, 405),
            ("POST", path, {"data": b"{", "headers": kind}, 400),
            ("POST", path, {"data": b"[]", "headers": kind}, 400),
            ("POST", path, {"data": b"\xff", "headers": kind}, 400),
            ("POST", path, {"data": b"[" * 100_000, "headers": kind}, 400),
            ("POST", path, {"data": b'{"labels": NaN}', "headers": kind}, 400),
            ("POST", path, {"data": b" " * 2_000_000, "headers": kind}, 413),
            ("GET", path, {"params": {"access_token": "secret"}}, 400),
            ("GET", path, {"token": ""}, 401),
            ("GET", path, {"token": "junk"}, 401),
        ]
        for method, wrong, options, status in asked:
            answer = emulator.request(method, wrong, **options)
            assert answer.status_code == status, (method, wrong, answer.text)
            error_of(answer)

    def test_parameters_that_mean_nothing_here_are_ignored(self, emulator):
        params = {"$alt": "json;enum-encoding=int", "alt": "json", "prettyPrint": "false", "x": "y"}

        assert emulator.request("GET", workflows(emulator), params=params).status_code == 200


class TestWhoIsLetIn:
    def test_only_names_of_this_machine_are_answered(self, emulator):
        for host in ("evil.example", "127.0.0.1.evil.example", "10.0.0.1", ""):
            answer = requests.get(f"{emulator.url}/healthz", headers={"Host": host}, timeout=10)
            assert answer.status_code == 403, host
            assert "allow-remote" in error_of(answer)["message"]
        for host in ("localhost", "localhost:1", "[::1]:8787", "app.localhost"):
            answer = requests.get(f"{emulator.url}/healthz", headers={"Host": host}, timeout=10)
            assert (answer.status_code, answer.text) == (200, "ok\n"), host

    def test_a_web_page_from_elsewhere_is_refused(self, emulator):
        tokens = f"{emulator.url}/emulator/tokens"
        for origin, status in (("https://evil.example", 403), ("null", 403), (emulator.url, 200)):
            answer = requests.post(
                tokens, json={"email": APP}, headers={"Origin": origin}, timeout=10
            )
            assert answer.status_code == status, origin

    def test_a_connection_from_another_address_is_refused_unless_allowed(self, start_emulator):
        own = _own_address()
        open_to_all = start_emulator(options=["--host", "0.0.0.0", "--allow-remote"])

        answer = requests.get(f"http://{own}:{open_to_all.port}/healthz", timeout=10)

        assert answer.status_code == 200
        tokens = f"http://{own}:{open_to_all.port}/emulator/tokens"
        if not own.startswith("127."):
            assert requests.post(tokens, json={"email": APP}, timeout=10).status_code == 403


class TestMetadata:
    def test_every_answer_has_the_flavor_and_every_request_needs_it(self, emulator):
        asked = {
            "project/project-id": PROJECT,
            "project/numeric-project-id": NUMBER,
            "instance/region": f"projects/{NUMBER}/regions/{LOCATION}",
            "instance/service-accounts/": f"default/\n{APP}/\n",
            "instance/service-accounts/default/email": APP,
            f"instance/service-accounts/{APP}/email": APP,
            "universe/universe-domain": "googleapis.com",
        }
        for path, text in asked.items():
            answer = self.ask(emulator, path)
            assert (answer.status_code, answer.text) == (200, text), path
            assert answer.headers["Metadata-Flavor"] == "Google"
            assert answer.headers["Content-Type"].startswith("application/text")
            assert requests.get(answer.url, timeout=10).status_code == 403
        forwarded = self.ask(emulator, "project/project-id", **{"X-Forwarded-For": "10.0.0.1"})
        assert forwarded.status_code == 403
        root = requests.get(emulator.url, timeout=10)
        assert (root.status_code, root.headers["Metadata-Flavor"]) == (200, "Google")

    def test_directories_can_be_read_as_trees(self, emulator):
        for account in ("default", APP):
            tree = self.ask(emulator, f"instance/service-accounts/{account}/?recursive=true").json()
            assert tree["email"] == APP
            assert tree["aliases"] == ["default"]
            assert tree["scopes"] == ["https://www.googleapis.com/auth/cloud-platform"]
        everything = self.ask(emulator, "?recursive=true").json()
        assert everything["project"] == {"projectId": PROJECT, "numericProjectId": NUMBER}
        assert "token" not in json.dumps(everything)
        moved = self.ask(emulator, "instance/service-accounts/default")
        assert moved.status_code == 301
        assert moved.headers["Location"].endswith("/default/")

    def test_unknown_paths_and_accounts_are_404(self, emulator):
        for path in ("nothing", "instance/service-accounts/eva@x/token", "project/project-id/x"):
            assert self.ask(emulator, path).status_code == 404, path
        assert self.ask(emulator, "instance/service-accounts/default/identity").status_code == 400

    def test_its_token_opens_the_api(self, emulator):
        issued = self.ask(emulator, "instance/service-accounts/default/token").json()

        answer = emulator.request("GET", workflows(emulator), token=issued["access_token"])

        assert answer.status_code == 200
        assert issued["token_type"] == "Bearer"
        assert 3000 < issued["expires_in"] <= 3600

    def ask(self, emulator: EmulatorProcess, path: str, **headers: str) -> requests.Response:
        return requests.get(
            f"{emulator.url}/computeMetadata/v1/{path}",
            headers={"Metadata-Flavor": "Google", **headers},
            allow_redirects=False,
            timeout=10,
        )


class TestOpenId:
    def test_certificates_keys_and_discovery_are_published_to_be_cached(self, emulator):
        certificates = requests.get(f"{emulator.url}/oauth2/v1/certs", timeout=10)
        keys = requests.get(f"{emulator.url}/oauth2/v3/certs", timeout=10).json()["keys"]
        about = requests.get(f"{emulator.url}/.well-known/openid-configuration", timeout=10).json()

        assert "max-age" in certificates.headers["Cache-Control"]
        assert [key["kid"] for key in keys] == list(certificates.json())
        assert about["issuer"] == "https://accounts.google.com"
        assert about["jwks_uri"] == f"{emulator.url}/oauth2/v3/certs"


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


def _own_address() -> str:
    """An address of this machine that others can reach, or else a loopback one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])

"""The connectors of Workflows itself: asked of this emulator, with the rights of the workflow."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from emulator.settings import Auth, Time
from emulator.stubs import Stub, responds
from emulator.world.connectors import METHODS
from tests.emulator.calling import calls, connector, get
from tests.emulator.engines import RUN, WAIT, emulator, endpoint, outcome, start
from tests.emulators import EmulatorProcess, eventually

EXECUTIONS = RUN.rpartition(".")[0]
WORKFLOWS = "googleapis.workflows.v1.projects.locations.workflows"
HERE = "projects/countersign-demo/locations/us-central1"
CHILD = "main: {params: [input], steps: [{done: {return: '${input.name}'}}]}\n"
ROUND = f"""
- start:
    call: {EXECUTIONS}.create
    args:
      parent: {HERE}/workflows/child
      body: {{argument: '{{"name": "Ada"}}', labels: {{team: travel}}}}
    result: started
- follow:
    call: {EXECUTIONS}.get
    args: {{name: "${{started.name}}", view: FULL}}
    result: found
- again:
    switch:
      - condition: ${{found.state == "ACTIVE"}}
        next: follow
- done: {{return: ["${{started}}", "${{found}}"]}}
"""


def given(path: Path, *steps: dict[str, Any], **settings: Any) -> Any:
    """What calls give where a workflow `child` is deployed."""

    async def scenario() -> Any:
        async with emulator(path, **settings) as services:
            services.catalog.deploy("child", CHILD)
            return await outcome(services, start(services, calls(*steps)))

    return asyncio.run(scenario())


class TestCreate:
    def test_it_gives_the_execution_at_once_and_get_its_end(self, tmp_path):
        async def scenario() -> Any:
            async with emulator(tmp_path) as services:
                services.catalog.deploy("child", CHILD)
                return await outcome(services, start(services, ROUND))

        started, found = asyncio.run(scenario())

        assert started["state"] == "ACTIVE"
        assert started["argument"] == '{"name": "Ada"}'
        assert started["name"].startswith("projects/123456789012/locations/us-central1/workflows/")
        assert found["name"] == started["name"]
        assert (found["state"], found["result"]) == ("SUCCEEDED", '"Ada"')
        assert found["labels"] == {"team": "travel"}

    def test_labels_of_the_workflow_go_to_its_executions(self, tmp_path):
        async def scenario() -> Any:
            async with emulator(tmp_path) as services:
                child = services.catalog.deploy("child", CHILD)
                labels = {"a": "workflow", "b": "workflow"}
                services.catalog.update(child, {**child.fields, "labels": labels})
                argument = json.dumps({"name": "x"})
                body = {"argument": argument, "labels": {"a": "own"}}
                create = connector(
                    f"{EXECUTIONS}.create", parent=f"{HERE}/workflows/child", body=body
                )
                run = connector(RUN, workflow_id="child", argument={"name": "y"})
                await outcome(services, start(services, calls(create, run)))
                found = services.store.newest_first("child")
                return [execution.settings["labels"] for execution in found]

        run, created = asyncio.run(scenario())

        assert run == {"a": "workflow", "b": "workflow"}
        assert created == {"a": "own", "b": "workflow"}

    @pytest.mark.parametrize(
        ("args", "code", "status"),
        [
            ({"parent": "child"}, 400, "INVALID_ARGUMENT"),
            ({"parent": f"{HERE}/workflows/child/x"}, 400, "INVALID_ARGUMENT"),
            ({"parent": f"{HERE}/workflows/none"}, 404, "NOT_FOUND"),
            ({"parent": f"{HERE[:-1]}2/workflows/child"}, 404, "NOT_FOUND"),
            ({"parent": f"{HERE}/workflows/child".replace("demo", "x")}, 403, "PERMISSION_DENIED"),
            ({"body": {"argument": "{"}}, 400, "INVALID_ARGUMENT"),
            ({"body": {"argument": {"a": 1}}}, 400, "INVALID_ARGUMENT"),
            ({"body": {"argument": f'"{"x" * 32_768}"'}}, 400, "INVALID_ARGUMENT"),
            ({"body": {"argumnt": "1"}}, 400, "INVALID_ARGUMENT"),
            ({"body": {"callLogLevel": "LOUD"}}, 400, "INVALID_ARGUMENT"),
        ],
    )
    def test_what_the_api_refuses_is_an_http_error_with_its_body(
        self, tmp_path, args, code, status
    ):
        whole = {"parent": f"{HERE}/workflows/child", **args}

        (error,) = given(tmp_path, connector(f"{EXECUTIONS}.create", **whole))

        assert error["tags"] == ["HttpError"]
        assert error["code"] == error["body"]["error"]["code"] == code
        assert error["body"]["error"]["status"] == status


class TestRun:
    @pytest.mark.parametrize(
        ("args", "code"),
        [
            ({"workflow_id": "none"}, 404),
            ({"workflow_id": "child", "project_id": "another"}, 403),
            ({"workflow_id": "child", "location": "europe-west1"}, 404),
        ],
    )
    def test_one_that_is_not_here_is_an_http_error(self, tmp_path, args, code):
        (error,) = given(tmp_path, connector(RUN, **args))

        assert (error["code"], error["tags"]) == (code, ["HttpError"])

    def test_the_project_may_be_named_by_its_number(self, tmp_path):
        args = {"project_id": "123456789012", "location": "us-central1", "argument": {"name": 5}}

        assert given(tmp_path, connector(RUN, workflow_id="child", **args)) == [5]

    def test_the_beta_has_the_same_connectors(self, tmp_path):
        run, read, other = given(
            tmp_path,
            connector(RUN.replace(".v1.", ".v1beta."), workflow_id="child", argument={"name": 5}),
            connector(f"{WORKFLOWS.replace('v1', 'v1beta')}.get", name=f"{HERE}/workflows/child"),
            connector("googleapis.workflows.v1beta.projects.locations.workflows.none"),
        )

        assert run == 5
        assert read["sourceContents"] == CHILD
        assert "v1beta" in other["message"]

    def test_without_polling_it_gives_nothing_at_once(self, tmp_path):
        async def scenario() -> tuple[Any, list[Any]]:
            async with emulator(tmp_path, time=Time.VIRTUAL) as services:
                services.catalog.deploy("child", WAIT)
                step = connector(RUN, workflow_id="child", connector_params={"skip_polling": True})
                given = await outcome(services, start(services, calls(step)))
                return given, [child.state for child in services.store.newest_first("child")]

        assert asyncio.run(scenario()) == ([None], ["ACTIVE"])

    @pytest.mark.parametrize("switch", ["true", 1])
    def test_whether_to_poll_is_true_or_false(self, tmp_path, switch):
        params = {"skip_polling": switch}

        (error,) = given(tmp_path, connector(RUN, workflow_id="child", connector_params=params))

        assert error["tags"] == ["TypeError"]

    def test_it_may_say_what_of_the_child_is_logged(self, tmp_path):
        async def scenario() -> tuple[Any, Any]:
            async with emulator(tmp_path) as services:
                services.catalog.deploy("child", CHILD)
                args = {"workflow_id": "child", "argument": {"name": "y"}}
                fine = connector(RUN, **args, callLogLevel="LOG_ALL_CALLS")
                wrong = connector(RUN, **args, callLogLevel="LOUD")
                given = await outcome(services, start(services, calls(fine, wrong)))
                (child,) = services.store.newest_first("child")
                return given, child.settings

        (result, error), settings = asyncio.run(scenario())

        assert result == "y"
        assert settings["callLogLevel"] == "LOG_ALL_CALLS"
        assert (error["tags"], error["code"]) == (["HttpError"], 400)

    def test_an_unknown_argument_is_a_type_error(self, tmp_path):
        (error,) = given(tmp_path, connector(RUN, workflow="child"))

        assert error["tags"] == ["TypeError"]

    def test_without_authentication_any_project_is_this_one(self, tmp_path):
        args = {"project_id": "p", "location": "l", "argument": {"name": 5}}

        assert given(tmp_path, connector(RUN, workflow_id="child", **args), auth=Auth.OFF) == [5]

    def test_a_cancelled_child_is_an_operation_error(self, tmp_path):
        async def scenario() -> Any:
            async with emulator(tmp_path, time=Time.VIRTUAL) as services:
                services.catalog.deploy("child", WAIT)
                execution = start(services, calls(connector(RUN, workflow_id="child")))
                await services.engine.settled()
                (child,) = services.store.newest_first("child")
                services.engine.cancel(child.id)
                return child.id, await outcome(services, execution)

        child, (error,) = asyncio.run(scenario())

        assert error["message"] == "Execution failed or cancelled."
        assert error["tags"] == ["OperationError"]
        assert error["operation"]["state"] == "CANCELLED"
        assert error["operation"]["name"].endswith(child)


class TestAsked:
    def test_executions_are_listed_cancelled_and_their_callbacks_shown(self, tmp_path):
        parent = f"{HERE}/workflows/waits"

        async def scenario() -> Any:
            async with emulator(tmp_path, time=Time.VIRTUAL) as services:
                waits = services.catalog.deploy("waits", WAIT)
                waiting = services.engine.create(waits, "null", {})
                callback = await endpoint(services, waiting)
                name = f"{parent}/executions/{waiting.id}"
                steps = (
                    connector(f"{EXECUTIONS}.list", parent=parent, filter='state="ACTIVE"'),
                    connector(f"{EXECUTIONS}.list", parent=parent, filter='state="FAILED"'),
                    connector(f"{EXECUTIONS}.callbacks.list", parent=name),
                    connector(f"{EXECUTIONS}.cancel", name=name),
                    connector(f"{EXECUTIONS}.cancel", name=name),
                    connector(f"{EXECUTIONS}.get", name=name),
                )
                return waiting.id, callback, await outcome(services, start(services, calls(*steps)))

        waiting, callback, (active, failed, callbacks, cancelled, again, got) = asyncio.run(
            scenario()
        )

        assert [each["name"].rpartition("/")[2] for each in active["executions"]] == [waiting]
        assert "executions" not in failed
        assert callbacks["callbacks"][0]["name"].endswith(callback)
        assert cancelled["state"] == got["state"] == "CANCELLED"
        assert (again["code"], again["body"]["error"]["status"]) == (400, "FAILED_PRECONDITION")

    def test_workflows_are_read_and_listed(self, tmp_path):
        got, listed, revisions, none = given(
            tmp_path,
            connector(f"{WORKFLOWS}.get", name=f"{HERE}/workflows/child"),
            connector(f"{WORKFLOWS}.list", parent=HERE, pageSize=1),
            connector(f"{WORKFLOWS}.listRevisions", name=f"{HERE}/workflows/child"),
            connector(f"{WORKFLOWS}.get", name=f"{HERE}/workflows/none"),
        )

        assert got["sourceContents"] == CHILD
        assert len(listed["workflows"]) == 1
        assert listed["nextPageToken"]
        assert [each["revisionId"] for each in revisions["workflows"]] == [got["revisionId"]]
        assert (none["code"], none["tags"]) == (404, ["HttpError"])

    @pytest.mark.parametrize(
        ("args", "seen"),
        [
            ({"name": "child"}, 400),
            ({"name": f"{HERE}/workflows/child:listRevisions"}, 400),
            ({"name": f"{HERE}/workflows/.."}, 400),
            ({"name": f"{HERE}/workflows/child?revisionId=1"}, 400),
            ({"name": f"{HERE}/workflows/child".replace("demo", "x")}, 403),
            ({"name": f"{HERE}/workflows/child", "revisionId": "000009-abc"}, 404),
            ({"name": 5}, "TypeError"),
            ({}, "TypeError"),
            ({"name": f"{HERE}/workflows/child", "revision": "1"}, "TypeError"),
            ({"name": f"{HERE}/workflows/child", "revisionId": ["1"]}, "TypeError"),
        ],
    )
    def test_wrong_names_and_arguments_are_errors(self, tmp_path, args, seen):
        (error,) = given(tmp_path, connector(f"{WORKFLOWS}.get", **args))

        assert error.get("code", error["tags"][0]) == seen

    @pytest.mark.parametrize("name", sorted(METHODS))
    def test_each_is_served(self, tmp_path, name):
        form = METHODS[name].path.partition("=")[2].partition("}")[0]
        key = METHODS[name].path.partition("{")[2].partition("=")[0]
        resource = form.replace("projects/*/locations/*", HERE).replace("/*", "/none")

        (answer,) = given(tmp_path, connector(name, **{key: resource}))

        assert name.endswith("workflows.list") or answer["body"]["error"]["status"] == "NOT_FOUND"

    def test_a_strict_emulator_with_an_allow_list_still_asks_itself(self, tmp_path):
        async def scenario() -> Any:
            async with emulator(tmp_path, allowed_hosts=frozenset({"a.example"})) as services:
                services.stubs.add(Stub("https://a.example/", responds(text="stub")))
                services.stubs.strict = True
                step = connector(f"{WORKFLOWS}.get", name=f"{HERE}/workflows/test")
                source = calls(step, get("https://a.example/"))
                return await outcome(services, start(services, source))

        workflow, stub = asyncio.run(scenario())

        assert workflow["state"] == "ACTIVE"
        assert stub["body"] == "stub"


class TestRights:
    """In the mode `iam`, with a service account that may only look."""

    VIEWER = "viewer@emulator.invalid"

    def seen(self, path: Path, *steps: dict[str, Any]) -> Any:
        async def scenario() -> Any:
            grants = {self.VIEWER: frozenset({"viewer"})}
            async with emulator(path, auth=Auth.IAM, grants=grants) as services:
                services.catalog.deploy("child", CHILD)
                fields = {"sourceContents": calls(*steps), "serviceAccount": self.VIEWER}
                definition = services.catalog.create("test", fields)
                return await outcome(services, services.engine.create(definition, "null", {}))

        return asyncio.run(scenario())

    def test_what_it_may_not_is_a_403(self, tmp_path):
        parent = f"{HERE}/workflows/child"
        answers = self.seen(
            tmp_path,
            connector(f"{WORKFLOWS}.get", name=parent),
            connector(RUN, workflow_id="child"),
            connector(f"{EXECUTIONS}.create", parent=parent),
            connector("experimental.executions.map", workflow_id="child", arguments=[1]),
            connector(f"{EXECUTIONS}.cancel", name=f"{parent}/executions/none"),
        )

        assert answers[0]["sourceContents"] == CHILD
        assert [answer["code"] for answer in answers[1:]] == [403] * 4
        assert "workflows.executions.create" in answers[1]["body"]["error"]["message"]


class TestKilled:
    def test_create_starts_one_execution(self, tmp_path):
        source = ROUND.replace("- done:", "- pause: {call: sys.sleep, args: {seconds: 1}}\n- done:")
        with EmulatorProcess(tmp_path / "d") as process:
            process.deploy("child", CHILD)
            process.deploy("parent", source)
            parent = process.execute("parent")
            eventually(
                lambda: process.ask("GET", f"{process.parent}/workflows/child/executions"),
                "a child",
            )
            process.kill()
            process.restart()
            _, found = parent.result()
            listed = process.ask("GET", f"{process.parent}/workflows/child/executions")

        assert found["state"] == "SUCCEEDED"
        assert len(listed["executions"]) == 1

"""Google's client made from API descriptions: every method of both APIs, and Pub/Sub."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from tests.emulator.rest import error_of, workflows
from tests.emulators import NUMBER, EmulatorProcess, Execution, eventually

ECHO = "main:\n  params: [input]\n  steps:\n    - done:\n        return: ${input}\n"
ASKING = """
- create: {call: events.create_callback_endpoint, result: callback}
- wait: {call: events.await_callback, args: {callback: "${callback}"}, result: request}
- done: {return: "${request.http_request.body}"}
"""


@pytest.fixture
def services(emulator: EmulatorProcess) -> Iterator[tuple[Any, Any]]:
    """The resources `…locations` of the Workflows API, and `…workflows` of the Executions API."""
    given = {
        "credentials": Credentials(token=emulator.token()),
        "client_options": {"api_endpoint": f"{emulator.url}/"},
        "static_discovery": True,
    }
    definitions = build("workflows", "v1", **given)
    with definitions, build("workflowexecutions", "v1", **given) as executions:
        yield definitions.projects().locations(), executions.projects().locations().workflows()


class TestWorkflowsApi:
    def test_all_methods_of_definitions(self, services, emulator):
        locations, _ = services
        api, parent = locations.workflows(), emulator.parent
        name = f"{parent}/workflows/described"

        made = api.create(
            parent=parent, workflowId="described", body={"sourceContents": ECHO}
        ).execute()
        assert made["response"]["name"] == name
        body = {"description": "d", "labels": {"kind": "described"}}
        mask = "description,labels"
        changed = api.patch(name=name, updateMask=mask, body=body).execute()["response"]
        assert (changed["description"], changed["sourceContents"]) == ("d", ECHO)
        assert api.get(name=name, revisionId=changed["revisionId"]).execute()["name"] == name
        listed = api.list(parent=parent, filter="labels.kind=described", orderBy="name").execute()
        assert [found["name"] for found in listed["workflows"]] == [name]
        assert "nextPageToken" not in listed
        assert len(api.listRevisions(name=name).execute()["workflows"]) == 1
        assert api.delete(name=name).execute()["done"] is True
        with pytest.raises(HttpError) as missing:
            api.get(name=name).execute()
        assert missing.value.status_code == 404

    def test_all_methods_of_operations_and_locations(self, services, emulator):
        locations, _ = services
        name = emulator.deploy("operated", ECHO)["name"]

        assert locations.operations().get(name=name).execute()["name"] == name
        listed = locations.operations().list(name=emulator.parent, pageSize=1).execute()
        assert [done["name"] for done in listed["operations"]] == [name]
        assert locations.operations().delete(name=name).execute() == {}
        place = locations.get(name=emulator.parent).execute()
        project = emulator.parent.partition("/locations")[0]
        assert locations.list(name=project).execute() == {"locations": [place]}


class TestExecutionsApi:
    def test_all_methods_of_executions_and_their_history(self, services, emulator):
        _, api = services
        emulator.deploy("asking", ASKING)
        parent = workflows(emulator, "asking")

        body = {"labels": {"kind": "asking"}, "executionHistoryLevel": "EXECUTION_HISTORY_BASIC"}
        name = api.executions().create(parent=parent, body=body).execute()["name"]
        execution = Execution(emulator, name)
        assert execution.send({"approved": True}).status_code == 200
        assert execution.result() == {"approved": True}
        full = api.executions().get(name=name, view="FULL").execute()
        assert (full["state"], full["labels"]) == ("SUCCEEDED", {"kind": "asking"})
        listed = api.executions().list(parent=parent, view="BASIC", filter="label.kind=asking")
        assert [found["name"] for found in listed.execute()["executions"]] == [name]

        entries = api.executions().stepEntries().list(parent=name, pageSize=100).execute()
        steps = [entry["step"] for entry in entries["stepEntries"]]
        assert [step for step in steps if step in ("create", "wait", "done")] == [
            *("create", "wait", "done")
        ]
        entry = entries["stepEntries"][0]
        assert api.executions().stepEntries().get(name=entry["name"]).execute() == entry
        assert "stepEntries" in api.executions().exportData(name=name).execute()["data"]
        assert api.executions().deleteExecutionHistory(name=name, body={}).execute() == {}
        gone = api.executions().stepEntries().list(parent=name).execute()
        assert gone.get("stepEntries", []) == []

    def test_callbacks_are_listed_while_an_execution_waits(self, services, emulator):
        _, api = services
        emulator.deploy("waiting", ASKING)
        parent = workflows(emulator, "waiting")
        name = api.executions().create(parent=parent, body={}).execute()["name"]

        (callback,) = eventually(
            lambda: api.executions().callbacks().list(parent=name).execute().get("callbacks")
        )
        assert callback["method"] == "POST"
        assert callback["name"].startswith(f"{name}/callback/")
        cancelled = api.executions().cancel(name=name, body={}).execute()
        assert cancelled["state"] == "CANCELLED"
        assert api.executions().callbacks().list(parent=name).execute() == {}


class TestPubsub:
    def test_a_message_starts_a_workflow_as_the_event_that_eventarc_makes_of_it(
        self, services, emulator
    ):
        _, api = services
        emulator.deploy("on-message", ECHO)
        message = {
            "data": base64.b64encode("häuser".encode()).decode(),
            "attributes": {"kind": "test"},
            "messageId": "77",
            "publishTime": "2026-03-01T10:00:00Z",
        }
        body = {
            "message": message,
            "subscription": "projects/p/subscriptions/s",
            "GCPCloudEventsMode": "CUSTOM_PUBSUB_projects%2Fp%2Ftopics%2Ft",
            "deliveryAttempt": 1,
        }

        started = api.triggerPubsubExecution(
            workflow=workflows(emulator, "on-message"), body=body
        ).execute()

        assert started["name"].startswith(f"projects/{NUMBER}/")
        event = Execution(emulator, started["name"]).result()
        assert event.pop("data") == {"message": message, "subscription": body["subscription"]}
        assert event == {
            "specversion": "1.0",
            "id": "77",
            "source": "//pubsub.googleapis.com/projects/p/topics/t",
            "type": "google.cloud.pubsub.topic.v1.messagePublished",
            "datacontenttype": "application/json",
            "time": "2026-03-01T10:00:00Z",
        }

    def test_what_pubsub_fills_in_is_filled_in(self, emulator):
        emulator.deploy("on-message", ECHO)
        path = f"{workflows(emulator, 'on-message')}:triggerPubsubExecution"
        body = {"message": {"attributes": {"a": "b"}}, "subscription": "projects/p/subscriptions/s"}

        started = emulator.ask("POST", path, json=body)

        event = json.loads(started["argument"])
        message = event["data"]["message"]
        assert message["messageId"] == event["id"]
        assert message["publishTime"] == event["time"]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"message": {"data": "YQ=="}},
            {"subscription": "s", "message": {}},
            {"subscription": "s", "message": {"data": "?"}},
            {"subscription": "s", "message": {"data": 7}},
            {"subscription": "s", "message": {"data": "YQ==", "colour": "red"}},
            {"subscription": "s", "message": {"data": "YWFh" * 9000}},
            {"subscription": "s", "message": {"data": "YQ=="}, "colour": "red"},
        ],
    )
    def test_what_is_no_message_is_refused(self, emulator, body):
        emulator.deploy("on-message", ECHO)
        path = f"{workflows(emulator, 'on-message')}:triggerPubsubExecution"

        answer = emulator.request("POST", path, json=body)

        assert error_of(answer)["status"] == "INVALID_ARGUMENT"

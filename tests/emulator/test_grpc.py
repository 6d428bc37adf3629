"""gRPC: Google's own clients, unpatched, on the second port; and who is let in there."""

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import requests
from google.api_core import exceptions
from google.cloud import workflows_v1
from google.cloud.location import locations_pb2
from google.cloud.workflows import executions_v1
from google.cloud.workflows.executions_v1.services.executions.transports import (
    ExecutionsGrpcAsyncIOTransport,
    ExecutionsGrpcTransport,
)
from google.cloud.workflows_v1.services.workflows.transports import WorkflowsGrpcTransport
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.oauth2.credentials import Credentials

from emulator import creation
from emulator.api import workflows
from emulator.fields import json_name
from emulator.refusal import Status
from emulator.rpc import MAX_MESSAGE, code_of, is_here
from tests.emulators import (
    LOCATION,
    NUMBER,
    EmulatorProcess,
    command,
    eventually,
)
from tests.watch import OWN

ECHO = "main:\n  params: [input]\n  steps:\n    - done:\n        return: ${input}\n"
BROKEN = "main:\n  steps:\n    - done:\n        return: ${1 +}\n"
WAITING = "- wait: {call: sys.sleep, args: {seconds: 36000}}\n"

Execution = executions_v1.Execution
View = executions_v1.ExecutionView
Workflow = workflows_v1.Workflow


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    """An emulator that serves gRPC too."""
    data = tmp_path_factory.mktemp("grpc") / "data.sqlite3"
    with EmulatorProcess(data, grpc=True) as running:
        yield running


def options(emulator: EmulatorProcess, token: str | None = None) -> dict[str, Any]:
    """How a transport reaches the emulator, with a token."""
    return {
        "host": f"127.0.0.1:{emulator.grpc_port}",
        "credentials": Credentials(token=token or emulator.token()),
        "ssl_channel_credentials": grpc.local_channel_credentials(),
    }


@pytest.fixture
def definitions(emulator: EmulatorProcess) -> Iterator[workflows_v1.WorkflowsClient]:
    """Google's client for definitions."""
    transport = WorkflowsGrpcTransport(**options(emulator))
    with workflows_v1.WorkflowsClient(transport=transport) as client:
        yield client


@pytest.fixture
def runs(emulator: EmulatorProcess) -> Iterator[executions_v1.ExecutionsClient]:
    """Google's client for executions."""
    transport = ExecutionsGrpcTransport(**options(emulator))
    with executions_v1.ExecutionsClient(transport=transport) as client:
        yield client


class TestDefinitions:
    def test_they_are_created_read_changed_and_deleted(self, definitions, emulator):
        name = f"{emulator.parent}/workflows/by-grpc"
        made = definitions.create_workflow(
            parent=emulator.parent,
            workflow_id="by-grpc",
            workflow=Workflow(
                source_contents=ECHO,
                description="by gRPC",
                labels={"team": "a"},
                call_log_level=Workflow.CallLogLevel.LOG_ERRORS_ONLY,
                user_env_vars={"A": "1"},
            ),
        )
        assert made.metadata.verb == "create"
        assert made.metadata.target == name
        shown = made.result(timeout=10)
        assert (shown.name, shown.state.name, shown.user_env_vars) == (name, "ACTIVE", {"A": "1"})
        assert definitions.get_workflow(name=name) == shown

        changed = definitions.update_workflow(
            workflow=Workflow(name=name, source_contents=WAITING, description="not in the mask"),
            update_mask={"paths": ["source_contents", "user_env_vars"]},
        ).result(timeout=10)
        assert (changed.description, dict(changed.labels)) == ("by gRPC", {"team": "a"})
        assert not changed.user_env_vars
        revisions = list(
            definitions.list_workflow_revisions(request={"name": name, "page_size": 1})
        )
        assert [found.revision_id[:6] for found in revisions] == ["000002", "000001"]
        first = {"name": name, "revision_id": revisions[1].revision_id}
        assert definitions.get_workflow(request=first).source_contents == ECHO

        definitions.delete_workflow(name=name).result(timeout=10)
        with pytest.raises(exceptions.NotFound, match="by-grpc"):
            definitions.get_workflow(name=name)

    def test_lists_come_in_pages_filtered_and_sorted(self, definitions, emulator):
        for name in ("list-a", "list-b", "list-c"):
            emulator.deploy(name, ECHO)
        request = {
            "parent": emulator.parent,
            "page_size": 2,
            "filter": 'name:"list-"',
            "order_by": "name desc",
        }
        pages = list(definitions.list_workflows(request=request).pages)

        names = [[found.name[-6:] for found in page.workflows] for page in pages]
        assert names == [["list-c", "list-b"], ["list-a"]]
        with pytest.raises(exceptions.InvalidArgument, match="pageToken"):
            definitions.list_workflows(request={"parent": emulator.parent, "page_token": "junk"})

    def test_a_source_that_does_not_build_is_refused_with_its_place(self, definitions, emulator):
        with pytest.raises(exceptions.InvalidArgument, match=r"main\.yaml:4:\d+: .*'done'") as told:
            definitions.create_workflow(
                parent=emulator.parent,
                workflow_id="broken",
                workflow=Workflow(source_contents=BROKEN),
            )

        (details,) = told.value.details
        assert details.field_violations[0].field == "workflow.source_contents"

    def test_operations_and_locations_are_served_beside_them(self, definitions, emulator):
        operation = emulator.deploy("operated", ECHO)
        name = operation["name"]
        request = operations_pb2.ListOperationsRequest(name=emulator.parent, page_size=1)

        (listed,) = definitions.list_operations(request).operations
        assert listed.name == name
        found = definitions.get_operation(operations_pb2.GetOperationRequest(name=name))
        assert found == listed
        assert found.done
        with grpc.insecure_channel(f"127.0.0.1:{emulator.grpc_port}") as channel:
            stub = operations_pb2_grpc.OperationsStub(channel)
            metadata = (("authorization", f"Bearer {emulator.token()}"),)
            wait = operations_pb2.WaitOperationRequest(name=name)
            assert stub.WaitOperation(wait, metadata=metadata) == found
        definitions.delete_operation(operations_pb2.DeleteOperationRequest(name=name))
        with pytest.raises(exceptions.NotFound):
            definitions.get_operation(operations_pb2.GetOperationRequest(name=name))

        project = emulator.parent.partition("/locations")[0]
        places = definitions.list_locations(locations_pb2.ListLocationsRequest(name=project))
        assert [place.location_id for place in places.locations] == [LOCATION]
        place = definitions.get_location(locations_pb2.GetLocationRequest(name=emulator.parent))
        assert place == places.locations[0]


class TestExecutions:
    def test_they_are_started_and_read_in_both_views(self, runs, emulator):
        emulator.deploy("echo", ECHO)
        started = runs.create_execution(
            parent=f"{emulator.parent}/workflows/echo",
            execution=Execution(argument='{"n": 1.5}', labels={"team": "a"}),
        )

        assert started.name.startswith(f"projects/{NUMBER}/locations/{LOCATION}/workflows/echo/")
        over = eventually(lambda: finished(runs.get_execution(name=started.name)))
        assert (over.state, json.loads(over.result)) == (Execution.State.SUCCEEDED, {"n": 1.5})
        assert dict(over.labels) == {"team": "a"}
        assert over.end_time > over.start_time
        (step,) = over.status.current_steps
        assert (step.routine, step.step) == ("main", "done")
        basic = runs.get_execution(request={"name": started.name, "view": View.BASIC})
        assert (basic.state, basic.result) == (Execution.State.SUCCEEDED, "")

    def test_a_failure_has_payload_and_stack(self, runs, emulator):
        emulator.deploy("failing", "main:\n  steps:\n    - bad:\n        raise: no money\n")
        started = runs.create_execution(parent=f"{emulator.parent}/workflows/failing")

        error = eventually(lambda: finished(runs.get_execution(name=started.name))).error

        assert error.payload == '"no money"'
        (frame,) = error.stack_trace.elements
        assert (frame.step, frame.position.line) == ("bad", 4)

    def test_lists_come_in_pages_newest_first(self, runs, emulator):
        emulator.deploy("listed", ECHO)
        parent = f"{emulator.parent}/workflows/listed"
        started = [
            runs.create_execution(parent=parent, execution=Execution(argument=str(number))).name
            for number in range(3)
        ]

        request = {"parent": parent, "page_size": 2, "view": View.FULL}
        pages = list(runs.list_executions(request=request).pages)

        listed = [found.name for page in pages for found in page.executions]
        assert (len(pages), listed) == (2, started[::-1])
        assert pages[1].executions[0].argument == "0"
        failed = runs.list_executions(request={"parent": parent, "filter": 'state="FAILED"'})
        assert list(failed) == []

    def test_cancelling_ends_a_wait_once(self, runs, emulator):
        emulator.deploy("waiting", WAITING)
        started = runs.create_execution(parent=f"{emulator.parent}/workflows/waiting")

        cancelled = runs.cancel_execution(name=started.name)

        assert cancelled.state == Execution.State.CANCELLED
        with pytest.raises(exceptions.FailedPrecondition):
            runs.cancel_execution(name=started.name)

    def test_the_asynchronous_client_works_as_well(self, emulator):
        emulator.deploy("echo", ECHO)

        async def run() -> str:
            async with grpc.aio.secure_channel(
                f"127.0.0.1:{emulator.grpc_port}",
                grpc.composite_channel_credentials(
                    grpc.local_channel_credentials(),
                    grpc.access_token_call_credentials(emulator.token()),
                ),
            ) as channel:
                transport = ExecutionsGrpcAsyncIOTransport(channel=channel)
                client = executions_v1.ExecutionsAsyncClient(transport=transport)
                parent = f"{emulator.parent}/workflows/echo"
                started = await client.create_execution(
                    parent=parent, execution=Execution(argument="7")
                )
                pages = await client.list_executions(parent=parent)
                assert started.name in [each.name async for each in pages]
                with pytest.raises(exceptions.NotFound):
                    await client.get_execution(name=f"{parent}/executions/none")
                return (await client.get_execution(name=started.name)).argument

        assert asyncio.run(run()) == "7"


class TestRefusals:
    def test_an_unknown_token_is_unauthenticated(self, emulator):
        transport = ExecutionsGrpcTransport(**options(emulator, "junk"))
        refused = pytest.raises(exceptions.Unauthenticated, match="not issued by this emulator")
        with executions_v1.ExecutionsClient(transport=transport) as client, refused:
            client.get_execution(name=f"{emulator.parent}/workflows/w/executions/e")

    def test_no_token_is_unauthenticated(self, emulator):
        with grpc.insecure_channel(f"127.0.0.1:{emulator.grpc_port}") as channel:
            client = executions_v1.ExecutionsClient(
                transport=ExecutionsGrpcTransport(channel=channel)
            )
            with pytest.raises(exceptions.Unauthenticated, match="no bearer token"):
                client.get_execution(name=f"{emulator.parent}/workflows/w/executions/e")

    def test_another_project_is_denied_in_the_words_of_rest(self, runs):
        with pytest.raises(exceptions.PermissionDenied, match="countersign-demo"):
            runs.list_executions(parent="projects/other/locations/us-central1/workflows/w")

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "workflows/w",
            "projects/p/locations/l/workflows/w/executions/e",
            "projects/countersign-demo/locations/us-central1/workflows/w:listRevisions",
            "projects/countersign-demo/locations/us-central1/workflows/..",
        ],
    )
    def test_a_name_of_another_form_is_refused_before_it_becomes_a_path(self, definitions, name):
        with pytest.raises(exceptions.InvalidArgument, match="must have the form"):
            definitions.get_workflow(name=name)

    def test_what_would_be_a_query_stays_a_name(self, definitions, emulator):
        with pytest.raises(exceptions.NotFound, match=r"w\?x=1#%41"):
            definitions.get_workflow(name=f"{emulator.parent}/workflows/w?x=1#%41")

    def test_a_mask_that_is_no_field_is_refused(self, definitions, emulator):
        name = f"{emulator.parent}/workflows/masked"
        emulator.deploy("masked", ECHO)
        for path in ("colour", "labels.Big", "revision_id"):
            with pytest.raises(exceptions.InvalidArgument):
                definitions.update_workflow(
                    workflow=Workflow(name=name), update_mask={"paths": [path]}
                )

    def test_a_message_about_something_huge_still_arrives(self, definitions, emulator):
        for length, told in ((1000, r"workflow ID 'é+ \.\.\.$"), (5000, "more than 8190 bytes")):
            with pytest.raises(exceptions.InvalidArgument, match=told):
                definitions.create_workflow(
                    parent=emulator.parent,
                    workflow_id="é" * length,
                    workflow=Workflow(source_contents=ECHO),
                )

    def test_a_request_that_is_too_large_is_refused(self, runs, emulator):
        with pytest.raises(exceptions.ResourceExhausted, match="larger than max"):
            runs.create_execution(
                parent=f"{emulator.parent}/workflows/echo",
                execution=Execution(argument="x" * MAX_MESSAGE),
            )

    def test_a_method_that_is_not_there_is_unimplemented(self, emulator):
        with grpc.insecure_channel(f"127.0.0.1:{emulator.grpc_port}") as channel:
            stub = operations_pb2_grpc.OperationsStub(channel)
            with pytest.raises(grpc.RpcError) as told:
                stub.CancelOperation(operations_pb2.CancelOperationRequest(name="x"))
        assert told.value.code() is grpc.StatusCode.UNIMPLEMENTED


class TestThePort:
    def test_one_that_is_taken_is_named_with_the_option(self, tmp_path):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            done = command(
                *("serve", "--port", "0", "--grpc-port", str(port), "--data", str(tmp_path / "d"))
            )

        assert done.returncode == 2
        assert f"port {port} on 127.0.0.1 is taken" in done.stderr
        assert "--grpc-port" in done.stderr

    def test_two_emulators_never_share_one(self, emulator, tmp_path):
        port = str(emulator.grpc_port)
        done = command("serve", "--port=0", f"--grpc-port={port}", f"--data={tmp_path / 'd'}")

        assert done.returncode == 2
        assert "is taken" in done.stderr

    @pytest.mark.parametrize(
        ("peer", "here"),
        [
            ("ipv4:127.0.0.1:54321", True),
            ("ipv6:%5B::1%5D:54321", True),
            ("ipv6:%5B::ffff:127.0.0.1%5D:54321", True),
            ("ipv4:10.0.0.9:54321", False),
            ("ipv6:%5B2001:db8::1%5D:54321", False),
            ("ipv6:%5B::ffff:10.0.0.9%5D:54321", False),
            ("unix:/tmp/socket", False),
            ("", False),
        ],
    )
    def test_callers_are_known_by_their_address(self, peer, here):
        assert is_here(peer) is here

    def test_a_connection_from_another_address_is_refused_unless_allowed(self, start_emulator):
        open_to_all = start_emulator(options=["--host", "0.0.0.0", "--allow-remote"], grpc=True)
        request = operations_pb2.ListOperationsRequest(name=open_to_all.parent)
        metadata = (("authorization", f"Bearer {open_to_all.token()}"),)

        for host in (OWN, "127.0.0.1"):
            with grpc.insecure_channel(f"{host}:{open_to_all.grpc_port}") as channel:
                stub = operations_pb2_grpc.OperationsStub(channel)
                assert not stub.ListOperations(request, metadata=metadata).operations


class TestStatuses:
    @pytest.mark.parametrize("status", Status)
    def test_each_has_a_code(self, status):
        assert code_of(status.name) is not grpc.StatusCode.UNKNOWN

    @pytest.mark.parametrize(
        ("fault", "raised"),
        [
            ({"kind": "reset"}, exceptions.ServiceUnavailable),
            ({"kind": "cut"}, exceptions.ServiceUnavailable),
            ({"kind": "wrong-body"}, exceptions.InternalServerError),
            ({"kind": "status", "statuses": [503]}, exceptions.ServiceUnavailable),
            ({"kind": "status", "statuses": [429]}, exceptions.ResourceExhausted),
            ({"kind": "status", "statuses": [504]}, exceptions.DeadlineExceeded),
        ],
        ids=lambda value: str(value.get("kind")) if isinstance(value, dict) else "",
    )
    def test_faults_that_were_ordered_are_told_in_its_own_codes(
        self, runs, emulator, fault, raised
    ):
        emulator.deploy("faulty", ECHO)
        parent = f"{emulator.parent}/workflows/faulty"
        order = {"path": f"/v1/{parent}/executions", "times": 1, **fault}
        answer = requests.post(f"{emulator.url}/emulator/faults", json=order, timeout=10)
        assert answer.status_code == 200, answer.text

        with pytest.raises(raised):
            runs.create_execution(parent=parent)


class TestFields:
    @pytest.mark.parametrize(
        ("message", "api"), [(Workflow, workflows), (Execution, creation)], ids=["w", "e"]
    )
    def test_every_field_of_googles_message_is_known_over_rest(self, message, api):
        fields = {json_name(each.name) for each in message.pb().DESCRIPTOR.fields}

        assert fields <= api._CHECKS.keys() | api._OUTPUT


def finished(found: Execution) -> Execution | None:
    """The execution, when it is over."""
    return None if found.state is Execution.State.ACTIVE else found

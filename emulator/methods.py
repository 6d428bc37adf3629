"""Google's gRPC methods that are served, and how each is asked over REST."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from google.cloud.location import locations_pb2
from google.cloud.workflows.executions_v1 import types as executions
from google.cloud.workflows_v1 import types as workflows
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2
from google.protobuf.message import Message

_LOCATION = "projects/*/locations/*"
_WORKFLOW = f"{_LOCATION}/workflows/*"
_EXECUTION = f"{_WORKFLOW}/executions/*"
_OPERATION = f"{_LOCATION}/operations/*"


@dataclass(frozen=True, slots=True)
class Method:
    """How a method is asked over REST, as the `google.api.http` rule in its protocol file says.

    `path` names the field that holds the resource's name, and the form of that name. `body` is the
    field that is the body; what is in neither goes into the query.
    """

    request: type[Message]
    answer: type[Message]
    verb: str
    path: str
    body: str | None = None


_EMPTY = empty_pb2.Empty
_DONE = operations_pb2.Operation

SERVICES: Mapping[str, Mapping[str, Method]] = {
    "google.cloud.workflows.v1.Workflows": {
        "ListWorkflows": Method(
            workflows.ListWorkflowsRequest.pb(),
            workflows.ListWorkflowsResponse.pb(),
            *("GET", f"{{parent={_LOCATION}}}/workflows"),
        ),
        "GetWorkflow": Method(
            workflows.GetWorkflowRequest.pb(),
            workflows.Workflow.pb(),
            *("GET", f"{{name={_WORKFLOW}}}"),
        ),
        "CreateWorkflow": Method(
            workflows.CreateWorkflowRequest.pb(),
            _DONE,
            *("POST", f"{{parent={_LOCATION}}}/workflows", "workflow"),
        ),
        "DeleteWorkflow": Method(
            workflows.DeleteWorkflowRequest.pb(), _DONE, "DELETE", f"{{name={_WORKFLOW}}}"
        ),
        "UpdateWorkflow": Method(
            workflows.UpdateWorkflowRequest.pb(),
            _DONE,
            *("PATCH", f"{{workflow.name={_WORKFLOW}}}", "workflow"),
        ),
        "ListWorkflowRevisions": Method(
            workflows.ListWorkflowRevisionsRequest.pb(),
            workflows.ListWorkflowRevisionsResponse.pb(),
            *("GET", f"{{name={_WORKFLOW}}}:listRevisions"),
        ),
    },
    "google.cloud.workflows.executions.v1.Executions": {
        "ListExecutions": Method(
            executions.ListExecutionsRequest.pb(),
            executions.ListExecutionsResponse.pb(),
            *("GET", f"{{parent={_WORKFLOW}}}/executions"),
        ),
        "CreateExecution": Method(
            executions.CreateExecutionRequest.pb(),
            executions.Execution.pb(),
            *("POST", f"{{parent={_WORKFLOW}}}/executions", "execution"),
        ),
        "GetExecution": Method(
            executions.GetExecutionRequest.pb(),
            executions.Execution.pb(),
            *("GET", f"{{name={_EXECUTION}}}"),
        ),
        "CancelExecution": Method(
            executions.CancelExecutionRequest.pb(),
            executions.Execution.pb(),
            *("POST", f"{{name={_EXECUTION}}}:cancel"),
        ),
    },
    "google.longrunning.Operations": {
        "ListOperations": Method(
            operations_pb2.ListOperationsRequest,
            operations_pb2.ListOperationsResponse,
            *("GET", f"{{name={_LOCATION}}}/operations"),
        ),
        "GetOperation": Method(
            operations_pb2.GetOperationRequest, _DONE, "GET", f"{{name={_OPERATION}}}"
        ),
        "WaitOperation": Method(  # all are done when they are made
            operations_pb2.WaitOperationRequest, _DONE, "GET", f"{{name={_OPERATION}}}"
        ),
        "DeleteOperation": Method(
            operations_pb2.DeleteOperationRequest, _EMPTY, "DELETE", f"{{name={_OPERATION}}}"
        ),
    },
    "google.cloud.location.Locations": {
        "ListLocations": Method(
            locations_pb2.ListLocationsRequest,
            locations_pb2.ListLocationsResponse,
            *("GET", "{name=projects/*}/locations"),
        ),
        "GetLocation": Method(
            locations_pb2.GetLocationRequest,
            locations_pb2.Location,
            *("GET", f"{{name={_LOCATION}}}"),
        ),
    },
}

"""Workflows, executions, callbacks and operations as Google's JSON shows them."""

from __future__ import annotations

from collections.abc import Mapping

from emulator.callbacks import payload_text
from emulator.catalog import Definition
from emulator.clock import duration, timestamp
from emulator.interpreter import payload
from emulator.protocol import Failed
from emulator.settings import WORKFLOW_ACCOUNT, Settings
from emulator.store import Callback, Execution, State
from emulator.trace import MAIN, StepEntry
from emulator.values import tagged

_TYPES = "type.googleapis.com/"
WORKFLOW_TYPE = f"{_TYPES}google.cloud.workflows.v1.Workflow"
EMPTY_TYPE = f"{_TYPES}google.protobuf.Empty"
_METADATA_TYPE = f"{_TYPES}google.cloud.workflows.v1.OperationMetadata"

_IN_BASIC = ("name", "startTime", "endTime", "duration", "state", "workflowRevisionId")


def account_of(definition: Definition) -> str:
    """The e-mail address of a workflow's service account."""
    named = str(definition.fields.get("serviceAccount") or WORKFLOW_ACCOUNT)
    return named.rpartition("/")[2]


def workflow(
    definition: Definition, settings: Settings, project: str, *, source: bool = True
) -> dict[str, object]:
    """A workflow, named with the project as the client named it.

    Args:
        source: with `sourceContents`; lists leave it out. Tags are never shown: input only.
    """
    hidden = ("tags",) if source else ("tags", "sourceContents")
    fields = {key: value for key, value in definition.fields.items() if key not in hidden}
    return {
        "name": workflow_name(definition.workflow, settings, project),
        "state": "ACTIVE",
        "revisionId": definition.revision,
        "createTime": definition.created,
        "updateTime": definition.updated,
        "revisionCreateTime": definition.revised,
        **fields,
        "serviceAccount": f"projects/{settings.project}/serviceAccounts/{account_of(definition)}",
    }


def workflow_name(workflow_id: str, settings: Settings, project: str) -> str:
    """The resource name of a workflow."""
    return f"projects/{project}/locations/{settings.location}/workflows/{workflow_id}"


def execution_name(found: Execution, settings: Settings) -> str:
    """The resource name of an execution: with the project's number, as Google's answers."""
    parent = workflow_name(found.workflow, settings, settings.project_number)
    return f"{parent}/executions/{found.id}"


def execution(found: Execution, settings: Settings, *, full: bool = True) -> dict[str, object]:
    """An execution in the view FULL, or else BASIC."""
    shown: dict[str, object] = {
        "name": execution_name(found, settings),
        "createTime": found.created,
        "startTime": found.created,
        "state": found.state.value,
        "argument": found.argument,
        "workflowRevisionId": found.revision,
        **found.settings,
    }
    if found.ended is not None:
        shown |= {"endTime": found.ended, "duration": duration(found.created, found.ended)}
    if found.state is State.SUCCEEDED:
        shown["result"] = found.result
    if found.error is not None:
        shown["error"] = found.error
    if found.steps:
        steps = [{"routine": routine, "step": step} for routine, step in found.steps]
        shown["status"] = {"currentSteps": steps}
    return shown if full else {key: shown[key] for key in _IN_BASIC if key in shown}


def callback(
    found: Callback, owner: Execution, settings: Settings, waiters: int
) -> dict[str, object]:
    """A callback endpoint; its name has the singular `callback`, as documented."""
    shown: dict[str, object] = {
        "name": f"{execution_name(owner, settings)}/callback/{found.id}",
        "method": found.method,
    }
    if found.stored is not None:
        shown["availablePayloads"] = [payload_text(found.stored)]
    if waiters:
        shown["waiters"] = str(waiters)
    return shown


def failure(failed: Failed) -> dict[str, object]:
    """The error of an execution; the payload is JSON text, numbers are texts, bytes a note."""
    elements = [
        {
            "step": frame.step,
            "routine": frame.routine,
            "position": {
                "line": str(frame.line),
                "column": str(frame.column),
                "length": str(frame.length),
            },
        }
        for frame in failed.stack
    ]
    shown: dict[str, object] = {"payload": payload(failed.value), "context": failed.context}
    if elements:
        shown["stackTrace"] = {"elements": elements}
    return shown


def step_entry(entry: StepEntry, owner: Execution, settings: Settings) -> dict[str, object]:
    """A step entry. Numbers are texts, as 64-bit ones are; bytes in variables are tagged."""
    navigation = {"parent": entry.parent, "previous": entry.previous, "next": entry.next}
    metadata = {
        "threadId": None if entry.thread == MAIN else entry.thread,
        "progressType": entry.progress,
        "progressNumber": _number(entry.iteration),
        "expectedIteration": _number(entry.expected),
    }
    shown: dict[str, object] = {
        "name": f"{execution_name(owner, settings)}/stepEntries/{entry.id}",
        "entryId": str(entry.id),
        "createTime": timestamp(entry.created),
        "updateTime": timestamp(entry.updated),
        "routine": entry.routine,
        "step": entry.step,
        "stepType": entry.step_type,
        "state": entry.state,
    }
    if entry.exception is not None:
        shown["exception"] = {"payload": payload(entry.exception)}
    beside = {name: str(number) for name, number in navigation.items() if number is not None}
    children = {"children": list(map(str, entry.children))} if entry.children else {}
    about = {name: value for name, value in metadata.items() if value is not None}
    shown |= {"navigationInfo": beside | children} if beside or children else {}
    shown |= {"stepEntryMetadata": about} if about else {}
    if entry.variables is not None:
        shown["variableData"] = {"variables": tagged(dict(entry.variables))}
    return shown


def _number(number: int | None) -> str | None:
    return None if number is None else str(number)


def environment(found: Execution, definition: Definition, settings: Settings) -> dict[str, str]:
    """What `sys.get_env` knows in an execution."""
    own = definition.fields.get("userEnvVars")
    return {
        **(own if isinstance(own, dict) else {}),
        "GOOGLE_CLOUD_LOCATION": settings.location,
        "GOOGLE_CLOUD_PROJECT_ID": settings.project,
        "GOOGLE_CLOUD_PROJECT_NUMBER": settings.project_number,
        "GOOGLE_CLOUD_SERVICE_ACCOUNT_NAME": account_of(definition),
        "GOOGLE_CLOUD_WORKFLOW_EXECUTION_ID": found.id,
        "GOOGLE_CLOUD_WORKFLOW_ID": found.workflow,
        "GOOGLE_CLOUD_WORKFLOW_REVISION_ID": found.revision,
    }


def operation(
    verb: str, target: str, started: str, ended: str, outcome: Mapping[str, object]
) -> dict[str, object]:
    """The body of an operation that is done.

    Args:
        outcome: its `response`, with an `@type`, or its `error`.
    """
    return {
        "metadata": {
            "@type": _METADATA_TYPE,
            "createTime": started,
            "endTime": ended,
            "target": target,
            "verb": verb,
            "apiVersion": "v1",
        },
        "done": True,
        **outcome,
    }

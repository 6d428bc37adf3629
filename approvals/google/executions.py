"""Executions of workflows: start one, read its state, list them, and see what they wait for."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests
from django.conf import settings
from google.auth.exceptions import GoogleAuthError

from approvals.google.addresses import is_execution_name, is_workflow_name
from approvals.google.wire import TIMEOUT, CannotLook, get, pages, session, understood
from countersign.phrases import phrase

PAGE = 1000  # executions; Google's most
# https://cloud.google.com/workflows/docs/reference/executions/rest/v1/projects.locations.workflows.executions
STATES = frozenset({"ACTIVE", "SUCCEEDED", "FAILED", "CANCELLED", "UNAVAILABLE", "QUEUED"})


NOT_STARTED = phrase("%(workflow)s could not be started: %(why)s")


class NotStarted(CannotLook):
    """An execution was certainly not started; the message is a sentence without secrets."""


@dataclass(frozen=True, slots=True)
class Running:
    """An execution that is not over: its resource name, and when it began."""

    name: str
    started: datetime


def execution_state(name: str) -> str:
    """The state of an execution by its resource name; GONE if Google does not know it.

    Raises `CannotLook` when Google cannot be asked or the answer is not understood.
    """
    if not is_execution_name(name):
        raise CannotLook("This is not the name of an execution.")
    with understood():
        execution = get(f"{_executions_origin()}/v1/{name}", view="BASIC")
        if execution is None:
            return "GONE"
        state = str(execution["state"])
    if state not in STATES:
        raise CannotLook(f"The execution is {state[:20]}.", answered=True)
    return state


def running(workflow: str) -> Iterator[list[Running]]:
    """The active executions of a workflow, newest first, a page of up to a thousand at a time.

    One request is sent for each page, when it is asked for. Raises `CannotLook`, also in the midst:
    what came before is true, and what did not come is not known.
    """
    if not is_workflow_name(workflow):
        raise CannotLook("This is not the name of a workflow.")
    lists = pages(
        f"{_executions_origin()}/v1/{workflow}/executions",
        "executions",
        filter='state="ACTIVE"',
        pageSize=str(PAGE),
        fields="executions(name,startTime,state),nextPageToken",
    )
    for page in lists:
        with understood():
            found = [
                Running(str(each["name"]), datetime.fromisoformat(each["startTime"]))
                for each in page
                if each["state"] == "ACTIVE"
            ]
        if not all(is_execution_name(each.name) for each in found):
            raise CannotLook("The answer was not understood.", answered=True)
        yield found


def awaited_callbacks(execution: str) -> frozenset[str]:
    """The ids of the callback endpoints at which an execution waits now. Raises `CannotLook`."""
    if not is_execution_name(execution):
        raise CannotLook("This is not the name of an execution.")
    url = f"{_executions_origin()}/v1/{execution}/callbacks"
    waiting: set[str] = set()
    for page in pages(url, "callbacks", pageSize="100"):
        with understood():
            # Of the form …/callback/ID, whatever the path of its URL is.
            waiting |= {
                str(each["name"]).rpartition("/")[2]
                for each in page
                if int(each.get("waiters", 0)) > 0
            }
    return frozenset(waiting)


def deployed_workflows() -> list[str]:
    """The resource names of the workflows that are deployed where ours are; none where that is
    not set. Raises `CannotLook`.
    """
    if not settings.GOOGLE_CLOUD_PROJECT:
        return []
    origin = settings.WORKFLOWS_EMULATOR_HOST or "https://workflows.googleapis.com"
    names: list[str] = []
    query = {"pageSize": "1000", "fields": "workflows(name),nextPageToken"}
    for page in pages(f"{origin}/v1/{_parent()}/workflows", "workflows", **query):
        with understood():
            names += [str(each["name"]) for each in page]
    if not all(map(is_workflow_name, names)):
        raise CannotLook("The answer was not understood.", answered=True)
    return names


def start_execution(workflow: str, argument: Any) -> str:
    """Start a deployed workflow over REST; the name of the execution.

    Raises `NotStarted`, or `CannotLook` where it may have been started.
    """
    try:
        response = session().post(
            f"{_executions_origin()}/v1/{_parent()}/workflows/{workflow}/executions",
            json={"argument": json.dumps(argument)},
            timeout=TIMEOUT,
            allow_redirects=False,
        )
        if response.status_code != 200:
            failure = NotStarted if 300 <= response.status_code < 500 else CannotLook
            raise failure(
                NOT_STARTED % {"workflow": workflow, "why": f"HTTP {response.status_code}"}
            )
        return str(response.json()["name"])
    except (GoogleAuthError, requests.exceptions.ConnectTimeout) as error:
        raise NotStarted(
            NOT_STARTED % {"workflow": workflow, "why": type(error).__name__}
        ) from None
    except (requests.RequestException, ValueError, KeyError) as error:
        raise CannotLook(
            NOT_STARTED % {"workflow": workflow, "why": type(error).__name__}
        ) from None


def _parent() -> str:
    """Where workflows are deployed to."""
    return f"projects/{settings.GOOGLE_CLOUD_PROJECT}/locations/{settings.WORKFLOWS_LOCATION}"


def _executions_origin() -> str:
    return settings.WORKFLOWS_EMULATOR_HOST or "https://workflowexecutions.googleapis.com"

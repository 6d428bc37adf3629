"""Executions of workflows: start one, and read its state."""

import json
from typing import Any

import requests
from django.conf import settings
from google.auth.exceptions import GoogleAuthError
from urllib3.exceptions import HTTPError

from approvals.google.addresses import is_execution_name
from approvals.google.wire import TIMEOUT, CannotLook, get, session


class NotStarted(CannotLook):
    """An execution was certainly not started; the message is a sentence without secrets."""


def execution_state(name: str) -> str:
    """The state of an execution by its resource name; GONE if Google does not know it.

    Raises `CannotLook` when Google cannot be asked or the answer is not understood.
    """
    if not is_execution_name(name):
        raise CannotLook("This is not the name of an execution.")
    try:
        execution = get(f"{_executions_origin()}/v1/{name}", view="BASIC")
        return "GONE" if execution is None else str(execution["state"])
    except (GoogleAuthError, requests.RequestException, HTTPError) as error:
        raise CannotLook(type(error).__name__) from None
    except (ValueError, KeyError, TypeError):
        raise CannotLook("The answer was not understood.") from None


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
            raise failure(f"{workflow} could not be started: HTTP {response.status_code}")
        return str(response.json()["name"])
    except (GoogleAuthError, requests.exceptions.ConnectTimeout) as error:
        raise NotStarted(f"{workflow} could not be started: {type(error).__name__}") from None
    except (requests.RequestException, ValueError, KeyError) as error:
        raise CannotLook(f"{workflow} could not be started: {type(error).__name__}") from None


def _parent() -> str:
    """Where workflows are deployed to."""
    return f"projects/{settings.GOOGLE_CLOUD_PROJECT}/locations/{settings.WORKFLOWS_LOCATION}"


def _executions_origin() -> str:
    return settings.WORKFLOWS_EMULATOR_HOST or "https://workflowexecutions.googleapis.com"

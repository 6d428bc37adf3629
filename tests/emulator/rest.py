"""Google's REST, asked with plain HTTP: what the tests of it share."""

from typing import Any

import requests

from tests.emulators import EmulatorProcess

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

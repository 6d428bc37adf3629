"""Requests that are broken, hostile, half sent or from elsewhere: each gets a plain answer."""

import json
from typing import Any

import pytest
import requests

from tests.emulators import EmulatorProcess

SOURCE = "main:\n  steps:\n    - done:\n        return: 1\n"
KIND = {"Content-Type": "application/json"}


def workflows(emulator: EmulatorProcess) -> str:
    return f"{emulator.parent}/workflows"


def status_of(answer: requests.Response) -> tuple[int, str]:
    """Code and status of a refusal, which has Google's form and shows no traceback."""
    error: dict[str, Any] = answer.json()["error"]
    assert error["code"] == answer.status_code
    assert answer.headers["Content-Type"].startswith("application/json")
    assert "Traceback" not in answer.text
    return error["code"], error["status"]


class TestHalfACharacter:
    @pytest.mark.parametrize("field", ["description", "sourceContents", "labels"])
    def test_it_is_refused_in_a_definition_and_nothing_is_kept(self, emulator, field):
        text: dict[str, Any] = {"description": "\ud800", "sourceContents": SOURCE + "# \udfff"}
        body = {"sourceContents": SOURCE, field: text.get(field, {"a": "\ud800"})}

        answer = emulator.request(
            "POST", workflows(emulator), params={"workflowId": "half"}, json=body
        )

        assert status_of(answer) == (400, "INVALID_ARGUMENT")
        assert "\\ud" in answer.json()["error"]["message"]
        assert emulator.request("GET", f"{workflows(emulator)}/half").status_code == 404
        assert emulator.request("GET", workflows(emulator)).status_code == 200
        assert emulator.request("GET", f"{emulator.parent}/operations").status_code == 200

    def test_it_is_refused_in_an_argument(self, emulator):
        emulator.deploy("whole", SOURCE)

        answer = emulator.request(
            "POST", f"{workflows(emulator)}/whole/executions", json={"argument": '"\ud800"'}
        )

        assert status_of(answer) == (400, "INVALID_ARGUMENT")

    def test_two_halves_are_a_character(self, emulator):
        body = json.dumps({"sourceContents": SOURCE, "description": "\N{GRINNING FACE}"})
        assert "\\ud83d\\ude00" in body

        answer = emulator.request(
            "POST", workflows(emulator), params={"workflowId": "pair"}, data=body, headers=KIND
        )

        assert answer.json()["response"]["description"] == "\N{GRINNING FACE}"

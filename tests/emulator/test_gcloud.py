"""Google's command line against the emulator, by endpoint override; where gcloud is installed."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.emulators import LOCATION, PROJECT, EmulatorProcess
from tests.services import NO_GCLOUD

ECHO = "main:\n  params: [input]\n  steps:\n    - done:\n        return: ${input}\n"
BROKEN = "main:\n  steps:\n    - done:\n        return: ${1 +}\n"
WAITING = "- wait: {call: sys.sleep, args: {seconds: 36000}}\n"


@dataclass(frozen=True)
class Gcloud:
    """The command, set up for one emulator, with a folder of its own."""

    program: str
    folder: Path
    environment: dict[str, str]

    def ask(self, *arguments: str) -> Any:
        """What a command that succeeds prints, as JSON."""
        done = self.run(*arguments, "--format=json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`gcloud workflows …`"""
        return subprocess.run(
            [self.program, "workflows", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )

    def deploy(self, name: str, source: str, *options: str) -> Any:
        """`gcloud workflows deploy` of a source."""
        (self.folder / f"{name}.yaml").write_text(source, encoding="utf-8")
        return self.ask("deploy", name, f"--source={name}.yaml", *options)


@pytest.fixture(scope="module")
def gcloud(emulator: EmulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Gcloud:
    """gcloud with a token of the emulator and no other login."""
    program = shutil.which("gcloud")
    if program is None:
        pytest.skip(NO_GCLOUD)
    folder = tmp_path_factory.mktemp("gcloud")
    (folder / "token").write_text(emulator.token(), encoding="ascii")
    return Gcloud(
        program,
        folder,
        {
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_WORKFLOWS": f"{emulator.url}/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_WORKFLOWEXECUTIONS": f"{emulator.url}/",
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(folder / "token"),
            "CLOUDSDK_CONFIG": str(folder / "config"),
            "CLOUDSDK_CORE_PROJECT": PROJECT,
            "CLOUDSDK_WORKFLOWS_LOCATION": LOCATION,
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
            "NO_PROXY": "127.0.0.1",
        },
    )


def last(name: str) -> str:
    return name.rpartition("/")[2]


class TestGcloud:
    def test_definitions_are_deployed_changed_listed_and_deleted(self, gcloud):
        options = ("--set-env-vars=A=1,B=2", "--labels=team=blue", "--call-log-level=log-all-calls")
        made = gcloud.deploy("defined", ECHO, *options)
        assert made["revisionId"].startswith("000001-")
        assert made["userEnvVars"] == {"A": "1", "B": "2"}
        assert made["callLogLevel"] == "LOG_ALL_CALLS"

        changed = gcloud.deploy("defined", WAITING, "--clear-env-vars", "--description=changed")
        assert changed["revisionId"].startswith("000002-")
        assert "userEnvVars" not in changed
        assert changed["labels"]["team"] == "blue"
        shown = gcloud.ask("describe", "defined")
        assert (shown["description"], shown["sourceContents"]) == ("changed", WAITING)
        assert "defined" in [last(found["name"]) for found in gcloud.ask("list", "--page-size=1")]

        assert gcloud.run("delete", "defined").returncode == 0
        missing = gcloud.run("describe", "defined")
        assert missing.returncode == 1
        assert "NOT_FOUND" in missing.stderr
        assert "workflows/defined" in missing.stderr

    def test_a_source_that_does_not_build_is_shown_with_its_place(self, gcloud):
        (gcloud.folder / "broken.yaml").write_text(BROKEN, encoding="utf-8")

        done = gcloud.run("deploy", "broken", "--source=broken.yaml")

        assert done.returncode == 1
        assert "INVALID_ARGUMENT: main.yaml:4:" in done.stderr
        assert "step 'done'" in done.stderr

    def test_executions_are_run_to_their_end_and_listed(self, gcloud, emulator):
        emulator.deploy("echo", ECHO)

        ran = gcloud.ask("run", "echo", '--data={"n": 1}', "--labels=tier=gold")
        assert (ran["state"], json.loads(ran["result"])) == ("SUCCEEDED", {"n": 1})
        assert ran["labels"]["tier"] == "gold"
        assert gcloud.ask("executions", "describe-last")["name"] == ran["name"]
        started = gcloud.ask("execute", "echo")
        assert gcloud.ask("executions", "wait-last")["result"] == "null"
        waited = gcloud.ask("executions", "wait", last(started["name"]), "--workflow=echo")
        assert waited["state"] == "SUCCEEDED"
        listed = [found["name"] for found in gcloud.ask("executions", "list", "echo")]
        assert listed == [started["name"], ran["name"]]
        described = gcloud.ask("executions", "describe", last(ran["name"]), "--workflow=echo")
        assert described["argument"] == '{"n": 1}'
        refused = gcloud.run("execute", "echo", "--data={broken")
        assert "INVALID_ARGUMENT" in refused.stderr

    def test_one_that_waits_is_cancelled(self, gcloud, emulator):
        emulator.deploy("waiting", WAITING)
        started = last(gcloud.ask("execute", "waiting")["name"])

        cancelled = gcloud.run("executions", "cancel", started, "--workflow=waiting")

        assert cancelled.returncode == 0, cancelled.stderr
        shown = gcloud.ask("executions", "describe", started, "--workflow=waiting")
        assert shown["state"] == "CANCELLED"
        again = gcloud.run("executions", "cancel", started, "--workflow=waiting")
        assert "FAILED_PRECONDITION" in again.stderr

"""A real emulator process for tests: started, spoken to over HTTP, killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import requests

ROOT = Path(__file__).resolve().parent.parent
PROJECT, NUMBER, LOCATION = "countersign-demo", "123456789012", "us-central1"
APP = "inbox@emulator.invalid"
WORKFLOW = "workflow@emulator.invalid"

Json = Any
Found = TypeVar("Found")


class NotInTime(AssertionError):
    """What a test waited for did not come about."""


def eventually(
    look: Callable[[], Found | None], what: str = "it to happen", seconds: float = 20.0
) -> Found:
    """Look again and again until there is something to see, and give it."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise NotInTime(f"waited {seconds:g} s for {what}")
        time.sleep(0.02)


@dataclass
class EmulatorProcess:
    """`python -m emulator serve` on a free port, which it keeps over restarts.

    With `grpc` there is a second port, `grpc_port`; it is another one after a restart.
    Use it as a context manager, or call `start` and `stop`. Executions are named by their ID and
    workflow, as `Execution` holds them.
    """

    data: Path
    workflows: Path | None = None
    time_scale: float = 1.0
    auth: str = "token"
    options: Sequence[str] = ()
    port: int = 0
    grpc: bool = False
    grpc_port: int = field(init=False, default=0)
    output: Path = field(init=False)
    _process: subprocess.Popen[str] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.output = self.data.with_suffix(".log")

    # The process

    def start(self) -> Self:
        """Start it and wait for its "ready" line."""
        command = [sys.executable, "-m", "emulator", "serve", "--port", str(self.port)]
        command += ["--data", str(self.data), "--auth", self.auth]
        command += ["--grpc-port", "0" if self.grpc else "off"]
        command += ["--time-scale", str(self.time_scale), *self.options]
        if self.workflows is not None:
            command += ["--workflows", str(self.workflows)]
        with self.output.open("a", encoding="utf-8") as output:
            self._process = subprocess.Popen(
                command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=output
            )
        assert self._process.stdout is not None
        ready = self._process.stdout.readline()
        if not ready.startswith("ready "):
            self._process.wait(timeout=10)
            self._process.stdout.close()
            raise AssertionError(f"the emulator did not start: {self.output.read_text()[-2000:]}")
        self.port = int(ready.split()[1].rpartition(":")[2])
        if self.grpc:
            self.grpc_port = int(ready.partition(" grpc=")[2].split()[0].rpartition(":")[2])
        return self

    def stop(self) -> int:
        """End it with SIGTERM, as Ctrl-C does, and give its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """`kill -9`."""
        self._end(signal.SIGKILL)

    @property
    def process_id(self) -> int:
        """The ID of the process."""
        assert self._process is not None, "it does not run"
        return self._process.pid

    def signal(self, signum: signal.Signals) -> None:
        """Send it a signal, SIGSTOP to freeze it and SIGCONT to let it go on."""
        assert self._process is not None, "it does not run"
        self._process.send_signal(signum)

    def restart(self) -> Self:
        """Start it again on the same port and data file; `kill` or `stop` it first."""
        assert self._process is None, "it still runs"
        return self.start()

    def _end(self, signum: int) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(signum)
        code = process.wait(timeout=10)
        assert process.stdout is not None
        process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    # Addresses and tokens

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`"""
        return f"http://127.0.0.1:{self.port}"

    @property
    def parent(self) -> str:
        """`projects/P/locations/L`"""
        return f"projects/{PROJECT}/locations/{LOCATION}"

    @property
    def environment(self) -> dict[str, str]:
        """What google-auth needs in its environment to take this for Google Cloud."""
        host = f"127.0.0.1:{self.port}"
        return {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host}

    def token(self, email: str = APP, expires_in: int = 3600) -> str:
        """An access token of an account."""
        return str(self._issue(email=email, expires_in=expires_in)["access_token"])

    def id_token(self, audience: str, email: str = WORKFLOW, expires_in: int = 3600) -> str:
        """An ID token of an account for an audience."""
        body = self._issue(email=email, audience=audience, expires_in=expires_in)
        return str(body["id_token"])

    def _issue(self, **body: object) -> dict[str, Any]:
        answer = requests.post(f"{self.url}/emulator/tokens", json=body, timeout=10)
        answer.raise_for_status()
        issued: dict[str, Any] = answer.json()
        return issued

    # Google's API

    def request(
        self, method: str, path: str, *, token: str | None = None, **options: Any
    ) -> requests.Response:
        """A request below `/v1/`, with a token of the app's account unless `token` says another."""
        given = self.token() if token is None else token
        headers = {**({"Authorization": f"Bearer {given}"} if given else {})}
        headers |= options.pop("headers", {})
        return requests.request(
            method, f"{self.url}/v1/{path}", headers=headers, timeout=20, **options
        )

    def ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """The JSON of a request that succeeds."""
        answer = self.request(method, path, **options)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        body: dict[str, Any] = answer.json()
        return body

    def deploy(
        self, workflow: str, source: str, env: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Deploy a source, and variables, under a new or a known name; gives the operation."""
        there = self.request("GET", f"{self.parent}/workflows/{workflow}")
        body: dict[str, Any] = {"sourceContents": source}
        if env is not None:
            body["userEnvVars"] = dict(env)
        if there.status_code == 404:
            return self.ask(
                "POST", f"{self.parent}/workflows", params={"workflowId": workflow}, json=body
            )
        params = {"updateMask": ",".join(body)}
        return self.ask("PATCH", f"{self.parent}/workflows/{workflow}", params=params, json=body)

    def execute(self, workflow: str, argument: Json = None) -> Execution:
        """Start an execution."""
        body = {} if argument is None else {"argument": json.dumps(argument)}
        created = self.ask("POST", f"{self.parent}/workflows/{workflow}/executions", json=body)
        return Execution(self, str(created["name"]))

    def run(self, source: str, argument: Json = None, workflow: str = "test") -> dict[str, Any]:
        """Deploy a source, run it to its end, and give the execution."""
        self.deploy(workflow, source)
        return self.execute(workflow, argument).wait()

    def logged(self, text: str) -> list[str]:
        """The lines of its output that hold a text."""
        return [line for line in self.output.read_text().splitlines() if text in line]


@dataclass(frozen=True)
class Execution:
    """An execution in an emulator; `name` is its resource name."""

    emulator: EmulatorProcess
    name: str

    @property
    def id(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]

    def read(self, view: str = "FULL") -> dict[str, Any]:
        """The execution as the API shows it."""
        return self.emulator.ask("GET", self.name, params={"view": view})

    def wait(self, seconds: float = 20.0) -> dict[str, Any]:
        """The execution when it is over."""

        def over() -> dict[str, Any] | None:
            shown = self.read()
            return None if shown["state"] == "ACTIVE" else shown

        return eventually(over, f"the end of {self.name}", seconds)

    def result(self, seconds: float = 20.0) -> Json:
        """The decoded result of an execution that succeeds."""
        shown = self.wait(seconds)
        assert shown["state"] == "SUCCEEDED", shown
        return json.loads(shown["result"])

    def error(self, seconds: float = 20.0) -> Json:
        """The decoded error payload of an execution that fails."""
        shown = self.wait(seconds)
        assert shown["state"] == "FAILED", shown
        return json.loads(shown["error"]["payload"])

    def callbacks(self) -> list[dict[str, Any]]:
        """`callbacks.list`"""
        listed: list[dict[str, Any]] = self.emulator.ask("GET", f"{self.name}/callbacks").get(
            "callbacks", []
        )
        return listed

    def callback_url(self, waiters: int = 1) -> str:
        """The URL of its callback, as soon as at least so many steps wait on it."""

        def ready() -> str | None:
            for shown in self.callbacks():
                if int(shown.get("waiters", "0")) >= waiters:
                    last = str(shown["name"]).rpartition("/")[2]
                    return f"{self.emulator.url}/v1/{self.name}/callbacks/{last}"
            shown = self.read()
            assert shown["state"] == "ACTIVE", f"it is over: {shown}"
            return None

        return eventually(ready, f"{waiters} waiters of {self.name}")

    def send(
        self,
        body: Json = None,
        *,
        url: str | None = None,
        method: str = "POST",
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> requests.Response:
        """Send a request to its callback: JSON, unless the options say otherwise."""
        given = self.emulator.token() if token is None else token
        own = {**({"Authorization": f"Bearer {given}"} if given else {}), **(headers or {})}
        if body is not None:
            options["json"] = body
        target = url or self.callback_url()
        return requests.request(method, target, headers=own, timeout=20, **options)


def command(
    *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `python -m emulator …` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "emulator", *arguments],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )

"""Run the cases of the language against a service: Google's own, or any emulator of it.

    python -m tests.emulator.against_google --project P --location L [--url URL] [CASES]

Each case is deployed as a workflow `countersign-cases-N` and executed with the credentials that
google-auth finds. Cases that need replies of their own making, or other limits than Google's, are
left out. What comes out otherwise than the case says is printed; where only the wording of a
message, a place or the writing of a number differs, it is printed as such.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final

import google.auth
from google.auth.transport.requests import AuthorizedSession
from requests import RequestException

from emulator.values import to_json
from tests.emulator.language_cases import Case, cases

SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
WORKFLOWS: Final = "https://workflows.googleapis.com"
EXECUTIONS: Final = "https://workflowexecutions.googleapis.com"
PLACEHOLDER: Final = "- nothing: {return: null}\n"
PATIENCE: Final = 120.0  # seconds for a deployment, and for an execution


@dataclass(frozen=True)
class Observed:
    """What became of a case: refused with a text, or the execution as the API shows it."""

    refused: str | None = None
    execution: dict[str, Any] | None = None


@dataclass(frozen=True)
class Difference:
    """One thing that is otherwise than the case says; `kind` is `differs`, or what it is only."""

    case: str
    kind: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.kind:8} {self.case}\n    expected {self.expected}\n    found    {self.found}"


# Comparing


def left_out(case: Case) -> str | None:
    """Why a case cannot be run on a service, or None."""
    if "limits" in case.says:
        return "it has limits of its own"
    if ("replies" in case.says or "requests" in case.says) and not case.says.get("real"):
        return "it needs replies of its own making"
    return None


def differences(case: Case, observed: Observed) -> Iterator[Difference]:
    """What differs, the serious things first."""
    wanted = next(kind for kind in ("refused", "fails", "result") if kind in case.says)
    found = shown(observed)
    if found[0] != wanted:
        expected = f"{wanted}: {json.dumps(case.says[wanted], default=str)}"
        yield Difference(case.id, "differs", expected, f"{found[0]}: {found[1]}")
        return
    if wanted == "refused":
        told = case.says["refused"]
        line, column = told.get("at", (None, None))
        if told.get("says", "") not in found[1]:
            yield Difference(case.id, "wording", told["says"], found[1])
        if line is not None and f":{line}:{column}:" not in found[1]:
            yield Difference(case.id, "place", f"{line}:{column}", found[1])
        return
    assert observed.execution is not None
    if wanted == "result":
        yield from _compare(case, "result", case.says["result"], found[1])
    else:
        yield from _failure(case, observed.execution["error"])


def shown(observed: Observed) -> tuple[str, str]:
    """Which of the three ends it was, and its text."""
    if observed.refused is not None:
        return "refused", observed.refused
    execution = observed.execution or {}
    if execution.get("state") == "SUCCEEDED":
        return "result", str(execution.get("result", "null"))
    if execution.get("state") == "FAILED":
        return "fails", str(execution["error"].get("payload", execution["error"].get("context")))
    return str(execution.get("state")), ""


def _compare(case: Case, what: str, expected: Any, text: str) -> Iterator[Difference]:
    """A value with its JSON text: first whether it is the same, then whether it is written so."""
    wanted = to_json(expected)
    if json.loads(text) != json.loads(wanted):
        yield Difference(case.id, "differs", f"{what} {wanted}", text)
    elif text != wanted:
        yield Difference(case.id, "writing", f"{what} {wanted}", text)


def _failure(case: Case, error: dict[str, Any]) -> Iterator[Difference]:
    expected, payload = case.says["fails"], str(error.get("payload", "null"))
    value = json.loads(payload)
    found = value if isinstance(value, dict) else {}
    if "value" in expected:
        yield from _compare(case, "value", expected["value"], payload)
    if "tag" in expected and expected["tag"] not in found.get("tags", ()):
        yield Difference(case.id, "differs", f"tag {expected['tag']}", payload)
    if "message" in expected and expected["message"] != found.get("message"):
        yield Difference(case.id, "wording", expected["message"], str(found.get("message")))
    context = str(error.get("context", "")).strip()
    if "context" in expected and expected["context"].strip() != context:
        yield Difference(case.id, "wording", expected["context"].strip(), context)


# The service


class Refused(Exception):
    """A source that was not deployed; the text says why."""


@dataclass(frozen=True)
class Service:
    """Google's API, or one that stands in for it."""

    session: AuthorizedSession
    parent: str
    workflows: str = WORKFLOWS
    executions: str = EXECUTIONS

    def run(self, workflow: str, case: Case) -> Observed:
        """Deploy a case under the name of a workflow that is there, execute it, and look."""
        try:
            self.deploy(workflow, case.source, case.says.get("env", {}))
        except Refused as refused:
            return Observed(refused=str(refused))
        body = {} if case.argument is None else {"argument": json.dumps(case.argument)}
        created = self._ask("POST", f"{self.executions}/v1/{self.name(workflow)}/executions", body)
        url = f"{self.executions}/v1/{created['name']}"
        execution = self._poll(url, lambda shown: shown["state"] not in {"ACTIVE", "QUEUED"})
        return Observed(execution=execution)

    def name(self, workflow: str) -> str:
        """The resource name of a workflow."""
        return f"{self.parent}/workflows/{workflow}"

    def deploy(self, workflow: str, source: str, env: dict[str, str]) -> None:
        """Change the source of a workflow. Raises Refused."""
        url = f"{self.workflows}/v1/{self.name(workflow)}"
        body = {"sourceContents": source, "userEnvVars": env}
        self._operate("PATCH", f"{url}?updateMask=sourceContents,userEnvVars", body)

    def create(self, workflow: str) -> None:
        """Make a workflow, unless it is there."""
        url = f"{self.workflows}/v1/{self.parent}/workflows"
        if self.session.get(f"{url}/{workflow}").status_code == 404:
            body = {"sourceContents": PLACEHOLDER}
            self._operate("POST", f"{url}?workflowId={workflow}", body)

    def delete(self, workflow: str) -> None:
        """Take a workflow away again, with its executions."""
        self._operate("DELETE", f"{self.workflows}/v1/{self.name(workflow)}", None)

    def _operate(self, method: str, url: str, body: object) -> None:
        """Do what takes long, and wait for its end."""
        operation = self._ask(method, url, body)
        if not operation.get("done"):
            operation = self._poll(
                f"{self.workflows}/v1/{operation['name']}", lambda shown: shown.get("done")
            )
        if "error" in operation:
            raise Refused(operation["error"].get("message", ""))

    def _ask(self, method: str, url: str, body: object) -> dict[str, Any]:
        answer = self.session.request(method, url, json=body)
        told: dict[str, Any] = answer.json()
        if answer.status_code == 400:
            raise Refused(told["error"]["message"])
        answer.raise_for_status()
        return told

    def _poll(self, url: str, done: Any) -> dict[str, Any]:
        deadline, wait = time.monotonic() + PATIENCE, 0.05
        while time.monotonic() < deadline:
            found = self._ask("GET", url, None)
            if done(found):
                return found
            time.sleep(wait)
            wait = min(wait * 1.5, 2.0)
        raise TimeoutError(f"{url} did not come to an end in {PATIENCE:g} seconds")


# The command


def chosen(words: Sequence[str]) -> list[Case]:
    """The cases of the files that are named, or with one of the words in their names."""
    found = list(cases())
    if words:
        found = [
            case for case in found if case.file in words or any(word in case.id for word in words)
        ]
    return found


def compared(service: Service, picked: Sequence[Case], workers: int) -> list[Difference]:
    """The differences of all cases, run by several workflows side by side."""
    workflows: SimpleQueue[str] = SimpleQueue()
    names = [f"countersign-cases-{number}" for number in range(min(workers, len(picked)))]

    def one(case: Case) -> list[Difference]:
        workflow = workflows.get()
        try:
            return list(differences(case, service.run(workflow, case)))
        except (Refused, RequestException, TimeoutError) as problem:
            return [Difference(case.id, "differs", "an execution that ends", repr(problem))]
        finally:
            workflows.put(workflow)

    try:
        for name in names:
            service.create(name)
            workflows.put(name)
        with ThreadPoolExecutor(max(len(names), 1)) as pool:
            return [each for found in pool.map(one, picked) for each in found]
    finally:
        for name in names:
            service.delete(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 where something differs in more than its wording."""
    parser = argparse.ArgumentParser(prog="python -m tests.emulator.against_google")
    parser.add_argument("--project", required=True)
    parser.add_argument("--location", required=True)
    parser.add_argument("--url", help="of an emulator that serves both APIs")
    parser.add_argument("--workers", type=int, default=4, help="workflows used side by side")
    parser.add_argument("cases", nargs="*", metavar="CASES", help="a file, or a part of a name")
    given = parser.parse_args(arguments)
    credentials, _ = google.auth.default(scopes=SCOPES)
    addresses = (given.url, given.url) if given.url else (WORKFLOWS, EXECUTIONS)
    parent = f"projects/{given.project}/locations/{given.location}"
    service = Service(AuthorizedSession(credentials), parent, *addresses)

    every = chosen(given.cases)
    picked = [case for case in every if left_out(case) is None]
    found = compared(service, picked, given.workers)
    sys.stdout.writelines(f"{each}\n" for each in found)
    serious = sum(each.kind == "differs" for each in found)
    sys.stdout.write(
        f"{len(picked)} cases, {serious} differ, {len(found) - serious} times only the wording,"
        f" the place or the writing does; {len(every) - len(picked)} left out\n"
    )
    return 1 if serious else 0


if __name__ == "__main__":
    sys.exit(main())

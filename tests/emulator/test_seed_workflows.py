"""Workflows of the documents in a process of their own; `tests/workflows/test_seed.py` has all."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.emulators import EmulatorProcess, Execution, eventually

SEED = Path(__file__).parent / "seed"


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    """An emulator in real time: no timeout of a seed workflow falls during a test."""
    data = tmp_path_factory.mktemp("patient") / "data.sqlite3"
    with EmulatorProcess(data, workflows=SEED) as running:
        yield running


def logged_url(execution: Execution) -> str:
    """The callback URL as a person finds it: in the log."""

    def look() -> str:
        lines = execution.emulator.logged(execution.id)
        return next((line for line in lines if "/callbacks/" in line), "")

    line = eventually(look, "the URL in the log")
    return "http" + line.rpartition("http")[2].rstrip('"')


def test_expense_callback_waits_a_day_for_a_post_and_returns_it(patient):
    execution = patient.execute("expense-callback", {"amount": 12})
    url = logged_url(execution)
    eventually(lambda: execution.callbacks()[0].get("waiters"))

    assert execution.send(url=url, method="GET").status_code == 405
    assert execution.read()["state"] == "ACTIVE"
    assert execution.send({"approved": True}, url=url, params={"by": "ana"}).status_code == 200

    request = execution.result()
    assert request.keys() == {"body", "headers", "method", "query", "url"}
    assert (request["body"], request["method"]) == ({"approved": True}, "POST")
    assert request["query"] == {"by": "ana"}
    assert url.endswith(request["url"])
    assert any('\\"approved\\":true' in line for line in patient.logged(execution.id))


def test_ten_simultaneous_awaits_are_served_first_come_first_served(patient):
    source = """
    - create: {call: events.create_callback_endpoint, result: callback}
    - prepare: {assign: [{taken: {}}]}
    - all:
        parallel:
          shared: [taken]
          for:
            range: [1, 10]
            value: number
            steps:
              - wait:
                  call: events.await_callback
                  args: {callback: "${callback}"}
                  result: request
              - keep: {assign: [{"taken[string(number)]": "${request.http_request.body}"}]}
    - done: {return: "${taken}"}
    """
    patient.deploy("ordered", source)
    execution = patient.execute("ordered")
    url = execution.callback_url(waiters=10)
    token = {"Authorization": f"Bearer {patient.token()}"}

    with requests.Session() as session:
        for number in range(1, 11):
            answer = session.post(url, json=number, headers=token, timeout=10)
            assert answer.status_code == 200

    assert execution.result() == {str(number): number for number in range(1, 11)}


def test_the_seed_files_are_those_of_the_documents():
    names = sorted(path.stem for path in SEED.glob("*.yaml"))

    assert names == [
        *("basic-get", "catch-timeout", "expense-callback", "parallel-callbacks", "retry-wait")
    ]

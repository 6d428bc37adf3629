"""The workflows of the documents, unchanged; the emulator's clock alone shortens their waits."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.emulators import EmulatorProcess, Execution, eventually

SEED = Path(__file__).parent / "seed"
DAY, HOUR, MINUTE = 86_400, 3_600, 60


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    """An emulator in real time: no timeout of a seed workflow falls during a test."""
    data = tmp_path_factory.mktemp("patient") / "data.sqlite3"
    with EmulatorProcess(data, workflows=SEED) as running:
        yield running


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    """An emulator in which an hour is over in a second."""
    data = tmp_path_factory.mktemp("hasty") / "data.sqlite3"
    with EmulatorProcess(data, workflows=SEED, time_scale=HOUR) as running:
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


def test_expense_callback_gives_up_after_a_day(start_emulator):
    emulator = start_emulator(workflows=SEED, time_scale=DAY / 2)
    began = time.monotonic()

    error = emulator.execute("expense-callback", {}).error()

    assert error["tags"] == ["TimeoutError"]
    assert time.monotonic() - began > 1.9


def test_basic_get_is_active_until_its_callback(patient):
    execution = patient.execute("basic-get")
    url = execution.callback_url()

    assert execution.send({}, url=url).status_code == 405
    assert execution.read()["state"] == "ACTIVE"
    assert execution.send(url=url, method="GET").status_code == 200

    request = execution.result()
    assert (request["method"], request["body"]) == ("GET", None)


def test_basic_get_waits_an_hour(hasty):
    began = time.monotonic()

    error = hasty.execute("basic-get").error()

    assert error["tags"] == ["TimeoutError"]
    assert time.monotonic() - began > 0.9


def test_catch_timeout_logs_an_error_and_never_fails(hasty, patient):
    timed_out = hasty.execute("catch-timeout")
    assert timed_out.result() is None
    (line,) = [line for line in hasty.logged(timed_out.id) if "severity=ERROR" in line]
    assert "Received error TimeoutError" in line

    answered = patient.execute("catch-timeout")
    answered.send(method="GET")
    assert answered.result() is None
    assert not [line for line in patient.logged(answered.id) if "severity=ERROR" in line]


def test_retry_wait_waits_five_times_more_and_then_fails(start_emulator):
    scale = 200
    emulator = start_emulator(workflows=SEED, time_scale=scale)
    began = time.monotonic()
    execution = emulator.execute("retry-wait")

    error = execution.error()

    # Six waits of a minute, and between them 1, 2, 4, 8 and 10 seconds.
    assert time.monotonic() - began > (6 * MINUTE + 25) / scale
    assert error["tags"] == ["TimeoutError"]
    retries = [line for line in emulator.logged(execution.id) if "severity=WARNING" in line]
    # The predicate is asked before each retry, and not once the retries are used up.
    assert len(retries) == 5


def test_retry_wait_takes_an_answer_to_a_later_wait(start_emulator):
    emulator = start_emulator(workflows=SEED, time_scale=200)
    execution = emulator.execute("retry-wait")
    eventually(lambda: len(_warnings(execution)) >= 2, "two waits without an answer")

    answer = execution.send(url=logged_url(execution), method="GET")

    assert answer.status_code == 200
    assert execution.result() is None


def _warnings(execution: Execution) -> list[str]:
    return [line for line in execution.emulator.logged(execution.id) if "severity=WARNING" in line]


def test_parallel_callbacks_takes_ten_in_the_order_of_the_awaits(patient):
    execution = patient.execute("parallel-callbacks")
    url = execution.callback_url(waiters=10)

    for number in range(10):
        assert execution.read()["state"] == "ACTIVE"
        (listed,) = execution.callbacks()
        assert listed["waiters"] == str(10 - number)
        assert execution.send({"number": number}, url=url).status_code == 200

    assert execution.result() is None
    assert execution.send({"number": 10}, url=url).status_code == 404


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

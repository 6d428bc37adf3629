"""A worker that is told to end, or frozen, at any moment: nothing is lost, nothing read twice.

`SIGNAL_ROUNDS` says how often each of it is done; the default is for every day.
"""

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.emulators import eventually
from tests.round_trip.system import EXPENSE, Process, System

ROUNDS = int(os.environ.get("SIGNAL_ROUNDS", "1"))
LEASE = 4  # seconds
MOST = 10.0  # seconds from SIGTERM to the end: what Cloud Run waits
AT_ONCE = 8

DECIDE = """
from approvals.models import Approval, User
ana = User.objects.get(email="ana@example.com")
for approval in Approval.objects.filter(pk__in={ids}):
    approval.decide("approved", by=ana, revision=1)
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """One system with a short lease; its web server has no part in the deliveries here."""
    with System(tmp_path_factory.mktemp("system"), time_scale=5, lease=LEASE) as running:
        yield running


@pytest.fixture
def asked(system):
    """Starts executions and waits until they ask; each with the id of its approval."""

    def start(count=1):
        with ThreadPoolExecutor(count) as pool:
            executions = [
                system.emulator.execute("expense-approval", EXPENSE) for _ in range(count)
            ]
            return list(zip(executions, pool.map(system.asked, executions), strict=True))

    return start


@pytest.fixture
def decide(system):
    """Decides in a process of its own, which sends nothing: the worker finds the rows."""

    def make(asked):
        system.manage(
            "shell", "-v", "0", "-c", DECIDE.format(ids=[approval for _, approval in asked])
        )

    return make


@pytest.fixture
def order(system):
    """Orders a fault at the callbacks of an execution; tells when it has been played."""

    def make(execution, **fault):
        faults = f"{system.emulator.url}/emulator/faults"
        body = {"execution": execution.id, "path": "/v1/*/callbacks/*", "method": "POST", **fault}
        made = requests.post(faults, json=body, timeout=10)
        made.raise_for_status()

        def played():
            listed = requests.get(faults, timeout=10).json()["faults"]
            return any(one["id"] == made.json()["id"] and one["played"] for one in listed)

        return lambda: eventually(played, "the POST")

    return make


@pytest.fixture
def finish(system):
    """All that must be true at the end: each was paid, and read its answer once."""

    def check(asked):
        for execution, _ in asked:
            assert execution.result(90)["status"] == "paid"
            assert system.delivery(execution, "confirmed") == "confirmed"
            path = f"{system.emulator.url}/emulator/executions/{execution.id}/received"
            received = requests.get(path, timeout=10).json()["received"]
            assert sum(bool(one.get("taken")) for one in received) <= 1

    return check


def starts(process):
    return process.log.read_text().count("worker started")


@pytest.fixture
def up(system):
    """A worker that has its handlers: started anew unless it runs."""
    if system.worker.popen is None:
        start(system.worker)
    else:
        eventually(lambda: starts(system.worker), "the worker")


def start(process):
    """Start a worker, and wait until it has its handlers."""
    before = starts(process) if process.log.exists() else 0
    process.start()
    eventually(lambda: starts(process) > before, "the worker")


def end_worker(system):
    """SIGTERM, and a new worker; seconds until the old one had ended."""
    began = time.monotonic()
    code = system.worker.end(signal.SIGTERM)
    took = time.monotonic() - began
    start(system.worker)
    assert code == 0
    return took


@pytest.mark.usefixtures("up")
class TestTerm:
    def test_idle(self, system):
        for _ in range(ROUNDS):
            assert end_worker(system) < MOST

    def test_a_post_that_is_answered_in_time_is_finished(
        self, system, asked, decide, order, finish
    ):
        before = system.worker.log.read_text().count("rows given back")
        for _ in range(ROUNDS):
            [(execution, _)] = waiting = asked()
            played = order(execution, kind="delay", seconds=2, stored=True)
            decide(waiting)
            played()

            assert end_worker(system) < MOST

            assert system.worker.log.read_text().count("rows given back") == before
            finish(waiting)

    def test_a_post_that_hangs_is_given_back_as_a_doubt(self, system, asked, decide, order, finish):
        for _ in range(ROUNDS):
            [(execution, _)] = waiting = asked()
            played = order(execution, kind="stall", stored=True)
            decide(waiting)
            played()

            assert end_worker(system) < MOST

            finish(waiting)

    def test_amid_commits(self, system, asked, decide, finish):
        """Many rows are under way, and the signal comes at any moment of their rounds."""
        chance = random.Random(ROUNDS)
        for _ in range(ROUNDS):
            waiting = asked(AT_ONCE)
            system.worker.end(signal.SIGTERM)
            decide(waiting)
            start(system.worker)
            time.sleep(chance.uniform(0, 0.4))

            assert end_worker(system) < MOST

            finish(waiting)


@pytest.mark.usefixtures("up")
class TestFreeze:
    def test_longer_than_the_lease_and_woken_again(self, system, asked, decide, order, finish):
        other = Process(system.worker.arguments, system.env, system.home / "other.log")
        for _ in range(ROUNDS):
            [(execution, _)] = waiting = asked()
            played = order(execution, kind="stall")
            decide(waiting)
            played()
            frozen = system.worker.popen
            frozen.send_signal(signal.SIGSTOP)
            try:
                start(other)
                finish(waiting)  # by the other one, when the lease has ended
            finally:
                frozen.send_signal(signal.SIGCONT)
                assert other.end(signal.SIGTERM) == 0

            finish(waiting)
            assert system.worker.popen.poll() is None
            assert end_worker(system) < MOST

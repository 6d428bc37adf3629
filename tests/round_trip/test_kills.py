"""`kill -9` of each process between each pair of steps: nothing is lost, nothing happens twice."""

import itertools
import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.emulators import eventually
from tests.round_trip.system import EXPENSE, System

PROCESSES = ("emulator", "web", "worker")
amounts = itertools.count(2000)


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """One system, whose processes die in every test; a short lease, so that takeovers are seen."""
    with System(tmp_path_factory.mktemp("system"), time_scale=5, lease=4) as running:
        yield running


@pytest.fixture
def amount():
    """An amount of the test's own, by which its payment is found in the log."""
    return next(amounts)


@pytest.fixture
def start(system, amount):
    """Starts the test's execution."""
    return lambda: system.emulator.execute("expense-approval", EXPENSE | {"amount": amount})


@pytest.fixture
def asked(system, start):
    """An execution that waits for its answer, and the id of its approval."""
    execution = start()
    approval = system.asked(execution)
    execution.callback_url()
    return execution, approval


@pytest.fixture
def finish(system, amount, ana):
    """All that must be true at the end, whatever was killed on the way."""

    def check(execution):
        assert execution.result(90) == {"status": "paid", "amount": f"{amount} EUR"}
        assert system.delivery(execution, "confirmed") == "confirmed"
        [row] = system.approvals(execution)
        assert row["status"] == "approved"
        # Killed between recording and printing, the emulator leaves the line out; never twice.
        assert len(system.emulator.logged(f"Paid {amount} EUR to")) <= 1
        page = f"/approvals/{row['id']}/"
        eventually(lambda: f"Paid {amount} EUR" in ana.get(page).text, "the report")
        assert "The workflow has it" in ana.get(page).text

    return check


def kill_and_start(system, name):
    system.kill(name)
    system.start(name)


@pytest.mark.parametrize("name", PROCESSES)
class TestKillBetweenSteps:
    def test_before_the_question_is_registered(self, system, start, finish, ana, name):
        if name != "emulator":
            system.kill(name)
        execution = start()
        if name == "emulator":
            system.kill(name)
        time.sleep(0.5)
        system.start(name)

        ana.decide(system.asked(execution), "approved")

        finish(execution)

    def test_between_asked_and_decided(self, system, asked, finish, ana, name):
        execution, approval = asked

        kill_and_start(system, name)
        ana.decide(approval, "approved")

        finish(execution)

    def test_right_after_the_decision(self, system, asked, finish, ana, name):
        execution, approval = asked

        assert ana.decide(approval, "approved").status_code == 303
        kill_and_start(system, name)

        finish(execution)

    def test_between_delivered_and_settled(self, system, asked, finish, ana, name):
        execution, approval = asked
        ana.decide(approval, "approved")
        system.delivery(execution, "stored", "confirmed")

        kill_and_start(system, name)

        finish(execution)


class TestKillInTheMiddle:
    """The emulator is frozen, so that a POST is on its way when its sender dies."""

    @pytest.mark.parametrize("name", ["web", "worker"])
    def test_a_sender_killed_while_its_post_is_under_way(self, system, asked, finish, ana, name):
        execution, approval = asked
        system.kill("worker")
        system.emulator.signal(signal.SIGSTOP)

        started = time.monotonic()
        assert ana.decide(approval, "approved").status_code == 303
        assert time.monotonic() - started < 8  # the click does not wait for Google
        if name == "worker":
            kill_and_start(system, "web")  # its try dies with it, and the worker takes over
            system.start("worker")
            time.sleep(5)  # the lease ends, and the worker's own round begins
        system.kill(name)
        system.emulator.signal(signal.SIGCONT)
        system.start(name)
        if name == "web":
            system.start("worker")

        finish(execution)

    def test_decided_while_the_emulator_is_down_is_delivered_when_it_is_back(
        self, system, asked, finish, ana
    ):
        execution, approval = asked
        system.kill("emulator")

        assert ana.decide(approval, "approved").status_code == 303
        assert "Sending" in ana.get(f"/approvals/{approval}/receipt/").text
        system.start("emulator")

        finish(execution)

    def test_woken_while_the_inbox_is_down_the_workflow_asks_until_it_is_back(
        self, system, asked, finish, ana
    ):
        execution, approval = asked
        system.kill("worker")
        system.emulator.signal(signal.SIGSTOP)
        ana.decide(approval, "approved")
        system.kill("web")
        system.emulator.signal(signal.SIGCONT)
        time.sleep(0.5)

        kill_and_start(system, "emulator")
        system.start("web")
        system.start("worker")

        finish(execution)


def wait_for_worker(system):
    """Until it says that it has started: its handlers of signals are there by then."""
    name = re.compile(rf'"worker started".*/{system.worker.popen.pid}"')
    eventually(lambda: name.search(system.worker.log.read_text()), "the worker", 60)


class TestStop:
    @pytest.mark.parametrize("name", ["web", "worker"])
    def test_sigterm_ends_it_in_order_within_seconds(self, system, name):
        wait_for_worker(system)
        started = time.monotonic()

        assert getattr(system, name).end(signal.SIGTERM) == 0
        assert time.monotonic() - started < 10
        system.start(name)

    def test_a_signal_that_the_system_hands_to_another_thread_ends_it_too(self, system):
        process = system.worker.popen
        wait_for_worker(system)
        tasks = Path(f"/proc/{process.pid}/task")  # of Linux; elsewhere the process is the thread
        others = [int(task.name) for task in tasks.glob("*") if task.name != str(process.pid)]

        os.kill(max(others, default=process.pid), signal.SIGTERM)

        assert process.wait(15) == 0
        system.start("worker")

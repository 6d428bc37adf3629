"""`kill -9` of each process between each pair of steps: nothing is lost, nothing happens twice."""

import signal
import time

import pytest

from tests.emulators import eventually
from tests.round_trip.system import EXPENSE, Person

PROCESSES = ("emulator", "web", "worker")


def kill_and_start(system, name):
    system.kill(name)
    system.start(name)


def finish(system, execution, ana):
    """All that must be true at the end, whatever was killed on the way."""
    assert execution.result(60) == {"status": "paid", "amount": "1240 EUR"}
    assert system.delivery(execution, "confirmed") == "confirmed"
    [row] = system.approvals(execution)
    assert row["status"] == "approved"
    assert system.paid() == 1
    page = eventually(
        lambda: (
            (text := ana.get(f"/approvals/{row['id']}/").text) and "Paid 1240 EUR" in text and text
        )
    )
    assert "The workflow has it" in page


@pytest.mark.parametrize("name", PROCESSES)
class TestKillBetweenSteps:
    def test_before_the_question_is_registered(self, start_system, name):
        system = start_system(time_scale=5)
        ana = Person(system.base, "ana@example.com")
        if name != "emulator":
            system.kill(name)
        execution = system.emulator.execute("expense-approval", EXPENSE)
        if name == "emulator":
            system.kill(name)
        time.sleep(0.5)
        system.start(name)

        ana.decide(system.asked(execution), "approved")

        finish(system, execution, ana)

    def test_between_asked_and_decided(self, start_system, name):
        system = start_system(time_scale=5)
        ana = Person(system.base, "ana@example.com")
        execution = system.emulator.execute("expense-approval", EXPENSE)
        approval = system.asked(execution)
        execution.callback_url()

        kill_and_start(system, name)
        ana.decide(approval, "approved")

        finish(system, execution, ana)

    def test_right_after_the_decision(self, start_system, name):
        system = start_system(time_scale=5)
        ana = Person(system.base, "ana@example.com")
        execution = system.emulator.execute("expense-approval", EXPENSE)
        approval = system.asked(execution)

        assert ana.decide(approval, "approved").status_code == 303
        kill_and_start(system, name)

        finish(system, execution, ana)

    def test_between_delivered_and_settled(self, start_system, name):
        system = start_system(time_scale=5)
        ana = Person(system.base, "ana@example.com")
        execution = system.emulator.execute("expense-approval", EXPENSE)
        approval = system.asked(execution)
        execution.callback_url()
        assert system.web.popen
        ana.decide(approval, "approved")
        system.delivery(execution, "stored", "confirmed")

        kill_and_start(system, name)

        finish(system, execution, ana)


class TestKillInTheMiddle:
    """The emulator is frozen, so that a POST is on its way when its sender dies."""

    def freeze(self, system):
        system.emulator._process.send_signal(signal.SIGSTOP)

    def thaw(self, system):
        system.emulator._process.send_signal(signal.SIGCONT)

    @pytest.mark.parametrize("name", ["web", "worker"])
    def test_a_sender_killed_while_its_post_is_under_way(self, start_system, name):
        system = start_system(time_scale=5, lease=4)
        ana = Person(system.base, "ana@example.com")
        execution = system.emulator.execute("expense-approval", EXPENSE)
        approval = system.asked(execution)
        execution.callback_url()
        system.kill("worker")
        self.freeze(system)

        started = time.monotonic()
        assert ana.decide(approval, "approved").status_code == 303
        assert time.monotonic() - started < 8  # the click does not wait for Google
        if name == "worker":
            system.kill("web")  # its try dies with it; the worker takes the row over
            system.start("web")
            system.start("worker")
            time.sleep(5)  # the lease ends, the worker's own try begins
        system.kill(name)
        self.thaw(system)
        system.start(name)
        if name == "web":
            system.start("worker")

        finish(system, execution, ana)

    def test_decided_while_the_emulator_is_down_is_delivered_when_it_is_back(self, start_system):
        system = start_system(time_scale=5)
        ana = Person(system.base, "ana@example.com")
        execution = system.emulator.execute("expense-approval", EXPENSE)
        approval = system.asked(execution)
        execution.callback_url()
        system.kill("emulator")

        assert ana.decide(approval, "approved").status_code == 303
        assert "Sending" in ana.get(f"/approvals/{approval}/receipt/").text
        system.start("emulator")

        finish(system, execution, ana)

    def test_woken_while_the_inbox_is_down_the_workflow_asks_until_it_is_back(self, start_system):
        system = start_system(time_scale=5)
        ana = Person(system.base, "ana@example.com")
        execution = system.emulator.execute("expense-approval", EXPENSE)
        approval = system.asked(execution)
        execution.callback_url()
        system.kill("worker")
        self.freeze(system)
        ana.decide(approval, "approved")
        system.kill("web")
        self.thaw(system)
        time.sleep(0.5)

        kill_and_start(system, "emulator")
        system.start("web")
        system.start("worker")

        finish(system, execution, ana)


class TestStop:
    @pytest.mark.parametrize("name", ["web", "worker"])
    def test_sigterm_ends_it_in_order_within_seconds(self, start_system, name):
        system = start_system()
        time.sleep(1)  # the worker has set up its handlers by now
        started = time.monotonic()

        assert getattr(system, name).end(signal.SIGTERM) == 0
        assert time.monotonic() - started < 10

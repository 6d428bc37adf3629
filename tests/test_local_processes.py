"""The processes of `make run`: named in what they print, followed, and stopped with their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import processes
from config.processes import CannotRun, Children, CommandFailed, Stopped
from tests.pages import ROOT
from tests.running import eventually, running_with


class TestChildren:
    @pytest.fixture
    def children(self, tmp_path: Path) -> Iterator[Children]:
        children = Children(os.environ | {"MARK": str(tmp_path)})
        yield children
        children.stop()

    def test_lines_carry_the_name_of_their_process(self, children, capsys):
        children.run("greeter", "-c", "print('hello'); print('world')")

        assert capsys.readouterr().out == "   greeter | hello\n   greeter | world\n"

    def test_a_command_that_fails_ends_the_run(self, children):
        with pytest.raises(CommandFailed, match=r"`migrate` failed \(exit code 3\)"):
            children.run("migrate", "-c", "raise SystemExit(3)")

    def test_a_service_that_ends_ends_the_run(self, children):
        children.start("worker", "-c", "raise SystemExit(4)")

        with pytest.raises(CannotRun, match=r"The worker has ended \(exit code 4\)"):
            children.follow()

    def test_an_answer_of_somebody_else_is_not_taken_for_that_of_a_service_that_ended(
        self, children
    ):
        children.start("web", "-c", "raise SystemExit(1)")
        assert children.services[0].ended(10)

        with pytest.raises(CannotRun, match=r"The web has ended \(exit code 1\)"):
            children.wait_until(lambda: True, "The inbox did not answer")

    def test_a_service_that_never_answers_ends_the_run(self, children, monkeypatch):
        monkeypatch.setattr(processes, "START_SECONDS", 0.2)

        with pytest.raises(CannotRun, match="The inbox did not answer within 0 seconds"):
            children.wait_until(lambda: False, "The inbox did not answer")

    def test_a_stop_reaches_a_command_that_is_still_running(self, children, tmp_path):
        children.stopping.set()

        with pytest.raises(Stopped):
            children.run("migrate", "-c", "import time; time.sleep(60)")

        assert running_with(f"MARK={tmp_path}") == {}

    def test_what_does_not_listen_is_killed_with_its_own_children(
        self, children, tmp_path, monkeypatch, capsys
    ):
        monkeypatch.setattr(processes, "STOP_SECONDS", 0.3)
        stubborn = (
            "import signal, subprocess, sys\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "sleep = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
            "print('ready', flush=True)\n"
            "sleep.wait()"
        )
        children.start("stubborn", "-c", stubborn)
        assert eventually(lambda: "ready" in capsys.readouterr().out)
        assert len(running_with(f"MARK={tmp_path}")) == 2

        children.stop()

        assert eventually(lambda: running_with(f"MARK={tmp_path}") == {})

    def test_a_runner_that_is_killed_takes_its_services_along_where_the_system_can(self, tmp_path):
        runner = (
            "import os, signal, time\n"
            "from config.processes import Children\n"
            "Children(os.environ).start('web', '-c', 'import time; time.sleep(20)')\n"
            "time.sleep(0.5)\n"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        env = os.environ | {"MARK": str(tmp_path)}

        done = subprocess.run([sys.executable, "-c", runner], cwd=ROOT, env=env, check=False)

        assert done.returncode == -signal.SIGKILL
        gone = eventually(lambda: running_with(f"MARK={tmp_path}") == {}, 5)
        assert gone or not processes.LEASH

"""`make run`: what it sets, what it refuses, and that it leaves nothing behind."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from config import processes
from config.local import claim, environment, keep_secret_key, read_plan, require_free
from config.processes import CannotRun, Children, Stopped
from tests.services import free_port

ROOT = Path(__file__).resolve().parent.parent


def eventually(condition: Callable[[], object], seconds: float = 10.0) -> bool:
    """True as soon as the condition holds; False if it does not within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def running_with(mark: str) -> dict[int, str]:
    """Process id -> command line, of all processes that have the text in their environment."""
    if not Path("/proc/self/environ").exists():
        command = ["ps", "axEww", "-o", "pid=,command="]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        lines = (line.split(maxsplit=1) for line in shown.splitlines() if mark in line)
        return {int(pid): rest for pid, rest in lines}
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # it has ended, or is somebody else's
    return found


class TestPlan:
    def test_without_settings_it_is_the_documented_one(self):
        plan = read_plan({})

        assert (plan.web, plan.emulator) == ("http://127.0.0.1:8000", "http://127.0.0.1:8787")
        assert plan.data_dir == ROOT / "var"

    @pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "8000 "])
    def test_a_port_that_is_none_is_refused(self, port):
        with pytest.raises(CannotRun, match=f"EMULATOR_PORT={port} is not a port"):
            read_plan({"EMULATOR_PORT": port})


class TestEnvironment:
    def test_nothing_of_the_developers_google_login_is_used(self, tmp_path):
        plan = read_plan({"DATA_DIR": str(tmp_path)})
        given = {"GOOGLE_APPLICATION_CREDENTIALS": "/home/me/key.json", "NO_GCE_CHECK": "true"}

        env = environment(plan, given | {"CLOUDSDK_CONFIG": "/home/me/gcloud"}, "key")

        assert not given.keys() & env.keys()
        assert not Path(env["CLOUDSDK_CONFIG"]).exists()
        assert env["GCE_METADATA_HOST"] == env["GCE_METADATA_IP"] == "127.0.0.1:8787"
        assert env["WORKFLOWS_EMULATOR_HOST"] == "http://127.0.0.1:8787"

    def test_a_proxy_is_not_asked_for_what_runs_here(self):
        given = {"no_proxy": "intranet", "https_proxy": "http://proxy:3128"}

        env = environment(read_plan({}), given, "key")

        assert env["no_proxy"] == env["NO_PROXY"] == "intranet,127.0.0.1"
        assert env["https_proxy"] == "http://proxy:3128"

    def test_a_database_and_a_key_of_ones_own_are_kept(self):
        given = {"DATABASE_URL": "postgres://here/inbox", "SECRET_KEY": "mine"}

        assert given.items() <= environment(read_plan({}), given, "made").items()


class TestPrepare:
    @pytest.mark.parametrize("name", ["PORT", "EMULATOR_PORT"])
    def test_a_taken_port_is_named_with_a_way_out(self, name):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            given = {"PORT": str(free_port()), "EMULATOR_PORT": str(free_port()), name: str(port)}

            with pytest.raises(CannotRun, match=rf"Port {port} is taken.* make run {name}=\d+"):
                require_free(read_plan(given))

    def test_one_run_at_a_time_has_a_data_directory(self, tmp_path):
        with claim(tmp_path / "var"), pytest.raises(CannotRun, match="make run DATA_DIR="):
            claim(tmp_path / "var")

        claim(tmp_path / "var").close()

    def test_the_secret_key_is_kept_for_its_owner_alone(self, tmp_path):
        key = keep_secret_key(tmp_path)

        assert len(key) >= 50
        assert keep_secret_key(tmp_path) == key
        assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600


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
        with pytest.raises(CannotRun, match=r"`migrate` failed \(exit code 3\)"):
            children.run("migrate", "-c", "raise SystemExit(3)")

    def test_a_service_that_ends_ends_the_run(self, children):
        children.start("worker", "-c", "raise SystemExit(4)")

        with pytest.raises(CannotRun, match=r"The worker has ended \(exit code 4\)"):
            children.follow()

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


@dataclass(frozen=True, slots=True)
class Run:
    """`python -m config.local` with a data directory and two ports of its own."""

    data_dir: Path
    port: int
    emulator_port: int
    process: subprocess.Popen[str]

    @classmethod
    def start(cls, data_dir: Path, port: int, emulator_port: int) -> "Run":
        ours = {"DATABASE_URL", "DEBUG", "SECRET_KEY"}  # set for the tests, not by a person
        env = {name: value for name, value in os.environ.items() if name not in ours}
        env |= {"DATA_DIR": str(data_dir), "DEMO_PASSWORD": "open"}
        env |= {"PORT": str(port), "EMULATOR_PORT": str(emulator_port)}
        process = subprocess.Popen(
            [sys.executable, "-m", "config.local"],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return cls(data_dir, port, emulator_port, process)

    def read_until(self, end: str) -> str:
        """Everything printed up to the line that contains the text, or to the end."""
        assert self.process.stdout
        read = ""
        for line in self.process.stdout:
            read += line
            if end in line:
                break
        return read

    def rest(self) -> str:
        return self.process.communicate(timeout=30)[0]

    def is_gone(self) -> bool:
        return eventually(lambda: running_with(f"DATA_DIR={self.data_dir}") == {}, 5)


@pytest.mark.round_trip
class TestRun:
    @pytest.fixture
    def start(self, tmp_path: Path) -> Iterator[Callable[..., Run]]:
        """Starts runs in one data directory at the same ports; none outlives the test."""
        ports = (free_port(), free_port())
        runs: list[Run] = []

        def start(name: str = "var") -> Run:
            runs.append(Run.start(tmp_path / name, *ports))
            return runs[-1]

        yield start
        for run in runs:
            if run.process.poll() is None:
                run.process.terminate()
            run.process.communicate(timeout=30)

    def test_it_starts_says_how_to_sign_in_and_stops_at_ctrl_c(self, start):
        run = start()
        said = run.read_until("Ctrl-C stops everything")

        assert "Starting two example executions" in said
        assert f"Open      http://127.0.0.1:{run.port}/" in said
        assert "password open" in said
        for port in (run.port, run.emulator_port):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as response:
                assert response.status == 200

        second = start("elsewhere")
        assert f"Port {run.port} is taken." in second.rest()
        assert second.process.returncode == 1

        run.process.send_signal(signal.SIGINT)
        assert "Stopping" in run.rest()
        assert run.process.returncode == 0
        assert run.is_gone()

    def test_a_second_start_keeps_the_data_and_one_death_ends_all(self, start):
        first = start()
        first.read_until("Ctrl-C stops everything")
        key = (first.data_dir / "secret-key").read_text()
        first.process.send_signal(signal.SIGTERM)
        first.rest()

        again = start()
        said = again.read_until("Ctrl-C stops everything")

        assert "Starting two example executions" not in said
        assert (again.data_dir / "secret-key").read_text() == key

        for pid, command in running_with(f"DATA_DIR={again.data_dir}").items():
            if "manage.py deliver" in command:
                os.kill(pid, signal.SIGKILL)
        assert "The worker has ended (exit code -9)" in again.rest()
        assert again.process.returncode == 1
        assert again.is_gone()

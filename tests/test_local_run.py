"""`make run`: what it sets, what it refuses, and that it leaves nothing behind."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from approvals.management.commands import seed_demo
from config.data_dir import claim, is_claimed, keep_secret_key, shut_database, write_environment
from config.local import (
    Plan,
    deploy,
    emulator,
    environment,
    main,
    may_serve_grpc,
    read_plan,
    shared,
    welcome,
)
from config.ports import keep_ports, require_free, require_same
from config.processes import CannotRun, Children
from tests.running import eventually, running_with
from tests.services import free_port

ROOT = Path(__file__).resolve().parent.parent


class TestPlan:
    def test_without_settings_it_is_the_documented_one(self):
        plan = read_plan({})

        assert (plan.web, plan.emulator) == ("http://127.0.0.1:8000", "http://127.0.0.1:8787")
        assert plan.data_dir == ROOT / "var"

    @pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "8000 "])
    def test_a_port_that_is_none_is_refused(self, port):
        with pytest.raises(CannotRun, match=f"EMULATOR_PORT={port} is not a port"):
            read_plan({"EMULATOR_PORT": port})

    def test_one_port_for_both_is_refused_with_another(self):
        with pytest.raises(
            CannotRun, match=r"both 8787: .* PORT=8787 EMULATOR_PORT=\d+"
        ) as refused:
            read_plan({"PORT": "8787"})

        assert "EMULATOR_PORT=8787" not in str(refused.value)


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
    def test_a_taken_port_is_named_with_a_way_out_that_keeps_the_rest(self, name, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            given = {"PORT": str(free_port()), "EMULATOR_PORT": str(free_port()), name: str(port)}

            given["DATA_DIR"] = "a place"
            with pytest.raises(CannotRun, match=f"Port {port} is taken") as refused:
                require_free(read_plan(given).ports, tmp_path, given)

        hint = str(refused.value).partition("make run PORT=")[2].replace("EMULATOR_PORT=", "")
        port_there, emulator_port_there, data_dir = hint.split(maxsplit=2)
        assert data_dir == "DATA_DIR='a place'"
        assert str(port) not in (port_there, emulator_port_there)
        assert {port_there, emulator_port_there} & set(given.values())

    def test_data_that_waits_at_other_ports_is_refused_with_three_ways_out(self, tmp_path):
        require_same((8000, 8787), tmp_path, {})
        keep_ports(tmp_path, (8000, 8787))
        require_same((8000, 8787), tmp_path, {})

        with pytest.raises(CannotRun, match="no answer would reach them") as refused:
            require_same((9000, 8787), tmp_path, {"PORT": "9000", "DEMO_PASSWORD": "open"})

        for way_out in (
            "make run PORT=8000 DEMO_PASSWORD=open EMULATOR_PORT=8787",
            "make run PORT=9000 DEMO_PASSWORD=open DATA_DIR=var-9000",
            "make run PORT=9000 DEMO_PASSWORD=open NEW_PORTS=1",
        ):
            assert f" {way_out}" in str(refused.value)
        assert read_plan({"NEW_PORTS": "1"}).new_ports

    def test_a_data_directory_that_cannot_be_is_a_sentence(self, tmp_path):
        (tmp_path / "file").touch()

        for place in (tmp_path / "file", tmp_path / "file" / "var"):
            with pytest.raises(CannotRun, match=rf"DATA_DIR={place} cannot be used \(.*\)\. Name"):
                claim(place)

    def test_data_is_for_its_owner_alone(self, tmp_path):
        claim(tmp_path / "var").close()
        (tmp_path / "var" / "countersign.sqlite3").touch(mode=0o644)
        shut_database(tmp_path / "var")

        assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o700
        database = tmp_path / "var" / "countersign.sqlite3"
        assert stat.S_IMODE(database.stat().st_mode) == 0o600

    def test_one_run_at_a_time_has_a_data_directory(self, tmp_path):
        with claim(tmp_path / "var"), pytest.raises(CannotRun, match="make run DATA_DIR="):
            claim(tmp_path / "var")

        assert not is_claimed(tmp_path / "var")
        with claim(tmp_path / "var"):
            assert is_claimed(tmp_path / "var")

    def test_the_secret_key_is_kept_for_its_owner_alone(self, tmp_path):
        key = keep_secret_key(tmp_path)

        assert len(key) >= 50
        assert keep_secret_key(tmp_path) == key
        assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600


class TestShare:
    def read_in_a_shell(self, path: Path, **env: str) -> dict[str, str]:
        done = subprocess.run(
            ["sh", "-c", f". '{path}' && env -0"],
            env={"PATH": os.environ["PATH"], **env},
            capture_output=True,
            text=True,
            check=True,
        )
        return dict(line.split("=", 1) for line in done.stdout.split("\0") if line)

    def test_a_shell_that_reads_the_file_has_what_the_children_have(self, tmp_path):
        given = {"DEMO_PASSWORD": "it's $HOME", "DATA_DIR": str(tmp_path)}
        env = environment(read_plan(given), given, "key")

        path = write_environment(tmp_path, *shared(env))

        read = self.read_in_a_shell(path, NO_GCE_CHECK="true", DATABASE_URL="postgres://else/where")
        assert env.items() <= read.items()
        assert not read.keys() & {"NO_GCE_CHECK", "DATABASE_URL"}
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_a_database_of_ones_own_is_in_it(self, tmp_path):
        url = "postgres://127.0.0.1/inbox"

        path = write_environment(tmp_path, *shared({"DATABASE_URL": url}))

        assert self.read_in_a_shell(path)["DATABASE_URL"] == url

    def test_manage_without_it_ends_in_a_sentence(self, tmp_path):
        command = [sys.executable, str(ROOT / "manage.py"), "deliver", "--once"]
        env = {"PATH": os.environ["PATH"]}

        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)

        assert done.returncode == 1
        assert done.stderr.startswith("Set SECRET_KEY to a long random text")
        assert done.stderr.endswith(". var/env\n")
        assert done.stderr.count("\n") == 1


class TestDeploy:
    @pytest.fixture
    def plan(self, tmp_path: Path) -> Plan:
        ports = {"PORT": str(free_port()), "EMULATOR_PORT": str(free_port())}
        return read_plan({"DATA_DIR": str(tmp_path), **ports})

    def test_its_failure_stops_nothing_and_marks_no_example_as_started(self, plan, capsys):
        env = environment(plan, os.environ, "key")
        children = Children(env | {"DEBUG": "0", "SECRET_KEY": ""})  # every command fails
        children.start("web", "-c", "import time; time.sleep(60)")
        try:
            assert deploy(plan, children) is False
            assert not children.services[0].ended()
        finally:
            children.stop()

        said = capsys.readouterr().out
        assert "deploy | Set SECRET_KEY" in said
        assert "`deploy` failed (exit code 1); its lines are above." in said
        assert "`examples` failed (exit code 1); its lines are above." in said
        assert "executions of workflows/, which must be deployed first" in said
        assert not (plan.data_dir / "examples-started").exists()

    def test_where_nothing_runs_it_says_so(self, plan, monkeypatch, capsys):
        monkeypatch.setenv("DATA_DIR", str(plan.data_dir))
        monkeypatch.delenv("DATABASE_URL", raising=False)

        assert main(["deploy"]) == 1

        assert f"Nothing runs with the data in {plan.data_dir}." in capsys.readouterr().err


class TestGrpc:
    def test_it_is_served_at_the_port_after_the_emulators_which_the_welcome_tells(self):
        plan = read_plan({"EMULATOR_PORT": str(free_port())})
        beside = plan.emulator_port + 1

        served = emulator(plan, grpc=True)

        assert served[served.index("--grpc-port") + 1] == str(beside)
        assert f"gRPC at 127.0.0.1:{beside}\n" in welcome(plan, fresh=True, grpc=True)

    def test_where_that_port_is_taken_it_is_off_and_the_welcome_says_why(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            taken = server.getsockname()[1]
            plan = read_plan({"EMULATOR_PORT": str(taken - 1)})

            assert not may_serve_grpc(plan)
        served = emulator(plan, grpc=False)
        assert served[served.index("--grpc-port") + 1] == "off"
        assert f"gRPC off, for port {taken} cannot" in welcome(plan, fresh=True, grpc=False)

    @pytest.mark.parametrize("port", ["8787", "65535"])
    def test_it_takes_neither_the_port_of_the_inbox_nor_one_that_is_none(self, port):
        assert not may_serve_grpc(read_plan({"PORT": "8788", "EMULATOR_PORT": port}))


class TestWelcome:
    def test_it_gives_commands_that_work_as_they_stand(self, tmp_path):
        ports = {"PORT": "9000", "EMULATOR_PORT": "9001"}
        said = welcome(read_plan(ports), fresh=True, grpc=True)

        assert "-m emulator executions --emulator http://127.0.0.1:9001" in said
        assert "-m emulator start expense-approval --emulator http://127.0.0.1:9001" in said
        assert ". var/env && .venv/bin/python manage.py help" in said
        assert "make deploy\n" in said
        elsewhere = welcome(read_plan({**ports, "DATA_DIR": str(tmp_path)}), fresh=True, grpc=True)
        assert f". {tmp_path}/env && " in elsewhere
        assert f"make deploy DATA_DIR={tmp_path}\n" in elsewhere

    def test_it_names_everybody_who_can_sign_in_and_where_their_mails_are(self, tmp_path):
        plan = read_plan({"DATA_DIR": str(tmp_path)})
        said = welcome(plan, fresh=True, grpc=True)

        for address in (*(person[0] for person in seed_demo.PEOPLE), seed_demo.OPERATOR):
            assert address in said
        assert f"{tmp_path}/mail/*.log" in said
        elsewhere = welcome(plan, fresh=True, grpc=True, mail_url="smtp://mail.example.com")
        assert "/mail/*.log" not in elsewhere
        assert "where EMAIL_URL says" in elsewhere

    def test_a_second_start_does_not_promise_an_expense(self):
        assert "Then      open an expense" in welcome(read_plan({}), fresh=True, grpc=True)
        again = welcome(read_plan({}), fresh=False, grpc=True)
        assert "Then      start an example (see below), if none waits; open an expense" in again


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

    def deploy_anew(self) -> str:
        """What `make deploy` prints, without knowing the ports."""
        env = {"PATH": os.environ["PATH"], "DATA_DIR": str(self.data_dir)}
        command = [sys.executable, "-m", "config.local", "deploy"]
        return subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, check=True
        ).stdout

    def in_a_shell(self, command: str) -> str:
        """What a command of the welcome prints."""
        ours = command.replace(".venv/bin/python", sys.executable)
        return subprocess.run(
            ["sh", "-c", ours], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout

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

        assert "Starting the example executions" in said
        assert f"Open      http://127.0.0.1:{run.port}/" in said
        assert "password open" in said
        for port in (run.port, run.emulator_port):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as response:
                assert response.status == 200

        passed = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read_text()
        commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in passed.split()]
        (serving,) = [words for words in commands if "emulator\0serve" in words]
        assert "--watch\0workflows\0" in serving
        assert "gRPC at 127.0.0.1:" in said or "gRPC off, for port" in said
        assert f"--env\0COUNTERSIGN_URL=http://127.0.0.1:{run.port}\0" in serving
        database = run.data_dir / "countersign.sqlite3"
        for path in (database, database.with_name("emulator.sqlite3"), run.data_dir / "env"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "updated expense-approval" in run.deploy_anew()
        executions, start_one = re.findall(r"\.venv/bin/python -m [^\\\n]+(?:\\\n.+)?", said)
        run.in_a_shell(start_one)
        waiting = re.compile(r"^ACTIVE .* at request_approval/", re.MULTILINE)
        expected = len(seed_demo.EXAMPLES) + 1
        assert eventually(lambda: len(waiting.findall(run.in_a_shell(executions))) == expected)

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

        assert "Starting the example executions" not in said
        assert (again.data_dir / "secret-key").read_text() == key

        for pid, command in running_with(f"DATA_DIR={again.data_dir}").items():
            if "manage.py deliver" in command:
                os.kill(pid, signal.SIGKILL)
        assert "The worker has ended (exit code -9)" in again.rest()
        assert again.process.returncode == 1
        assert again.is_gone()

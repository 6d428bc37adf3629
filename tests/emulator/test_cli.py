"""The command line, each command as a process."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial

import pytest

from emulator.__main__ import main
from tests.emulator.stub import StubServer
from tests.emulators import ROOT, Execution, command, eventually

REFUSED = {
    "tags": ["HttpError"],
    "code": 422,
    "message": "HTTP server responded with error code 422",
    "body": {"detail": "approvers: Nobody here is called group:bosses."},
}
FLOW = "main:\n  params: [input]\n  steps:\n    - done: {return: '${input.n + 1}'}\n"


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "flows"
    place.mkdir()
    (place / "add-one.yaml").write_text(FLOW)
    (place / "two.json").write_text('{"main": {"steps": [{"done": {"return": 2}}]}}')
    return place


def here(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and standard error of a command in this process; for those that end at once."""
    try:
        code = main(arguments)
    except SystemExit as usage:  # argparse
        code = int(usage.code or 0)
    return code, capsys.readouterr().err


def started(execution: Execution) -> bool:
    """Whether the execution has run a step."""
    return "status" in execution.read()


class TestServe:
    def test_it_deploys_says_ready_and_stops_when_told(self, start_emulator, folder):
        emulator = start_emulator(workflows=folder)

        assert emulator.execute("add-one", {"n": 1}).result() == 2
        assert emulator.execute("two").result() == 2
        emulator.execute("add-one", {"n": 1})
        began = time.monotonic()
        assert emulator.stop() == 0
        assert time.monotonic() - began < 10

    def test_ctrl_c_stops_it_while_executions_wait_and_call(self, start_emulator):
        emulator = start_emulator()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            emulator.deploy("call", f"- ask: {{call: http.get, args: {{url: '{url}'}}}}\n")
            emulator.deploy("nap", "- nap: {call: sys.sleep, args: {seconds: 900}}\n")
            executions = [emulator.execute("call"), emulator.execute("nap")]
            for execution in executions:
                eventually(partial(started, execution))
            began = time.monotonic()
            assert emulator.stop() == 0
            assert time.monotonic() - began < 2.5

    def test_without_reload_a_source_that_does_not_build_stops_the_start(self, tmp_path, folder):
        (folder / "broken.yaml").write_text("- a: {return: 1}\n- b: {next: nowhere}\n")

        done = command(
            *("serve", "--port", "0", "--data", str(tmp_path / "d"), "--no-reload"),
            *("--workflows", str(folder)),
        )

        assert done.returncode == 2
        assert f"{folder / 'broken.yaml'}:2:" in done.stderr
        assert "nowhere" in done.stderr
        assert done.stderr.endswith("1 of 3 do not build: broken\n")

    def test_a_taken_port_is_a_sentence(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            done = command("serve", "--port", port, "--data", str(tmp_path / "d"))

        assert done.returncode == 2
        assert f"port {port}" in done.stderr
        assert "--port" in done.stderr
        assert len(done.stderr.splitlines()) == 1

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--host", "0.0.0.0"], "--allow-remote"),
            (["--host", "0.0.0.0", "--allow-remote", "--auth", "off"], "--auth off"),
            (["--grant", "eva"], "EMAIL=ROLE"),
            (["--grant", "eva@x=owner"], "no role 'owner'"),
            (["--time-scale", "0"], "greater than 0"),
            (["--workflows", "/no/such/folder"], "/no/such/folder"),
        ],
    )
    def test_wrong_options_are_a_sentence(self, tmp_path, capsys, options, said):
        code, printed = here(capsys, "serve", "--port=0", f"--data={tmp_path / 'd'}", *options)

        assert code == 2
        assert said in printed

    def test_a_data_file_in_use_or_of_another_project_is_a_sentence(self, start_emulator, capsys):
        emulator = start_emulator()
        data = ("serve", "--port=0", f"--data={emulator.data}")

        in_use = here(capsys, *data)
        emulator.stop()
        of_another = here(capsys, *data, "--project=other")

        assert "another emulator is using it" in in_use[1]
        assert "belongs to the project countersign-demo" in of_another[1]
        assert in_use[0] == of_another[0] == 2


class TestDeployAndExecutions:
    def test_a_folder_is_deployed_to_a_running_emulator(self, emulator, folder):
        first = command("deploy", str(folder), "--emulator", emulator.url)
        (folder / "two.json").write_text('[{"done": {"return": 22}}]')
        second = command("deploy", str(folder), "--emulator", emulator.url)

        assert first.stdout.splitlines()[0].startswith("created add-one 000001-")
        assert [line.split()[0] for line in second.stdout.splitlines()] == ["unchanged", "updated"]
        assert emulator.execute("two").result() == 22
        assert first.returncode == second.returncode == 0

    def test_a_broken_file_is_named_and_the_others_are_deployed(self, emulator, folder):
        (folder / "broken.yaml").write_text("- a: {next: nowhere}\n")
        (folder / "fine.yaml").write_text("- done: {return: 5}\n")

        done = command("deploy", str(folder), "--emulator", emulator.url)

        assert done.returncode == 2
        assert done.stderr.startswith(f"{folder / 'broken.yaml'}:1:13: parse error: ")
        assert done.stderr.endswith("1 of 4 not deployed: broken\n")
        assert emulator.execute("fine").result() == 5

    def test_a_folder_without_workflows_is_refused(self, emulator, tmp_path, capsys):
        code, printed = here(capsys, "deploy", str(tmp_path), f"--emulator={emulator.url}")

        assert code == 2
        assert f"{tmp_path} holds no workflow" in printed

    def test_variables_are_set_beside_those_there_are(self, emulator, tmp_path):
        path = tmp_path / "levels.yaml"
        path.write_text("- done: {return: ['${sys.get_env(\"A\")}', '${sys.get_env(\"B\")}']}\n")

        def deploy(*options: str) -> str:
            done = command("deploy", str(path), "--emulator", emulator.url, *options)
            return done.stdout.split()[0]

        done = [deploy("--env=A=1", "--env=B=1"), deploy("--env=B=2"), deploy("--env=B=2")]

        assert done == ["created", "updated", "unchanged"]
        assert deploy() == "unchanged"
        assert emulator.execute("levels").result() == ["1", "2"]

    def test_what_an_http_answer_says_is_shown(self, emulator):
        """The reason of a refusal, in the list and in the log."""
        problem = {"loc": ["body", "approvers", 0], "msg": "There is no group finance."}
        google = {"error": {"code": 403, "message": "Not yours."}}
        said = {
            "sentence": ({"detail": "Asked before."}, ": Asked before."),
            "problems": ({"detail": [problem]}, ": approvers.0: There is no group finance."),
            "google": (google, ": Not yours."),
            "endless": ({"detail": "far " * 200}, "far far ..."),
        }
        with StubServer() as server:
            for name, (body, _) in said.items():
                answers = [{"status": 422, "json": body}]
                server.stubs = [
                    {"method": "GET", "url": "https://example.com/a", "responses": answers}
                ]
                url = f"{server.url}/example.com/a"
                emulator.deploy(name, f"- ask: {{call: http.get, args: {{url: '{url}'}}}}\n")
                emulator.execute(name).wait()
        listed = command("executions", "--emulator", emulator.url).stdout.splitlines()

        for name, (_, sentence) in said.items():
            (line,) = [line for line in listed if line.split()[1] == name]
            assert 'error code 422 in step "ask"' in line
            assert line.endswith(sentence)
            assert len(line) < 600
            (logged,) = [each for each in emulator.logged("execution-ended") if f"={name} " in each]
            assert logged.endswith(f'{sentence}"')

    def test_the_newest_execution_of_all_workflows_comes_first(self, start_emulator):
        emulator = start_emulator()
        for name in ("one", "two"):
            emulator.deploy(name, "- done: {return: 1}\n")
        started = [emulator.execute(name).id for name in ("one", "two", "one", "two", "one")]

        done = command("executions", "--emulator", emulator.url.removeprefix("http://"))

        assert [line.split()[2] for line in done.stdout.splitlines()] == started[::-1]

    def test_a_reader_that_leaves_is_no_error(self, emulator):
        emulator.deploy("much", f"- done: {{return: {'x' * 100_000}}}\n")
        for _ in range(3):
            emulator.execute("much").wait()
        process = subprocess.Popen(
            [sys.executable, "-m", "emulator", "executions", "--emulator", emulator.url],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()

        assert process.wait(timeout=20) == 128 + signal.SIGPIPE
        assert process.stderr.read() == b""
        process.stderr.close()

    def test_executions_are_listed_one_a_line(self, emulator):
        emulator.deploy("good", "- done: {return: {a: 1}}\n")
        emulator.deploy("bad", "- fail: {raise: no money}\n")
        emulator.deploy("idle", "- nap: {call: sys.sleep, args: {seconds: 36000}}\n")
        good, bad, idle = (emulator.execute(name) for name in ("good", "bad", "idle"))
        good.wait()
        bad.wait()
        eventually(lambda: idle.read().get("status"))

        done = command("executions", "--emulator", emulator.url)
        only = command("executions", "--emulator", emulator.url, "--workflow", "good")

        lines = {line.split()[2]: line for line in done.stdout.splitlines()}
        assert lines[good.id].startswith("SUCCEEDED good ")
        assert lines[good.id].endswith('{"a":1}')
        assert lines[bad.id].startswith("FAILED    bad ")
        assert 'RuntimeError: "no money"' in lines[bad.id]
        assert lines[idle.id].endswith("at main/nap")
        assert [line.split()[2] for line in only.stdout.splitlines()] == [good.id]

    def test_without_an_emulator_it_says_what_to_do(self, folder, capsys):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        for arguments in (["deploy", str(folder)], ["executions"]):
            code, printed = here(capsys, *arguments, f"--emulator=http://127.0.0.1:{port}")
            assert code == 2
            assert "python -m emulator serve" in printed
            assert "(Connection refused)" in printed


class TestCancel:
    def test_an_execution_is_ended_and_its_state_told(self, emulator):
        emulator.deploy("held", "- nap: {call: sys.sleep, args: {seconds: 36000}}\n")
        held = emulator.execute("held")

        done = command("cancel", "held", held.id, "--emulator", emulator.url)
        again = command("cancel", "held", held.id, "--emulator", emulator.url)

        assert (done.returncode, done.stdout) == (0, "CANCELLED\n")
        assert held.read()["state"] == "CANCELLED"
        assert (again.returncode, again.stdout) == (2, "")
        assert held.id in again.stderr

    def test_one_that_there_is_not_is_said(self, emulator):
        done = command("cancel", "nothing", "no/such one", "--emulator", emulator.url)

        assert done.returncode == 2
        assert "nothing" in done.stderr


class TestStart:
    def test_the_id_is_printed_at_once(self, emulator):
        emulator.deploy("rest", "- nap: {call: sys.sleep, args: {seconds: 36000}}\n")

        done = command("start", "rest", "--emulator", emulator.url)

        path = f"{emulator.parent}/workflows/rest/executions/{done.stdout.strip()}"
        assert done.returncode == 0
        assert emulator.ask("GET", path)["state"] == "ACTIVE"

    def test_with_wait_it_ends_as_run_does(self, emulator):
        emulator.deploy("add", FLOW)

        good = command("start", "add", "--data", '{"n": 1}', "--wait", "--emulator", emulator.url)
        bad = command("start", "add", "--data", '{"n": []}', "--wait", "--emulator", emulator.url)

        assert (good.returncode, good.stdout) == (0, "2\n")
        assert (bad.returncode, bad.stdout) == (1, "")
        assert "FAILED: " in bad.stderr
        assert 'in step "done", routine "main"' in bad.stderr

    def test_with_wait_it_says_what_it_waits_for_and_how_to_answer(self, emulator):
        emulator.deploy(
            "ask",
            "- make: {call: events.create_callback_endpoint, result: end}\n"
            "- wait: {call: events.await_callback, args: ['${end}'], result: told}\n"
            "- done: {return: '${told.http_request.body}'}\n",
        )
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "emulator",
                "start",
                "ask",
                "--wait",
                "--emulator",
                emulator.url,
            ],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        watch = threading.Timer(20, process.kill)
        watch.start()
        told = []
        for line in process.stderr:
            told.append(line.strip())
            if "answer it: " in line:
                break
        subprocess.run(["sh", "-c", told[-1].partition("answer it: ")[2]], check=True)
        out, _ = process.communicate(timeout=20)
        watch.cancel()

        assert f" page={emulator.url}/ui/executions/" in told[0]
        assert told[1].startswith("main/wait waits for a POST request to its callback, until ")
        assert "/callbacks/" in told[2]
        assert json.loads(out) == {"answer": "yes"}

    def test_with_wait_an_error_in_a_shipped_library_is_told_in_its_lines(self, emulator, tmp_path):
        path = tmp_path / "asks.yaml"
        path.write_text("- ask: {call: request_approval, args: {request: {title: x}}}\n")
        path.write_text("main:\n  steps:\n    " + path.read_text())
        command("deploy", str(path), "--emulator", emulator.url)

        done = command("start", "asks", "--wait", "--emulator", emulator.url)

        library = (ROOT / "workflows/request_approval.yaml").read_text().splitlines()
        (told,) = [line for line in done.stderr.splitlines() if "/need_an_address" in line]
        number = int(told.removeprefix("workflows/request_approval.yaml:").partition(":")[0])
        assert "Set COUNTERSIGN_URL" in library[number - 1]

    def test_what_an_http_answer_says_stands_first(self, emulator):
        emulator.deploy("refused", json.dumps([{"a": {"raise": REFUSED}}]))

        done = command("start", "refused", "--wait", "--emulator", emulator.url)

        assert "FAILED: approvers: Nobody here is called group:bosses.\n{" in done.stderr

    def test_an_unknown_workflow_is_a_sentence(self, emulator, capsys):
        code, printed = here(capsys, "start", "nothing", f"--emulator={emulator.url}")

        assert code == 2
        assert "workflows/nothing" in printed

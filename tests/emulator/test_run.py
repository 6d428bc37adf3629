"""`run`: one file to its end, and what it tells on the way."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from emulator.__main__ import main
from tests.emulators import ROOT, command

FLOW = "main:\n  params: [input]\n  steps:\n    - done: {return: '${input.n + 1}'}\n"

WAY = textwrap.dedent("""\
    main:
      steps:
        - go:
            for:
              value: i
              range: [1, 50]
              steps:
                - which: {switch: [{condition: '${i == 40}', next: late}]}
                - twice: {next: continue}
                - late: {assign: [x: 1]}
        - both:
            parallel:
              branches:
                - left: {call: helper}
                - right: {assign: [y: 2]}
        - tried:
            try: {raise: oh}
            except: {as: e, steps: [{b: {next: nap}}]}
        - nap: {call: sys.sleep, args: {seconds: 0.7}}
        - again: {assign: [z: 1]}
    helper:
      steps:
        - h: {return: 1}
    """)


ASKING = textwrap.dedent("""\
    main:
      steps:
        - make: {call: events.create_callback_endpoint, result: end}
        - ask:
            call: http.post
            args:
              url: https://inbox.example/api/v1/approvals
              body: {callback_url: '${end.url}'}
        - wait: {call: events.await_callback, args: {callback: '${end}', timeout: 600}}
    """)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "flows"
    place.mkdir()
    (place / "add-one.yaml").write_text(FLOW)
    (place / "two.json").write_text('{"main": {"steps": [{"done": {"return": 2}}]}}')
    return place


def asking(folder) -> list[str]:
    """A workflow that asks an inbox, and the option with the stub that is this inbox."""
    (folder / "ask.yaml").write_text(ASKING)
    (folder / "stubs.yaml").write_text(
        "stubs:\n  POST https://inbox.example/api/v1/approvals:\n    status: 201\n"
        "    json: {id: a1, url: 'https://inbox.example/approvals/a1/'}\n"
    )
    return [str(folder / "ask.yaml"), "--stubs", str(folder / "stubs.yaml")]


def here(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and standard error of a command in this process; for those that end at once."""
    try:
        code = main(arguments)
    except SystemExit as usage:  # argparse
        code = int(usage.code or 0)
    return code, capsys.readouterr().err


class TestRun:
    def test_the_result_is_on_standard_output_and_the_log_beside_it(self, tmp_path):
        path = tmp_path / "greet.yaml"
        path.write_text(
            "main:\n  params: [input]\n  steps:\n"
            "    - say: {call: sys.log, args: {text: '${\"hello \" + input.who}'}}\n"
            "    - done: {return: {said: '${input.who}'}}\n"
        )

        done = command("run", str(path), "--data", '{"who": "Ada"}')

        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"said": "Ada"}
        assert 'text="hello Ada"' in done.stderr

    def test_each_step_is_told_with_its_place_and_outcome(self, tmp_path):
        path = tmp_path / "way.yaml"
        path.write_text(WAY)

        done = command("run", str(path))

        assert (done.returncode, done.stdout) == (0, "null\n")
        told = [re.sub(r"\d+\.\d{3}", "T", line)[3:] for line in done.stderr.splitlines()]
        steps = [line for line in map(str.strip, told) if line.startswith("T  ")]
        shown = "\n".join(line.removeprefix("T  ") for line in steps)
        for lines in (
            "go: for i in 1 to 50\n  round 1 of 50\n    which: switch 1 case",
            "  round 3 of 50\n    which: switch 1 case\n    twice: → continue\n  … 47 more\nboth: ",
            "  [left] branch left\n    [left] left: call helper(…)\n      [left] h: return 1",
            "  [right] branch right\n    [right] right: assign y = 2",
            'tried: try with except\n  try\n    tried: raise "oh" FAILED: oh\n',
            "  except\n    b: → nap",
            "main/nap waits for time to pass, until ",
            "nap: call sys.sleep(…) (T s)\nagain: assign z = 1",
        ):
            assert lines in shown

    def test_a_loop_of_jumps_is_told_for_a_while(self, tmp_path):
        path = tmp_path / "jumps.yaml"
        path.write_text(
            "- init: {assign: [n: 0]}\n- again: {assign: [n: '${n + 1}']}\n"
            "- more: {switch: [{condition: '${n < 200}', next: again}]}\n- done: {return: '${n}'}\n"
        )

        done = command("run", str(path))

        assert done.stdout == "200\n"
        assert done.stderr.count("again: assign n = n + 1") == 5
        # Of 200 rounds 5 are told, with a step, a switch and a case each; the last has no case.
        assert f"\N{HORIZONTAL ELLIPSIS} {195 * 3 - 1} like these" in done.stderr

    def test_quiet_says_the_result_alone(self, tmp_path):
        path = tmp_path / "log.yaml"
        path.write_text("- a: {call: sys.log, args: {text: hello}}\n- b: {return: 1}\n")

        done = command("run", str(path), "--quiet")

        assert (done.stdout, done.stderr) == ("1\n", "")

    def test_a_failure_in_a_library_is_shown_there(self, tmp_path):
        library = tmp_path / "lib.yaml"
        library.write_text("shared:\n  steps:\n    - bad: {raise: oh}\n")
        path = tmp_path / "flow.yaml"
        path.write_text("main:\n  steps:\n    - ask: {call: shared}\n")

        done = command("run", str(path))

        assert done.stderr.endswith(
            f"{library}:3:13: shared/bad\n    - bad: {{raise: oh}}\n{' ' * 12}^\n"
            f"{path}:3:13: main/ask\n"
        )

    def test_skipped_time_waits_for_nothing(self, tmp_path):
        path = tmp_path / "nap.yaml"
        path.write_text("- a: {call: sys.sleep, args: {seconds: 86400}}\n- b: {return: 1}\n")

        done = command("run", str(path), "--time", "skip")

        assert done.stdout == "1\n"
        assert "86400.0" in done.stderr

    def test_a_failure_shows_payload_and_context(self, tmp_path):
        path = tmp_path / "fail.yaml"
        path.write_text("main:\n  steps:\n    - bad:\n        raise: {code: 7}\n")

        done = command("run", str(path))

        assert (done.returncode, done.stdout) == (1, "")
        assert 'FAILED: {"code":7}' in done.stderr
        assert 'in step "bad", routine "main", line: 4' in done.stderr

    def test_a_source_error_names_file_line_and_column(self, tmp_path):
        path = tmp_path / "broken.yaml"
        path.write_text("- good: {return: 1}\n- bad: {return: '${1 +}'}\n")

        done = command("run", str(path))

        assert done.returncode == 2
        assert f"{path}:2:" in done.stderr

    def test_variables_reach_the_workflow(self, tmp_path):
        path = tmp_path / "level.yaml"
        path.write_text('- done: {return: \'${sys.get_env("LEVEL") + sys.get_env("SIGN")}\'}\n')

        done = command("run", str(path), "--env", "LEVEL=2", "--env", "SIGN==")

        assert done.stdout == '"2="\n', done.stderr

    def test_asking_without_an_inbox_says_what_to_set(self, tmp_path):
        path = tmp_path / "ask.yaml"
        path.write_text(
            "main:\n  steps:\n    - ask: {call: request_approval, args: {request: {}}}\n"
        )

        done = command("run", str(path))

        assert done.returncode == 1
        assert 'FAILED: "Set COUNTERSIGN_URL when deploying, or pass inbox:' in done.stderr

    def test_reporting_without_an_inbox_logs_it_and_goes_on(self, tmp_path):
        path = tmp_path / "tell.yaml"
        decision = "{approval_id: a, decision_id: d}"
        path.write_text(
            "main:\n  steps:\n    - tell: {call: report_outcome, args: {decision: "
            + decision
            + ", status: succeeded}}\n    - done: {return: told}\n"
        )

        done = command("run", str(path))

        assert done.stdout == '"told"\n'
        assert "Set COUNTERSIGN_URL when deploying, or pass inbox:" in done.stderr

    @pytest.mark.parametrize("pair", ["LEVEL", "=2", "GOOGLE_LEVEL=2"])
    def test_a_variable_that_cannot_be_set_is_refused(self, folder, capsys, pair):
        code, printed = here(capsys, "run", str(folder / "add-one.yaml"), "--env", pair)

        assert code == 2
        assert printed.startswith("--env ")

    @pytest.mark.parametrize("data", ["{", "[1,]", "nope"])
    def test_an_argument_that_is_not_json_is_refused(self, folder, capsys, data):
        code, printed = here(capsys, "run", str(folder / "add-one.yaml"), "--data", data)

        assert code == 2
        assert "--data is not JSON" in printed

    def test_a_file_that_is_not_there_is_a_sentence(self, capsys):
        code, printed = here(capsys, "run", "/no/such/file.yaml")

        assert code == 2
        assert "/no/such/file.yaml" in printed

    def test_the_line_that_it_prints_answers_its_callback(self):
        path = ROOT / "tests/emulator/seed/expense-callback.yaml"
        process = subprocess.Popen(
            [sys.executable, "-m", "emulator", "run", str(path)],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        watch = threading.Timer(20, process.kill)
        watch.start()
        answer = next(line for line in process.stderr if "answer it: " in line)
        subprocess.run(["sh", "-c", answer.partition("answer it: ")[2]], check=True)
        out, _ = process.communicate(timeout=20)
        watch.cancel()

        assert json.loads(out)["body"] == {"answer": "yes"}

    def test_what_an_inbox_was_asked_is_answered_there_and_virtual_time_must_be_told(
        self, tmp_path
    ):
        files = asking(tmp_path)
        process = subprocess.Popen(
            [sys.executable, "-m", "emulator", "run", *files, "--time", "virtual"],
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
            if "its page: " in line:
                break
        clock = next(line for line in told if line.startswith("time stands still"))
        subprocess.run(["sh", "-c", clock.partition("let it pass: ")[2]], check=True)
        _, err = process.communicate(timeout=20)
        watch.cancel()

        words = [re.sub(r"^\d+\.\d+ +", "", line) for line in told]
        started = words.index("execution-started workflow=ask")
        assert words.index("make: call end = events.create_callback_endpoint(…)") > started
        assert "people answer it in the inbox: https://inbox.example/approvals/a1/" in words
        assert not any("answer it: " in line for line in words)
        assert any(line.startswith("wake it, which is no answer if") for line in words)
        assert "TimeoutError" in err

    def test_quiet_it_tells_no_wait(self, tmp_path):
        path = tmp_path / "nap.yaml"
        path.write_text("- nap: {call: sys.sleep, args: {seconds: 1}}\n")

        done = command("run", str(path), "--quiet")

        assert (done.returncode, done.stdout, done.stderr) == (0, "null\n", "")

    def test_ctrl_c_ends_it(self):
        path = ROOT / "tests/emulator/seed/expense-callback.yaml"
        process = subprocess.Popen(
            [sys.executable, "-m", "emulator", "run", str(path)],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        next(line for line in process.stderr if "answer it: " in line)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)

        assert (process.returncode, out) == (130, "")
        assert "Traceback" not in err
        assert err.endswith("Broken off at main/await_callback\n")

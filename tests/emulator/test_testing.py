"""The pytest plugin: what a test of a workflow can do, and what it is told when it goes wrong."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from emulator.testing import (
    CannotDeploy,
    RunFailed,
    StillWaiting,
    TestingError,
    TookTooLong,
    responds,
)
from emulator.testing.background import Background
from tests.authors import CONFTEST, run_tests
from tests.emulator.authored import ASK, LEDGER, PAY, QUESTION
from tests.pages import ROOT

SLEEP = """
main:
  steps:
    - sleep: {call: sys.sleep, args: {seconds: 86400}}
    - done: {return: "${sys.now()}"}
"""


class TestDeploy:
    def test_a_file_a_folder_or_a_text(self, workflows, tmp_path):
        (tmp_path / "one.yaml").write_text(PAY, encoding="utf-8")
        (tmp_path / "two.workflows.yaml").write_text(ASK, encoding="utf-8")

        assert workflows.deploy(tmp_path / "one.yaml") == ["one"]
        assert workflows.deploy(tmp_path) == ["one", "two"]
        assert workflows.deploy(SLEEP, name="three") == ["three"]

    def test_paths_begin_at_the_root_of_the_tests(self, workflows, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

        assert workflows.deploy("workflows/expense-approval.yaml") == ["expense-approval"]

    def test_variables_and_account_are_the_workflows_own(self, workflows):
        workflows.deploy(
            """
            - done: {return: '${sys.get_env("LEVEL") + " " + sys.get_env("COUNTERSIGN_URL")}'}
            """,
            env={"LEVEL": "3"},
        )
        assert workflows.start("main").result() == f"3 {workflows.inbox.url}"

        workflows.deploy(ASK, service_account="payer@example.iam.gserviceaccount.com")
        workflows.start("main", QUESTION).approval()
        assert workflows.inbox.callers == ["payer@example.iam.gserviceaccount.com"]

    def test_what_does_not_build_is_named_with_file_and_line(self, workflows, tmp_path):
        path = tmp_path / "broken.yaml"
        path.write_text("main:\n  steps:\n    - a: {next: nowhere}\n", encoding="utf-8")

        with pytest.raises(CannotDeploy, match=r"broken\.yaml:3:17: parse error"):
            workflows.deploy(path)

    def test_what_is_not_there_is_looked_for_below_the_root(self, workflows):
        with pytest.raises(CannotDeploy, match=rf"No such file.*begin at {ROOT}"):
            workflows.deploy("workflows/nowhere.yaml")

    def test_libraries_alone_are_no_workflow(self, workflows, tmp_path):
        (tmp_path / "library.yaml").write_text("sub:\n  steps:\n    - a: {return: 1}\n", "utf-8")

        with pytest.raises(CannotDeploy, match="holds no workflow"):
            workflows.deploy(tmp_path)


class TestStart:
    def test_it_returns_where_the_run_waits(self, workflows):
        workflows.deploy(SLEEP)

        run = workflows.start("main")

        assert (run.state, run.waiting_at) == ("ACTIVE", ["sleep"])

    def test_an_unknown_workflow_is_told_with_those_there_are(self, workflows):
        workflows.deploy(SLEEP, name="nap")

        with pytest.raises(TestingError, match=r"'nope' is deployed.*Deployed: nap"):
            workflows.start("nope")

    def test_an_argument_that_google_would_refuse_is_refused(self, workflows):
        workflows.deploy(SLEEP)

        with pytest.raises(TestingError, match="argument must be"):
            workflows.start("main", "x" * 40_000)

    def test_every_test_begins_with_nothing(self, workflows):
        assert workflows.runs() == []
        assert workflows.inbox.approvals == []
        with pytest.raises(TestingError, match="Deployed: none"):
            workflows.start("main")

    def test_runs_are_listed_oldest_first(self, workflows):
        workflows.deploy(SLEEP, name="nap")
        workflows.deploy(ASK, name="ask")
        started = [workflows.start(name, QUESTION) for name in ("nap", "ask", "nap")]

        assert [run.id for run in workflows.runs()] == [run.id for run in started]
        assert [run.id for run in workflows.runs("nap")] == [started[0].id, started[2].id]


class TestResult:
    def test_timers_run_to_the_end(self, workflows):
        workflows.deploy(SLEEP)
        before = workflows.now

        assert workflows.start("main").result() == (before + timedelta(days=1)).timestamp()
        assert workflows.now - before == timedelta(days=1)

    def test_a_failed_run_tells_error_and_place(self, workflows):
        workflows.deploy('- a: {raise: {code: 7, message: "no luck"}}\n', name="main")
        run = workflows.start("main")

        with pytest.raises(RunFailed, match=r'(?s)main failed.*no luck.*in step "a"') as failed:
            run.result()
        assert failed.value.value == run.error() == {"code": 7, "message": "no luck"}

    def test_a_run_that_goes_round_for_ever_fails_as_on_google(self, workflows):
        workflows.deploy("- a: {next: b}\n- b: {next: a}\n")

        assert workflows.start("main").error()["tags"] == ["ResourceLimitError"]

    def test_a_cancelled_run_has_no_result(self, workflows):
        workflows.deploy(SLEEP)
        run = workflows.start("main")

        run.cancel()

        assert run.state == "CANCELLED"
        with pytest.raises(RunFailed, match="was cancelled"):
            run.result()
        with pytest.raises(TestingError, match="is over"):
            run.cancel()

    def test_a_run_that_succeeds_has_no_error(self, workflows):
        workflows.deploy("- a: {return: 5}\n", name="five")

        with pytest.raises(TestingError, match="five did not fail, it is SUCCEEDED: 5"):
            workflows.start("five").error()

    def test_a_branch_that_waits_for_somebody_stops_the_time_of_all(self, workflows):
        workflows.deploy(
            """
            main:
              steps:
                - create: {call: events.create_callback_endpoint, result: callback}
                - both:
                    parallel:
                      branches:
                        - nap:
                            steps:
                              - sleep: {call: sys.sleep, args: {seconds: 10}}
                        - ask:
                            steps:
                              - wait: {call: events.await_callback, args: {callback: "${callback}"}}
            """
        )
        run = workflows.start("main")

        with pytest.raises(StillWaiting, match=r"(?s)main waits at .*run\.callback\(\)\.post"):
            run.result()
        assert sorted(run.waiting_at) == ["sleep", "wait"]

        run.callback().post()
        assert run.result() is None

    def test_what_another_run_waits_for_does_not_stop_it(self, workflows):
        workflows.deploy(SLEEP, name="nap")
        workflows.deploy(ASK, name="ask")
        asked = workflows.start("ask", QUESTION)
        nap = workflows.start("nap")

        nap.result()

        assert asked.approvals[0].status == "expired"
        assert asked.result() == "expired"


class TestAdvance:
    def test_what_is_due_happens_in_order_in_inbox_and_runs_alike(self, workflows):
        workflows.deploy(SLEEP, name="nap")
        workflows.deploy(ASK, name="ask")
        workflows.start("ask", QUESTION)
        workflows.start("nap")

        workflows.advance(hours=23, minutes=31, seconds=13)

        assert workflows.inbox.approvals[0].status == "expired"
        assert [run.state for run in workflows.runs()] == ["SUCCEEDED", "ACTIVE"]

    def test_questions_that_come_up_on_the_way_expire_on_the_way(self, workflows):
        workflows.deploy(
            """
            main:
              steps:
                - sleep: {call: sys.sleep, args: {seconds: 86400}}
                - ask:
                    call: request_approval
                    args: {timeout: 86400, request: {title: "Now?", approvers: ["group:a"]}}
                    result: decision
                - done: {return: "${decision.decided_at}"}
            """
        )
        before = workflows.now
        run = workflows.start("main")

        workflows.advance(days=30)

        closed = datetime.fromisoformat(run.result())
        assert timedelta(days=1) < closed - before < timedelta(days=2)
        assert workflows.now == before + timedelta(days=30)

    def test_fractions_of_seconds_are_times_as_well(self, workflows):
        workflows.deploy(ASK)
        before = workflows.now
        for seconds in (0.1, 0.2, 1 / 3, 2e-6):
            workflows.advance(seconds=seconds)
            workflows.start("main", QUESTION)
        workflows.start("main", QUESTION).approval().approve()

        workflows.advance(days=1)

        statuses = [approval.status for approval in workflows.inbox.approvals]
        assert statuses == [*4 * ["expired"], "approved"]
        assert {run.state for run in workflows.runs()} == {"SUCCEEDED"}
        passed = workflows.now - before - timedelta(days=1, seconds=0.3 + 1 / 3)
        assert abs(passed) < timedelta(milliseconds=1)

    def test_to_a_moment(self, workflows):
        moment = datetime(2040, 2, 29, 12, tzinfo=UTC)

        workflows.advance_to(moment)

        assert workflows.now == moment
        with pytest.raises(ValueError, match="does not go back"):
            workflows.advance_to(moment - timedelta(seconds=1))


class TestPast:
    def test_calls_tell_what_was_sent_and_what_came_back(self, workflows):
        workflows.deploy(PAY)
        workflows.stub(LEDGER, responds(503), responds(json={"id": 1}))
        failed, paid = workflows.start("main"), workflows.start("main")

        (call,) = paid.calls
        assert (call.function, call.method, call.url, call.step) == (
            *("http.post", "POST", LEDGER, "pay"),
        )
        assert (call.body, call.result["body"], call.error) == ({"amount": 5}, {"id": 1}, None)
        assert call.asked == call.answered == workflows.now
        assert failed.calls[0].error["code"] == 503

    def test_steps_are_named_in_the_order_in_which_they_began(self, workflows):
        workflows.deploy(
            """
            main:
              steps:
                - each:
                    for:
                      value: number
                      in: [1, 2]
                      steps:
                        - say: {call: hello, args: {number: "${number}"}}
                - choose:
                    switch:
                      - condition: ${1 > 2}
                        next: end
                - try_it:
                    try: {raise: "no"}
                    except:
                      as: e
                      steps:
                        - caught: {call: sys.log, args: {json: {e: "${e}"}, severity: ERROR}}
            hello:
              params: [number]
              steps:
                - log: {call: sys.log, args: {text: '${"hello " + string(number)}'}}
            """
        )
        run = workflows.start("main")

        assert run.steps == ["each", *2 * ["say", "hello.log"], "choose", "try_it", "caught"]
        assert [(line.step, line.text) for line in run.log] == [
            ("hello.log", "hello 1"),
            ("hello.log", "hello 2"),
            ("caught", '{"e": "no"}'),
        ]
        assert run.log[2].data == {"e": "no"}
        assert {entry.state for entry in run.trace} == {"STATE_SUCCEEDED"}
        assert run.trace[2].variables == {"number": 1}


class TestTime:
    def test_what_takes_too_long_is_broken_off_and_says_what_to_do(self):
        background = Background(0.05)
        try:
            with pytest.raises(TookTooLong, match="workflows_seconds"):
                background.run(asyncio.sleep(30))
            assert background.do(lambda: 5) == 5
        finally:
            background.stop()


class TestPlaces:
    def test_an_error_in_a_library_is_told_in_its_own_lines(self, workflows, tmp_path):
        (tmp_path / "lib.yaml").write_text("helper:\n  steps:\n    - give: {raise: oh}\n")
        (tmp_path / "main.yaml").write_text("main:\n  steps:\n    - ask: {call: helper}\n")
        workflows.deploy(tmp_path / "main.yaml")

        with pytest.raises(RunFailed, match=r"lib\.yaml:3: helper\.give$"):
            workflows.start("main").result()

    def test_a_source_that_is_a_text_is_named_as_it_was(self, workflows):
        with pytest.raises(CannotDeploy, match=r"^pay\.yaml:2:13: parse error"):
            workflows.deploy("- a: {return: 1}\n- b: {next: nowhere}\n", name="pay")


class TestReport:
    def test_a_failed_test_tells_what_its_runs_did(self, tmp_path: Path):
        tests = f"""
from emulator.testing import responds

ASK = '''{ASK}'''
PAY = '''{PAY}'''

def test_ask(workflows):
    workflows.deploy(ASK)
    workflows.deploy(PAY, name="pay")
    workflows.stub("{LEDGER}", responds(503))
    run = workflows.start("main", {QUESTION})
    workflows.start("pay")
    assert run.result() == "approved"

def test_fine(workflows):
    workflows.deploy(ASK)
    workflows.start("main", {QUESTION}).approval()
"""

        done = run_tests(tmp_path, {"conftest.py": CONFTEST, "test_it.py": tests})

        assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
        for told in (
            "- for the approval 'Ship it?', 1 days more: run.approval().approve()",
            " workflow main ",
            "waits at request_approval.wait",
            "approval 'Ship it?': pending",
            "  +0d 00:00:00 request_approval.yaml: ",
            " steps, request_approval.wait (line ",
            " workflow pay ",
            '  +0d 00:00:00 pay (line 4): failed, {"body": null, "code": 503',
            f'  pay: POST {LEDGER} {{"amount": 5}} -> raised {{"body": null, "code": 503',
        ):
            assert told in done.stdout, told
        assert done.stdout.count(" pay (line 4): ") == 1
        assert "emulator/testing/" not in done.stdout
        assert "concurrent/futures" not in done.stdout

"""Runs: what they ask of the world, when they take a reply, and how they end."""

from pathlib import Path
from typing import Any, Final

import pytest

from emulator.interpreter import Failed, Raised, Request, Returned, Run, Succeeded
from emulator.limits import Limits
from emulator.parser import parse
from tests.emulator.scripted import (
    error_of,
    finish,
    null,
    result_of,
    run_until_waiting,
    script,
    start,
)

SEED = Path(__file__).parent / "seed"
ENDPOINT: Final = {"url": "https://example.com/callbacks/c"}
RECEIVED: Final[dict[str, Any]] = {
    "http_request": {
        "body": {"approved": True},
        "headers": {"Content-Type": "application/json"},
        "method": "POST",
        "query": {},
        "url": "/v1/projects/1/locations/l/workflows/w/executions/e/callbacks/c",
    },
    "received_time": "2021-06-24 12:49:16.988072651 -0700 PDT m=+742581.005780667",
    "type": "HTTP",
}


class TestRequest:
    def test_it_says_who_asks_and_where(self):
        _, requests = start(
            """
main:
  steps:
    - outer:
        steps:
          - first:
              call: helper
helper:
  steps:
    - wait:
        call: sys.sleep
        args: {seconds: 5}
"""
        )

        assert requests == [Request("0:1", "sys.sleep", {"seconds": 5}, "helper", "wait", 11)]

    def test_keys_count_within_a_thread(self):
        run, requests = start(
            "- a: {call: sys.now}\n"
            "- b: {parallel: {for: {value: v, in: [1, 2], steps: ["
            "{c: {call: sys.now}}, {d: {call: sys.now}}]}}}\n"
            "- e: {parallel: {branches: [{f: {call: sys.now}}, {g: {call: sys.now}}]}}\n"
            "- h: {call: sys.now}\n"
        )

        made = finish(run, requests)

        keys = "0:1 0/p1.0:1 0/p1.1:1 0/p1.0:2 0/p1.1:2 0/p2.0:1 0/p2.1:1 0:2"
        assert [request.key for request in made] == keys.split()

    def test_it_is_taken_once(self):
        run, requests = start("- a: {call: sys.now}")

        assert len(requests) == 1
        assert run.take_requests() == []


class TestReply:
    def test_an_unknown_key_is_refused(self):
        run, _ = start("- a: {call: sys.now}")

        with pytest.raises(ValueError, match="no request 'x' is outstanding"):
            run.reply("x", Returned(1))

    def test_a_second_reply_is_refused(self):
        run, _ = start("- a: {call: sys.now}\n- b: {call: sys.now}")
        run.reply("0:1", Returned(1))
        run_until_waiting(run)

        with pytest.raises(ValueError, match="no request '0:1' is outstanding"):
            run.reply("0:1", Returned(1))

    def test_a_reply_while_something_is_ready_is_refused(self):
        run, _ = start("- a: {parallel: {branches: [{b: {call: sys.now}}, {c: {call: sys.now}}]}}")
        run.reply("0/p1.0:1", Returned(1))

        with pytest.raises(ValueError, match="only when nothing is ready"):
            run.reply("0/p1.1:1", Returned(1))

    def test_a_reply_after_the_end_is_refused(self):
        run, _ = start(
            "- a: {parallel: {branches: [{b: {call: sys.now}}, {c: {steps: [{d: {next: d}}]}}]}}",
            limits=Limits(steps=20),
        )

        assert isinstance(run.outcome, Failed)
        with pytest.raises(ValueError, match="outstanding"):
            run.reply("0/p1.0:1", Returned(1))

    def test_a_reply_that_is_changed_afterwards_changes_nothing(self):
        run, _ = start(
            "- a: {call: sys.now, result: x}\n- b: {call: sys.now}\n- c: {return: '${x}'}"
        )
        value = {"list": [1]}
        run.reply("0:1", Returned(value))
        run_until_waiting(run)
        value["list"].append(2)
        run.reply("0:2", Returned(None))
        run_until_waiting(run)

        assert run.outcome == Succeeded({"list": [1]})

    def test_a_reply_nested_too_deep_is_an_error(self):
        run, _ = start("- a: {call: sys.now, result: x}")
        value: Any = 1
        for _ in range(5000):
            value = [value]
        run.reply("0:1", Returned(value))
        run_until_waiting(run)

        assert error_of(run)["tags"] == ["ResourceLimitError"]


class TestAdvance:
    LOOP = "- a: {for: {value: v, range: [1, 50], steps: [{b: {assign: [{x: 1}]}}]}}"

    def test_it_stops_after_about_so_many_steps(self):
        run = Run(parse(self.LOOP), None, {})

        assert run.advance(10)
        assert run.steps_run == 10
        assert run.advance(10)
        assert run.steps_run == 20

    def test_it_ends(self):
        run = Run(parse(self.LOOP), None, {})

        turns = sum(1 for _ in iter(lambda: run.advance(10), False))

        assert turns == 5
        assert run.steps_run == 51
        assert run.outcome == Succeeded(None)

    def test_a_thread_runs_until_it_waits(self):
        """A slice that ends in the middle of a thread goes on with that thread, not the next."""
        source = """
- init: {assign: [{seen: ""}]}
- all:
    parallel:
      shared: [seen]
      for:
        value: v
        in: [a, b]
        steps:
          - one: {assign: [{seen: "${seen + v}"}]}
          - two: {assign: [{seen: "${seen + v}"}]}
          - wait: {call: sys.sleep, args: {seconds: 1}}
          - three: {assign: [{seen: "${seen + v}"}]}
- give: {return: "${seen}"}
"""
        for steps in range(1, 8):
            run = Run(parse(source), None, {})
            finish(run, run_until_waiting(run, steps))
            assert run.outcome == Succeeded("aabbab")

    def test_nothing_to_do_is_said_at_once(self):
        run, _ = start("- a: {call: sys.now}")

        assert run.advance() is False


class TestHostileWorkflow:
    """Whatever a source nests, no stack of Python's is exhausted."""

    DEEPEST = 90

    @pytest.mark.parametrize(
        ("inner", "depth"),
        [
            ("id(1)" + ".a" * 98, DEEPEST),
            ("id(" * 98 + "1" + ")" * 98, DEEPEST),
            ("+".join(["id(1)"] * 66), DEEPEST),
            (" or ".join(["id(true)"] * 33), DEEPEST),
            ("-" * 98 + "id(1)", DEEPEST),
            ("[" * 98 + "id(1)" + "]" * 98, DEEPEST),
            ("[" * 98 + "1" + "]" * 98, DEEPEST),
            ("+".join(["1"] * 99), DEEPEST),
            ("x" + "[0]" * 98, DEEPEST),
        ],
        ids=lambda value: str(value)[:8],
    )
    def test_deep_expressions_in_deep_lists(self, inner, depth):
        source = (
            "{main: {steps: [{a: {assign: [{x: 1}]}}, {a1: {return: "
            + "[" * depth
            + f"'${{{inner}}}'"
            + "]" * depth
            + "}}]}, id: {params: [x], steps: [{b: {return: '${x}'}}]}}"
        )

        run, _ = start(source)

        assert run.outcome is not None

    def test_deep_steps(self):
        deep = "{raise: x}"
        for _ in range(15):
            deep = (
                f"{{try: {deep}, except: {{as: e, steps: [{{s: {{raise: '${{e + \"x\"}}'}}}}]}}}}"
            )
            deep = f"{{for: {{value: v, in: [1], steps: [{{s: {deep}}}]}}}}"
        run, _ = start(f"- a: {deep}")

        assert error_of(run) == "x" * 16

    def test_endless_recursion_through_parallel_steps(self):
        run, _ = start(
            "- a: {parallel: {branches: [{b: {call: main}}, {c: {call: main}}]}}",
        )

        assert error_of(run)["tags"] == ["UnhandledBranchError", "RuntimeError"]

    def test_the_largest_strings_and_lists_take_seconds_at_most(self):
        run, _ = start(
            """
- init: {assign: [{s: xxxxxxxxxxxxxxxx}, {n: 0}]}
- grow: {for: {value: v, range: [1, 14], steps: [{d: {assign: [{s: "${s + s}"}]}}]}}
- work:
    for:
      value: f
      range: [1, 10]
      steps:
        - t:
            try: {assign: [{n: '${n + len(text.split(s, ""))}'}]}
            except: {steps: [{z: {assign: [{n: "${n + 1}"}]}}]}
        - r:
            try: {assign: [{n: '${n + len(text.find_all_regex(s, ""))}'}]}
            except: {steps: [{z: {assign: [{n: "${n + 1}"}]}}]}
        - u: {assign: [{n: '${n + len(text.replace_all(s, "x", "y"))}'}]}
- give: {return: "${n}"}
"""
        )

        assert result_of(run) == 10 * (2 + 16 * 2**14)


class TestCurrentSteps:
    def test_the_step_that_waits_inside_a_subworkflow(self):
        run, _ = start(
            "main: {steps: [{go: {call: other}}]}\nother: {steps: [{wait: {call: sys.now}}]}"
        )

        assert run.current_steps == (("other", "wait"),)

    def test_one_for_each_branch(self):
        run, _ = start(
            "- all: {parallel: {branches: ["
            "{a: {steps: [{x: {call: sys.now}}]}}, {b: {call: sys.now}}]}}"
        )

        assert run.current_steps == (("main", "x"), ("main", "b"))

    def test_before_the_first_and_after_the_last(self):
        run = Run(parse("- a: {assign: [{x: 1}]}\n- b: {return: 1}"), None, {})
        assert run.current_steps == (("main", "a"),)

        run_until_waiting(run)
        assert run.current_steps == (("main", "b"),)

    def test_the_step_that_failed_inside_a_subworkflow(self):
        run, _ = start("main: {steps: [{go: {call: other}}]}\nother: {steps: [{fail: {raise: x}}]}")

        assert run.current_steps == (("other", "fail"),)

    def test_the_step_that_failed_again_in_a_handler(self):
        run, _ = start(
            "main: {steps: [{go: {try: {call: other}, except: {as: e, steps: ["
            '{tell: {raise: "${e}"}}]}}}]}\nother: {steps: [{fail: {raise: x}}]}'
        )

        assert run.current_steps == (("main", "tell"),)

    def test_the_parallel_step_whose_branch_failed(self):
        run, _ = start("- all: {parallel: {branches: [{a: {raise: x}}, {b: {assign: [{c: 1}]}}]}}")

        assert run.current_steps == (("main", "all"),)


class TestOutcome:
    def test_a_failure_has_value_context_and_stack(self):
        run, _ = start("main:\n  steps:\n    - go:\n        raise: {code: 5}\n")

        assert isinstance(run.outcome, Failed)
        assert run.outcome.value == {"code": 5}
        assert (
            run.outcome.context == 'RuntimeError: {"code":5}\nin step "go", routine "main", line: 4'
        )
        (frame,) = run.outcome.stack
        assert (frame.step, frame.routine) == ("go", "main")
        assert (frame.line, frame.column, frame.length) == (4, 9, len("raise"))

    def test_a_retried_error_is_traced_once(self):
        run, requests = start(
            "- t:\n    try:\n      call: sys.now\n"
            "    retry: {predicate: '${retry.always}', max_retries: 2}\n"
        )
        finish(
            run,
            requests,
            lambda request: Raised("x") if "now" in request.function else null(request),
        )

        assert isinstance(run.outcome, Failed)
        assert [(frame.step, frame.line) for frame in run.outcome.stack] == [("t", 3)]

    def test_an_error_with_bytes_in_it_is_told(self):
        run, _ = start("- a: {raise: {data: '${text.encode(\"é\")}'}}")

        assert isinstance(run.outcome, Failed)
        assert run.outcome.context.startswith("RuntimeError: ")


class TestSeedWorkflows:
    """The workflows of the documents, unchanged; the world is played by hand."""

    def play(self, name: str, replies: list[dict[str, Any]]) -> tuple[Run, list[Request]]:
        run, requests = start((SEED / name).read_text(), {"amount": 5})
        return run, finish(run, requests, script(replies))

    def test_expense_callback_waits_a_day_and_returns_the_request(self):
        run, made = self.play(
            "expense-callback.yaml",
            [{"returns": ENDPOINT}, {}, {"returns": RECEIVED}, {}],
        )

        assert [request.function for request in made] == [
            "events.create_callback_endpoint",
            "sys.log",
            "events.await_callback",
            "sys.log",
        ]
        assert made[0].args == {"http_callback_method": "POST"}
        assert made[2].args == {"callback": ENDPOINT, "timeout": 86400}
        assert made[3].args["json"] == RECEIVED["http_request"]
        assert run.outcome == Succeeded(RECEIVED["http_request"])

    def test_basic_get_waits_an_hour_for_a_get(self):
        run, made = self.play(
            "basic-get.yaml", [{"returns": ENDPOINT}, {}, {"returns": RECEIVED}, {}]
        )

        assert made[0].args == {"http_callback_method": "GET"}
        assert made[1].args["text"] == "Listening for callbacks on https://example.com/callbacks/c"
        assert made[2].args["timeout"] == 3600
        assert run.outcome == Succeeded(RECEIVED["http_request"])

    def test_basic_get_is_at_its_await_until_the_callback(self):
        run, (create,) = start((SEED / "basic-get.yaml").read_text())
        run.reply(create.key, Returned(ENDPOINT))
        (log,) = run_until_waiting(run)
        run.reply(log.key, Returned(None))
        run_until_waiting(run)

        assert run.outcome is None
        assert run.current_steps == (("main", "await_callback"),)

    def test_catch_timeout_logs_an_error_and_never_fails(self):
        run, made = self.play(
            "catch-timeout.yaml", [{"returns": ENDPOINT}, {}, {"fails": "TimeoutError"}, {}]
        )

        assert made[-1].args == {
            "severity": "ERROR",
            "text": "Received error TimeoutError: as the world says",
        }
        assert run.outcome == Succeeded(None)

    def test_retry_wait_waits_six_times_and_fails(self):
        timeout: dict[str, Any] = {"fails": "TimeoutError"}
        slept: dict[str, Any] = {"to": "sys.sleep"}
        logged: dict[str, Any] = {"to": "sys.log"}
        run, made = self.play(
            "retry-wait.yaml",
            [{"returns": ENDPOINT}, {}, *[timeout, logged, slept] * 5, timeout],
        )

        waits = [request.args["seconds"] for request in made if request.function == "sys.sleep"]
        awaits = [request for request in made if request.function == "events.await_callback"]
        assert waits == [1, 2, 4, 8, 10]
        assert len(awaits) == 6
        assert error_of(run)["tags"] == ["TimeoutError"]

    def test_retry_wait_goes_on_when_a_later_wait_is_answered(self):
        run, made = self.play(
            "retry-wait.yaml",
            [
                {"returns": ENDPOINT},
                {},
                {"fails": "TimeoutError"},
                {"to": "sys.log"},
                {"to": "sys.sleep"},
                {"returns": RECEIVED},
                {},
            ],
        )

        assert "Received {" in str(made[-1].args["text"])
        assert run.outcome == Succeeded(None)

    def test_parallel_callbacks_awaits_ten_times_at_once(self):
        run, (create,) = start((SEED / "parallel-callbacks.yaml").read_text())
        run.reply(create.key, Returned(ENDPOINT))
        awaits = run_until_waiting(run)

        assert [request.function for request in awaits] == ["events.await_callback"] * 10
        assert all(request.args["timeout"] == 43200.0 for request in awaits)
        finish(run, awaits)
        assert run.outcome == Succeeded(None)

"""The page of an execution: where it is, the way it took, and what it came to."""

import json
import re
import subprocess

import pytest
import requests

from tests.emulator.reading import FAILING, Text, get, look, seen

HOSTILE = "<script>alert(1)</script>&\"'"


class TestExecution:
    def test_one_that_waits_shows_where_until_when_and_how_to_answer(self, waiting):
        shown = seen(waiting)

        assert re.search(
            r"a POST request to its callback in main/wait , since .*, until ", shown.text
        )
        url = waiting.callback_url()
        assert url in shown.text
        assert shown.text.index("Waits for") < shown.text.index("The way it took")
        for words in (
            "begin assign total = 0 ran",
            "each round ran 3 times",
            "add assign total = total + i ran 3 times",
            "case 1 total > 100 → never not run",
            "never return 0 not run",
            "call events.await_callback(…) here now",
            "both parallel not run",
        ):
            assert words in shown.text

    def test_the_command_that_answers_it_does_so(self, emulator, waiting):
        execution = emulator.execute("flow", {"ask": True})
        execution.callback_url()
        page = get(emulator, f"/ui/executions/{execution.id}").text
        command = Text(re.findall(r"<pre[^>]*Command that answers it[^>]*>(.*?)</pre>", page)[0])

        done = subprocess.run(
            ["sh", "-c", command.text], capture_output=True, text=True, check=True
        )

        assert execution.result() == "well done", done.stdout

    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
    def test_so_does_the_one_for_another_method(self, emulator, method):
        emulator.deploy(
            "another",
            f"""
            - create: {{call: events.create_callback_endpoint, args: [{method}], result: callback}}
            - wait: {{call: events.await_callback, args: ["${{callback}}"], result: request}}
            - done: {{return: "${{request.http_request.method}}"}}
            """,
        )
        execution = emulator.execute("another")
        execution.callback_url()
        page = get(emulator, f"/ui/executions/{execution.id}").text
        command = Text(re.findall(r"<pre[^>]*Command that answers it[^>]*>(.*?)</pre>", page)[0])

        subprocess.run(["sh", "-c", command.text], capture_output=True, check=True, timeout=20)

        assert execution.result() == method

    def test_what_an_inbox_was_asked_is_answered_there(self, emulator):
        stubs = {
            "stubs": {
                "POST https://inbox.example/api/v1/approvals": {
                    "status": 201,
                    "json": {"url": "https://inbox.example/approvals/a1/"},
                }
            }
        }
        at = f"{emulator.url}/emulator/stubs"
        requests.post(at, data=json.dumps(stubs), timeout=10).raise_for_status()
        emulator.deploy(
            "asks",
            """
            - make: {call: events.create_callback_endpoint, result: end}
            - ask:
                call: http.post
                args:
                  url: https://inbox.example/api/v1/approvals
                  body: {callback_url: '${end.url}'}
            - wait: {call: events.await_callback, args: ['${end}']}
            """,
        )
        execution = emulator.execute("asks")
        execution.callback_url()

        shown = seen(execution)
        requests.delete(at, timeout=10)

        assert "People answer it in the inbox: https://inbox.example/approvals/a1/" in shown.text
        assert "The command only wakes the workflow" in shown.text
        assert "https://inbox.example/approvals/a1/" in shown.links
        listed = requests.get(f"{emulator.url}/emulator/executions/{execution.id}/waits", timeout=9)
        (wait,) = listed.json()["waits"]
        assert wait["place"] == "main/wait"
        assert wait["url"] == execution.callback_url()
        assert wait["asksInbox"]
        assert wait["approval"] == "https://inbox.example/approvals/a1/"

    def test_steps_in_progress_took_the_time_so_far(self, emulator, waiting):
        shown = look(emulator, f"/ui/executions/{waiting.id}/steps")

        assert re.search(r"in progress \S+ \S+ [\d.]+ (ms|s|min) so far", shown.text)

    def test_one_that_is_over_shows_result_calls_log_and_requests(self, over):
        shown = seen(over)

        assert 'Result "well done"' in shown.text
        assert "WARNING help/say helping" in shown.text
        assert "Requests to its callbacks" in shown.text
        assert "handed over" in shown.text
        assert "Waits for" not in shown.text
        assert "branch right ran assign x = 2 ran" in shown.text

    def test_one_that_failed_shows_the_error_in_its_source(self, emulator):
        emulator.deploy("bad", FAILING)
        execution = emulator.execute("bad")
        assert execution.error() == {"code": 7}

        shown = seen(execution)

        assert 'in step "bad", routine "main", line: 4' in shown.text
        assert "4 - bad: {raise: {code: 7}} (the failing line)" in shown.text
        assert 'bad raise {"code": 7} failed' in shown.text

    def test_what_others_wrote_is_shown_and_not_obeyed(self, emulator):
        source = json.dumps(
            [
                {HOSTILE: {"call": "sys.log", "args": {"text": HOSTILE}}},
                {"bad": {"raise": {"message": HOSTILE, HOSTILE: [HOSTILE]}}},
            ]
        )
        emulator.deploy("hostile", source)
        execution = emulator.execute("hostile", {HOSTILE: HOSTILE})
        execution.wait()
        at = f"/ui/executions/{execution.id}"

        for path in ("/", "/ui/workflows/hostile", at, f"{at}/steps"):
            answer = get(emulator, path)
            page = Text(answer.text)
            assert "<script>alert" not in answer.text
            assert page.tags.count("script") == 1
            assert "'unsafe" not in answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert HOSTILE in seen(execution).text
        full = get(emulator, f"{at}/full/argument")
        assert full.headers["Content-Type"].startswith("text/plain")
        assert full.headers["X-Content-Type-Options"] == "nosniff"

    def test_what_is_long_is_cut_and_a_link_away(self, emulator):
        emulator.deploy("echo", "main:\n  params: [x]\n  steps: [{a: {return: '${x + x}'}}]\n")
        execution = emulator.execute("echo", "y" * 20_000)
        execution.wait()

        shown = seen(execution)

        assert shown.text.count("y") < 10_000
        at = f"/ui/executions/{execution.id}/full"
        assert {f"{at}/argument", f"{at}/result"} <= set(shown.links)
        assert get(emulator, f"{at}/result").text == f'"{"y" * 40_000}"'
        assert get(emulator, f"{at}/error").status_code == 404

    def test_calls_log_lines_and_requests_in_full(self, emulator, over):
        at = f"/ui/executions/{over.id}/full"
        (call,) = [i for i in seen(over).ids if re.fullmatch(r"call-\d+", i)][-1:]

        assert "events.await_callback" in get(emulator, f"{at}/call/2").text
        assert get(emulator, f"{at}/log/1").text == "helping"
        assert '"answer": "yes"' in get(emulator, f"{at}/request/1").text
        assert call
        for path in ("call/999", "call/0", "log/999", "log/0", "request/999", "request/0"):
            assert get(emulator, f"{at}/{path}").status_code == 404

    def test_one_whose_history_was_deleted_shows_the_workflow_alone(self, emulator):
        emulator.deploy("forgotten", "- only: {return: 5}\n")
        execution = emulator.execute("forgotten")
        execution.wait()
        emulator.ask("POST", f"{execution.name}:deleteExecutionHistory", json={})

        shown = seen(execution)

        assert "Its history is gone" in shown.text
        assert "Result 5" in shown.text
        assert "only return 5 L1" in shown.text
        assert "not run" not in shown.text

    def test_a_large_workflow_is_drawn_in_full(self, emulator):
        steps = "".join(f"- s{number}: {{assign: [x: {number}]}}\n" for number in range(3000))
        emulator.deploy("large", steps)

        shown = look(emulator, "/ui/workflows/large")

        assert "s2999 assign x = 2999" in shown.text

    def test_a_long_history_comes_in_pages(self, emulator):
        emulator.deploy(
            "long",
            "- go: {for: {value: i, range: [1, 3000], steps: ["
            "{a: {assign: [x: 1]}}, {b: {assign: [x: 2]}}]}}\n",
        )
        execution = emulator.execute("long")
        execution.wait()

        drawn = seen(execution)
        last = seen(execution, "/steps", page=10**8)
        middle = seen(execution, "/steps", entry=5000)

        assert "ran 3 000 times" in drawn.text.replace("\N{NARROW NO-BREAK SPACE}", " ")
        assert len([each for each in last.ids if each.startswith("entry-")]) <= 100
        assert "entry-5000" in middle.ids
        assert "entry-9001" in last.ids

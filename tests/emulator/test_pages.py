"""The pages of the emulator, over HTTP and in a browser."""

import json
import re
import subprocess
import textwrap
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.emulators import EmulatorProcess, Execution, eventually

HTML = {"Accept": "text/html,application/xhtml+xml"}

FLOW = textwrap.dedent("""\
    main:
      params: [input]
      steps:
        - begin: {assign: [total: 0]}
        - loop:
            for:
              value: i
              range: [1, 3]
              steps:
                - add: {assign: [total: '${total + i}']}
        - which:
            switch:
              - condition: ${total > 100}
                next: never
              - condition: ${total == 6 and input.ask}
                next: ask
        - never: {return: 0}
        - ask: {call: events.create_callback_endpoint, result: endpoint}
        - wait:
            try: {call: events.await_callback, args: {callback: '${endpoint}', timeout: 900}}
            except: {as: e, steps: [{late: {return: late}}]}
        - both:
            parallel:
              branches:
                - left: {call: help, args: {n: 1}}
                - right: {assign: [x: 2]}
        - done: {return: '${"well " + "done"}'}
    help:
      params: [n]
      steps:
        - say: {call: sys.log, args: {text: helping, severity: WARNING}}
    """)
FAILING = "main:\n  steps:\n    - first: {assign: [x: 1]}\n    - bad: {raise: {code: 7}}\n"
HOSTILE = "<script>alert(1)</script>&\"'"


class Text(HTMLParser):
    """The words of a page, its ids and its links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "a":
            self.links.append(str(given["href"]))

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def get(emulator: EmulatorProcess, path: str, **params: str | int) -> requests.Response:
    return requests.get(emulator.url + path, headers=HTML, params=params, timeout=20)


def look(emulator: EmulatorProcess, path: str, **params: str | int) -> Text:
    answer = get(emulator, path, **params)
    assert answer.status_code == 200, answer.text
    return Text(answer.text)


def seen(execution: Execution, more: str = "", **params: str | int) -> Text:
    return look(execution.emulator, f"/ui/executions/{execution.id}{more}", **params)


@pytest.fixture(scope="module")
def waiting(emulator) -> Execution:
    emulator.deploy("flow", FLOW)
    execution = emulator.execute("flow", {"ask": True})
    execution.callback_url()
    return execution


@pytest.fixture(scope="module")
def over(emulator, waiting) -> Execution:
    execution = emulator.execute("flow", {"ask": True})
    execution.send({"answer": "yes"})
    assert execution.result() == "well done"
    return execution


class TestRoot:
    def test_a_browser_gets_a_page_and_everything_else_the_text(self, emulator, waiting):
        page = get(emulator, "/")
        text = requests.get(emulator.url, timeout=20)

        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert text.headers["Content-Type"].startswith("text/plain")
        assert text.text.startswith("Workflows emulator\n")
        for answer in (page, text):
            assert answer.headers["Metadata-Flavor"] == "Google"
            assert answer.headers["Vary"] == "Accept"

    def test_it_lists_workflows_with_their_executions_by_state(self, emulator, over):
        shown = look(emulator, "/")

        assert "/ui/workflows/flow" in shown.links
        assert "/?workflow=flow&state=SUCCEEDED#executions" in shown.links
        assert f"/ui/executions/{over.id}" in shown.links

    def test_filters_and_pages(self, emulator):
        emulator.deploy("many", "- a: {return: 1}\n")
        made = [emulator.execute("many") for _ in range(51)]
        for execution in made:
            execution.wait()

        first = look(emulator, "/", workflow="many", state="SUCCEEDED")
        (older,) = [link for link in first.links if "before=" in link]
        second = look(emulator, older.partition("#")[0])
        none = look(emulator, "/", workflow="many", state="FAILED")

        listed = [link for page in (first, second) for link in page.links if "executions/" in link]
        assert listed == [f"/ui/executions/{each.id}" for each in reversed(made)]
        assert "No execution is like that." in none.text

    def test_a_row_and_the_page_say_what_an_http_answer_says(self, emulator):
        body = {"detail": "Nobody here is called group:bosses."}
        refused = {"tags": ["HttpError"], "code": 422, "message": "Refused", "body": body}
        emulator.deploy("refused", f"- a: {{raise: {json.dumps(refused)}}}\n")
        execution = emulator.execute("refused")
        execution.wait()

        assert "Nobody here is called group:bosses." in look(emulator, "/?workflow=refused").text
        assert "The answer says: Nobody here is called group:bosses." in seen(execution).text

    def test_a_workflow_whose_file_is_broken_or_gone_is_marked(self, start_emulator, tmp_path):
        folder = tmp_path / "flows"
        folder.mkdir()
        for name in ("broken", "gone", "well"):
            (folder / f"{name}.yaml").write_text("- done: {return: 1}\n")
        emulator = start_emulator(workflows=folder)
        (folder / "broken.yaml").write_text("- a: {next: nowhere}\n")
        (folder / "gone.yaml").unlink()
        eventually(lambda: emulator.logged("workflow-broken") and emulator.logged("file-gone"))

        shown = look(emulator, "/").text
        assert f"broken : {folder / 'broken.yaml'}:1:13: parse error" in shown
        assert f"gone : its file in {folder} is gone" in shown
        assert shown.count("not as its file") == 2
        assert (
            "What is deployed is not what its file says"
            in look(emulator, "/ui/workflows/broken").text
        )
        assert "not what its file says" not in look(emulator, "/ui/workflows/well").text

    def test_time_that_stands_still_is_said(self, start_emulator):
        emulator = start_emulator(options=("--time", "virtual"))

        assert "Time stands still at 2" in look(emulator, "/").text

    @pytest.mark.parametrize(
        "query", ["before=x", "before=" + "9" * 30, "state=NO", "workflow=%00"]
    )
    def test_a_strange_query_is_no_error(self, emulator, query):
        assert get(emulator, f"/?{query}").status_code == 200


class TestWorkflow:
    def test_it_shows_steps_and_numbered_source(self, emulator, waiting):
        shown = look(emulator, "/ui/workflows/flow")

        assert {"routine-main", "routine-help", "L1", "L26"} <= set(shown.ids)
        for words in ("for i in 1 to 3", "case 2 total == 6 and input.ask → ask", "branch left"):
            assert words in shown.text
        for link in shown.links:
            if link.startswith("#"):
                assert link == "#main" or link[1:] in shown.ids

    def test_older_revisions_can_be_seen(self, emulator):
        emulator.deploy("turned", "- old: {return: 1}\n")
        emulator.deploy("turned", "- new: {return: 2}\n")

        shown = look(emulator, "/ui/workflows/turned")
        links = [link for link in shown.links if link.startswith("?revision=000001-")]

        assert "new return 2" in shown.text
        assert "old return 1" in look(emulator, f"/ui/workflows/turned{links[0]}").text

    def test_what_is_not_there_is_a_page_with_404(self, emulator):
        for path in ("/ui/workflows/none", "/ui/executions/none", "/ui/executions/none/steps"):
            answer = get(emulator, path)
            assert answer.status_code == 404
            assert "There is no such" in answer.text or "There is no workflow" in answer.text


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


@pytest.mark.browser
class TestBrowser:
    @pytest.fixture
    def page(self, browser, emulator) -> Iterator[Page]:
        context = browser.new_context(base_url=emulator.url, viewport={"width": 390, "height": 800})
        page = context.new_page()
        wrong: list[str] = []
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        yield page
        context.close()
        assert wrong == []

    def test_a_page_follows_an_execution_to_its_end(self, page, emulator, waiting):
        execution = emulator.execute("flow", {"ask": True})
        execution.callback_url()
        page.goto("/")
        page.get_by_role("link", name=f"execution {execution.id}").click()
        expect(page.get_by_role("heading", name="Waits for")).to_be_visible()
        page.locator("summary", has_text="create_callback_endpoint").click()
        expect(page.get_by_role("heading", name="Arguments").first).to_be_visible()

        execution.send({"answer": "yes"})

        expect(page.get_by_role("status")).to_contain_text("Succeeded")
        expect(page.get_by_role("heading", name="Result")).to_be_visible()
        expect(page.get_by_role("heading", name="Arguments").first).to_be_visible()
        expect(page.get_by_role("heading", name="Waits for")).to_have_count(0)

    def test_every_page_has_its_landmarks_and_one_heading_and_fits_a_phone(
        self, page, emulator, over
    ):
        emulator.deploy("bad", FAILING.replace("{code: 7}", f"{{code: {'7' * 120}}}"))
        failed = emulator.execute("bad")
        failed.wait()
        at = f"/ui/executions/{over.id}"
        for path in ("/", "/ui/workflows/flow", at, f"{at}/steps", f"/ui/executions/{failed.id}"):
            page.goto(path)
            expect(page.get_by_role("main")).to_have_count(1)
            expect(page.get_by_role("banner")).to_have_count(1)
            expect(page.get_by_role("heading", level=1)).to_have_count(1)
            assert page.evaluate("document.documentElement.scrollWidth") == 390
            assert page.evaluate(
                "[...document.querySelectorAll('.scroll')]"
                ".every(each => each.scrollWidth <= each.clientWidth)"
            )
            ids = page.evaluate("[...document.querySelectorAll('[id]')].map(each => each.id)")
            assert len(ids) == len(set(ids))
            page.keyboard.press("Tab")
            expect(page.get_by_role("link", name="Skip to content")).to_be_focused()

    def test_without_script_it_loads_itself_again(self, browser, emulator, waiting):
        context = browser.new_context(base_url=emulator.url, java_script_enabled=False)
        page = context.new_page()
        page.goto(f"/ui/executions/{waiting.id}")
        refresh = page.locator("noscript meta[http-equiv=refresh]")
        expect(refresh).to_have_attribute("content", "5")
        context.close()

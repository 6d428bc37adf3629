"""The pages of the emulator, over HTTP and in a browser."""

import json
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.barriers import looked_at, told
from tests.emulator.reading import FAILING, get, look, seen
from tests.emulators import eventually


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


@pytest.mark.browser
class TestBrowser:
    @pytest.fixture
    def page(self, browser, emulator) -> Iterator[Page]:
        context = browser.new_context(base_url=emulator.url, viewport={"width": 390, "height": 800})
        page = context.new_page()
        wrong: list[str] = []
        gone = "status of 404"  # the browser itself reports a page that is not there
        page.on("console", lambda told: wrong.extend([told.text] * (gone not in told.text)))
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

    def test_none_has_a_barrier_or_loses_anything(self, page, emulator, over, waiting):
        emulator.deploy("bad", FAILING)
        failed = emulator.execute("bad")
        failed.wait()
        found = {}
        for path in (
            "/",
            "/?state=FAILED",
            "/ui/workflows/flow",
            "/ui/workflows/none",
            *(f"/ui/executions/{each.id}" for each in (waiting, over, failed)),
            f"/ui/executions/{over.id}/steps",
        ):
            page.goto(path)
            found[path] = looked_at(page, everywhere=True)

        assert told(found) == []

    def test_without_script_it_loads_itself_again(self, browser, emulator, waiting):
        context = browser.new_context(base_url=emulator.url, java_script_enabled=False)
        page = context.new_page()
        page.goto(f"/ui/executions/{waiting.id}")
        refresh = page.locator("noscript meta[http-equiv=refresh]")
        expect(refresh).to_have_attribute("content", "5")
        context.close()

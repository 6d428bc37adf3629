"""The complete workflows that README and docs show: they build, and they run."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emulator.parser import parse
from emulator.testing import responds
from tests.authors import CONFTEST, run_tests
from tests.emulators import Execution, command, eventually
from tests.pages import FENCE, ROOT
from tests.round_trip.system import Person, System
from workflows.bundle import bundle_file

PAGES = ("README.md", "docs/workflow-authors.md")
BANK = "https://bank.example.com"


def examples(page: str) -> list[str]:
    """Every block of YAML with a `main`."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [block for name, block in FENCE.findall(text) if name == "yaml" and "main:" in block]


def argument(page: str, workflow: str) -> dict[str, str]:
    """What a page tells to start the workflow with."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.search(rf"emulator start {workflow} .*--data '([^']*)'", text)
    assert found, f"{page} does not say how to start {workflow}"
    given: dict[str, str] = json.loads(found[1])
    return given


EXAMPLES = [
    pytest.param(example, id=f"{page} {number}")
    for page in PAGES
    for number, example in enumerate(examples(page))
]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("system")) as running:
        yield running


@pytest.fixture(scope="module")
def ana(system: System) -> Person:
    return Person(system.base, "ana@example.com")


@pytest.fixture
def deploy(system: System, tmp_path: Path) -> Callable[[str, str], None]:
    """Deploy an example as the docs tell it."""

    def run(name: str, example: str) -> None:
        path = tmp_path / f"{name}.yaml"
        path.write_text(example, encoding="utf-8")
        inbox = f"COUNTERSIGN_URL={system.base}"
        done = command("deploy", str(path), "--env", inbox, "--emulator", system.emulator.url)
        assert done.returncode == 0, done.stderr

    return run


class TestBuild:
    @pytest.mark.parametrize("example", EXAMPLES)
    def test_each_builds_in_a_folder_of_its_own(self, example, tmp_path):
        path = tmp_path / "example.yaml"
        path.write_text(example, encoding="utf-8")

        parse(bundle_file(path).text)

    def test_there_are_three(self):
        assert [len(examples(page)) for page in PAGES] == [1, 2]


class TestRun:
    @pytest.mark.parametrize(
        ("outcome", "result"), [("approved", "paid"), ("rejected", "not paid, rejected")]
    )
    def test_readme(self, workflows, outcome, result):
        (example,) = examples("README.md")
        workflows.deploy(example, name="pay-order")
        run = workflows.start("pay-order", argument("README.md", "NAME"))

        run.approval().choose(outcome, "Why.")

        assert run.result() == result

    def test_readme_when_nobody_answers(self, workflows):
        (example,) = examples("README.md")
        workflows.deploy(example, name="pay-order")
        run = workflows.start("pay-order", argument("README.md", "NAME"))

        workflows.advance(days=1)

        assert run.result() == "not paid, expired"

    @pytest.mark.parametrize("outcome", ["approved", "rejected"])
    def test_pay_invoice(self, workflows, outcome):
        example, _ = examples("docs/workflow-authors.md")
        invoice = argument("docs/workflow-authors.md", "pay-invoice")
        workflows.deploy(example, name="pay-invoice")
        workflows.stub(f"POST {BANK}/transfers", responds(json={}))
        run = workflows.start("pay-invoice", invoice)
        approval = run.approval()

        approval.choose(outcome, "Why.")

        assert run.result() == outcome
        is_paid = outcome == "approved"
        assert [call.body for call in run.calls] == ([invoice] if is_paid else [])
        assert (approval.reported is not None) == is_paid

    def test_simple_mode(self, workflows):
        _, example = examples("docs/workflow-authors.md")
        workflows.deploy(example, name="restart")
        run = workflows.start("restart")
        approval = run.approval()

        approval.approve()

        assert run.result() == "approved"
        assert approval.delivery == "confirmed"

    @pytest.mark.parametrize(("page", "name"), [(PAGES[0], "NAME"), (PAGES[1], "pay-invoice")])
    def test_the_tests_on_the_pages_pass(self, tmp_path, page, name):
        text = (ROOT / page).read_text(encoding="utf-8")
        tests = [block for language, block in FENCE.findall(text) if language == "python"]
        assert len(tests) == 1
        workflow = examples(page)[0]
        files = {"conftest.py": CONFTEST, f"workflows/{name}.yaml": workflow}

        done = run_tests(tmp_path, {**files, "test_page.py": tests[0]})

        assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.round_trip
class TestRunWithTheInbox:
    def test_start_waits_for_the_answer(self, system, ana, deploy):
        (example,) = examples("README.md")
        deploy("waited", example)
        given = json.dumps(argument("README.md", "NAME"))
        options = ("--wait", "--data", given, "--emulator", system.emulator.url)
        with ThreadPoolExecutor() as pool:
            running = pool.submit(command, "start", "waited", *options)
            ana.decide(system.asked(only(system, "waited")), "approved")
            done = running.result(timeout=30)

        assert (done.returncode, done.stdout) == (0, '"paid"\n'), done.stderr

    def test_a_refused_question_says_why_in_the_list(self, system, deploy):
        (example,) = examples("README.md")
        deploy("nobody", example.replace("group:managers", "group:strangers"))
        execution = system.emulator.execute("nobody", argument("README.md", "NAME"))
        assert execution.error()["code"] == 422

        done = command("executions", "--emulator", system.emulator.url, "--workflow", "nobody")

        assert re.search(r": approvers: .*strangers", done.stdout)

    def test_deploying_with_googles_client_names_the_authors_file_once(self, system, tmp_path):
        (tmp_path / "fine.yaml").write_text(examples("README.md")[0], encoding="utf-8")
        broken = tmp_path / "broken.yaml"
        broken.write_text("main:\n  steps:\n    - a: {next: nowhere}\n", encoding="utf-8")

        done = subprocess.run(
            [sys.executable, "manage.py", "deploy_workflows", tmp_path],
            cwd=ROOT,
            env=system.env,
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 1
        assert done.stdout == "created fine\n"
        first, *_, last = done.stderr.splitlines()
        assert first.startswith(f"{broken}:3:17: parse error: in workflow 'main', step 'a': ")
        assert last == "CommandError: 1 of 2 not deployed: broken"
        assert done.stderr.count("parse error") == 1


def only(system: System, workflow: str) -> Execution:
    """The one execution of a workflow, once it was started."""
    parent = f"{system.emulator.parent}/workflows/{workflow}/executions"
    found = eventually(lambda: system.emulator.ask("GET", parent).get("executions"))
    return Execution(system.emulator, str(found[0]["name"]))

"""Shared subworkflows reach the files that call them, and nothing else changes."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from workflows.bundle import BundleError, bundle, bundle_file, main, workflow_id

SHIPPED = "request_approval.yaml"

ROOT = Path(__file__).resolve().parent.parent
ASK = """\
ask:
  params: [question]
  steps:
    - answer:
        return: ${question}
"""


def write(directory: Path, **files: str) -> Path:
    """Write `name.yaml` for each keyword; `__` in a name stands for a dot."""
    for name, text in files.items():
        file = name.replace("__", ".") if "__" in name else f"{name}.yaml"
        (directory / file).write_text(text, encoding="utf-8")
    return directory


def caller(step: str) -> str:
    """A workflow of one step, given in YAML's flow style."""
    return f"main:\n  steps:\n    - only: {step}\n"


def subworkflow(name: str, step: str = "{return: null}") -> str:
    return f"{name}:\n  steps:\n    - only: {step}\n"


def texts(directory: Path) -> dict[str, str]:
    return {workflow: complete.text for workflow, complete in bundle(directory).items()}


class TestAppend:
    @pytest.mark.parametrize(
        "step",
        [
            "{call: ask, args: {question: 1}}",
            "{return: '${1 + ask(2)}'}",
            "{assign: [answer: '${ask (2)}']}",
            "{switch: [{condition: '${not ask(true)}', next: end}]}",
            "{try: {call: sys.now}, retry: {predicate: '${ask}', max_retries: 1}}",
        ],
    )
    def test_the_library_of_a_called_subworkflow_is_appended(self, tmp_path, step):
        write(tmp_path, work=caller(step), ask=ASK)

        assert texts(tmp_path) == {"work": caller(step) + "\n" + ASK}

    @pytest.mark.parametrize(
        "step",
        [
            "{call: sys.log, args: {text: 'do ask (the boss)'}}",
            "{return: '${task(1)}'}",
            "{return: '${text.ask(1)}'}",
            "{return: '${asked}'}",
        ],
    )
    def test_a_file_that_does_not_call_it_stays_as_it_is(self, tmp_path, step):
        write(tmp_path, work=caller(step), ask=ASK)

        assert texts(tmp_path) == {"work": caller(step)}

    def test_a_library_brings_the_libraries_that_it_needs_itself(self, tmp_path):
        write(
            tmp_path,
            work=caller("{call: one}"),
            a=subworkflow("three"),
            b=subworkflow("two", "{call: three}"),
            c=subworkflow("one", "{return: '${two() + one()}'}"),
        )

        assert list(yaml.safe_load(texts(tmp_path)["work"])) == ["main", "one", "two", "three"]

    def test_what_the_file_defines_itself_is_not_fetched(self, tmp_path):
        own = caller("{call: ask, args: {question: 1}}") + ASK
        write(tmp_path, work=own, ask=ASK)

        assert texts(tmp_path) == {"work": own}

    def test_the_lines_of_the_author_keep_their_numbers(self, tmp_path):
        text = "# why\n\n" + caller("{call: ask, args: {question: 1}}") + "# the end, no newline"
        write(tmp_path, work=text, ask=ASK)

        assert texts(tmp_path)["work"].startswith(text + "\n")

    def test_a_library_may_open_with_a_document_line(self, tmp_path):
        write(
            tmp_path, work=caller("{call: ask, args: {question: 1}}"), ask=f"# shared\n\n---\n{ASK}"
        )

        assert list(yaml.safe_load(texts(tmp_path)["work"])) == ["main", "ask"]

    def test_aliases_that_contain_themselves_end(self, tmp_path):
        text = caller("&loop {call: ask, args: {question: *loop}}")
        write(tmp_path, work=text, ask=ASK)

        assert texts(tmp_path)["work"].endswith(ASK)


class TestShipped:
    def test_a_shipped_library_follows_to_any_folder(self, tmp_path):
        write(tmp_path, work=caller("{call: request_approval, args: {request: {}}}"))
        shipped = (ROOT / "workflows" / SHIPPED).read_text(encoding="utf-8")

        assert texts(tmp_path)["work"].endswith(shipped)
        assert bundle_file(tmp_path / "work.yaml").text == texts(tmp_path)["work"]

    def test_the_folders_own_library_comes_first(self, tmp_path):
        own = subworkflow("request_approval")
        write(tmp_path, work=caller("{call: request_approval}"), mine=own)

        assert texts(tmp_path)["work"] == caller("{call: request_approval}") + "\n" + own

    def test_half_a_library_of_ones_own_is_refused(self, tmp_path):
        own = subworkflow("request_approval", "{call: post_to_inbox}")
        write(tmp_path, work=caller("{call: request_approval}"), mine=own)

        with pytest.raises(BundleError, match=r"is defined in mine\.yaml and in request_approval"):
            bundle(tmp_path)


class TestExplain:
    def test_a_place_is_told_in_the_authors_file(self, tmp_path, monkeypatch):
        write(tmp_path, work=caller("{call: ask, args: {question: 1}}"), ask="---\n" + ASK)
        monkeypatch.chdir(tmp_path)
        complete = bundle(tmp_path)["work"]
        line = complete.text.splitlines().index("    - answer:") + 1

        assert complete.explain("main.yaml:3:7: no") == "work.yaml:3:7: no"
        assert complete.explain(f"main.yaml:{line}:7: no") == "ask.yaml:5:7: no"

    def test_without_a_place_the_file_is_named(self, tmp_path):
        write(tmp_path, work=caller("{return: 1}"))

        assert (
            bundle(tmp_path)["work"].explain("too large") == f"{tmp_path / 'work.yaml'}: too large"
        )


class TestLeaveAlone:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("short.yaml", "- only:\n    return: ${ask(1)}\n"),
            ("data.json", '{"main": {"steps": [{"only": {"return": "${ask(1)}"}}]}}'),
            ("broken.yaml", "main:\n  steps: [\n"),
            ("compose.yaml", "services:\n  web: {image: web}\n"),
            ("empty.yml", ""),
        ],
    )
    def test_other_files_are_returned_as_they_are(self, tmp_path, name, text):
        write(tmp_path, ask=ASK)
        (tmp_path / name).write_text(text, encoding="utf-8")

        assert texts(tmp_path) == {name.split(".")[0]: text}
        assert bundle_file(tmp_path / name).text == text

    def test_only_visible_workflow_files_right_in_the_directory_count(self, tmp_path):
        write(tmp_path, README__md="# hello", __hidden__yaml="- a:\n    return: 1\n")
        (tmp_path / "deeper.yaml").mkdir()

        with pytest.raises(BundleError, match=r"holds no workflow"):
            bundle(tmp_path)


class TestRefuse:
    def test_two_libraries_with_one_name(self, tmp_path):
        write(tmp_path, first=ASK, second=ASK)

        with pytest.raises(BundleError, match=r"second\.yaml: ask is defined in first\.yaml as"):
            bundle(tmp_path)

    def test_a_name_defined_twice_in_one_file(self, tmp_path):
        write(tmp_path, ask=ASK + ASK)

        with pytest.raises(BundleError, match=r"ask\.yaml: ask is defined twice"):
            bundle(tmp_path)

    def test_a_library_that_defines_a_name_of_the_file_again(self, tmp_path):
        write(
            tmp_path,
            work=caller("{call: ask, args: {question: 1}}") + subworkflow("helper"),
            shared=ASK + subworkflow("helper"),
        )

        with pytest.raises(BundleError, match=r"helper is defined here and in shared\.yaml"):
            bundle(tmp_path)

    def test_two_files_of_one_workflow(self, tmp_path):
        write(tmp_path, work=caller("{return: 1}"), work__json="[]")

        with pytest.raises(BundleError, match=r"work\.json is the workflow work already"):
            bundle(tmp_path)

    @pytest.mark.parametrize(
        "text",
        [
            "{main: {steps: [{only: {call: ask, args: {question: 1}}}]}}",
            "  main:\n    steps:\n      - only: {call: ask, args: {question: 1}}\n",
            caller("{call: ask, args: {question: 1}}") + "...\n",
        ],
    )
    def test_a_file_that_cannot_be_continued(self, tmp_path, text):
        write(tmp_path, work=text, ask=ASK)

        with pytest.raises(BundleError, match=r"work\.yaml: ask\.yaml cannot be appended"):
            bundle_file(tmp_path / "work.yaml")

    def test_a_file_that_is_not_text(self, tmp_path):
        (tmp_path / "work.yaml").write_bytes(b"main: \xff")

        with pytest.raises(BundleError, match=r"work\.yaml: not UTF-8 text \(byte 6\)"):
            bundle_file(tmp_path / "work.yaml")


class TestName:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("expense-approval.yaml", "expense-approval"),
            ("expense-approval.workflows.yaml", "expense-approval"),
            ("expense-approval.workflows.json", "expense-approval"),
            ("v1.2.yml", "v1.2"),
        ],
    )
    def test_the_id_is_the_file_name_without_its_endings(self, name, expected):
        assert workflow_id(Path(name)) == expected


class TestCommand:
    def test_it_writes_one_complete_file_for_each_workflow(self, tmp_path):
        write(tmp_path, work__workflows__yaml=caller("{call: ask, args: {question: 1}}"), ask=ASK)
        out = tmp_path / "build" / "workflows"

        done = subprocess.run(
            [sys.executable, "-m", "workflows.bundle", tmp_path, out],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )

        assert done.stdout == f"{out / 'work.yaml'}\n"
        assert (out / "work.yaml").read_text(encoding="utf-8") == texts(tmp_path)["work"]

    @pytest.mark.parametrize(
        ("arguments", "code", "sentence"),
        [
            ([], 2, "Usage: python -m workflows.bundle DIR OUT"),
            (["nowhere", "out"], 1, "nowhere is not a directory."),
            (
                ["docs", "out"],
                1,
                "docs holds no workflow: no YAML or JSON file, or only libraries, without `main`.",
            ),
        ],
    )
    def test_it_says_what_is_wrong(self, capsys, arguments, code, sentence):
        assert main(arguments) == code
        assert capsys.readouterr().err == f"{sentence}\n"

    def test_a_file_in_the_place_of_the_directory_is_left_alone(self, tmp_path, capsys):
        write(tmp_path, work=caller("{return: 1}"))
        out = tmp_path / "work.yaml"
        before = out.read_text(encoding="utf-8")

        assert main([str(tmp_path), str(out)]) == 1
        assert capsys.readouterr().err == f"{out} is a file. Name a directory to write into.\n"
        assert main([str(tmp_path), str(out / "below")]) == 1
        assert capsys.readouterr().err == f"{out / 'below'}: Not a directory.\n"
        assert out.read_text(encoding="utf-8") == before

    def test_it_writes_nothing_when_the_files_contradict(self, tmp_path, capsys):
        write(tmp_path, first=ASK, second=ASK)

        assert main([str(tmp_path), str(tmp_path / "out")]) == 1
        assert "Rename one of them." in capsys.readouterr().err
        assert not (tmp_path / "out").exists()

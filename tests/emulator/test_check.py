"""`check`: every problem of every file, where its author wrote it."""

import json

import pytest

from tests.emulators import command
from tests.test_layers import ROOT

GOOD = "main:\n  steps:\n    - done: {return: 1}\n"
LIBRARY = "helper:\n  params: [x]\n  steps:\n    - give: {return: '${y}'}\n"
CALLER = "main:\n  steps:\n    - ask: {call: helper, args: {x: 1}}\n"


def check(*arguments: object) -> tuple[int, list[str], str]:
    """Exit code, lines of standard output, and standard error."""
    done = command("check", *map(str, arguments))
    return done.returncode, done.stdout.splitlines(), done.stderr


def file(folder, name: str, text: str):
    path = folder / name
    path.write_text(text)
    return path


class TestErrors:
    def test_a_place_stands_over_its_line_and_a_caret(self, tmp_path):
        path = file(tmp_path, "a.yaml", "- one:\n    return: ${nobody}\n")

        code, lines, said = check(path)

        assert code == 1
        assert lines == [
            (
                f"{path}:2:15: error: in workflow 'main', step 'one': symbol 'nobody' is neither a"
                " variable nor a sub-workflow name"
            ),
            "    return: ${nobody}",
            "              ^",
        ]
        assert said == "1 error in 1 file\n"

    @pytest.mark.parametrize(
        ("source", "places"),
        [
            ("- a: {call: nope}\n- b: {next: nowhere}\n", ["1:13", "2:13"]),
            ("- a: {retrun: 1}\n- b: {return: '${1 +}'}\n- c: [1]\n", ["1:7", "2:21", "3:6"]),
            (
                (
                    "main:\n  steps:\n    - a: {return: '${x}'}\n"
                    "sub:\n  steps:\n    - b: {return: '${y}'}\n"
                ),
                ["3:22", "6:22"],
            ),
            (
                "- a:\n    try: {call: nope}\n    except: {steps: [{b: {next: c}}]}\n",
                ["2:17", "3:33"],
            ),
            (
                (
                    "- a:\n    switch:\n      - {condition: '${x}', next: end}\n"
                    "      - {condition: true, next: c}\n"
                ),
                ["3:24", "4:33"],
            ),
            (
                (
                    "- a: {cal: x, result: set}\n- b: {return: '${nobody}'}\n"
                    "- c: {return: '${set}', next: a}\n- d: {next: nowhere}\n"
                    "- e: {assign: [{late: '${1 +}'}]}\n- f: {return: '${late}'}\n"
                ),
                ["1:7", "2:18", "4:13", "5:29"],
            ),
            (
                (
                    "- a:\n    for:\n      value: i\n      in: [1]\n      steps:\n"
                    "        - b: {retrun: 1}\n        - c: {return: '${j}'}\n"
                    "- d: {call: nope}\n"
                ),
                ["6:15", "7:26", "8:13"],
            ),
        ],
        ids=["steps", "shapes", "routines", "try", "switch", "shapes and names", "inside"],
    )
    def test_what_does_not_follow_from_another_problem_is_told_with_it(
        self, tmp_path, source, places
    ):
        path = file(tmp_path, "a.yaml", source)

        _, lines, _ = check(path)

        assert [line.split(": error:")[0] for line in lines if ": error:" in line] == [
            f"{path}:{place}" for place in places
        ]

    def test_a_library_is_told_once_in_its_own_lines(self, tmp_path):
        library = file(tmp_path, "lib.yaml", LIBRARY)
        file(tmp_path, "one.yaml", CALLER)
        file(tmp_path, "two.yaml", CALLER)

        code, lines, said = check(tmp_path)

        assert code == 1
        assert [line for line in lines if "error" in line] == [
            (
                f"{library}:4:25: error: in workflow 'helper', step 'give': symbol 'y' is neither a"
                " variable nor a sub-workflow name"
            )
        ]
        assert said == "1 error in 3 files\n"

    @pytest.mark.parametrize("with_caller", [True, False])
    def test_a_library_can_be_checked_by_itself(self, tmp_path, with_caller):
        library = file(tmp_path, "lib.yaml", LIBRARY)
        if with_caller:
            file(tmp_path, "one.yaml", CALLER + "    - bad: {next: nowhere}\n")

        code, lines, _ = check(library)

        assert code == 1
        assert [line for line in lines if ": error:" in line] == [lines[0]]
        assert lines[0].startswith(f"{library}:4:25: ")

    def test_files_that_contradict_are_told_and_the_others_checked(self, tmp_path):
        file(tmp_path, "a.yaml", GOOD)
        twice = file(tmp_path, "a.json", '{"main": {"steps": [{"a": {"return": 1}}]}}')
        latin = tmp_path / "latin.yaml"
        latin.write_bytes(b"# caf\xe9\n")
        wrong = file(tmp_path, "wrong.yaml", "- a: {next: b}\n")

        code, lines, said = check(tmp_path)

        assert code == 1, said
        assert [line.split(": ")[0] for line in lines if ": error: " in line] == [
            str(tmp_path / "a.yaml"),
            str(latin),
            f"{wrong}:1:13",
        ]
        assert twice.name in lines[0]

    def test_what_run_refuses_for_the_files_beside_it_is_an_error(self, tmp_path):
        path = file(tmp_path, "main.yaml", CALLER)
        file(tmp_path, "a.yaml", "helper:\n  params: [x]\n  steps:\n    - give: {return: 1}\n")
        second = file(tmp_path, "b.yaml", "helper:\n  steps:\n    - give: {return: 2}\n")

        code, lines, _ = check(path)
        refused = command("run", str(path))

        said = f"{second}: helper is defined in a.yaml as well. Rename one of them."
        assert code == 1
        assert lines == [f"{path}: error: {said}"]
        assert refused.returncode == 2
        assert refused.stderr == f"{said}\n"

    def test_a_stub_file_is_told_to_be_one(self, tmp_path):
        path = file(tmp_path, "stubs.yaml", "strict: true\nstubs:\n  gke.a: {returns: 1}\n")

        _, lines, _ = check(path)

        assert lines[0].startswith(f"{path}:1:1: error: this looks like a stub file, for --stubs")

    def test_what_cannot_be_read_is_exit_code_2(self, tmp_path):
        (tmp_path / "empty").mkdir()

        missing = check(tmp_path / "no.yaml")
        empty = check(tmp_path / "empty")

        assert missing[0] == empty[0] == 2
        assert missing[2] == f"{tmp_path / 'no.yaml'}: No such file or directory\n"
        assert "holds no workflow" in empty[2]


class TestWarnings:
    def test_a_connector_that_nobody_answers_and_a_step_that_nothing_reaches(self, tmp_path):
        path = file(
            tmp_path,
            "a.yaml",
            "- call: {call: googleapis.run.v1.nobody.get, args: {x: 1}}\n"
            "- go: {next: there}\n"
            "- lost: {return: 1}\n"
            "- too: {return: 2}\n"
            "- there: {switch: [{condition: true, return: 3}]}\n"
            "- end_of_it: {return: 4}\n",
        )

        code, lines, said = check(path)

        assert code == 0
        assert [line for line in lines if ": warning: " in line] == [
            (
                f"{path}:1:16: warning: in workflow 'main', step 'call':"
                " 'googleapis.run.v1.nobody.get' is answered here only by a stub (--stubs FILE)"
            ),
            (
                f"{path}:3:10: warning: in workflow 'main', step 'lost': never reached: step 'go'"
                " always goes elsewhere"
            ),
        ]
        assert said == "2 warnings in 1 file\n"

    def test_our_own_workflows_have_none(self):
        files = list((ROOT / "workflows").glob("*.yaml"))

        assert check(ROOT / "workflows") == (0, [], f"nothing wrong in {len(files)} files\n")


class TestFormat:
    def test_json_is_an_object_a_line(self, tmp_path):
        path = file(tmp_path, "a.yaml", "- a: {next: b}\n")

        _, lines, _ = check(path, "--format=json")

        assert [json.loads(line) for line in lines] == [
            {
                "path": str(path),
                "line": 1,
                "column": 13,
                "severity": "error",
                "message": "in workflow 'main', step 'a': next: there is no step 'b' to go to from"
                " here",
            }
        ]

    def test_github_reads_its_commands(self, tmp_path):
        path = file(tmp_path, "a,b.yaml", '- "a\\n%": {next: b}\n')

        _, lines, _ = check(path, "--format=github")

        place = str(path).replace(",", "%2C")
        assert lines == [
            (
                f"::error file={place},line=1,col=18::in workflow 'main', step 'a%0A%25':"
                " next: there is no step 'b' to go to from here"
            )
        ]

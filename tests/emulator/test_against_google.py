"""The cases run over REST, as they would against Google: a part of them, and what is told."""

import os
import subprocess
import sys
from typing import Any

import pytest

from tests.emulator.against_google import Difference, Observed, chosen, differences, left_out
from tests.emulator.language_cases import Case
from tests.emulators import LOCATION, PROJECT, ROOT


def case(**says: Any) -> Case:
    return Case("file", "name", says)


def ended(**execution: Any) -> Observed:
    return Observed(execution=execution)


def failed(payload: str, context: str = "") -> Observed:
    return ended(state="FAILED", error={"payload": payload, "context": context})


class TestCommand:
    def test_a_part_of_the_cases_runs_against_this_emulator(self, emulator, tmp_path):
        words = ["variables", "control", "positions", "next of a parallel step"]
        command = [sys.executable, "-m", "tests.emulator.against_google", "--project", PROJECT]
        done = subprocess.run(
            [*command, "--location", LOCATION, "--url", emulator.url, *words],
            cwd=ROOT,
            env={**os.environ, **emulator.environment, "CLOUDSDK_CONFIG": str(tmp_path)},
            text=True,
            capture_output=True,
            timeout=100,
            check=False,
        )

        picked = [each for each in chosen(words) if left_out(each) is None]
        assert done.stdout.startswith(f"{len(picked)} cases, 0 differ, 0 times"), done.stdout
        assert done.returncode == 0, done.stderr
        assert len(picked) > 100

    def test_it_leaves_out_what_no_real_world_answers(self):
        assert left_out(case(limits={"steps": 3})) == "it has limits of its own"
        assert left_out(case(replies=[{}])) == "it needs replies of its own making"
        assert left_out(case(replies=[{}], real=True)) is None
        assert left_out(case(result=1)) is None


class TestDifferences:
    @pytest.mark.parametrize(
        ("says", "observed"),
        [
            ({"result": {"a": 1.0}}, ended(state="SUCCEEDED", result='{"a":1}')),
            ({"result": None}, ended(state="SUCCEEDED", result="null")),
            ({"fails": {"value": "x"}}, failed('"x"')),
            ({"fails": {"tag": "KeyError"}}, failed('{"tags":["KeyError"]}')),
            ({"fails": {"message": "m", "context": "c\nd\n"}}, failed('{"message":"m"}', "c\nd")),
            ({"refused": {"at": [1, 3], "says": "no"}}, Observed(refused="main.yaml:1:3: no way")),
        ],
    )
    def test_there_are_none_where_all_is_as_it_should_be(self, says, observed):
        assert list(differences(case(**says), observed)) == []

    @pytest.mark.parametrize(
        ("says", "observed", "kind"),
        [
            ({"result": 1}, ended(state="SUCCEEDED", result="2"), "differs"),
            ({"result": 1}, failed('"x"'), "differs"),
            ({"result": 1}, Observed(refused="no"), "differs"),
            ({"result": 5.0}, ended(state="SUCCEEDED", result="5.0"), "writing"),
            ({"fails": {"value": "x"}}, failed('"y"'), "differs"),
            ({"fails": {"tag": "KeyError"}}, failed('{"tags":["TypeError"]}'), "differs"),
            ({"fails": {"tag": "KeyError"}}, ended(state="CANCELLED"), "differs"),
            ({"fails": {"message": "m"}}, failed('{"message":"n"}'), "wording"),
            ({"fails": {"context": "c"}}, failed("1", "d"), "wording"),
            ({"refused": {"says": "no"}}, Observed(refused="never"), "wording"),
            ({"refused": {"at": [1, 3]}}, Observed(refused="main.yaml:1:4: no"), "place"),
            ({"refused": {}}, ended(state="SUCCEEDED", result="1"), "differs"),
        ],
    )
    def test_each_is_told_with_its_kind(self, says, observed, kind):
        (found,) = differences(case(**says), observed)

        assert found.kind == kind
        assert found.case == "file: name"

    def test_it_is_printed_with_both_sides(self):
        assert str(Difference("file: name", "differs", "1", "2")) == (
            "differs  file: name\n    expected 1\n    found    2"
        )

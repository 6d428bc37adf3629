"""The language as data: sources with what they must give. See the first lines of each file.

A case has a `source`, or one `expression` with its `variables`. It may have an `argument`, `env`,
`limits` and `replies` of the world, which are given in the order of the requests. It says what
must come out: `result`, or `fails` (`tag`, `message`, exact `value`, exact `context`), or
`refused` (place `at`, part of the message `says`), and perhaps the `requests` that were made.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from emulator.errors import SourceError
from emulator.interpreter import Failed, Run, Succeeded
from emulator.limits import Limits
from emulator.parser import parse
from tests.emulator.scripted import exact, finish, run_until_waiting, script

HERE = Path(__file__).parent
FILES = sorted((HERE / "cases").glob("*.yaml"))
KEYS = {
    "argument",
    "env",
    "expression",
    "fails",
    "limits",
    "name",
    "refused",
    "replies",
    "requests",
    "result",
    "source",
    "steps",
    "variables",
}


def cases() -> list[Any]:
    found = []
    for path in FILES:
        for number, case in enumerate(yaml.safe_load(path.read_text())):
            assert case.keys() <= KEYS, f"{path.name}, case {number}: {case.keys() - KEYS}"
            assert len(case.keys() & {"result", "fails", "refused"}) == 1, (path.name, case)
            name = case.get("name") or case["expression"]
            found.append(pytest.param(case, id=f"{path.stem}: {name}"))
    return found


def source_of(case: dict[str, Any]) -> str:
    """The case's source, or one that returns the value of its expression."""
    if "source" in case:
        return str(case["source"])
    steps: list[Any] = [{"give": {"return": f"${{{case['expression']}}}"}}]
    variables = case.get("variables")
    if variables:
        names = [{name: f"${{args.{name}}}"} for name in variables]
        steps.insert(0, {"set": {"assign": names}})
    return json.dumps({"main": {"params": ["args"], "steps": steps}})


@pytest.mark.parametrize("case", cases())
def test_a_source_gives_what_the_case_says(case):
    limits = Limits(**case.get("limits", {}))
    if "refused" in case:
        check_refusal(source_of(case), case["refused"], limits)
        return
    argument = case.get("argument", case.get("variables"))
    run = Run(parse(source_of(case), limits=limits), argument, case.get("env", {}), limits)
    made = finish(run, run_until_waiting(run), script(case.get("replies", [])))

    check_outcome(run.outcome, case)
    if "requests" in case:
        shown = [{request.function: dict(request.args)} for request in made]
        assert exact(shown) == exact(case["requests"])
    if "steps" in case:
        assert run.steps_run == case["steps"]


def check_refusal(source: str, expected: dict[str, Any], limits: Limits) -> None:
    with pytest.raises(SourceError) as refused:
        parse(source, limits=limits)
    problem = refused.value
    if "at" in expected:
        assert [problem.line, problem.column] == expected["at"], str(problem)
    assert expected.get("says", "") in problem.message
    assert expected.get("step", problem.step) == problem.step
    assert expected.get("routine", problem.routine) == problem.routine


def check_outcome(outcome: Any, case: dict[str, Any]) -> None:
    if "result" in case:
        assert isinstance(outcome, Succeeded), outcome
        assert exact(outcome.value) == exact(case["result"])
        return
    assert isinstance(outcome, Failed), outcome
    expected = case["fails"]
    if "value" in expected:
        assert exact(outcome.value) == exact(expected["value"])
    if "tag" in expected:
        assert isinstance(outcome.value, dict)
        assert expected["tag"] in outcome.value["tags"], outcome.value
    if "message" in expected:
        assert isinstance(outcome.value, dict)
        assert outcome.value["message"] == expected["message"]
    if "context" in expected:
        assert outcome.context == expected["context"].strip()


def published() -> list[Any]:
    """The published workflows that need nothing of the world but a clock and a log."""
    corpus = HERE / "corpus"
    found = []
    for case in json.loads((corpus / "expected.json").read_text())["cases"]:
        if case.get("stubs") or case.get("callback"):
            continue
        for file in filter(None, (case["file"], case.get("json_twin"))):
            name = f"{case['id']}-{Path(file).suffix[1:]}"
            found.append(pytest.param(case, (corpus / file).read_text(), id=name))
    return found


@pytest.mark.parametrize(("case", "source"), published())
def test_a_published_workflow_ends_as_it_must(case, source):
    workflow = parse(source)
    expected = case["expect"]
    if expected.get("deploys"):
        return
    run = Run(workflow, case["argument"], case.get("env", {}))
    finish(run, run_until_waiting(run))

    outcome = run.outcome
    if expected["state"] == "SUCCEEDED":
        assert isinstance(outcome, Succeeded), outcome
        assert outcome.value == expected.get("result", outcome.value)
    else:
        assert isinstance(outcome, Failed), outcome
        assert outcome.value == expected.get("error_payload", outcome.value)
        assert expected["error_context_contains"] in outcome.context

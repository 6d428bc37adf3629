"""The cases of the language, and the published workflows, run with replies from a list."""

import json
from pathlib import Path
from typing import Any

import pytest

from emulator.errors import SourceError
from emulator.interpreter import Failed, Run, Succeeded
from emulator.limits import Limits
from emulator.parser import parse
from tests.emulator.language_cases import Case, cases
from tests.emulator.scripted import exact, finish, run_until_waiting, script

HERE = Path(__file__).parent


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in cases()])
def test_a_source_gives_what_the_case_says(case: Case):
    says = case.says
    limits = Limits(**says.get("limits", {}))
    if "refused" in says:
        check_refusal(case.source, says["refused"], limits)
        return
    run = Run(parse(case.source, limits=limits), case.argument, says.get("env", {}), limits)
    made = finish(run, run_until_waiting(run), script(says.get("replies", [])))

    check_outcome(run.outcome, says)
    if "requests" in says:
        shown = [{request.function: dict(request.args)} for request in made]
        assert exact(shown) == exact(says["requests"])
    if "steps" in says:
        assert run.steps_run == says["steps"]


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

"""What a traced run tells: an entry for each step, with its state and its place among others."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.compiler import compile_workflow
from emulator.interpreter import Failed, Reply, Run
from emulator.limits import Limits
from emulator.operations import tracing
from emulator.parser import parse
from emulator.trace import Room, StepState, Trace
from tests.emulator.generated import fate, sources
from tests.emulator.language_cases import Case, cases
from tests.emulator.scripted import finish, run_until_waiting, script
from tests.emulator.test_prefixes import scripted
from tests.emulator.tracing import NOW, check, entries_of, facts, outline, run

HISTORIES = yaml.safe_load((Path(__file__).parent / "histories.yaml").read_text(encoding="utf-8"))
TRACED = [pytest.param(case, id=case["name"]) for case in HISTORIES]
RUN = [pytest.param(case, id=case.id) for case in cases() if "refused" not in case.says]


def outcome(run: Run) -> Any:
    found = run.outcome
    return (found.value, found.context, found.stack) if isinstance(found, Failed) else found


@pytest.mark.parametrize("case", TRACED)
def test_a_run_leaves_these_entries(case: dict[str, Any]):
    traced = run(case["source"], limits=Limits(**case.get("limits", {})))
    finish(traced, run_until_waiting(traced), script(case.get("replies", [])))

    assert outline(entries_of(traced)).split("\n") == case["entries"].rstrip().split("\n")
    check(entries_of(traced))


@pytest.mark.parametrize("case", TRACED)
def test_at_every_moment_the_trace_is_that_of_a_run_on_the_replies_so_far(case: dict[str, Any]):
    answer, given = script(case.get("replies", [])), list[tuple[str, Reply]]()
    limits = Limits(**case.get("limits", {}))
    live = run(case["source"], limits=limits)
    waiting = run_until_waiting(live)
    while True:
        again = run(case["source"], limits=limits)
        run_until_waiting(again, steps=1)
        for key, reply in given:
            again.reply(key, reply)
            run_until_waiting(again, steps=1)

        assert list(map(facts, entries_of(again))) == list(map(facts, entries_of(live)))
        check(entries_of(again))
        if live.outcome is not None:
            break
        request = waiting.pop(0)
        given.append((request.key, answer(request)))
        live.reply(*given[-1])
        waiting += run_until_waiting(live)


@pytest.mark.parametrize("case", RUN)
def test_a_traced_run_does_what_another_does(case: Case):
    limits = Limits(**case.says.get("limits", {}))
    env = case.says.get("env", {})
    plain = Run(parse(case.source, limits=limits), case.argument, env, limits)
    traced = run(case.source, case.argument, limits, env)

    made = [
        finish(each, run_until_waiting(each, steps), script(case.says.get("replies", [])))
        for each, steps in ((plain, 1000), (traced, 1))
    ]

    assert made[0] == made[1]
    assert outcome(plain) == outcome(traced)
    assert plain.steps_run == traced.steps_run
    check(entries_of(traced))
    assert traced.trace is not None
    assert traced.trace.asked_in.keys() == {request.key for request in made[1]}


@pytest.mark.parametrize("case", TRACED)
def test_a_run_that_is_not_traced_has_nothing_of_it_in_its_program(case: dict[str, Any]):
    workflow = parse(case["source"])
    for traced in (False, True):
        codes = compile_workflow(workflow, Limits(), traced=traced).codes.values()
        modules = {operation.__module__ for code in codes for operation in code.operations}
        assert (tracing.__name__ in modules) == traced


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(source=sources(), seed=st.integers(0, 10**6))
def test_random_workflows_do_the_same_when_they_are_traced(source: str, seed: int):
    plain = Run(parse(source), {"url": "http://x", "path": ""}, {})
    traced = run(source, {"url": "http://x", "path": ""})
    waiting = run_until_waiting(plain)
    assert run_until_waiting(traced, steps=3) == waiting
    rounds = 0
    while plain.outcome is None:
        rounds += 1
        request = waiting.pop(fate(seed, rounds) % len(waiting))
        plain.reply(request.key, scripted(request, seed))
        traced.reply(request.key, scripted(request, seed))
        new = run_until_waiting(plain)
        assert run_until_waiting(traced, steps=3) == new
        check(entries_of(traced))
        waiting += new

    assert outcome(plain) == outcome(traced)
    assert plain.steps_run == traced.steps_run
    assert all(entry.state is not StepState.IN_PROGRESS for entry in entries_of(traced))


class TestVariables:
    def test_an_entry_has_what_is_in_sight_at_its_end(self):
        source = """
main:
  params: [given]
  steps:
    - set: {assign: [{a: 1}]}
    - loop:
        for:
          value: v
          index: i
          in: [x]
          steps:
            - inside: {assign: [{b: "${v}"}, {a: 2}]}
    - safe:
        try: {raise: "no"}
        except: {as: e, steps: [{note: {assign: [{c: "${e}"}]}}]}
"""
        traced = run(source, {"k": None})
        finish(traced, run_until_waiting(traced))
        given = {"given": {"k": None}}
        inside = given | {"a": 2, "v": "x", "i": 0, "b": "x"}

        assert [(entry.step, entry.variables) for entry in entries_of(traced)] == [
            ("set", given | {"a": 1}),
            ("loop", given | {"a": 2}),
            ("loop", inside),
            ("inside", inside),
            ("safe", given | {"a": 2}),
            ("safe", given | {"a": 2}),
            ("safe", given | {"a": 2}),
            ("safe", given | {"a": 2, "e": "no", "c": "no"}),
            ("note", given | {"a": 2, "e": "no", "c": "no"}),
        ]

    def test_a_branch_sees_its_own_and_those_around_it(self):
        source = """
main:
  steps:
    - set: {assign: [{a: 1}, {s: 1}]}
    - each:
        parallel:
          shared: [s]
          for: {value: v, in: [5], steps: [{own: {assign: [{s: "${v}"}, {b: 3}]}}]}
"""
        traced = run(source)
        finish(traced, run_until_waiting(traced))

        assert {entry.step_type.name: entry.variables for entry in entries_of(traced)[2:]} == {
            "ITERATION": {"a": 1, "s": 5, "v": 5, "b": 3},
            "ASSIGN": {"a": 1, "s": 5, "v": 5, "b": 3},
        }
        assert entries_of(traced)[1].variables == {"a": 1, "s": 5}

    def test_they_are_kept_as_long_as_there_is_room(self):
        source = """
main:
  steps:
    - big: {assign: [{text: "0123456789012345678901234567890123456789"}]}
    - same: {assign: [{again: "${text}"}]}
    - other: {assign: [{text: "${text + text}"}]}
    - last: {assign: [{text: "${text + text}"}]}
"""
        for room, kept in ((Room(50), 1), (Room(200), 3), (Room(10_000), 4)):
            trace = Trace(NOW, room)
            finish(traced := Run(parse(source), None, {}, trace=trace), run_until_waiting(traced))
            assert sum(entry.variables is not None for entry in trace.entries) == kept
        only = Trace(NOW, Room(0, only={3}))
        finish(traced := Run(parse(source), None, {}, trace=only), run_until_waiting(traced))
        assert [entry.id for entry in only.entries if entry.variables is not None] == [3]

"""Sources for the tests of drawings: the product's own, the documents' and Google's samples."""

from collections import Counter
from pathlib import Path
from typing import Any

from django.conf import settings

from approvals.drawing.graph import Graph, Kind
from approvals.google.sources import Seen, execution_seen
from approvals.google.wire import CannotLook
from emulator.parser import parse
from emulator.syntax import Block, For, Parallel, Step, Steps, Switch, Try
from tests.emulator.corpus_cases import CORPUS, corpus_cases, files
from workflows.bundle import bundle

ROOT = Path(__file__).resolve().parents[2]
SEEDS = ROOT / "tests" / "emulator" / "seed"

OURS = {name: complete.text for name, complete in bundle(ROOT / "workflows").items()}
SEED = {path.stem: path.read_text("utf-8") for path in sorted(SEEDS.glob("*.yaml"))}
CASES = {
    f"{case['id']} {Path(file).suffix}": (CORPUS / file).read_text("utf-8")
    for case in corpus_cases()
    for file in files(case)
}
ALL = {**OURS, **SEED, **CASES}


def named_steps(source: str) -> Counter[tuple[str, str]]:
    """Routine and name of every step, as the emulator reads the source."""
    found: Counter[tuple[str, str]] = Counter()
    for routine in parse(source).routines.values():
        _count(routine.name, routine.steps, found)
    return found


def _count(routine: str, block: Block, found: Counter[tuple[str, str]]) -> None:
    for step in block:
        found[routine, step.name] += 1
        _inside(routine, step, found)


def _inside(routine: str, step: Step, found: Counter[tuple[str, str]]) -> None:
    """The steps in a step. The body of a condition, a branch or a try is itself none."""
    match step.body:
        case Steps(steps) | For(steps=steps) | Parallel(work=For(steps=steps)):
            _count(routine, steps, found)
        case Switch(conditions):
            for condition in conditions:
                _inside(routine, condition.then, found)
        case Parallel(work=tuple(branches)):
            for branch in branches:
                _inside(routine, branch.body, found)
        case Try(body, _, handler):
            _inside(routine, body, found)
            if handler is not None:
                _count(routine, handler.steps, found)


def drawn_steps(graph: Graph) -> Counter[tuple[str, str]]:
    """The same of a drawing; what stands right in a condition has no name and is not counted."""
    return Counter((step.routine, step.name) for step in graph.steps if step.name)


def kinds(graph: Graph) -> dict[str, Kind]:
    return {step.name: step.kind for step in graph.steps}


def step_of(graph: Graph, name: str) -> Any:
    """The one step of that name that people see."""
    (found,) = [step for each in graph.shown for step in graph.of(each) if step.name == name]
    return found


def leads(graph: Graph, routine: str = "main") -> set[tuple[str, str]]:
    """The lines of a drawing by the names of steps; "" is the end."""
    return {
        (edge.source.name, edge.target.name if edge.target else "") for edge in graph.edges(routine)
    }


def nobody_is_asked(name: str) -> Seen | None:
    """In place of a question to Google, where no server of a test stands there."""
    if not settings.WORKFLOWS_EMULATOR_HOST:
        raise CannotLook("Nobody is asked in this test.")
    return execution_seen(name)

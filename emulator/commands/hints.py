"""What builds and yet may not do what its author means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from emulator.library.registry import CONNECTORS
from emulator.syntax import (
    Block,
    Call,
    For,
    Parallel,
    Position,
    Raise,
    Return,
    Step,
    Steps,
    Switch,
    Try,
    Workflow,
)
from emulator.world import performs


@dataclass(frozen=True, slots=True)
class Hint:
    """Something about a step."""

    routine: str
    step: str
    where: Position
    message: str


def hints(workflow: Workflow) -> Iterator[Hint]:
    """Connectors that only a stub answers, and steps that nothing leads to."""
    for routine in workflow.routines.values():
        steps = list(_all(routine.steps))
        jumps = {step.next.target for step in steps if step.next is not None}
        for step in steps:
            for block in _blocks(step):
                yield from _unreachable(routine.name, block, jumps)
            match step.body:
                case Call(function, _, _, where) if _needs_stub(function):
                    message = f"'{function}' is answered here only by a stub (--stubs FILE)"
                    yield Hint(routine.name, step.name, where, message)
        yield from _unreachable(routine.name, routine.steps, jumps)


def _needs_stub(function: str) -> bool:
    return function.startswith(CONNECTORS) and not performs(function)


def _unreachable(routine: str, block: Block, jumps: set[str]) -> Iterator[Hint]:
    """The first step of each row of steps that is behind a jump and no target of one."""
    reached = True
    for before, step in pairwise(block):
        was_reached, reached = reached, step.name in jumps or (reached and not _leaves(before))
        if was_reached and not reached:
            message = f"never reached: step '{before.name}' always goes elsewhere"
            yield Hint(routine, step.name, step.where, message)


def _leaves(step: Step) -> bool:
    """Whether the step below is never next."""
    return step.next is not None or isinstance(step.body, Return | Raise)


def _all(block: Block) -> Iterator[Step]:
    """The steps of a block with those inside of them, cases and branches included."""
    for step in block:
        yield step
        for inner in _blocks(step):
            yield from _all(inner)


def _blocks(step: Step) -> Iterator[Block]:
    """The blocks right inside of a step. A case or a branch is a block of one."""
    match step.body:
        case Steps(steps) | For(steps=steps) | Parallel(work=For(steps=steps)):
            yield steps
        case Switch(conditions):
            yield from ((condition.then,) for condition in conditions)
        case Parallel(work=tuple(branches)):
            yield from ((branch.body,) for branch in branches)
        case Try(body, _, handler):
            yield (body,)
            if handler is not None:
                yield handler.steps

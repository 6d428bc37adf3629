"""What builds and yet may not do what its author means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from emulator.library.registry import CONNECTORS
from emulator.syntax import Block, Call, Position, Raise, Return, Step, Workflow
from emulator.walk import all_steps, blocks
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
        steps = list(all_steps(routine.steps))
        jumps = {step.next.target for step in steps if step.next is not None}
        for step in steps:
            for block in blocks(step):
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

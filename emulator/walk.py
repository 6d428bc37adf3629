"""All steps of a workflow, wherever they stand."""

from __future__ import annotations

from collections.abc import Iterator

from emulator.syntax import Block, For, Parallel, Step, Steps, Switch, Try


def all_steps(block: Block) -> Iterator[Step]:
    """The steps of a block with those inside of them, cases, tries and branches included."""
    for step in block:
        yield step
        for inner in blocks(step):
            yield from all_steps(inner)


def blocks(step: Step) -> Iterator[Block]:
    """The blocks right inside of a step. A case, a try or a branch is a block of one."""
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

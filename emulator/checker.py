"""What a deployment refuses besides a wrong shape: unknown names, targets and functions.

The check is static: a name must be assigned somewhere in a scope that is visible where it is
used, but not necessarily earlier in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from emulator.errors import SourceError, gathered
from emulator.library.registry import FUNCTIONS
from emulator.limits import Limits
from emulator.references import MODULES, References, fail, undefined
from emulator.scopes import Scope, handler_names, loop_names, routine_scope
from emulator.syntax import (
    Assign,
    Block,
    Call,
    For,
    Handler,
    Next,
    Parallel,
    Position,
    Raise,
    Retry,
    Return,
    Routine,
    Step,
    Steps,
    Switch,
    Target,
    Try,
    Workflow,
)
from emulator.walk import blocks


def check(workflow: Workflow, limits: Limits) -> None:
    """Raise SourceError for the first thing that cannot be deployed, with others like it."""
    with gathered() as part:
        for routine in workflow.routines.values():
            with part():
                _check_routine(routine, workflow, limits)


def _check_routine(routine: Routine, workflow: Workflow, limits: Limits) -> None:
    try:
        if routine.name in MODULES or routine.name in FUNCTIONS:
            fail(routine.where, f"'{routine.name}' is the name of a library function or module")
        _Checker(workflow.routines, limits).routine(routine)
    except SourceError as problem:
        inside = {undefined(name): step for name, step in _set_inside(routine.steps, "") if step}
        for each in problem.all:
            each.routine = routine.name
            if each.message in inside:
                step = inside[each.message]
                each.message += f"; it is set only inside '{step}', whose variables end with it"
        raise


def _set_inside(block: Block, around: str) -> Iterator[tuple[str, str]]:
    """What a block sets, with the innermost step around it that has variables of its own."""
    for step in block:
        names: list[str] = []
        ends = isinstance(step.body, For | Parallel)
        handler: Block | None = None
        match step.body:
            case Assign(entries):
                yield from ((each.target.name, around) for each in entries if not each.target.path)
            case Call(result=Target(name, path)) if not path:
                yield name, around
            case (For() as loop) | Parallel(work=For() as loop):
                names = loop_names(loop)
            case Try(handler=Handler() as caught):
                names, handler = handler_names(caught), caught.steps
        yield from ((name, step.name) for name in names)
        for inner in blocks(step):
            yield from _set_inside(inner, step.name if ends or inner is handler else around)


@dataclass(frozen=True, slots=True)
class _Place:
    """What the steps of a block may refer to.

    `names` are the steps that `next` can reach: those of the block and of the blocks around it.
    """

    scope: Scope
    names: frozenset[str] = frozenset()
    in_branch: bool = False
    can_break: bool = False
    can_continue: bool = False
    parallel_depth: int = 0


class _Checker:
    def __init__(self, routines: Mapping[str, Routine], limits: Limits) -> None:
        self._references = References(routines)
        self._limits = limits

    def routine(self, routine: Routine) -> None:
        scope = routine_scope(routine)
        for param in routine.params:
            if param.default is not None:
                self._references.expression(param.default, scope)
        self._block(routine.steps, _Place(scope))

    def _block(self, steps: Block, place: _Place) -> None:
        inside = replace(place, names=place.names | {step.name for step in steps})
        with gathered() as part:
            for step in steps:
                with part():
                    self._named(step, inside)

    def _named(self, step: Step, place: _Place) -> None:
        """Check a step, and say in an error which one it is, the innermost first."""
        try:
            self._step(step, place)
        except SourceError as problem:
            for each in problem.all:
                each.step = each.step if each.step is not None else step.name
            raise

    def _step(self, step: Step, place: _Place) -> None:
        if step.next is not None:
            self._next(step.next, place)
        match step.body:
            case Switch(conditions):
                with gathered() as part:
                    for condition in conditions:
                        with part():
                            self._references.expression(condition.test, place.scope)
                            self._step(condition.then, place)
            case For() as loop:
                self._loop(loop, place)
            case Parallel() as parallel:
                self._parallel(parallel, step.where, place)
            case Try() as attempt:
                self._try(attempt, place)
            case Steps(steps):
                self._block(steps, place)
            case Return() if place.in_branch:
                fail(step.where, "return is not possible inside a parallel step")
            case _:
                self._simple(step, place.scope)

    def _simple(self, step: Step, scope: Scope) -> None:
        match step.body:
            case Assign(entries):
                for entry in entries:
                    self._references.expression(entry.value, scope)
                    self._references.target(entry.target, scope)
            case Call() as call:
                self._references.call(call, scope)
            case Raise(value) | Return(value):
                self._references.expression(value, scope)

    def _next(self, target: Next, place: _Place) -> None:
        match target.target:
            case "end" if place.in_branch:
                fail(target.where, "next: end is not possible inside a parallel step")
            case "break" if not place.can_break:
                fail(target.where, "next: break is possible only inside a for loop")
            case "continue" if not place.can_continue:
                fail(target.where, "next: continue is possible only inside a for loop")
            case "end" | "break" | "continue":
                pass
            case name if name not in place.names:
                fail(target.where, f"next: there is no step '{name}' to go to from here")

    def _loop(self, loop: For, place: _Place) -> None:
        self._references.expression(loop.items, place.scope)
        scope = place.scope.inner(loop_names(loop), loop.steps)
        self._block(loop.steps, replace(place, scope=scope, can_break=True, can_continue=True))

    def _parallel(self, parallel: Parallel, where: Position, place: _Place) -> None:
        depth = place.parallel_depth + 1
        if depth > self._limits.parallel_depth:
            fail(where, f"parallel steps can be nested at most {depth - 1} deep")
        for name, named in parallel.shared:
            if place.scope.find(name) is None:
                fail(named, f"shared variable '{name}' does not exist outside of the parallel step")
        if parallel.concurrency_limit is not None:
            self._references.expression(parallel.concurrency_limit, place.scope)
        inside = _Place(place.scope, in_branch=True, parallel_depth=depth)
        if isinstance(parallel.work, For):
            loop = parallel.work
            self._references.expression(loop.items, place.scope)
            scope = place.scope.branch(loop_names(loop), loop.steps, parallel)
            self._block(loop.steps, replace(inside, scope=scope, can_continue=True))
            return
        with gathered() as part:
            for branch in parallel.work:
                scope = place.scope.branch([], (branch.body,), parallel)
                with part():
                    self._named(branch.body, replace(inside, scope=scope))

    def _try(self, attempt: Try, place: _Place) -> None:
        with gathered() as part:
            with part():
                self._step(attempt.body, place)
            if attempt.retry is not None:
                with part():
                    self._retry(attempt.retry, place)
            if attempt.handler is not None:
                handler = attempt.handler
                scope = place.scope.inner(handler_names(handler), handler.steps)
                with part():
                    self._block(handler.steps, replace(place, scope=scope))

    def _retry(self, retry: Retry, place: _Place) -> None:
        self._references.predicate(retry)
        for value in (retry.max_retries, retry.backoff):
            if value is not None:
                self._references.expression(value, place.scope)

"""Steps to operations: a flat list for each routine, in which a jump is only another index.

Where `next` leads, which handler takes an error, and which variables a jump leaves behind are
all known from the source. So a running thread keeps no record of the steps around it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator.emitter import Emitter, Goal, Program
from emulator.errors import Frame as Place
from emulator.evaluate import Compiled, constant, pure, strict
from emulator.frames import Code, Label
from emulator.library.registry import POLICIES, Function, Kind, bind_named, bind_positional, find
from emulator.limits import Limits
from emulator.memory import Map
from emulator.operations import errors, flow, loops, tracing, variables
from emulator.scopes import handler_names, loop_names, routine_scope
from emulator.syntax import (
    Assign,
    Block,
    Call,
    Expression,
    For,
    Handler,
    ListOf,
    NamedArguments,
    Parallel,
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
from emulator.trace import StepType


def compile_workflow(workflow: Workflow, limits: Limits, *, traced: bool = False) -> Program:
    """Return the operations of all routines of a workflow that was checked."""
    program = Program(workflow.routines, traced)
    for routine in workflow.routines.values():
        compiler = _Compiler(program, limits, routine.name, routine_scope(routine))
        program.codes[routine.name] = compiler.routine(routine)
    return program


class _Compiler(Emitter):
    """Compiles one routine, or one branch of a parallel step."""

    # Codes

    def routine(self, routine: Routine) -> Code:
        first = routine.steps[0]
        self._place = Place(first.name, routine.name, first.where.line, first.where.column, 0)
        self._code.arguments = len(routine.params)
        for slot, param in enumerate(routine.params):
            if param.default is not None:
                given = Label()
                self._emit(variables.unless_given(slot, given))
                self._assign(Target(param.name, (), param.where), self._compile(param.default))
                self._mark(given)
        self._block(routine.steps)
        return self._finish()

    def branch(self, steps: Block, arguments: int, place: Place, kind: StepType) -> Code:
        """Return the code of one branch or iteration, where `continue` leads to its end."""
        self._place = place
        self._code.arguments = arguments
        end = Label()
        self._bare = steps[0] if kind is StepType.BRANCH else None
        with self._entry(kind, tracing.branch):
            self._goals = {"continue": Goal(end, self._scope, self._depth)}
            self._block(steps)
            self._mark(end)
        return self._finish()

    # Steps

    def _block(self, steps: Block) -> None:
        labels = [Label() for _ in steps]
        goals = {
            step.name: Goal(label, self._scope, self._depth)
            for step, label in zip(steps, labels, strict=True)
        }
        with self._inside(self._scope, goals):
            for step, label in zip(steps, labels, strict=True):
                self._mark(label)
                self._step(step)

    def _step(self, step: Step) -> None:
        self._enter(step)
        with self._entry(self._kind(step, part=step is self._bare)):
            self._emit(flow.begin_step)
            self._body(step)

    def _part(self, step: Step) -> None:
        """Compile a body that stands in another step."""
        self._enter(step)
        with self._entry(self._kind(step, part=True)):
            self._body(step)

    def _kind(self, step: Step, *, part: bool) -> StepType | None:
        """Return what a step is in the trace; a list of steps is not more than its owner."""
        kind = tracing.kind_of(step.body, self._program.routines)
        return None if part and kind in {StepType.STEPS, StepType.GOTO} else kind

    def _enter(self, step: Step) -> None:
        where = step.where
        routine = self._code.routine
        self._place = Place(step.name, routine, where.line, where.column, step.length)

    def _body(self, step: Step) -> None:
        """Compile what a step does, and its jump."""
        self._enter(step)
        match step.body:
            case Assign(entries):
                for entry in entries:
                    self._assign(entry.target, self._compile(entry.value))
            case Call() as call:
                self._call(call)
            case Raise(value):
                self._evaluate(value, errors.raise_error)
            case Return(value):
                self._evaluate(value, flow.give)
            case body:
                self._nested(body)
        self._enter(step)
        if step.next is not None:
            self._jump(step.next.target)

    def _nested(self, body: Any) -> None:
        match body:
            case Switch():
                self._switch(body)
            case For():
                self._for(body)
            case Parallel():
                self._parallel(body)
            case Try():
                self._try(body)
            case Steps(steps):
                self._block(steps)

    def _jump(self, target: str) -> None:
        if target == "end":
            self._emit(flow.give_null)
            return
        goal = self._goals[target]
        left = self._scope
        while left is not goal.scope and left.parent is not goal.scope:
            assert left.parent is not None
            left = left.parent
        if left is not goal.scope:
            self._emit(flow.clear(left.first, left.layout.size))
        self._trace(tracing.end(goal.depth))
        self._emit(flow.go_to(goal.label))

    def _assign(self, target: Target, value: Compiled) -> None:
        """Set a variable or a part of one. What others share is set by one thread at a time."""
        variable = self._scope.find(target.name)
        assert variable is not None
        compiled = value
        if target.path:
            keys = [self._compile(key) for key in target.path]
            compiled = strict([value, *keys], lambda *values: values)
        if variable.hops:
            waits = compiled.plain is None
            self._emit(variables.wait_for_turn(variable.hops, keep_others=waits))
        self._emit(*flow.evaluated(compiled, variables.assign(variable, self._limits)))

    # Calls

    def _call(self, call: Call) -> None:
        compiled, by_name = self._arguments(call.args)
        self._emit(*flow.evaluated(compiled, self._caller(call.function, by_name=by_name)))
        if call.result is not None:
            result = self._scope.layout.slot()
            self._emit(variables.set_hidden(result))
            self._assign(call.result, Compiled(lambda frame: frame.variables[result]))
            self._emit(flow.clear(result, result + 1))

    def _arguments(self, args: NamedArguments | Expression) -> tuple[Compiled, bool]:
        """Return what evaluates to the arguments, and whether they have names."""
        if isinstance(args, NamedArguments):
            names = [name for name, _, _ in args.entries]
            parts = [self._compile(value) for _, value, _ in args.entries]
            if not parts:
                return constant({}), True
            return strict(parts, lambda *values: dict(zip(names, values, strict=True))), True
        if isinstance(args, ListOf):
            parts = [self._compile(item) for item in args.items]
            return (strict(parts, lambda *values: values) if parts else constant(())), False
        return strict([self._compile(args)], flow.argument_map), True

    def _caller(self, name: str, *, by_name: bool) -> flow.Action:
        """Return the action that calls with the arguments it is given."""
        if name in self._program.routines:
            if by_name:
                return lambda thread, _frame, args: thread.call(name, thread.run.named(name, args))
            return lambda thread, _frame, args: thread.call(name, thread.run.positional(name, args))
        function = find(name)
        assert function is not None
        bind: Callable[[Function, Any], dict[str, Any]]
        bind = bind_named if by_name else bind_positional
        if function.kind is not Kind.PURE:
            return lambda thread, _frame, args: thread.ask(name, bind(function, args))
        apply = pure(function, self._limits)
        return lambda thread, frame, args: flow.keep(
            thread, frame, apply(frame.context, *bind(function, args).values())
        )

    # Control flow

    def _switch(self, switch: Switch) -> None:
        end, place = Label(), self._place
        for number, condition in enumerate(switch.conditions, 1):
            after = Label()
            self._place = place
            self._evaluate(condition.test, flow.unless(after))
            with self._entry(StepType.CONDITION, tracing.constant(number)):
                self._part(condition.then)
            self._emit(flow.go_to(end))
            self._mark(after)
        self._mark(end)

    def _for(self, loop: For) -> None:
        layout = self._scope.layout
        state = layout.slot()
        layout.slot()  # the number of the next iteration
        scope = self._scope.inner(loop_names(loop), loop.steps)
        again, end, place = Label(), Label(), self._place
        begin = loops.begin_loop(state, is_range=loop.is_range)
        count = tracing.elements(is_range=loop.is_range)
        self._evaluate(loop.items, self._expecting(begin, count))
        self._mark(again)
        own = scope.first, scope.first + len(scope.names)
        index = scope.names[loop.index] if loop.index else None
        self._emit(loops.next_iteration(state, scope.names[loop.value], index, own, end))
        goals = {
            "continue": Goal(again, scope, self._depth),
            "break": Goal(end, scope, self._depth),
        }
        with (
            self._inside(scope, goals),
            self._entry(StepType.ITERATION, tracing.iteration(state)),
        ):
            self._block(loop.steps)
        self._place = place
        self._emit(flow.go_to(again))
        self._mark(end)
        self._emit(flow.clear(state, layout.size))

    def _parallel(self, parallel: Parallel) -> None:
        state = self._scope.layout.slot()
        place, limit = self._place, parallel.concurrency_limit
        most = self._limits.concurrent_branches
        parts = [constant(most) if limit is None else self._compile(limit)]
        if isinstance(parallel.work, For):
            loop = parallel.work
            parts.append(self._compile(loop.items))
            own = loop_names(loop)
            code = self._branch(own, loop.steps, parallel, place, StepType.ITERATION)
            start = loops.fork(state, code, (), is_range=loop.is_range)
            elements = tracing.elements(is_range=loop.is_range)
            start = self._expecting(start, lambda value: elements(value[1]))
        else:
            parts.append(constant(None))
            names = [branch.name for branch in parallel.work]
            codes = [
                self._branch([], (branch.body,), parallel, place, StepType.BRANCH)
                for branch in parallel.work
            ]
            start = loops.fork(state, codes, names, is_range=False)
            start = self._expecting(start, lambda _value: len(names))
        self._emit(*flow.evaluated(strict(parts, lambda *values: values), start))
        self._place = place
        self._emit(loops.join(state))

    def _branch(
        self, names: list[str], steps: Block, parallel: Parallel, place: Place, kind: StepType
    ) -> Code:
        scope = self._scope.branch(names, steps, parallel)
        compiler = _Compiler(self._program, self._limits, self._code.routine, scope)
        return compiler.branch(steps, len(names), place, kind)

    def _try(self, attempt: Try) -> None:
        layout, place = self._scope.layout, self._place
        caught = layout.slot()
        body, failed, end = Label(), Label(), Label()
        retry = attempt.retry
        state = layout.slot()
        if retry is not None:
            self._emit(errors.begin_try(state))
        first = layout.size
        self._mark(body)
        number = None if retry is None else tracing.attempt(state)
        with self._handled(failed), self._entry(StepType.TRY, number):
            self._part(attempt.body)
        self._place = place
        self._emit(flow.go_to(end))
        self._mark(failed)
        self._trace(tracing.catch(self._depth))
        self._emit(errors.catch(caught, first, layout.size))
        if retry is not None:
            self._retry(retry, body, caught, state)
        self._emit_handler(attempt.handler, caught, end)
        self._mark(end)

    def _retry(self, retry: Retry, body: Label, caught: int, state: int) -> None:
        """Compile the decision to try again. An error in it takes the place of the first."""
        replaced, give_up = Label(), Label()
        with self._handled(replaced):
            policy = self._policy(retry)
            check = errors.check_retries(state, give_up)
            self._emit(*flow.evaluated(policy, self._expecting(check, tracing.retries)))
            self._predicate(retry, caught)
            wait = errors.wait_to_retry(state, give_up)
            if self._program.traced:
                entry = self._beginning(StepType.RETRY, tracing.attempt(state))
                wait = tracing.waiting_to_retry(wait, entry)
            self._emit(wait)
        self._emit(flow.begin_step, flow.go_to(body))
        self._mark(replaced)
        self._trace(tracing.catch(self._depth))
        self._emit(errors.catch(caught, caught, caught))
        self._mark(give_up)

    def _policy(self, retry: Retry) -> Compiled:
        most, backoff = retry.max_retries, retry.backoff
        parts = [
            constant(errors.MAX_RETRIES) if most is None else self._compile(most),
            constant(Map()) if backoff is None else self._compile(backoff),
        ]
        return strict(parts, lambda *values: values)

    def _predicate(self, retry: Retry, caught: int) -> None:
        name = retry.predicate or "retry.always"
        if name in self._program.routines:
            self._emit(errors.ask_routine(name, caught, self._limits))
            return
        function = find(POLICIES.get(name, name))
        assert function is not None
        apply = pure(function, self._limits)
        self._emit(errors.ask_predicate(lambda error: apply(None, error), caught))

    def _emit_handler(self, handler: Handler | None, caught: int, end: Label) -> None:
        if handler is None:
            self._emit(errors.raise_again(caught))
            return
        scope = self._scope.inner(handler_names(handler), handler.steps)
        with self._inside(scope, {}), self._entry(StepType.EXCEPT):
            if handler.name is not None:
                self._emit(errors.bind_error(caught, scope.names[handler.name], self._limits))
            self._block(handler.steps)
        self._emit(flow.clear(scope.first, self._scope.layout.size))
        self._emit(flow.go_to(end))

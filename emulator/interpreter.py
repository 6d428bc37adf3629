"""A run: one execution of a workflow as a function of its argument and the replies it is given."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final
from weakref import WeakKeyDictionary

from emulator.compiler import compile_workflow
from emulator.emitter import Program
from emulator.errors import Frame, WorkflowError, error
from emulator.frames import MISSING, Code, Memory
from emulator.frames import Frame as Variables
from emulator.library.registry import Context
from emulator.limits import Limits
from emulator.memory import Map, own, size_of
from emulator.protocol import Failed, Outcome, Raised, Reply, Request, Returned, Succeeded
from emulator.syntax import Workflow
from emulator.threads import Group, Thread
from emulator.trace import MAIN, Trace, TracedThread
from emulator.values import Value, to_json

__all__ = [
    "Failed",
    "Frame",
    "Outcome",
    "Raised",
    "Reply",
    "Request",
    "Returned",
    "Run",
    "Succeeded",
    "WorkflowError",
]

DEFAULT_LIMITS: Final = Limits()
_programs: WeakKeyDictionary[Workflow, dict[tuple[Limits, bool], Program]] = WeakKeyDictionary()


def _program(workflow: Workflow, limits: Limits, *, traced: bool) -> Program:
    """Return the compiled workflow, made once for all its runs, and once more for traced ones."""
    made = _programs.setdefault(workflow, {})
    if (limits, traced) not in made:
        made[limits, traced] = compile_workflow(workflow, limits, traced=traced)
    return made[limits, traced]


class Run:
    """One execution. The same replies in the same order give the same requests and outcome.

    Threads are cooperative: one runs until it waits, the next is the one that has been ready
    the longest, and a reply is applied only when none is ready. With a `trace` it tells what
    it runs; that changes nothing else.
    """

    def __init__(
        self,
        workflow: Workflow,
        argument: Value,
        env: Mapping[str, str],
        limits: Limits = DEFAULT_LIMITS,
        trace: Trace | None = None,
    ) -> None:
        self.outcome: Outcome | None = None
        self.steps_run = 0
        self.limits = limits
        self.budget = 0
        self.trace = trace
        self._program = _program(workflow, limits, traced=trace is not None)
        self._thread = Thread if trace is None else TracedThread
        self._context = Context(dict(env), limits)
        self._memory = Memory(limits.memory_bytes)
        self._waiting: dict[str, Thread] = {}
        self._requests: list[Request] = []
        self._groups: list[Group] = []
        self._running = 0
        self._branch_errors = 0
        self._current: Thread | None = None
        self._main = self._thread(self, MAIN, self.frame("main"))
        self._threads = {MAIN: self._main}
        self._ready = deque([self._main])
        self._give_argument(argument)

    def _give_argument(self, argument: Value) -> None:
        params = self._program.routines["main"].params
        frame = self._main.frames[0]
        if params and argument is None and params[0].default is not None:
            frame.defaulted = frozenset((0,))
        elif params:
            try:
                frame.store(0, self.own(argument))
            except WorkflowError as problem:
                self._main.failure = problem

    # For the driver

    @property
    def current_steps(self) -> tuple[tuple[str, str], ...]:
        """The routine and step of every thread that runs or waits; after the end, the last.

        Google's reference: the last attempted or executed step, also inside a subworkflow.
        """
        if isinstance(self.outcome, Failed):
            places = [self.outcome.stack[0]]
        elif self.outcome is not None:
            places = [self._main.place]
        else:
            parents = {id(group.parent) for group in self._groups}
            places = [
                thread.place for thread in self._threads.values() if id(thread) not in parents
            ]
        return tuple((place.routine, place.step) for place in places)

    @property
    def is_ready(self) -> bool:
        """Whether there is more to run without another reply."""
        return bool(self._ready)

    def advance(self, steps: int = 1000) -> bool:
        """Run what is ready for about `steps` steps. True while there is more to run now."""
        self.budget = steps
        while self._ready and self.budget > 0:
            thread = self._current = self._ready.popleft()
            thread.go_on()
            if thread.ready and thread.frames:
                self._ready.appendleft(thread)
        self._current = None
        return bool(self._ready)

    def take_requests(self) -> list[Request]:
        """Return the requests made since this was last asked, in order."""
        taken, self._requests = self._requests, []
        return taken

    def reply(self, key: str, reply: Reply) -> None:
        """Give the answer to an outstanding request.

        Raises ValueError for a key that is not outstanding, and while something is still
        ready to run: replies are applied one at a time, with `advance` to its end in between.
        """
        if key not in self._waiting:
            raise ValueError(f"no request {key!r} is outstanding")
        if self._ready:
            raise ValueError("a reply is applied only when nothing is ready to run")
        thread = self._waiting.pop(key)
        thread.deliver(reply)
        self._ready.append(thread)

    # For threads

    def frame(self, routine: str) -> Variables:
        """Return a frame for a call of a routine."""
        return Variables(self._program.codes[routine], None, self._context, self._memory)

    def branch(self, code: Code, parent: Variables, *args: Value) -> Variables:
        """Return a frame for a branch. Raises ResourceLimitError if its arguments do not fit."""
        frame = Variables(code, parent, self._context, self._memory)
        for slot in range(code.arguments):
            frame.store(slot, args[slot])
        return frame

    def own(self, value: Any) -> Value:
        """Return a value from outside as one of the run's."""
        return own(value, self.limits)

    def positional(self, routine: str, args: Sequence[Value]) -> list[Value]:
        """Return the arguments of a subworkflow, given by position."""
        params = self._program.routines[routine].params
        if len(args) > len(params):
            raise error("TypeError", f"{routine}() takes at most {len(params)} arguments")
        return self.named(routine, dict(zip([param.name for param in params], args, strict=False)))

    def named(self, routine: str, args: Mapping[str, Value]) -> list[Any]:
        """Return the arguments of a subworkflow in its order, MISSING for its defaults."""
        params = self._program.routines[routine].params
        unknown = args.keys() - {param.name for param in params}
        if unknown:
            raise error("TypeError", f"{routine}() has no parameter '{min(unknown)}'")
        for param in params:
            if param.name not in args and param.default is None:
                raise error("TypeError", f"{routine}() needs the argument '{param.name}'")
        return [args.get(param.name, MISSING) for param in params]

    def count_step(self, thread: Thread) -> bool:
        """Count a step, and tell whether the thread has to stop for now.

        Too many steps end the run, whatever `try` or parallel step may be around.
        """
        self.steps_run += 1
        self.budget -= 1
        if self.steps_run > self.limits.steps:
            problem = error("ResourceLimitError", f"more than {self.limits.steps} steps were run")
            problem.frames = [frame.place for frame in reversed(thread.frames)]
            self._end(Failed(problem.value, context(problem), tuple(problem.frames)))
            while thread.frames:
                thread.leave()
        return self.budget <= 0 or self.outcome is not None

    def request(self, thread: Thread, key: str, function: str, args: Map) -> None:
        """Ask the world for something; the thread waits for the reply."""
        place = thread.place
        self._waiting[key] = thread
        self._requests.append(Request(key, function, args, place.routine, place.step, place.line))

    def wake(self, thread: Thread) -> None:
        """Make a waiting thread ready."""
        thread.ready = True
        if thread is not self._current:
            self._ready.append(thread)

    def ended(self, thread: Thread, problem: WorkflowError | None) -> None:
        """Note the end of a thread: of the run, or of a branch."""
        group = thread.group
        if group is None:
            self._end(self._result(thread, problem))
            return
        del self._threads[thread.path]
        group.active -= 1
        self._running -= 1
        if problem is not None:
            self._note_error(group, thread.branch, problem)
        self._schedule()

    def _result(self, thread: Thread, problem: WorkflowError | None) -> Outcome:
        if problem is None:
            try:
                to_json(thread.value)
            except TypeError as reason:
                problem = error("TypeError", f"the result is not JSON: {reason}")
                problem.frames.append(thread.place)
        if problem is not None:
            return Failed(problem.value, context(problem), tuple(problem.frames))
        return Succeeded(thread.value)

    def _end(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self._ready.clear()
        self._waiting.clear()
        self._groups.clear()

    # Parallel steps

    def fork(
        self,
        parent: Thread,
        limit: int,
        start: Callable[[int], Variables | None],
        names: Sequence[str],
    ) -> Group:
        """Start branches, `limit` at a time; the parent waits until all have ended.

        Raises ParallelNestingError where the parallel steps around it are too many already.
        """
        if parent.nesting >= self.limits.parallel_depth:
            depth = self.limits.parallel_depth
            raise error("ParallelNestingError", f"parallel steps nested more than {depth} deep")
        parent.groups += 1
        group = Group(parent, limit, start, names, parent.groups)
        parent.ready = False
        self._running -= parent.group is not None  # it does nothing while its branches run
        self._groups.append(group)
        self._schedule()
        return group

    def _schedule(self) -> None:
        """Start as many branches as may run; inner steps first, so that no outer one piles up."""
        for group in reversed(self._groups[:]):
            while (
                not group.exhausted
                and group.active < group.limit
                and self._running < self.limits.concurrent_branches
            ):
                self._start(group)
            if group.exhausted and not group.active:
                self._groups.remove(group)
                self._running += group.parent.group is not None
                self.wake(group.parent)

    def _start(self, group: Group) -> None:
        number = group.next
        group.next += 1
        try:
            frame = group.start(number)
        except WorkflowError as problem:
            self._note_error(group, number, problem)
            group.exhausted = True
            return
        if frame is None:
            group.exhausted = True
            return
        path = f"{group.parent.path}/p{group.number}.{number}"
        thread = self._thread(self, path, frame, group, number)
        self._threads[path] = thread
        group.active += 1
        self._running += 1
        self._ready.append(thread)

    def _note_error(self, group: Group, number: int, problem: WorkflowError) -> None:
        """Count the error of a branch, and keep what can still be told of it in the end."""
        described: dict[str, Value] = {
            "context": context(problem),
            "payload": payload(problem.value),
        }
        group.failed += 1
        insort(group.errors, (number, described), key=itemgetter(0))
        room = self.limits.memory_bytes // 2
        for told, (_, each) in enumerate(group.errors):
            room -= size_of(each["context"]) + size_of(each["payload"])
            if told >= self.limits.branch_errors or room < 0:
                del group.errors[told:]
                break

    def branch_error(self, group: Group) -> WorkflowError:
        """Return the one error for all branches that failed, as far as the limits let it tell."""
        branches: list[Value] = []
        for number, described in group.errors:
            if self._branch_errors >= self.limits.branch_errors:
                break
            self._branch_errors += 1
            name = group.names[number] if group.names else str(number)
            branches.append({"id": name, "error": described})
        failed = error(
            "UnhandledBranchError",
            "One or more branches or iterations encountered an unhandled runtime error",
        )
        assert isinstance(failed.value, dict)
        failed.value["branches"] = branches
        failed.value["truncated"] = len(branches) < group.failed
        return failed


def payload(value: Value) -> str:
    """Return the JSON text of an error's value. Bytes in it are shown by their length."""
    try:
        return to_json(value)
    except TypeError:
        return to_json(_without_bytes(value))


def _without_bytes(value: Value) -> Value:
    match value:
        case bytes():
            return f"({len(value)} bytes)"
        case list():
            return [_without_bytes(item) for item in value]
        case dict():
            return {key: _without_bytes(item) for key, item in value.items()}
        case _:
            return value


def context(problem: WorkflowError) -> str:
    """Return the text that the service shows: the error, and a line for each frame."""
    value = problem.value
    message = value.get("message") if isinstance(value, dict) else None
    lines = [message if isinstance(message, str) else f"RuntimeError: {payload(value)}"]
    lines += [
        f'in step "{frame.step}", routine "{frame.routine}", line: {frame.line}'
        for frame in problem.frames
    ]
    return "\n".join(lines)

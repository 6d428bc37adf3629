"""A second interpreter of the language: slow, plain, straight from the rules, without a world.

It walks the tree of a source as Python objects. Branches run one after the other, so what is
compared with it must not wait inside of them. Expressions are those of `EXPRESSIONS`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Tree = Any


class Jump(Exception):
    """`next`, on its way to the list that has the step."""


class Returned(Exception):
    """`return`, or `next: end`."""


class TooLong(Exception):
    """More steps, or larger values, than are worth comparing."""


class Raised(Exception):
    """An error, with step and routine of every call that it goes through."""

    def __init__(self, value: Any, frames: list[tuple[str, str]]) -> None:
        super().__init__(value)
        self.value = value
        self.frames = frames


@dataclass
class Scope:
    """Variables; a name belongs to the outermost scope that assigns it."""

    names: set[str]
    parent: "Scope | None" = None
    values: dict[str, Any] = field(default_factory=dict)

    def owner(self, name: str) -> "Scope":
        """The scope that a name belongs to."""
        scope = self
        while name not in scope.names:
            assert scope.parent is not None, name
            scope = scope.parent
        return scope

    def knows(self, name: str) -> bool:
        """Whether the name belongs to this scope or one around it."""
        return name in self.names or (self.parent is not None and self.parent.knows(name))

    def inner(self, names: set[str], steps: list[Tree]) -> "Scope":
        """The scope of a body: its own names, and those that are first assigned in it."""
        return Scope(names | {name for name in assigned(steps) if not self.knows(name)}, self)

    def __getitem__(self, name: str) -> Any:
        return self.owner(name).values.get(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self.owner(name).values[name] = value


def assigned(steps: list[Tree]) -> Iterator[str]:
    """The variables that steps assign in the scope that they stand in."""
    for step in steps:
        for body in step.values():
            yield from assigned_by(body)


def assigned_by(body: Tree) -> Iterator[str]:
    yield from (name for entry in body.get("assign", ()) for name in entry)
    if "result" in body:
        yield body["result"]
    yield from assigned(body.get("steps", ()))
    for condition in body.get("switch", ()):
        yield from assigned_by(condition)
    if "try" in body:
        attempt = body["try"]
        yield from assigned(attempt) if isinstance(attempt, list) else assigned_by(attempt)


def plus_one(value: Any) -> Any:
    if isinstance(value, str):
        return value + "1"
    if isinstance(value, int) and not isinstance(value, bool):
        return value + 1
    raise ArithmeticError("TypeError")


def same(left: Any, right: Any) -> bool:
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and bool(left == right)


def type_of(value: Any) -> str:
    return {str: "string", dict: "map", list: "list", bool: "boolean", int: "integer"}[type(value)]


def limited(value: Any) -> Any:
    """The value, unless it nests so deep that its size may have doubled too often."""
    depth, inner = 0, value
    while isinstance(inner, list) and inner:
        depth, inner = depth + 1, max(inner, key=lambda item: isinstance(item, list))
    if depth > 6:
        raise TooLong
    return value


def divide() -> Any:
    raise ArithmeticError("ZeroDivisionError")


# What stands in the workflows that are compared, with what it means. The kind of an error is the
# text of an ArithmeticError.
EXPRESSIONS: Final[dict[str, Callable[[Scope], Any]]] = {
    "${x}": lambda scope: scope["x"],
    "${y}": lambda scope: scope["y"],
    "${v}": lambda scope: scope["v"],
    "${w}": lambda scope: scope["w"],
    "${e}": lambda scope: scope["e"],
    "${p}": lambda scope: scope["p"],
    "${x + 1}": lambda scope: plus_one(scope["x"]),
    "${i + 1}": lambda scope: plus_one(scope["i"]),
    "${[x, y]}": lambda scope: [scope["x"], scope["y"]],
    "${[x, y, z]}": lambda scope: [scope["x"], scope["y"], scope["z"]],
    "${x == y}": lambda scope: same(scope["x"], scope["y"]),
    "${x == 1}": lambda scope: same(scope["x"], 1),
    "${x != y}": lambda scope: not same(scope["x"], scope["y"]),
    "${y == null}": lambda scope: scope["y"] is None,
    "${e != null}": lambda scope: scope["e"] is not None,
    "${get_type(e)}": lambda scope: type_of(scope["e"]),
    "${1 / 0}": lambda _scope: divide(),
}
FURTHER_TAGS: Final = {
    "ZeroDivisionError": ["ArithmeticError"],
    "UnhandledBranchError": ["RuntimeError"],
}
PREDICATES: Final[dict[str, Callable[[Any], bool]]] = {
    "${retry.always}": lambda _error: True,
    "${http.default_retry}": lambda _error: False,  # no error here comes from the world
}


class Naive:
    """One run of a workflow: `steps` counts as the service does, `most` is where it gives up."""

    def __init__(self, routines: Mapping[str, Tree], most: int) -> None:
        self.routines = routines
        self.most = most
        self.steps = 0
        self.depth = 0
        self.frames: list[list[str]] = []

    # Values

    def error(self, kind: str, **more: Any) -> Raised:
        tags = [kind, *FURTHER_TAGS.get(kind, ())]
        return Raised({"tags": tags, **more}, self.trace())

    def trace(self) -> list[tuple[str, str]]:
        return [(step, routine) for routine, step in reversed(self.frames)]

    def value(self, tree: Tree, scope: Scope) -> Any:
        if isinstance(tree, list):
            return [self.value(item, scope) for item in tree]
        if isinstance(tree, dict):
            return {key: self.value(item, scope) for key, item in tree.items()}
        if tree == "${sub(x)}":
            return self.call("sub", scope["x"])
        if not isinstance(tree, str) or tree not in EXPRESSIONS:
            return tree
        try:
            return limited(EXPRESSIONS[tree](scope))
        except ArithmeticError as problem:
            raise self.error(str(problem)) from None

    def boolean(self, tree: Tree, scope: Scope) -> bool:
        value = self.value(tree, scope)
        if not isinstance(value, bool):
            raise self.error("TypeError")
        return value

    # Routines

    def call(self, name: str, argument: Any) -> Any:
        if self.depth >= 20:
            raise self.error("RecursionError")
        routine = self.routines[name]
        (param,) = routine["params"]
        scope = Scope({param, *assigned(routine["steps"])}, None, {param: argument})
        self.depth += 1
        self.frames.append([name, ""])
        try:
            self.block(routine["steps"], scope)
        except Returned as end:
            return end.args[0]
        finally:
            self.frames.pop()
            self.depth -= 1
        return None

    def block(self, steps: list[Tree], scope: Scope) -> None:
        names = [next(iter(step)) for step in steps]
        at = 0
        while at < len(steps):
            try:
                self.step(names[at], steps[at][names[at]], scope)
                at += 1
            except Jump as jump:
                if jump.args[0] not in names:
                    raise
                at = names.index(jump.args[0])

    def count(self) -> None:
        self.steps += 1
        if self.steps > self.most:
            raise TooLong

    def step(self, name: str, body: Tree, scope: Scope) -> None:
        self.count()
        frame = self.frames[-1]
        before, frame[1] = frame[1], name
        try:
            self.body(body, scope)
        finally:
            frame[1] = before

    def body(self, body: Tree, scope: Scope) -> None:
        kinds = ("assign", "call", "switch", "for", "parallel", "try", "raise", "return", "steps")
        kind = next((kind for kind in kinds if kind in body), None)
        if kind is not None:
            getattr(self, f"do_{kind}")(body, scope)
        match body.get("next"):
            case None:
                pass
            case "end":
                raise Returned(None)
            case target:
                raise Jump(target)

    # Steps

    def do_assign(self, body: Tree, scope: Scope) -> None:
        for entry in body["assign"]:
            for name, tree in entry.items():
                scope[name] = self.value(tree, scope)

    def do_call(self, body: Tree, scope: Scope) -> None:
        args = self.value(body["args"], scope)
        result = self.call(body["call"], args[0] if isinstance(args, list) else args["p"])
        if "result" in body:
            scope[body["result"]] = result

    def do_switch(self, body: Tree, scope: Scope) -> None:
        for condition in body["switch"]:
            if self.boolean(condition["condition"], scope):
                self.body(condition, scope)
                return

    def do_return(self, body: Tree, scope: Scope) -> None:
        raise Returned(self.value(body["return"], scope))

    def do_raise(self, body: Tree, scope: Scope) -> None:
        value = self.value(body["raise"], scope)
        if not isinstance(value, str | dict):
            raise self.error("TypeError")
        raise Raised(value, self.trace())

    def do_steps(self, body: Tree, scope: Scope) -> None:
        self.block(body["steps"], scope)

    def items(self, loop: Tree, scope: Scope) -> Any:
        if "range" in loop:
            first, last = loop["range"]
            return list(range(first, last + 1))
        return self.value(loop["in"], scope)

    def a_list(self, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.error("TypeError")
        return value

    def do_for(self, body: Tree, scope: Scope) -> None:
        loop = body["for"]
        for index, item in enumerate(self.a_list(self.items(loop, scope))):
            inner = scope.inner({"v", "i"}, loop["steps"])
            inner["v"], inner["i"] = item, index
            try:
                self.block(loop["steps"], inner)
            except Jump as jump:
                if jump.args[0] == "break":
                    return
                if jump.args[0] != "continue":
                    raise

    def do_parallel(self, body: Tree, scope: Scope) -> None:
        parallel = body["parallel"]
        limit = self.value(parallel.get("concurrency_limit", 1), scope)
        items = self.items(parallel["for"], scope) if "for" in parallel else None
        if isinstance(limit, bool) or not isinstance(limit, int):
            raise self.error("TypeError")
        if limit < 1:
            raise self.error("ValueError")
        failed = []
        outer = self.frames
        for name, steps, inner in self.branches(parallel, items, scope):
            self.frames = [[*outer[-1]]]
            try:
                self.block(steps, inner)
            except Jump:
                continue  # which is the only jump out of an iteration
            except Raised:
                failed.append(name)
            finally:
                self.frames = outer
        if failed:
            raise self.error("UnhandledBranchError", ids=failed)

    def branches(
        self, parallel: Tree, items: Any, scope: Scope
    ) -> Iterator[tuple[str, list[Tree], Scope]]:
        if "for" in parallel:
            steps = parallel["for"]["steps"]
            for index, item in enumerate(self.a_list(items)):
                inner = scope.inner({"v", "i"}, steps)
                inner["v"], inner["i"] = item, index
                yield str(index), steps, inner
            return
        for branch in parallel["branches"]:
            yield next(iter(branch)), [branch], scope.inner(set(), [branch])

    def do_try(self, body: Tree, scope: Scope) -> None:
        retry = body.get("retry")
        left = retry["max_retries"] if retry else 0
        while (problem := self.attempt(body["try"], scope)) is not None:
            if not left or (problem := self.unless_retried(retry, problem)) is not None:
                break
            left -= 1
            self.count()
        if problem is None:
            return
        if "except" not in body:
            raise problem
        inner = scope.inner({"e"}, body["except"]["steps"])
        inner["e"] = problem.value
        self.block(body["except"]["steps"], inner)

    def attempt(self, body: Tree, scope: Scope) -> Raised | None:
        """Run the body of a `try`; the error that came out."""
        try:
            if isinstance(body, list):
                self.block(body, scope)
            else:
                self.body(body, scope)
        except Raised as problem:
            return problem
        return None

    def unless_retried(self, retry: Tree, problem: Raised) -> Raised | None:
        """None when the body shall run again, or the error that goes on."""
        try:
            if retry["predicate"] == "${check}":
                again = self.call("check", problem.value)
            else:
                again = PREDICATES[retry["predicate"]](problem.value)
        except Raised as instead:
            return instead
        return None if again else problem

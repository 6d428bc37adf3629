"""Source text to a workflow: the shape of routines and steps. Names are the checker's matter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from emulator.checker import check
from emulator.document import Mapping, Node, Scalar, Sequence, load
from emulator.errors import SourceError
from emulator.expressions import is_expression, is_name, parse_target, parse_template
from emulator.limits import Limits
from emulator.syntax import (
    Assign,
    Assignment,
    Block,
    Body,
    Branch,
    Call,
    Condition,
    Expression,
    For,
    Handler,
    ListOf,
    Literal,
    MapOf,
    NamedArguments,
    Next,
    Nothing,
    Parallel,
    Parameter,
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
    dotted_names,
)

DEFAULT_LIMITS: Final = Limits()

# The keys that make a step what it is, each with the keys that may stand beside it.
COMPANIONS: Final[dict[str, tuple[str, ...]]] = {
    "assign": (),
    "call": ("args", "result"),
    "switch": (),
    "for": (),
    "parallel": (),
    "try": ("retry", "except"),
    "raise": (),
    "return": (),
    "steps": (),
}
JUMPS: Final = frozenset(("end", "break", "continue"))


def parse(text: str, name: str = "main.yaml", limits: Limits = DEFAULT_LIMITS) -> Workflow:
    """Return the workflow of a YAML or JSON source, checked as a deployment checks it.

    Raises SourceError, and nothing else, for whatever is wrong with the source.
    """
    try:
        _check_size(text, limits)
        workflow = _Parser(limits).workflow(load(text, limits))
        check(workflow, limits)
    except SourceError as problem:
        lines = text.splitlines()
        problem.name = name
        problem.excerpt = lines[problem.line - 1] if problem.line <= len(lines) else ""
        raise
    return workflow


def _check_size(text: str, limits: Limits) -> None:
    if len(text.encode("utf-8", "replace")) > limits.source_bytes:
        raise SourceError(f"the source is larger than {limits.source_bytes} bytes", 1, 1)


def fail(node: Node, message: str) -> SourceError:
    """Return an error at a node."""
    return SourceError(message, node.where.line, node.where.column)


@contextmanager
def located(*, step: str | None = None, routine: str | None = None) -> Iterator[None]:
    """Say in errors from inside which step and which routine they are in, innermost first."""
    try:
        yield
    except SourceError as problem:
        problem.step = problem.step if problem.step is not None else step
        problem.routine = problem.routine if problem.routine is not None else routine
        raise


def a_map(node: Node | None, what: str, owner: Node) -> Mapping:
    """Return the node if it is a map that is not empty."""
    if not isinstance(node, Mapping) or not node.entries:
        raise fail(node or owner, f"{what} must be a map")
    return node


def a_list(node: Node | None, what: str, owner: Node, most: int | None = None) -> Sequence:
    """Return the node if it is a list of one to `most` items."""
    if not isinstance(node, Sequence) or not node.items:
        raise fail(node or owner, f"{what} must be a list that is not empty")
    if most is not None and len(node.items) > most:
        raise fail(node, f"{what} must have at most {most} entries, not {len(node.items)}")
    return node


def a_pair(node: Node, what: str) -> tuple[Scalar, Node]:
    """Return key and value of a map with exactly one key."""
    if not isinstance(node, Mapping) or len(node.entries) != 1:
        raise fail(node, f"{what} must be a map with exactly one key")
    return node.entries[0]


def a_name(node: Node | None, what: str, owner: Node) -> str:
    """Return the name of a variable."""
    if not isinstance(node, Scalar) or not is_name(node.text.value):
        raise fail(node or owner, f"{what} must be the name of a variable")
    return node.text.value


def written_as_expression(node: Node) -> bool:
    """Tell whether a node is `${…}`, or means to be: its parser says what is wrong then."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return False
    try:
        return is_expression(node.text.value)
    except ValueError:
        return True


def is_number(node: Scalar) -> bool:
    """Tell whether a scalar is an integer or a double."""
    return type(node.value) in {int, float}


def known_keys(node: Mapping, allowed: tuple[str, ...], what: str) -> None:
    """Refuse any key of the map that is not allowed there."""
    for name, key in node.keys.items():
        if name not in allowed:
            raise fail(key, f"unknown key '{name}' in {what}")


class _Parser:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    # Routines

    def workflow(self, root: Node) -> Workflow:
        if isinstance(root, Sequence):
            with located(routine="main"):
                main = Routine("main", (), self._block(root, root), root.where)
            return Workflow({"main": main})
        a_map(root, "the source", root)
        assert isinstance(root, Mapping)
        routines = {key.text.value: self._routine(key, node) for key, node in root.entries}
        if "main" not in routines:
            raise fail(root, "the workflow has no 'main'")
        return Workflow(routines)

    def _routine(self, key: Scalar, node: Node) -> Routine:
        name = key.text.value
        with located(routine=name):
            if not is_name(name):
                raise fail(key, "a subworkflow's name must be letters, digits and underscores")
            if isinstance(node, Sequence):
                return Routine(name, (), self._block(node, key), key.where)
            body = a_map(node, "a workflow", key)
            known_keys(body, ("params", "steps"), "a workflow")
            params = self._params(body.get("params"), name)
            return Routine(name, params, self._block(body.get("steps"), body), key.where)

    def _params(self, node: Node | None, routine: str) -> tuple[Parameter, ...]:
        if node is None or (isinstance(node, Sequence) and not node.items):
            return ()
        most = 1 if routine == "main" else self._limits.parameters
        params = [self._param(item) for item in a_list(node, "params", node, most).items]
        for index, param in enumerate(params):
            if param.name in {earlier.name for earlier in params[:index]}:
                where = param.where
                raise SourceError(f"duplicate parameter '{param.name}'", where.line, where.column)
        return tuple(params)

    def _param(self, node: Node) -> Parameter:
        if isinstance(node, Mapping):
            key, value = a_pair(node, "a parameter with a default")
            return Parameter(a_name(key, "a parameter", key), self._value(value), key.where)
        return Parameter(a_name(node, "a parameter", node), None, node.where)

    # Steps

    def _block(self, node: Node | None, owner: Node) -> Block:
        steps: dict[str, Step] = {}
        for item in a_list(node, "steps", owner).items:
            key, body = a_pair(item, "a step")
            name = key.text.value
            with located(step=name):
                if not name or name in JUMPS:
                    raise fail(key, f"'{name}' cannot be the name of a step")
                if name in steps:
                    raise fail(key, f"duplicate step name '{name}'")
                steps[name] = self._step(name, key, body)
        return tuple(steps.values())

    def _step(self, name: str, key: Node, node: Node, besides: tuple[str, ...] = ()) -> Step:
        """Return the step that a map describes; `besides` are keys that its owner reads."""
        if isinstance(node, Scalar) and node.value is None:
            node = Mapping((), node.where)
        if not isinstance(node, Mapping):
            raise fail(node, "a step must be a map")
        kinds = [kind for kind in node.keys if kind in COMPANIONS]
        if len(kinds) > 1:
            raise fail(node.keys[kinds[1]], f"a step cannot have both {kinds[0]} and {kinds[1]}")
        kind = kinds[0] if kinds else None
        allowed = (kind, *COMPANIONS[kind]) if kind else ()
        known_keys(node, (*allowed, "next", *besides), f"a {kind} step" if kind else "a step")
        body = self._body(kind, node, name) if kind else Nothing()
        own = [part for part in node.keys.values() if part.text.value not in besides]
        first = own[0] if own else key
        length = len(first.text.value.encode()) if isinstance(first, Scalar) else 1
        return Step(name, body, self._next(node.get("next")), first.where, length)

    def _next(self, node: Node | None) -> Next | None:
        if node is None:
            return None
        if not isinstance(node, Scalar) or not node.text.value:
            raise fail(node, "next must be the name of a step")
        return Next(node.text.value, node.where)

    def _body(self, kind: str, node: Mapping, name: str) -> Body:
        content = node.get(kind)
        assert content is not None
        readers: dict[str, Callable[[], Body]] = {
            "assign": lambda: self._assign(content),
            "call": lambda: self._call(node, content),
            "switch": lambda: self._switch(content, name),
            "for": lambda: self._for(content),
            "parallel": lambda: self._parallel(content),
            "try": lambda: self._try(node, content, name),
            "raise": lambda: Raise(self._value(content)),
            "return": lambda: Return(self._value(content)),
            "steps": lambda: Steps(self._block(content, content)),
        }
        return readers[kind]()

    def _assign(self, node: Node) -> Assign:
        entries = []
        for item in a_list(node, "assign", node, self._limits.assignments).items:
            key, value = a_pair(item, "an assignment")
            target = parse_target(key.text, self._limits)
            entries.append(Assignment(target, self._value(value)))
        return Assign(tuple(entries))

    def _call(self, node: Mapping, function: Node) -> Call:
        if not isinstance(function, Scalar) or not function.text.value:
            raise fail(function, "call must be the name of a function or subworkflow")
        result = node.get("result")
        args = self._args(node.get("args"))
        return Call(function.text.value, args, self._target(result), function.where)

    def _target(self, node: Node | None) -> Target | None:
        if node is None:
            return None
        if not isinstance(node, Scalar):
            raise fail(node, "result must be the name of a variable")
        return parse_target(node.text, self._limits)

    def _args(self, node: Node | None) -> NamedArguments | Expression:
        if node is None or (isinstance(node, Scalar) and node.value is None):
            return NamedArguments(())
        if isinstance(node, Mapping):
            return NamedArguments(
                tuple(
                    (key.text.value, self._value(value), key.where) for key, value in node.entries
                )
            )
        if isinstance(node, Scalar) and not written_as_expression(node):
            raise fail(node, "args must be a map, a list or an expression")
        return self._value(node)

    def _switch(self, node: Node, name: str) -> Switch:
        conditions = []
        for item in a_list(node, "switch", node, self._limits.conditions).items:
            case = a_map(item, "a condition of a switch", item)
            test = case.get("condition")
            if test is None:
                raise fail(case, "a case of a switch needs a condition")
            is_boolean = isinstance(test, Scalar) and isinstance(test.value, bool)
            if not is_boolean and not written_as_expression(test):
                raise fail(test, "condition must be an expression, true or false")
            then = self._step(name, case, case, besides=("condition",))
            conditions.append(Condition(self._value(test), then))
        return Switch(tuple(conditions))

    def _for(self, node: Node) -> For:
        loop = a_map(node, "for", node)
        known_keys(loop, ("value", "index", "in", "range", "steps"), "a for step")
        items, span, index = loop.get("in"), loop.get("range"), loop.get("index")
        if (items is None) == (span is None):
            raise fail(loop, "for needs either in or range")
        value = a_name(loop.get("value"), "value", loop)
        counter = a_name(index, "index", loop) if index else None
        over = self._items(items) if items else self._range(span or loop)
        steps = self._block(loop.get("steps"), loop)
        return For(value, counter, over, span is not None, steps, loop.where)

    def _items(self, node: Node) -> Expression:
        if not isinstance(node, Sequence) and not written_as_expression(node):
            raise fail(node, "in must be a list or an expression")
        return self._value(node)

    def _range(self, node: Node) -> Expression:
        items = node.items if isinstance(node, Sequence) else ()
        numbers = [item for item in items if isinstance(item, Scalar) and is_number(item)]
        if not written_as_expression(node) and not len(items) == len(numbers) == 2:
            raise fail(node, "range must be a list of two numbers, or one expression that gives it")
        return self._value(node)

    def _parallel(self, node: Node) -> Parallel:
        body = a_map(node, "parallel", node)
        allowed = ("exception_policy", "shared", "concurrency_limit", "branches", "for")
        known_keys(body, allowed, "a parallel step")
        policy = body.get("exception_policy")
        if policy and not (isinstance(policy, Scalar) and policy.value == "continueAll"):
            raise fail(policy, "exception_policy must be continueAll")
        branches, loop = body.get("branches"), body.get("for")
        if (branches is None) == (loop is None):
            raise fail(body, "parallel needs either branches or for")
        work = self._branches(branches) if branches else self._for(loop or body)
        return Parallel(self._shared(body), self._concurrency(body), work)

    def _shared(self, body: Mapping) -> tuple[tuple[str, Position], ...]:
        node = body.get("shared")
        if node is None:
            return ()
        if not isinstance(node, Sequence):
            raise fail(node, "shared must be a list of variables")
        names = [(a_name(item, "shared", item), item.where) for item in node.items]
        for index, (name, where) in enumerate(names):
            if name in {earlier for earlier, _ in names[:index]}:
                raise SourceError(f"'{name}' is shared twice", where.line, where.column)
        return tuple(names)

    def _concurrency(self, body: Mapping) -> Expression | None:
        node = body.get("concurrency_limit")
        if node is None:
            return None
        number = node.value if isinstance(node, Scalar) else None
        is_positive = type(number) is int and number > 0
        if not is_positive and not written_as_expression(node):
            raise fail(node, "concurrency_limit must be a positive integer or an expression")
        return self._value(node)

    def _branches(self, node: Node) -> tuple[Branch, ...]:
        items = a_list(node, "branches", node, self._limits.branches).items
        if len(items) < 2:
            raise fail(node, "branches must have at least two entries")
        branches: dict[str, Branch] = {}
        for item in items:
            key, body = a_pair(item, "a branch")
            name = key.text.value
            if name in branches:
                raise fail(key, f"duplicate branch name '{name}'")
            with located(step=name):
                branches[name] = Branch(name, self._step(name, key, body))
        return tuple(branches.values())

    def _try(self, node: Mapping, body: Node, name: str) -> Try:
        retry, handler = node.get("retry"), node.get("except")
        if retry is None and handler is None:
            raise fail(node, "try needs retry or except")
        if isinstance(body, Sequence):
            steps = Steps(self._block(body, body))
            attempt = Step(name, steps, None, body.where, 1)
        else:
            attempt = self._step(name, body, a_map(body, "try", node))
        return Try(
            attempt,
            self._retry(retry) if retry else None,
            self._handler(handler) if handler else None,
        )

    def _handler(self, node: Node) -> Handler:
        body = a_map(node, "except", node)
        known_keys(body, ("as", "steps"), "except")
        name = body.get("as")
        variable = a_name(name, "as", body) if name else None
        return Handler(variable, self._block(body.get("steps"), body), body.where)

    def _retry(self, node: Node) -> Retry:
        if isinstance(node, Scalar):
            return Retry(self._function(node), None, None, node.where)
        body = a_map(node, "retry", node)
        known_keys(body, ("predicate", "max_retries", "backoff"), "retry")
        predicate, retries = body.get("predicate"), body.get("max_retries")
        backoff = body.get("backoff")
        if isinstance(backoff, Mapping):
            known_keys(backoff, ("initial_delay", "max_delay", "multiplier"), "backoff")
        return Retry(
            self._function(predicate) if predicate else None,
            self._value(retries) if retries else None,
            self._value(backoff) if backoff else None,
            node.where,
        )

    def _function(self, node: Node) -> str:
        """Return the name in `${name}`: a policy, a predicate or a subworkflow."""
        names = dotted_names(self._value(node))
        if names is None:
            raise fail(node, "expected ${…} with the name of a policy, predicate or subworkflow")
        return ".".join(names)

    # Values

    def _value(self, node: Node) -> Expression:
        """Return the tree of a value: a constant, an expression, or a list or map of values."""
        if isinstance(node, Sequence):
            return ListOf(tuple(map(self._value, node.items)))
        if isinstance(node, Mapping):
            return MapOf(
                tuple(
                    (parse_template(key.text, self._limits), self._value(value))
                    for key, value in node.entries
                )
            )
        if isinstance(node.value, str):
            return parse_template(node.text, self._limits)
        return Literal(node.value)

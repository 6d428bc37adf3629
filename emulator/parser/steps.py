"""Lists of steps: the shape of each kind of step, and of the values in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from emulator.document import Mapping, Node, Scalar, Sequence
from emulator.errors import SourceError
from emulator.expressions import parse_target, parse_template
from emulator.limits import Limits
from emulator.parser.shapes import (
    a_list,
    a_map,
    a_name,
    a_pair,
    fail,
    is_number,
    known_keys,
    located,
    written_as_expression,
)
from emulator.parser.skipped import Skipped
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
    Position,
    Raise,
    Retry,
    Return,
    Step,
    Steps,
    Switch,
    Target,
    Try,
    dotted_names,
)

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


class StepParser:
    """Makes the trees of steps and values within the limits of a source."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.skipped = Skipped()

    def block(self, node: Node | None, owner: Node) -> Block:
        """Return a list of one or more steps; `owner` is where it is missing.

        A step that is wrong is skipped, and an empty one of its name stands in its place, so that
        the others can be checked.
        """
        steps: dict[str, Step] = {}
        for item in a_list(node, "steps", owner).items:
            try:
                key, body = a_pair(item, "a step")
                name = key.text.value
                with located(step=name):
                    if not name or name in JUMPS:
                        raise fail(key, f"'{name}' cannot be the name of a step")
                    if name in steps:
                        raise fail(key, f"duplicate step name '{name}'")
                    steps[name] = self._step(name, key, body)
            except SourceError as problem:
                for name in self.skipped.add(item, problem):
                    steps.setdefault(name, Step(name, Nothing(), None, item.where, 1))
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
        known_keys(node, (*allowed, "next", *besides), f"a step with {kind}" if kind else "a step")
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
            "raise": lambda: Raise(self.value(content)),
            "return": lambda: Return(self.value(content)),
            "steps": lambda: Steps(self.block(content, content)),
        }
        return readers[kind]()

    def _assign(self, node: Node) -> Assign:
        entries = []
        for item in a_list(node, "assign", node, self._limits.assignments).items:
            key, value = a_pair(item, "an assignment")
            target = parse_target(key.text, self._limits)
            entries.append(Assignment(target, self.value(value)))
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
                tuple((key.text.value, self.value(value), key.where) for key, value in node.entries)
            )
        if isinstance(node, Scalar) and not written_as_expression(node):
            raise fail(node, "args must be a map, a list or an expression")
        return self.value(node)

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
            conditions.append(Condition(self.value(test), then))
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
        steps = self.block(loop.get("steps"), loop)
        return For(value, counter, over, span is not None, steps, loop.where)

    def _items(self, node: Node) -> Expression:
        if not isinstance(node, Sequence) and not written_as_expression(node):
            raise fail(node, "in must be a list or an expression")
        return self.value(node)

    def _range(self, node: Node) -> Expression:
        items = node.items if isinstance(node, Sequence) else ()
        numbers = [item for item in items if isinstance(item, Scalar) and is_number(item)]
        if not written_as_expression(node) and not len(items) == len(numbers) == 2:
            raise fail(node, "range must be a list of two numbers, or one expression that gives it")
        return self.value(node)

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
        names: dict[str, Position] = {}
        for item in node.items:
            name = a_name(item, "shared", item)
            if name in names:
                raise fail(item, f"'{name}' is shared twice")
            names[name] = item.where
        return tuple(names.items())

    def _concurrency(self, body: Mapping) -> Expression | None:
        node = body.get("concurrency_limit")
        if node is None:
            return None
        number = node.value if isinstance(node, Scalar) else None
        is_positive = type(number) is int and number > 0
        if not is_positive and not written_as_expression(node):
            raise fail(node, "concurrency_limit must be a positive integer or an expression")
        return self.value(node)

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
            steps = Steps(self.block(body, body))
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
        steps = body.get("steps")  # without any, the error is caught and nothing is done
        return Handler(variable, self.block(steps, body) if steps else (), body.where)

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
            self.value(retries) if retries else None,
            self.value(backoff) if backoff else None,
            node.where,
        )

    def _function(self, node: Node) -> str:
        """Return the name in `${name}`: a policy, a predicate or a subworkflow."""
        names = dotted_names(self.value(node))
        if names is None:
            raise fail(node, "expected ${…} with the name of a policy, predicate or subworkflow")
        return ".".join(names)

    def value(self, node: Node) -> Expression:
        """Return the tree of a value: a constant, an expression, or a list or map of values."""
        if isinstance(node, Sequence):
            return ListOf(tuple(map(self.value, node.items)))
        if isinstance(node, Mapping):
            return MapOf(
                tuple(
                    (parse_template(key.text, self._limits), self.value(value))
                    for key, value in node.entries
                )
            )
        if isinstance(node.value, str):
            return parse_template(node.text, self._limits)
        return Literal(node.value)

"""Expressions to functions that give their values.

An expression is compiled once. Most give a plain Python function of a frame. One that calls a
subworkflow or the world gives a generator, which yields what is to be called and is sent the
result.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.errors import WorkflowError, error
from emulator.frames import Frame
from emulator.library.registry import (
    CONSTANTS,
    MESSAGE_NAMES,
    Function,
    Kind,
    bind_positional,
    check_types,
    find,
)
from emulator.limits import Limits
from emulator.memory import check_string, make_list, make_map, memory_exceeded, own
from emulator.operators import BINARY, UNARY, access, add, truth
from emulator.scopes import Scope, Variable
from emulator.syntax import (
    Binary,
    Expression,
    Index,
    Invoke,
    ListOf,
    Literal,
    MapOf,
    Name,
    Routine,
    Unary,
    dotted_names,
)
from emulator.values import Value


@dataclass(frozen=True, slots=True)
class RoutineCall:
    """What an expression wants called: a subworkflow, with arguments by position."""

    routine: str
    args: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class WorldCall:
    """What an expression wants called: a function of the world."""

    function: str
    args: Mapping[str, Value]


Wanted = RoutineCall | WorldCall
Plain = Callable[[Frame], Any]
Process = Generator[Wanted, Value, Value]


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression that can be evaluated: `plain` where nothing in it has to be waited for."""

    plain: Plain | None = None
    process: Callable[[Frame], Process] | None = None
    constant: bool = False

    def run(self, frame: Frame) -> Process:
        """Evaluate, whichever of the two it is."""
        if self.plain is None:
            assert self.process is not None
            return (yield from self.process(frame))
        value: Value = self.plain(frame)
        return value


def constant(value: Any) -> Compiled:
    """Return what always gives the same value."""
    return Compiled(lambda _frame: value, constant=True)


def strict(parts: Sequence[Compiled], combine: Callable[..., Any]) -> Compiled:
    """Return what evaluates all parts in order and combines their values."""
    plains = [part.plain for part in parts if part.plain is not None]
    if len(plains) < len(parts):
        return Compiled(process=_gather(parts, combine))
    match plains:
        case [first]:
            return Compiled(lambda frame: combine(first(frame)))
        case [first, second]:
            return Compiled(lambda frame: combine(first(frame), second(frame)))
    return Compiled(lambda frame: combine(*[plain(frame) for plain in plains]))


def _gather(parts: Sequence[Compiled], combine: Callable[..., Any]) -> Callable[[Frame], Process]:
    def process(frame: Frame) -> Process:
        value: Value = combine(*(yield from _values(parts, frame)))
        return value

    return process


def _values(parts: Sequence[Compiled], frame: Frame) -> Generator[Wanted, Value, list[Value]]:
    values = []
    for part in parts:
        values.append((yield from part.run(frame)))  # noqa: PERF401  # no yield in comprehensions
    return values


class Evaluator:
    """Compiles the expressions of one scope."""

    def __init__(self, scope: Scope, routines: Mapping[str, Routine], limits: Limits) -> None:
        self._scope = scope
        self._routines = routines
        self._limits = limits

    def compile(self, expression: Expression) -> Compiled:
        """Return the function or generator of an expression that was checked."""
        match expression:
            case Literal(value):
                return constant(value)
            case Name(name):
                return self._variable(name)
            case Index():
                return self._path(expression)
            case Unary(operator, operand):
                return strict(self._all((operand,)), UNARY[operator])
            case Binary():
                return self._chain(expression)
            case Invoke():
                return self._invoke(expression)
            case ListOf(items):
                return self._literal(items, lambda *values: make_list(values, self._limits))
            case MapOf(entries):
                parts = [part for entry in entries for part in entry]
                return self._literal(parts, self._make_map)

    def _all(self, expressions: Sequence[Expression]) -> list[Compiled]:
        return [self.compile(expression) for expression in expressions]

    def _variable(self, name: str) -> Compiled:
        variable = self._scope.find(name)
        assert variable is not None
        return Compiled(load(variable))

    def _constant(self, expression: Expression) -> Compiled | None:
        """Return the constant of the library that `a.b` is, unless `a` is a variable."""
        names = dotted_names(expression)
        if names is None or self._scope.find(names[0]) is not None:
            return None
        dotted = ".".join(names)
        return constant(own(CONSTANTS[dotted], self._limits)) if dotted in CONSTANTS else None

    def _literal(self, parts: Sequence[Expression], combine: Callable[..., Value]) -> Compiled:
        """Return a list or map. One that is always the same is made once."""
        compiled = self._all(parts)
        made = strict(compiled, combine)
        if all(part.constant for part in compiled):
            try:
                return constant(combine(*[part.plain(None) for part in compiled]))  # type: ignore[misc, arg-type]  # constants look at no frame
            except WorkflowError:
                return made  # too large: an error where it is evaluated
        return made

    def _make_map(self, *parts: Value) -> Value:
        entries: dict[str, Value] = {}
        for key, value in zip(parts[::2], parts[1::2], strict=True):
            if not isinstance(key, str):
                kind: Any = type(key)
                raise error("TypeError", f"map key must be a string, not '{MESSAGE_NAMES[kind]}'")
            entries[key] = value
        return make_map(entries, self._limits)

    def _path(self, expression: Expression) -> Compiled:
        """Return `a.b[c].d`: a variable, a constant or the like, and one look into it a key."""
        keys: list[Expression] = []
        made = self._constant(expression)
        while made is None and isinstance(expression, Index):
            keys.append(expression.key)
            expression = expression.base
            made = self._constant(expression)
        first = made or self.compile(expression)
        links = [_Link(access, self.compile(key)) for key in reversed(keys)]
        return self._linked(first, links)

    def _chain(self, expression: Expression) -> Compiled:
        """Return `a + b - c`: the operators in the order in which they apply."""
        operators: list[tuple[str, Expression]] = []
        while isinstance(expression, Binary):
            operators.append((expression.operator, expression.right))
            expression = expression.left
        first = self.compile(expression)
        return self._linked(first, [self._link(*each) for each in reversed(operators)])

    def _linked(self, first: Compiled, links: Sequence[_Link]) -> Compiled:
        if not links:
            return first
        if len(links) == 1 and links[0].ends is None:
            return strict([first, links[0].right], links[0].combine)
        return _fold(first, links)

    def _link(self, operator: str, right: Expression) -> _Link:
        """Return an operator. `and` and `or` look at the right side only where it matters."""
        side = self.compile(right)
        if operator in {"and", "or"}:
            decisive = operator == "or"
            return _Link(
                lambda _, value: truth(value, operator),
                side,
                lambda value: truth(value, operator) is decisive,
            )
        return _Link(self._add if operator == "+" else BINARY[operator], side)

    def _add(self, left: Value, right: Value) -> Value:
        total = add(left, right)
        return check_string(total, self._limits) if type(total) is str else total

    def _invoke(self, call: Invoke) -> Compiled:
        args = self._all(call.args)
        if call.function in self._routines:
            return _wanted(args, lambda *values: RoutineCall(call.function, values))
        function = find(call.function)
        assert function is not None
        if function.kind is Kind.PURE:
            return self._pure(function, args)
        return _wanted(
            args, lambda *values: WorldCall(function.name, bind_positional(function, values))
        )

    def _pure(self, function: Function, args: list[Compiled]) -> Compiled:
        assert function.parameters is not None
        defaults = [constant(param.default) for param in function.parameters[len(args) :]]
        context = Compiled(lambda frame: frame.context)
        apply = pure(function, self._limits)
        if function.with_context:
            return strict([context, *args, *defaults], apply)
        return strict([*args, *defaults], lambda *values: apply(None, *values))


def load(variable: Variable) -> Plain:
    """Return the function that reads a variable. One that was never assigned is null."""
    slot, hops = variable.slot, variable.hops
    if hops == 0:
        return lambda frame: frame.variables[slot]
    return lambda frame: frame.outer(hops).variables[slot]


def pure(function: Function, limits: Limits) -> Callable[..., Value]:
    """Return the function of the context and all arguments by position, with its checks."""
    implementation = function.call
    assert implementation is not None

    def apply(context: Any, *values: Value) -> Value:
        check_types(function, values)
        before = (context,) if function.with_context else ()
        result = implementation(*before, *values)
        if isinstance(result, bytes) and len(result) > limits.memory_bytes:
            raise memory_exceeded()
        return own(result, limits)

    return apply


def _wanted(parts: Sequence[Compiled], make: Callable[..., Wanted]) -> Compiled:
    """Return what evaluates the arguments, asks for the call and gives its result."""

    def process(frame: Frame) -> Process:
        return (yield make(*(yield from _values(parts, frame))))

    return Compiled(process=process)


@dataclass(frozen=True, slots=True)
class _Link:
    """One operator of a chain with its right side, which is not looked at where `ends` holds."""

    combine: Callable[[Any, Any], Value]
    right: Compiled
    ends: Callable[[Any], bool] | None = None


def _fold(first: Compiled, links: Sequence[_Link]) -> Compiled:
    """Return what takes one operator after the other, so that a long chain is no deep one."""
    begin = first.plain
    plains = [(x.combine, x.right.plain, x.ends) for x in links if x.right.plain is not None]

    def process(frame: Frame) -> Process:
        value = yield from first.run(frame)
        for link in links:
            if link.ends is None or not link.ends(value):
                value = link.combine(value, (yield from link.right.run(frame)))
        return value

    if begin is None or len(plains) < len(links):
        return Compiled(process=process)

    def plain(frame: Frame) -> Value:
        value: Value = begin(frame)
        for combine, right, ends in plains:
            if ends is None or not ends(value):
                value = combine(value, right(frame))
        return value

    return Compiled(plain)

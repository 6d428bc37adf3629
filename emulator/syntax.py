"""The tree of a workflow: routines, steps and expressions, each with its place in the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the source. Both numbers count from 1."""

    line: int
    column: int


# Expressions


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: a number, a string, a boolean, null."""

    value: Any


@dataclass(frozen=True, slots=True)
class Name:
    """A variable, or the first part of a constant of the library such as `retry.always`."""

    name: str
    where: Position


@dataclass(frozen=True, slots=True)
class Index:
    """`base[key]`, and `base.key`, whose key is a Literal."""

    base: Expression
    key: Expression
    dotted: bool = False


@dataclass(frozen=True, slots=True)
class Invoke:
    """`function(args)` in an expression; `function` may have dots."""

    function: str
    args: tuple[Expression, ...]
    where: Position


@dataclass(frozen=True, slots=True)
class Unary:
    """`-`, `+` or `not` before an operand."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands and the operator between them."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list, written in YAML or in an expression."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map written in YAML. Its keys may be expressions."""

    entries: tuple[tuple[Expression, Expression], ...]


Expression = Literal | Name | Index | Invoke | Unary | Binary | ListOf | MapOf


def dotted_names(expression: Expression) -> tuple[str, ...] | None:
    """Return the parts of `a.b.c`, or None for what is not a name with dots."""
    keys: list[str] = []
    while isinstance(expression, Index) and expression.dotted:
        assert isinstance(expression.key, Literal)
        keys.append(expression.key.value)
        expression = expression.base
    return (expression.name, *reversed(keys)) if isinstance(expression, Name) else None


def children(expression: Expression) -> tuple[Expression, ...]:
    """Return the expressions of which an expression is made."""
    match expression:
        case Index(base, key):
            return (base, key)
        case Invoke(_, args) | ListOf(args):
            return args
        case Unary(_, operand):
            return (operand,)
        case Binary(_, left, right):
            return (left, right)
        case MapOf(entries):
            return tuple(part for entry in entries for part in entry)
    return ()


# Steps


@dataclass(frozen=True, slots=True)
class Target:
    """What is assigned to: a variable, or a part of one reached by `path`."""

    name: str
    path: tuple[Expression, ...]
    where: Position


@dataclass(frozen=True, slots=True)
class Assignment:
    """One entry of `assign`."""

    target: Target
    value: Expression


@dataclass(frozen=True, slots=True)
class Assign:
    """`assign`: entries in order, each of which sees the earlier ones."""

    entries: tuple[Assignment, ...]


@dataclass(frozen=True, slots=True)
class NamedArguments:
    """`args` as a map of names."""

    entries: tuple[tuple[str, Expression, Position], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """`call`: `args` are named, or a list by position, or one expression that gives a map."""

    function: str
    args: NamedArguments | Expression
    result: Target | None
    where: Position


@dataclass(frozen=True, slots=True)
class Condition:
    """One case of a `switch`; `then` may do nothing but jump."""

    test: Expression
    then: Step


@dataclass(frozen=True, slots=True)
class Switch:
    """`switch`: the first condition that is true runs."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class For:
    """`for`: over a list, or over a range of two numbers with both ends included."""

    value: str
    index: str | None
    items: Expression
    is_range: bool
    steps: Block
    where: Position


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch of a parallel step."""

    name: str
    body: Step


@dataclass(frozen=True, slots=True)
class Parallel:
    """`parallel`: branches, or the iterations of a loop, at the same time."""

    shared: tuple[tuple[str, Position], ...]
    concurrency_limit: Expression | None
    work: tuple[Branch, ...] | For


@dataclass(frozen=True, slots=True)
class Retry:
    """`retry`: the body runs again while `predicate` says so.

    `predicate` is the name of a function or subworkflow, None for every error. Where a
    policy leaves out `max_retries` or `backoff`, they are None and Google's defaults hold.
    """

    predicate: str | None
    max_retries: Expression | None
    backoff: Expression | None
    where: Position


@dataclass(frozen=True, slots=True)
class Handler:
    """`except`: what runs when the body failed, with the error in the variable `name`."""

    name: str | None
    steps: Block
    where: Position


@dataclass(frozen=True, slots=True)
class Try:
    """`try` with `retry`, `except` or both."""

    body: Step
    retry: Retry | None
    handler: Handler | None


@dataclass(frozen=True, slots=True)
class Raise:
    """`raise`: the value is the error."""

    value: Expression


@dataclass(frozen=True, slots=True)
class Return:
    """`return`: the value is the result of the routine."""

    value: Expression


@dataclass(frozen=True, slots=True)
class Steps:
    """`steps`: a list of steps without a scope of its own."""

    steps: Block


@dataclass(frozen=True, slots=True)
class Nothing:
    """A step that at most jumps."""


Body = Assign | Call | Switch | For | Parallel | Try | Raise | Return | Steps | Nothing


@dataclass(frozen=True, slots=True)
class Next:
    """`next`: the name of a step, or `end`, `break`, `continue`."""

    target: str
    where: Position


@dataclass(frozen=True, slots=True)
class Step:
    """A step, or the body inside a condition, a `try` or a branch, under its owner's name.

    `where` is the first key of the body and `length` that key's length in bytes.
    """

    name: str
    body: Body
    next: Next | None
    where: Position
    length: int


Block = tuple[Step, ...]


# Routines


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter; `default` is None where the caller must give it."""

    name: str
    default: Expression | None
    where: Position


@dataclass(frozen=True, slots=True)
class Routine:
    """`main` or a subworkflow."""

    name: str
    params: tuple[Parameter, ...]
    steps: Block
    where: Position


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Workflow:
    """A source that was parsed and checked, and can run."""

    routines: Mapping[str, Routine]

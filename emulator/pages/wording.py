"""Expressions and steps as text, as an author would write them."""

from __future__ import annotations

import json

from emulator.expressions import PRECEDENCE
from emulator.syntax import (
    Assign,
    Binary,
    Body,
    Call,
    Expression,
    For,
    Index,
    Invoke,
    ListOf,
    Literal,
    MapOf,
    Name,
    Parallel,
    Raise,
    Return,
    Switch,
    Target,
    Try,
    Unary,
)

LONGEST = 90
"""Characters of a text in a drawing."""

_TIGHTEST = max(PRECEDENCE.values()) + 1


def cut(text: str, most: int = LONGEST) -> str:
    """A text on one line, cut in the middle of nothing: its beginning, and `…`."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def written(expression: Expression) -> str:
    """An expression as text, without `${}`."""
    match expression:
        case Literal(value):
            return json.dumps(value, ensure_ascii=False)
        case Name(name):
            return name
        case Index(base, Literal(str(key)), dotted=True):
            return f"{_operand(base, _TIGHTEST)}.{key}"
        case Index(base, key):
            return f"{_operand(base, _TIGHTEST)}[{written(key)}]"
        case Invoke(function, args):
            return f"{function}({', '.join(map(written, args))})"
        case Unary(operator, operand):
            space = " " if operator.isalpha() else ""
            return f"{operator}{space}{_operand(operand, _TIGHTEST)}"
        case Binary(operator, left, right):
            binds = PRECEDENCE[operator]
            return f"{_operand(left, binds)} {operator} {_operand(right, binds + 1)}"
        case ListOf(items):
            return f"[{', '.join(map(written, items))}]"
        case MapOf(entries):
            pairs = (f"{written(key)}: {written(value)}" for key, value in entries)
            return f"{{{', '.join(pairs)}}}"


def _operand(expression: Expression, binds: int) -> str:
    """An operand, in parentheses where it binds less tightly than what it stands in."""
    text = written(expression)
    match expression:
        case Binary(operator) if PRECEDENCE[operator] < binds:
            return f"({text})"
        case Unary() if binds == _TIGHTEST:
            return f"({text})"
    return text


def target(assigned: Target) -> str:
    """What is assigned to."""
    text = assigned.name
    for key in assigned.path:
        match key:
            case Literal(str(name)) if name.isidentifier():
                text += f".{name}"
            case _:
                text += f"[{written(key)}]"
    return text


def kind(body: Body) -> str:
    """The word for what a step is, as it stands in the source; a step that only jumps has none."""
    match body:
        case Parallel(work=For()):
            return "parallel for"
    word = type(body).__name__.lower()
    return "" if word == "nothing" else word


def summary(body: Body) -> str:
    """What a step does, on one line."""
    match body:
        case Assign(entries):
            if len(entries) == 1:
                return cut(f"{target(entries[0].target)} = {written(entries[0].value)}")
            return cut(", ".join(target(entry.target) for entry in entries))
        case Call(function, _, Target() as result):
            return f"{target(result)} = {function}(\N{HORIZONTAL ELLIPSIS})"
        case Call(function):
            return f"{function}(\N{HORIZONTAL ELLIPSIS})"
        case For() as loop:
            return _loop(loop)
        case Parallel(shared, limit, work):
            parts = [_loop(work)] if isinstance(work, For) else []
            parts += [f"shares {', '.join(name for name, _ in shared)}"] if shared else []
            parts += [f"{written(limit)} at a time"] if limit is not None else []
            return cut("; ".join(parts))
        case Raise(value) | Return(value):
            return cut(written(value))
        case Switch(conditions):
            return f"{len(conditions)} case{'s' * (len(conditions) != 1)}"
        case Try(_, retry, handler):
            parts = ["retry"] if retry is not None else []
            parts += ["except"] if handler is not None else []
            return f"with {' and '.join(parts)}"
    return ""


def _loop(loop: For) -> str:
    over = written(loop.items)
    if loop.is_range and isinstance(loop.items, ListOf):
        over = " to ".join(map(written, loop.items.items))
    return cut(f"{loop.value} in {over}")

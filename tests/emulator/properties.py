"""What the property tests share: how many examples, and expressions written out as text.

`PROPERTY_EXAMPLES=50` tries fifty times as many, chosen at random; without it every run tries the
same ones.
"""

import json
import os
from typing import Any, Final

from hypothesis import HealthCheck, settings

from emulator.syntax import (
    Binary,
    Expression,
    Index,
    Invoke,
    ListOf,
    Literal,
    Name,
    Unary,
)

MORE: Final = int(os.environ.get("PROPERTY_EXAMPLES", "1"))


def examples(count: int) -> Any:
    """The decorator of a property that is tried with so many examples."""
    return settings(
        max_examples=count * MORE,
        derandomize=MORE == 1,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


def literal(value: Any) -> str:
    """A constant as an expression writes it."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else repr(value)


def written(expression: Expression) -> str:
    """The text of an expression, with parentheses around every operation."""
    match expression:
        case Literal(value):
            return literal(value)
        case Name(name):
            return name
        case Index(base, Literal(str(key)), dotted=True):
            return f"{written(base)}.{key}"
        case Index(base, key):
            return f"{written(base)}[{written(key)}]"
        case Invoke(function, args):
            return f"{function}({', '.join(map(written, args))})"
        case Unary(operator, operand):
            return f"({operator} ({written(operand)}))"
        case Binary(operator, left, right):
            return f"({written(left)} {operator} {written(right)})"
        case ListOf(items):
            return f"[{', '.join(map(written, items))}]"
    raise AssertionError(expression)

"""The operators of expressions: Google's types and results, not Python's."""

import operator
from collections.abc import Callable
from typing import Any, Final

from emulator.errors import WorkflowError, error
from emulator.library.helpers import to_string
from emulator.library.registry import MESSAGE_NAMES
from emulator.memory import List, Map
from emulator.values import MAX_INTEGER, MIN_INTEGER, Value, equals

Operator = Callable[[Any, Any], Value]

_NUMBERS: Final = frozenset((int, float))
_CONCATENABLE: Final = frozenset((int, float, str, bool))


def _unsupported(symbol: str, *operands: Value) -> WorkflowError:
    kinds: list[Any] = [type(operand) for operand in operands]
    names = " and ".join(f"'{MESSAGE_NAMES[kind]}'" for kind in kinds)
    return error("TypeError", f"unsupported operand type(s) for {symbol}: {names}")


def number(result: float) -> float:
    """Return an integer of 64 bits or a finite double. Raises ValueError for what is neither."""
    if isinstance(result, int):
        if not MIN_INTEGER <= result <= MAX_INTEGER:
            raise error("ValueError", "integer overflow")
    elif result - result != 0.0:
        raise error("ValueError", "double overflow")
    return result


def add(left: Any, right: Any) -> Value:
    """Add numbers; with a string on either side, concatenate the texts."""
    kinds = (type(left), type(right))
    if kinds[0] in _NUMBERS and kinds[1] in _NUMBERS:
        return number(left + right)
    if str in kinds and kinds[0] in _CONCATENABLE and kinds[1] in _CONCATENABLE:
        return to_string(left) + to_string(right)
    raise _unsupported("+", left, right)


def _arithmetic(symbol: str, compute: Callable[[Any, Any], float]) -> Operator:
    def apply(left: Any, right: Any) -> Value:
        if type(left) not in _NUMBERS or type(right) not in _NUMBERS:
            raise _unsupported(symbol, left, right)
        try:
            return number(compute(left, right))
        except ZeroDivisionError:
            raise error("ZeroDivisionError", "division by zero") from None
        except OverflowError:
            raise error("ValueError", "double overflow") from None

    return apply


def _comparison(symbol: str, compare: Callable[[Any, Any], bool]) -> Operator:
    def apply(left: Any, right: Any) -> Value:
        numbers = type(left) in _NUMBERS and type(right) in _NUMBERS
        if not numbers and not (type(left) is str and type(right) is str):
            raise _unsupported(symbol, left, right)
        return compare(left, right)

    return apply


def contains(left: Any, right: Any) -> Value:
    """Tell whether a list has an equal element, or a map the key."""
    if type(right) is List:
        return any(equals(left, item) for item in right)
    if type(right) is Map and type(left) is str:
        return left in right
    raise _unsupported("in", left, right)


BINARY: Final[dict[str, Operator]] = {
    "+": add,
    "-": _arithmetic("-", operator.sub),
    "*": _arithmetic("*", operator.mul),
    "/": _arithmetic("/", operator.truediv),
    "//": _arithmetic("//", operator.floordiv),
    "%": _arithmetic("%", operator.mod),
    "<": _comparison("<", operator.lt),
    "<=": _comparison("<=", operator.le),
    ">": _comparison(">", operator.gt),
    ">=": _comparison(">=", operator.ge),
    "==": equals,
    "!=": lambda left, right: not equals(left, right),
    "in": contains,
}


def negate(operand: Any) -> Value:
    """Return the number with the other sign."""
    if type(operand) not in _NUMBERS:
        raise _unsupported("-", operand)
    return number(-operand)


def plus(operand: Any) -> Value:
    """Return the number itself."""
    if type(operand) not in _NUMBERS:
        raise _unsupported("+", operand)
    return number(operand)


def invert(operand: Any) -> Value:
    """Return the other boolean."""
    return not truth(operand, "not")


UNARY: Final[dict[str, Callable[[Any], Value]]] = {"-": negate, "+": plus, "not": invert}


def truth(operand: Value, symbol: str) -> bool:
    """Return the boolean. Raises TypeError for any other type, null included."""
    if operand is True or operand is False:
        return operand
    raise _unsupported(symbol, operand)


def access(base: Any, key: Any) -> Value:
    """Return `base[key]`: an entry of a map or an item of a list.

    Raises KeyError, IndexError for what is not there, TypeError for what cannot be looked into.
    """
    if type(base) is Map:
        if type(key) is not str:
            raise error("TypeError", f"map key must be a string, not '{_name(key)}'")
        try:
            return base[key]  # type: ignore[no-any-return]  # maps hold values
        except KeyError:
            raise error("KeyError", f"key not found: {key}") from None
    if type(base) is List:
        return base[list_index(base, key)]  # type: ignore[no-any-return]  # lists hold values
    raise error("TypeError", f"'{_name(base)}' cannot be looked into with [] or .")


def list_index(items: List, key: Any) -> int:
    """Return the key if it is an index into the list. There are no negative ones."""
    if type(key) is not int:
        raise error("TypeError", f"list index must be an integer, not '{_name(key)}'")
    if not 0 <= key < len(items):
        raise error("IndexError", f"list index out of range: {key}")
    return int(key)


def _name(value: Any) -> str:
    return MESSAGE_NAMES[type(value)]

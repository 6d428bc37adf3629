"""Arguments of requests, taken with the type that the function needs."""

from __future__ import annotations

import math
from collections.abc import Mapping

from emulator.errors import error
from emulator.protocol import Request
from emulator.values import Value, to_json, type_name


def known(request: Request, *names: str) -> None:
    """Make sure that a connector is given no arguments but these.

    Raises:
        WorkflowError: TypeError, there is another.
    """
    unknown = sorted(set(request.args) - set(names))
    if unknown:
        raise error("TypeError", f"{request.function} has no parameter '{unknown[0]}'")


def text(args: Mapping[str, Value], name: str) -> str:
    """A string argument.

    Raises:
        WorkflowError: TypeError, it is no string.
    """
    value = args.get(name)
    if not isinstance(value, str):
        raise error("TypeError", f"{name} must be a string, not {type_name(value)}")
    return value


def number(args: Mapping[str, Value], name: str) -> float:
    """A finite number of either type; booleans are none.

    Raises:
        WorkflowError: TypeError, it is no number; ValueError, it is not finite.
    """
    value = args.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise error("TypeError", f"{name} must be a number, not {type_name(value)}")
    if not math.isfinite(value):
        raise error("ValueError", f"{name} must be finite")
    return float(value)


def flag(args: Mapping[str, Value], name: str) -> bool:
    """A boolean argument, false when it is null.

    Raises:
        WorkflowError: TypeError, it is neither.
    """
    value = args.get(name)
    if value is not None and not isinstance(value, bool):
        raise error("TypeError", f"{name} must be true or false, not {type_name(value)}")
    return bool(value)


def query_text(name: str, value: Value) -> str:
    """A query parameter as it is sent.

    Raises:
        WorkflowError: TypeError, it is no string, number or boolean.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return to_json(value)
    raise error("TypeError", f"query parameter {name} must not be of type {type_name(value)}")


def optional_map(args: Mapping[str, Value], name: str) -> dict[str, Value]:
    """A map, empty when it is null.

    Raises:
        WorkflowError: TypeError, it is neither.
    """
    value = args.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise error("TypeError", f"{name} must be a map, not {type_name(value)}")
    return value


def json_text(value: Value, name: str) -> str:
    """A value as JSON text.

    Raises:
        WorkflowError: TypeError, there are bytes in it.
    """
    try:
        return to_json(value)
    except TypeError as wrong:
        raise error("TypeError", f"{name}: {wrong}") from None

"""The table of library functions: names, parameters, and what computes them.

A function is declared by its signature as Google writes it, with the types it takes:
`text.split(source: string, separator: string)`. Pure functions are Python functions under the
decorator `function`. Functions of the *world* are only declared; a call becomes a request.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, TypeVar

from emulator.errors import WorkflowError, error
from emulator.limits import Limits
from emulator.memory import List, Map
from emulator.values import Value

Implementation = TypeVar("Implementation", bound=Callable[..., Value])

TYPES: Final[dict[str, tuple[type, ...]]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "bytes": (bytes,),
    "list": (List,),
    "map": (Map,),
}
# What the service calls the types in its messages: seen for maps, the others to match.
MESSAGE_NAMES: Final[dict[type, str]] = {
    type(None): "NoneType",
    bool: "bool",
    int: "int",
    float: "float",
    str: "string",
    bytes: "bytes",
    List: "list",
    Map: "dict",
}
CONNECTORS: Final = ("googleapis.", "gke.")  # of Google's APIs, and of Kubernetes'


class Kind(Enum):
    """Who answers a call, and where it may stand."""

    PURE = auto()
    WORLD = auto()  # a request; also in an expression
    BLOCKING = auto()  # a request; only in a `call` step


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter. `types` is None where any value will do.

    Not given, it has its default; one that `may_be_absent` is then left out.
    """

    name: str
    types: frozenset[type] | None
    expected: str
    required: bool
    default: Value
    may_be_absent: bool


@dataclass(frozen=True, slots=True)
class Context:
    """What the few pure functions that declare it may look at besides their arguments."""

    env: Mapping[str, str]
    limits: Limits


@dataclass(frozen=True, slots=True)
class Function:
    """A library function. `parameters` is None for connectors, which take any names."""

    name: str
    kind: Kind
    parameters: tuple[Parameter, ...] | None
    call: Callable[..., Value] | None = None
    with_context: bool = False


FUNCTIONS: Final[dict[str, Function]] = {}
CONSTANTS: Final[dict[str, Value]] = {}
# Retry policies by name, each with the predicate that makes it.
POLICIES: Final[dict[str, str]] = {}


def find(name: str) -> Function | None:
    """Return the function of that name, or None. Every name of a connector is one."""
    if name.startswith(CONNECTORS):
        return Function(name, Kind.BLOCKING, None)
    return FUNCTIONS.get(name)


def function(
    signature: str, *, with_context: bool = False
) -> Callable[[Implementation], Implementation]:
    """Register a pure function; `with_context` gives it a Context before its arguments."""

    def register(implementation: Implementation) -> Implementation:
        name, parameters = _parse(signature)
        FUNCTIONS[name] = Function(name, Kind.PURE, parameters, implementation, with_context)
        return implementation

    return register


def world(signature: str, *, blocking: bool) -> None:
    """Declare a function that the world answers."""
    name, parameters = _parse(signature)
    FUNCTIONS[name] = Function(name, Kind.BLOCKING if blocking else Kind.WORLD, parameters)


def _parse(signature: str) -> tuple[str, tuple[Parameter, ...]]:
    """Read `name(a: type|type, b=default, c?)`."""
    name, inner = re.fullmatch(r"([\w.]+)\((.*)\)", signature, re.DOTALL).groups()  # type: ignore[union-attr]  # a wrong signature fails at import
    return name, tuple(_parameter(part.strip()) for part in inner.split(", ") if part)


def _parameter(text: str) -> Parameter:
    declared, _, default = text.partition("=")
    name, _, kinds = declared.partition(": ")
    names = kinds.split("|") if kinds else []
    types = frozenset(kind for each in names for kind in TYPES[each])
    absent = name.endswith("?")
    return Parameter(
        name.removesuffix("?"),
        types or None,
        _enumerate([each for each in names if each != "null"]),
        required=not default and not absent,
        default=json.loads(default) if default else None,
        may_be_absent=absent,
    )


def _enumerate(names: Sequence[str]) -> str:
    if len(names) < 3:
        return " or ".join(names)
    return f"{', '.join(names[:-1])}, or {names[-1]}"


def bind_positional(target: Function, args: Sequence[Value]) -> dict[str, Value]:
    """Return the arguments by name. Raises TypeError for too many or too few."""
    if target.parameters is None:
        raise error("TypeError", f"{target.name}() takes named arguments only")
    if len(args) > len(target.parameters):
        most = len(target.parameters)
        raise error("TypeError", f"{target.name}() takes at most {most} arguments: {len(args)}")
    names = (parameter.name for parameter in target.parameters)
    return bind_named(target, dict(zip(names, args, strict=False)))


def bind_named(target: Function, args: Mapping[str, Value]) -> dict[str, Value]:
    """Return the arguments with defaults filled in, in the order of the parameters.

    Raises TypeError for a name that the function does not have, and for one that is missing.
    """
    if target.parameters is None:
        return dict(args)
    unknown = args.keys() - {parameter.name for parameter in target.parameters}
    if unknown:
        raise error("TypeError", f"{target.name}() has no parameter '{min(unknown)}'")
    bound = {}
    for parameter in target.parameters:
        if parameter.name in args:
            bound[parameter.name] = args[parameter.name]
        elif parameter.required:
            raise error("TypeError", f"{target.name}() needs the argument '{parameter.name}'")
        elif not parameter.may_be_absent:
            bound[parameter.name] = parameter.default
    return bound


def check_types(target: Function, args: Sequence[Value]) -> None:
    """Raise TypeError if an argument of a pure function has a type that it does not take."""
    assert target.parameters is not None
    for parameter, value in zip(target.parameters, args, strict=True):
        if parameter.types is not None and type(value) not in parameter.types:
            raise wrong_type(target.name, value, parameter.expected)


def wrong_type(name: str, value: Value, expected: str) -> WorkflowError:
    """Return the error for an argument of the wrong type, in the words of the service."""
    kind: Any = type(value)
    text = f"unsupported operand type for {name}(): '{MESSAGE_NAMES[kind]}' (expecting {expected})"
    return error("TypeError", text)

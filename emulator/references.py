"""Whether what expressions, targets and calls refer to exists, and is given what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import emulator.library  # noqa: F401  # fills the table of functions
from emulator.errors import SourceError
from emulator.library.registry import CONNECTORS, CONSTANTS, FUNCTIONS, POLICIES, Kind, find
from emulator.scopes import Scope
from emulator.syntax import (
    Call,
    Expression,
    Index,
    Invoke,
    ListOf,
    Name,
    NamedArguments,
    Position,
    Retry,
    Routine,
    Target,
    children,
    dotted_names,
)

MODULES = frozenset(name.split(".")[0] for name in (*FUNCTIONS, *CONNECTORS) if "." in name)


def fail(where: Position, message: str) -> NoReturn:
    """Raise an error at a place."""
    raise SourceError(message, where.line, where.column)


class References:
    """Checks what stands in the steps of a workflow with these routines."""

    def __init__(self, routines: Mapping[str, Routine]) -> None:
        self._routines = routines

    def expression(self, expression: Expression, scope: Scope) -> None:
        """Raise SourceError for an unknown name, or a function that cannot be called there."""
        match expression:
            case Name(name, where) if scope.find(name) is None:
                self._not_a_variable(name, where)
            case Index() if self._is_constant(expression, scope):
                return
            case Invoke():
                self._invoke(expression)
        for child in children(expression):
            self.expression(child, scope)

    def target(self, target: Target, scope: Scope) -> None:
        """Raise SourceError for an assignment to what a branch may not change."""
        variable = scope.find(target.name)
        if variable is None:
            fail(target.where, undefined(target.name))
        if variable.hops and not variable.shared:
            fail(
                target.where,
                f"'{target.name}' is a variable of the enclosing scope:"
                " to assign it, list it in 'shared' of the parallel step",
            )
        for key in target.path:
            self.expression(key, scope)

    def predicate(self, retry: Retry) -> None:
        """Raise SourceError for a predicate that is no function of one error."""
        name = retry.predicate
        if name is None or name in POLICIES:
            return
        if name not in self._routines and not self._is_pure(name):
            fail(retry.where, f"predicate '{name}' is neither a function nor a sub-workflow name")
        required, names = self._signature(name, retry.where)
        if len(required) > 1 or not names:
            fail(retry.where, f"predicate '{name}' must take one argument, the error")

    def call(self, call: Call, scope: Scope) -> None:
        """Raise SourceError for an unknown function, or arguments that it does not take."""
        args = call.args
        values = [each[1] for each in args.entries] if isinstance(args, NamedArguments) else [args]
        for value in values:
            self.expression(value, scope)
        if call.result is not None:
            self.target(call.result, scope)
        required, names = self._signature(call.function, call.where)
        if isinstance(args, ListOf):
            self._count(call.function, len(args.items), required, names, call.where)
        elif isinstance(args, NamedArguments):
            self._names(call, args, required, names)

    def _is_pure(self, name: str) -> bool:
        function = find(name)
        return function is not None and function.kind is Kind.PURE

    def _signature(self, name: str, where: Position) -> tuple[list[str], list[str] | None]:
        """Return the required names and all names of what is called; None where any will do."""
        if name in self._routines:
            params = self._routines[name].params
            required = [param.name for param in params if param.default is None]
            return required, [param.name for param in params]
        function = find(name)
        if function is None:
            fail(where, f"'{name}' is neither a function nor a sub-workflow name")
        if function.parameters is None:
            return [], None
        required = [param.name for param in function.parameters if param.required]
        return required, [param.name for param in function.parameters]

    def _names(
        self, call: Call, args: NamedArguments, required: list[str], names: list[str] | None
    ) -> None:
        for name, _, where in args.entries:
            if names is not None and name not in names:
                fail(where, f"'{call.function}' has no parameter '{name}'")
        given = {name for name, _, _ in args.entries}
        for name in required:
            if name not in given:
                fail(call.where, f"'{call.function}' needs the argument '{name}'")

    def _count(
        self,
        name: str,
        given: int,
        required: list[str],
        names: list[str] | None,
        where: Position,
    ) -> None:
        if names is None:
            fail(where, f"'{name}' takes named arguments only")
        if given > len(names):
            fail(where, f"'{name}' takes at most {len(names)} arguments, not {given}")
        for each in required:
            if each not in names[:given]:
                fail(where, f"'{name}' needs the argument '{each}'")

    def _is_constant(self, expression: Expression, scope: Scope) -> bool:
        """Tell whether `a.b` is a constant of the library. A variable `a` wins over it."""
        names = dotted_names(expression)
        if names is None or scope.find(names[0]) is not None:
            return False
        dotted = ".".join(names)
        if dotted in FUNCTIONS or dotted in POLICIES:
            root = expression
            while isinstance(root, Index):
                root = root.base
            assert isinstance(root, Name)
            fail(root.where, f"'{dotted}' is not a value")
        return dotted in CONSTANTS

    def _not_a_variable(self, name: str, where: Position) -> NoReturn:
        if name in self._routines or name in FUNCTIONS or name in MODULES:
            fail(where, f"'{name}' is not a value: it can only be called")
        fail(where, undefined(name))

    def _invoke(self, call: Invoke) -> None:
        required, names = self._signature(call.function, call.where)
        function = None if call.function in self._routines else find(call.function)
        if function is not None and function.kind is Kind.BLOCKING:
            fail(call.where, f"'{call.function}' blocks: it needs a call step of its own")
        self._count(call.function, len(call.args), required, names, call.where)


def undefined(name: str) -> str:
    """Return the message for a name that means nothing, in the words of the service."""
    return f"symbol '{name}' is neither a variable nor a sub-workflow name"

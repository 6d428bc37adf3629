"""Values of expressions: whatever is computed is a value of the language or an error of it.

What expressions give is in cases/expressions.yaml and cases/library.yaml.
"""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emulator.library  # noqa: F401  # fills the table of functions
from emulator.errors import WorkflowError
from emulator.evaluate import Compiled, Evaluator
from emulator.frames import Code, Frame, Memory
from emulator.library.registry import FUNCTIONS, Context, Kind
from emulator.limits import Limits
from emulator.memory import List, Map, own
from emulator.operators import BINARY, UNARY
from emulator.scopes import Layout, Scope
from emulator.syntax import (
    Binary,
    Expression,
    Index,
    Invoke,
    ListOf,
    Literal,
    MapOf,
    Name,
    Position,
    Unary,
)
from emulator.values import MAX_INTEGER, MIN_INTEGER

LIMITS = Limits(memory_bytes=20_000, string_bytes=5_000)
HERE = Position(1, 1)
PURE = sorted(name for name, function in FUNCTIONS.items() if function.kind is Kind.PURE)
LITERALS = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 2, MAX_INTEGER, MIN_INTEGER, 0.0, -0.5, 1e308, 1e-300),
        *(
            "",
            "a",
            "ab,c",
            "5",
            "-2.5",
            "é😀",
            "{}",
            "[1, null]",
            "a+",
            "(",
            "%41",
            "UTC",
            "SHA256",
        ),
        *("2024-05-08T13:22:58Z", "Europe/Berlin", "utf-16", "x" * 400, "YQ=="),
    ]
).map(Literal)
VARIABLES: dict[str, Any] = {
    "m": {"a": 1, "b": {"c": [1, 2, {"d": None}]}, "tags": ["HttpError"], "code": 503},
    "l": [3, 1.5, "x", None, [True]],
    "s": "some text, with é",
    "y": b"\x00bytes\xff",
    "n": None,
    "big": "x" * 4_000,
}
EXPRESSIONS: st.SearchStrategy[Expression] = st.recursive(
    LITERALS | st.sampled_from([Name(name, HERE) for name in VARIABLES]),
    lambda inner: st.one_of(
        st.builds(Binary, st.sampled_from([*BINARY, "and", "or"]), inner, inner),
        st.builds(Unary, st.sampled_from(sorted(UNARY)), inner),
        st.builds(Index, inner, inner | st.sampled_from(["a", "b", "c"]).map(Literal)),
        st.builds(ListOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(MapOf, st.lists(st.tuples(LITERALS | inner, inner), max_size=3).map(tuple)),
        st.sampled_from(PURE).flatmap(lambda name: calls(name, inner)),
    ),
    max_leaves=12,
)


def calls(name: str, inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    """Calls of a function with a number of arguments that it takes."""
    parameters = FUNCTIONS[name].parameters or ()
    least = sum(parameter.required for parameter in parameters)
    args = st.lists(inner, min_size=least, max_size=len(parameters)).map(tuple)
    return st.builds(Invoke, st.just(name), args, st.just(HERE))


def setting() -> tuple[Scope, Frame]:
    """A scope and a frame with VARIABLES."""
    scope = Scope(Layout())
    code = Code("main", size=len(VARIABLES))
    frame = Frame(code, None, Context({"A": "x"}, LIMITS), Memory(10**6))
    for name, value in VARIABLES.items():
        frame.store(scope.add(name), own(value, LIMITS))
    return scope, frame


def evaluate(expression: Expression) -> Any:
    """The value of an expression, or the error in its place."""
    scope, frame = setting()
    compiled = Evaluator(scope, {}, LIMITS).compile(expression)
    assert compiled.plain is not None
    try:
        return compiled.plain(frame)
    except WorkflowError as problem:
        return problem


def assert_owned(value: Any) -> None:
    """A value of the language, within its limits, with lists and maps that know their size."""
    if isinstance(value, WorkflowError):
        value = value.value
        assert isinstance(value, dict)
        assert value["tags"]
        return
    kinds = {type(None), bool, int, float, str, bytes, List, Map}
    assert type(value) in kinds
    if isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, int):
        assert MIN_INTEGER <= value <= MAX_INTEGER
    elif isinstance(value, str):
        assert len(value.encode()) <= LIMITS.string_bytes
    elif isinstance(value, list | dict):
        items = value if isinstance(value, list) else [*value.values(), *value]
        for item in items:
            assert_owned(item)
        again = own(plain(value), Limits())
        assert (again.size, again.depth) == (value.size, value.depth)  # type: ignore[union-attr]  # a list or map


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return [plain(item) for item in value]
    return {key: plain(item) for key, item in value.items()} if isinstance(value, dict) else value


class TestCompile:
    @settings(max_examples=600, deadline=None)
    @given(EXPRESSIONS)
    def test_every_expression_is_a_value_or_an_error_of_the_language(self, expression):
        assert_owned(evaluate(expression))

    @settings(max_examples=100, deadline=None)
    @given(EXPRESSIONS)
    def test_the_same_expression_is_the_same_value(self, expression):
        first, second = evaluate(expression), evaluate(expression)

        if isinstance(first, WorkflowError):
            assert isinstance(second, WorkflowError)
            first, second = first.value, second.value
        assert repr(first) == repr(second)

    @settings(max_examples=100, deadline=None)
    @given(EXPRESSIONS)
    def test_nothing_changes_the_variables(self, expression):
        scope, frame = setting()
        before = repr(frame.variables)
        compiled = Evaluator(scope, {}, LIMITS).compile(expression)
        assert compiled.plain is not None
        try:
            compiled.plain(frame)
        except WorkflowError:
            pass
        finally:
            assert repr(frame.variables) == before

    def test_a_constant_is_made_once(self):
        constant = MapOf(((Literal("a"), ListOf((Literal(1), Literal("x")))),))

        compiled = Evaluator(Scope(Layout()), {}, LIMITS).compile(constant)

        assert isinstance(compiled, Compiled)
        assert compiled.constant

    @pytest.mark.parametrize("function", ["uuid.generate", "sys.now"])
    def test_what_asks_the_world_is_no_plain_function(self, function):
        compiled = Evaluator(Scope(Layout()), {}, LIMITS).compile(Invoke(function, (), HERE))

        assert compiled.plain is None
        assert compiled.process is not None

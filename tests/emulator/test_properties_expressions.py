"""Expressions: any text is a tree or an error with a place, and trees mean what they should."""

import json
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from hypothesis import assume, given
from hypothesis import strategies as st

import emulator.library  # noqa: F401  # fills the table of functions
from emulator.document import Scalar, load
from emulator.errors import SourceError, WorkflowError
from emulator.evaluate import Evaluator
from emulator.expressions import PRECEDENCE, is_name, parse_template
from emulator.frames import Code, Frame, Memory
from emulator.library.registry import Context
from emulator.limits import Limits
from emulator.memory import own
from emulator.scopes import Layout, Scope
from emulator.syntax import (
    Binary,
    Expression,
    Index,
    Invoke,
    ListOf,
    Literal,
    Name,
    Position,
    Unary,
)
from emulator.values import MAX_INTEGER, MIN_INTEGER
from tests.emulator.properties import examples, written

HERE: Final = Position(1, 1)
LIMITS: Final = Limits(expression_characters=3000)
PIECES = st.sampled_from(
    [
        *PRECEDENCE,
        *("a", "b.c", "f", "not", "NOT", "and", "OR", "in", "(", ")", "[", "]", ",", ".", " "),
        *("1", "2.5", "1e3", "9" * 30, '"x"', '"', "\\", "\\u12", "'", "{", "}", "$", "${", "#"),
        *("true", "Null", "\n", "\r", "\t", "\u2028", "é", "😀", "\ufeff", "=", "!", "&", "\x85"),
    ]
)


def template(text: str, style: str) -> Scalar:
    """A string of a source, in one of the styles of YAML."""
    indented = text.replace("\n", "\n  ")
    sources = {
        "json": json.dumps(text),
        "block": f"|\n  {indented}\n",
        "folded": f">-\n  {indented}",
    }
    node = load(sources[style], LIMITS)
    assert isinstance(node, Scalar)
    return node


def refusal(node: Scalar) -> SourceError | None:
    try:
        parse_template(node.text, LIMITS)
    except SourceError as problem:
        return problem
    return None


class TestAnyText:
    @examples(500)
    @given(
        st.lists(PIECES | st.text(max_size=3), max_size=40),
        st.sampled_from(["json", "block", "folded"]),
    )
    def test_it_is_a_tree_or_an_error_with_a_place_inside_it(self, pieces, style):
        try:
            node = template("${" + "".join(pieces) + "}", style)
        except (SourceError, AssertionError):
            assume(False)
        problem = refusal(node)
        if problem is not None:
            lines = [*node.text.source.splitlines(), "", ""]
            assert problem.message
            assert 1 <= problem.line < len(lines)
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1


# Trees, written out and read again

NUMBERS = st.integers(MIN_INTEGER, MAX_INTEGER) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True).filter(is_name)
KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)
VARIABLES = st.builds(Name, NAMES, st.just(HERE))
TREES: st.SearchStrategy[Expression] = st.recursive(
    st.builds(Literal, st.none() | st.booleans() | NUMBERS | TEXTS) | VARIABLES,
    lambda inner: st.one_of(
        st.builds(Binary, st.sampled_from(sorted(PRECEDENCE)), inner, inner),
        st.builds(Unary, st.sampled_from(["-", "+", "not"]), inner),
        st.builds(Index, inner, inner),
        st.builds(Index, VARIABLES, st.builds(Literal, KEYS), st.just(True)),
        st.builds(ListOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(
            Invoke,
            st.lists(NAMES, min_size=1, max_size=3).map(".".join),
            st.lists(inner, max_size=3).map(tuple),
            st.just(HERE),
        ),
    ),
    max_leaves=25,
)


def shape(tree: Any) -> Any:
    """The tree without places; 1, 1.0 and true are told apart."""
    fields = getattr(tree, "__dataclass_fields__", None)
    if fields is not None:
        return type(tree).__name__, [
            shape(getattr(tree, name)) for name in fields if name != "where"
        ]
    return [shape(item) for item in tree] if isinstance(tree, tuple) else repr(tree)


class TestWritten:
    @examples(400)
    @given(TREES)
    def test_a_tree_that_is_written_out_is_read_as_the_same_tree(self, tree):
        text = "${" + written(tree) + "}"
        assume(len(text) < LIMITS.expression_characters)

        assert shape(parse_template(template(text, "json").text, LIMITS)) == shape(tree)


# Values, by a second evaluator that shares nothing with the first


@dataclass(frozen=True)
class Problem:
    """The kind of error that an expression must give."""

    kind: str


class Failure(Exception):
    """The error, on its way out."""


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def text_of(value: Any) -> str:
    """The text in a concatenation; the doubles here have no exponent."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value == int(value) else str(value)
    return str(value)


def exact(value: Fraction | int, *, whole: bool) -> int | float:
    """A number of the language: an integer of 64 bits, or the nearest double."""
    if whole:
        if not -(2**63) <= value < 2**63:
            raise Failure("ValueError")
        return int(value)
    return float(value)


def arithmetic(symbol: str, left: Any, right: Any) -> Any:
    if symbol == "+" and (isinstance(left, str) or isinstance(right, str)):
        if any(value is None or isinstance(value, list) for value in (left, right)):
            raise Failure("TypeError")
        return text_of(left) + text_of(right)
    if not is_number(left) or not is_number(right):
        raise Failure("TypeError")
    whole = isinstance(left, int) and isinstance(right, int)
    one, two = Fraction(left), Fraction(right)
    if symbol in {"/", "//", "%"} and not two:
        raise Failure("ZeroDivisionError")
    compute: dict[str, Callable[[], Fraction | int]] = {
        "+": lambda: one + two,
        "-": lambda: one - two,
        "*": lambda: one * two,
        "/": lambda: one / two,
        "//": lambda: math.floor(one / two),
        "%": lambda: one - two * math.floor(one / two),
    }
    return exact(compute[symbol](), whole=whole and symbol != "/")


def same(left: Any, right: Any) -> bool:
    if is_number(left) and is_number(right):
        return Fraction(left) == Fraction(right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and bool(left == right)


def comparison(symbol: str, left: Any, right: Any) -> bool:
    if symbol in {"==", "!="}:
        return same(left, right) is (symbol == "==")
    if symbol == "in":
        if not isinstance(right, list):
            raise Failure("TypeError")
        return any(same(left, item) for item in right)
    orders = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
    if is_number(left) and is_number(right):
        return bool(orders[symbol](Fraction(left), Fraction(right)))
    if isinstance(left, str) and isinstance(right, str):
        return bool(orders[symbol]([*map(ord, left)], [*map(ord, right)]))
    raise Failure("TypeError")


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Failure("TypeError")
    return value


def signed(sign: str, value: Any) -> Any:
    if not is_number(value):
        raise Failure("TypeError")
    result = -value if sign == "-" else value
    return result if isinstance(value, float) else exact(result, whole=True)


def meaning(tree: Expression, variables: dict[str, Any]) -> Any:
    """The value of a tree, straight from the tables of the language."""
    match tree:
        case Literal(value):
            return value
        case Name(name):
            return variables[name]
        case ListOf(items):
            return [meaning(item, variables) for item in items]
        case Unary("not", operand):
            return not boolean(meaning(operand, variables))
        case Unary(sign, operand):
            return signed(sign, meaning(operand, variables))
        case Binary("and", left, right):
            return boolean(meaning(left, variables)) and boolean(meaning(right, variables))
        case Binary("or", left, right):
            return boolean(meaning(left, variables)) or boolean(meaning(right, variables))
        case Binary(symbol, left, right):
            operands = meaning(left, variables), meaning(right, variables)
            return (arithmetic if symbol in "+-*//%" else comparison)(symbol, *operands)
    raise AssertionError(tree)


def expected(tree: Expression, variables: dict[str, Any]) -> Any:
    try:
        return meaning(tree, variables)
    except Failure as failure:
        return Problem(str(failure))


def found(tree: Expression, variables: dict[str, Any]) -> Any:
    """What the emulator says."""
    scope = Scope(Layout())
    frame = Frame(Code("main", size=len(variables)), None, Context({}, LIMITS), Memory(10**6))
    for name, value in variables.items():
        frame.store(scope.add(name), own(value, LIMITS))
    parsed = parse_template(template("${" + written(tree) + "}", "json").text, LIMITS)
    plain = Evaluator(scope, {}, LIMITS).compile(parsed).plain
    assert plain is not None
    try:
        return plain(frame)
    except WorkflowError as problem:
        raised: Any = problem.value
        return Problem(raised["tags"][0])


# Doubles of few digits: what is computed with them needs no rounding that could be disputed.
SIMPLE = st.one_of(
    st.integers(-9, 9),
    st.integers(-80, 80).map(lambda eighths: eighths / 8),
    st.sampled_from(["", "a", "b", "10", "é😀", "\uffff"]),
    st.booleans(),
    st.none(),
)
WHOLE = SIMPLE | st.sampled_from([MAX_INTEGER, MIN_INTEGER, MAX_INTEGER // 2, 2**32, -(2**32)])
LETTERS = ("p", "q", "r")


def operations(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    symbols = ["+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "==", "!=", "in", "and", "or"]
    return st.one_of(
        st.builds(Binary, st.sampled_from(symbols), inner, inner),
        st.builds(Unary, st.sampled_from(["-", "+", "not"]), inner),
        st.builds(ListOf, st.lists(inner, max_size=2).map(tuple)),
    )


def trees(values: st.SearchStrategy[Any], leaves: int) -> st.SearchStrategy[Expression]:
    names = st.builds(Name, st.sampled_from(LETTERS), st.just(HERE))
    return st.recursive(st.builds(Literal, values) | names, operations, max_leaves=leaves)


def agree(one: Any, other: Any) -> bool:
    """The same value of the same type. A zero may have either sign."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(agree, one, other))
    return type(one) is type(other) and bool(one == other)


class TestMeaning:
    @examples(700)
    @given(trees(SIMPLE, 5), st.tuples(SIMPLE, SIMPLE, SIMPLE))
    def test_it_is_that_of_the_tables(self, tree, values):
        variables = dict(zip(LETTERS, values, strict=True))
        right = expected(tree, variables)

        assert agree(found(tree, variables), right), (written(tree), variables, right)

    @examples(400)
    @given(
        st.builds(
            Binary,
            st.sampled_from(["+", "-", "*", "//", "%", "<", "=="]),
            st.builds(Literal, WHOLE.filter(lambda v: type(v) is int)),
            st.builds(Literal, WHOLE.filter(lambda v: type(v) is int)),
        )
    )
    def test_integers_never_wrap(self, tree):
        assert agree(found(tree, {}), expected(tree, {}))

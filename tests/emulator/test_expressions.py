"""Expressions as trees. What they give is in cases/expressions.yaml."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.document import Scalar, load
from emulator.errors import SourceError
from emulator.expressions import (
    OPERATOR_WORDS,
    PRECEDENCE,
    is_expression,
    is_name,
    parse_target,
    parse_template,
)
from emulator.limits import Limits
from emulator.syntax import (
    Binary,
    Expression,
    Index,
    Invoke,
    ListOf,
    Literal,
    Name,
    Position,
    Target,
    Unary,
)

LIMITS = Limits()
PIECES = st.sampled_from(
    [
        *PRECEDENCE,
        *OPERATOR_WORDS,
        *("a", "b.c", "f", "not", "NOT", "(", ")", "[", "]", ",", ".", " ", "1", "2.5", "1e3"),
        *('"x"', '"', "\\", "'", "{", "}", "$", "true", "null", "\n", "é", "😀", "=", "!", "&"),
    ]
)


def scalar(expression: str) -> Scalar:
    node = load("|\n  ${" + expression.replace("\n", "\n  ") + "}\n", LIMITS)
    assert isinstance(node, Scalar)
    return node


def tree(expression: str) -> Expression:
    return parse_template(scalar(expression).text, LIMITS)


def place_of_error(node: Scalar) -> Position | None:
    try:
        parse_template(node.text, LIMITS)
    except SourceError as problem:
        return Position(problem.line, problem.column)
    return None


def text(expression: Expression) -> str:
    """The expression with all its parentheses."""
    match expression:
        case Literal(value):
            return str(value)
        case Name(name):
            return name
        case Index(base, Literal(key), dotted=True):
            return f"{text(base)}.{key}"
        case Index(base, key):
            return f"{text(base)}[{text(key)}]"
        case Invoke(function, args):
            return f"{function}({', '.join(map(text, args))})"
        case Unary(operator, operand):
            return f"({operator} {text(operand)})"
        case Binary(operator, left, right):
            return f"({text(left)} {operator} {text(right)})"
        case ListOf(items):
            return f"[{', '.join(map(text, items))}]"
    raise AssertionError(expression)


class TestParse:
    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("a + b * c", "(a + (b * c))"),
            ("a * b + c", "((a * b) + c)"),
            ("a - b - c", "((a - b) - c)"),
            ("a // b % c", "((a // b) % c)"),
            ("a < b == c", "((a < b) == c)"),
            ("a in b != c", "((a in b) != c)"),
            ("a or b and c", "(a or (b and c))"),
            ("a AND b OR c", "((a and b) or c)"),
            ("not a in b", "((not a) in b)"),
            ("not a == b", "((not a) == b)"),
            ("NOT a.b[0]", "(not a.b[0])"),
            ("not not a", "(not (not a))"),
            ("-a * b", "((- a) * b)"),
            ("a - -b", "(a - (- b))"),
            ("-1 + 2", "(-1 + 2)"),
            ("a + b == c + d and e", "(((a + b) == (c + d)) and e)"),
            ("a.b.c[d.e](f)", None),
            ("a.b(c, d)[0].e", "a.b(c, d)[0].e"),
            ("f(g(), [h, i])", "f(g(), [h, i])"),
            ("a.not.in", "a.not.in"),
            ("((a))", "a"),
        ],
    )
    def test_operators_bind_as_they_should(self, written, meant):
        if meant is None:
            with pytest.raises(SourceError, match="only functions can be called"):
                tree(written)
        else:
            assert text(tree(written)) == meant

    @given(st.lists(PIECES, max_size=40))
    def test_whatever_is_written_is_a_tree_or_a_source_error(self, pieces):
        quoted = json.dumps("${" + "".join(pieces) + "}")
        node = load(quoted, LIMITS)
        assert isinstance(node, Scalar)

        place = place_of_error(node)

        assert place is None or (place.line == 1 and 2 <= place.column <= len(quoted))

    def test_names_know_where_they_stand(self):
        assert tree("\n  a +\n b") == Binary(
            "+", Name("a", Position(3, 5)), Name("b", Position(4, 4))
        )

    def test_it_may_have_400_characters(self):
        filler = " " * 398

        assert text(tree(f"1{filler}2".replace("  ", "+ ", 1))) == "(1 + 2)"
        with pytest.raises(SourceError, match="longer than 400 characters"):
            tree(f"1{filler} 2".replace("  ", "+ ", 1))

    def test_nesting_is_limited(self):
        with pytest.raises(SourceError, match="nested too deeply"):
            tree("(" * 190 + "1" + ")" * 190)
        with pytest.raises(SourceError, match="nested too deeply"):
            tree("-" * 150 + "a")
        with pytest.raises(SourceError, match="nested too deeply"):
            tree("1+(" * 99 + "1" + ")" * 99)

    @pytest.mark.parametrize("chain", ["1" + "+1" * 199, "a" + ".b" * 199, "a" + "[0]" * 133])
    def test_a_long_chain_is_not_deep(self, chain):
        tree(chain)


class TestIsExpression:
    @pytest.mark.parametrize("written", ["${a}", "  ${a}\n", '${"}"}', "${}", '${"\\"}"}'])
    def test_it_begins_and_ends_with_its_braces(self, written):
        assert is_expression(written)

    @pytest.mark.parametrize("written", ["", "a", "$a", "$ {a}", "x ${a}", "${a} x", "${a}${b}"])
    def test_any_other_text_is_text(self, written):
        assert not is_expression(written)

    def test_a_missing_brace_is_an_error(self):
        with pytest.raises(ValueError, match="missing '}'"):
            is_expression('${"}"')


class TestIsName:
    @pytest.mark.parametrize("name", ["a", "_", "A1_b", "list", "If"])
    def test_letters_digits_and_underscores(self, name):
        assert is_name(name)

    @pytest.mark.parametrize(
        "name", ["", "1a", "a-b", "a.b", "é", "not", "AND", "in", "null", "a "]
    )
    def test_nothing_else(self, name):
        assert not is_name(name)


class TestParseTarget:
    def test_a_path_of_names_and_expressions(self):
        node = load('a.b[i + 1]["k"]', LIMITS)
        assert isinstance(node, Scalar)

        assert parse_target(node.text, LIMITS) == Target(
            "a",
            (
                Literal("b"),
                Binary("+", Name("i", Position(1, 5)), Literal(1)),
                Literal("k"),
            ),
            Position(1, 1),
        )

    @pytest.mark.parametrize(
        "written", ["a.", "a[", "a[1", "a]", "a b", "a()", "1", "a.1", "not", "${a}"]
    )
    def test_anything_else_is_refused(self, written):
        node = load(f"'{written}'", LIMITS)
        assert isinstance(node, Scalar)

        with pytest.raises(SourceError):
            parse_target(node.text, LIMITS)

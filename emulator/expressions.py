"""Expressions and assignment targets: text to tree, by Google's precedence and literals."""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

from emulator.document import Text, expression_end
from emulator.errors import SourceError
from emulator.limits import Limits
from emulator.syntax import (
    Binary,
    Expression,
    Index,
    Invoke,
    ListOf,
    Literal,
    Name,
    Target,
    Unary,
    children,
    dotted_names,
)
from emulator.values import MAX_INTEGER, scalar_text

# How tightly each binary operator binds. `not` and the signs bind tighter than all of them.
PRECEDENCE: Final = {
    "or": 1,
    "and": 2,
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!=", "in"), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "//", "%"), 5),
}
OPERATOR_WORDS: Final = {"and": "and", "AND": "and", "or": "or", "OR": "or", "in": "in"}
NOT_WORDS: Final = frozenset(("not", "NOT"))
LITERAL_WORDS: Final = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL")),
}
RESERVED: Final = frozenset((*OPERATOR_WORDS, *NOT_WORDS, *LITERAL_WORDS))
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)
      | (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<sign><=|>=|==|!=|//|[-+*/%<>()\[\],.])""",
    re.VERBOSE | re.DOTALL,
)


class _Token(NamedTuple):
    kind: str
    text: str
    offset: int


def is_name(text: str) -> bool:
    """Tell whether a variable or a subworkflow may have this name."""
    return bool(_NAME.fullmatch(text)) and text not in RESERVED


def is_expression(text: str) -> bool:
    """Tell whether a string value is an expression: `${`, and its closing brace at the end.

    Raises ValueError where the brace is missing altogether.
    """
    trimmed = text.strip()
    if not trimmed.startswith("${"):
        return False
    end = expression_end(trimmed, 0)
    if end is None:
        raise ValueError("missing '}' at the end of the expression")
    return end == len(trimmed)


def parse_template(text: Text, limits: Limits) -> Expression:
    """Return the tree of a string value: an expression, or the string itself.

    Raises SourceError with the place inside the string.
    """
    try:
        if not is_expression(text.value):
            return Literal(text.value)
    except ValueError as problem:
        raise _at(text, len(text.value) - len(text.value.lstrip()), str(problem)) from None
    start = text.value.index("{") + 1
    end = text.value.rindex("}")
    if end - start > limits.expression_characters:
        limit = limits.expression_characters
        raise _at(text, start, f"the expression is longer than {limit} characters")
    parser = _Parser(text, start, end, limits)
    expression = parser.expression()
    parser.finish()
    if _depth(expression) > limits.expression_depth:
        raise _at(text, start, "the expression is nested too deeply")
    return expression


def parse_target(text: Text, limits: Limits) -> Target:
    """Return the tree of an assignment target such as `a.b[i].c`."""
    parser = _Parser(text, 0, len(text.value), limits)
    target = parser.target()
    parser.finish()
    return target


def _depth(expression: Expression) -> int:
    """Return how deep the tree is.

    A long sum or a long path is not deep, though its left side nests: it is a chain, whose links
    are checked and evaluated one after the other.
    """
    deepest, left = 0, [(expression, 1)]
    while left:
        inner, depth = left.pop()
        deepest = max(deepest, depth)
        for child in children(inner):
            is_link = child is _before(inner) and type(child) is type(inner)
            left.append((child, depth if is_link else depth + 1))
    return deepest


def _before(link: Expression) -> Expression | None:
    """Return what an operator or a key is applied to, if its kind makes chains."""
    match link:
        case Binary(_, chain, _) | Index(chain, _):
            return chain
    return None


def _at(text: Text, offset: int, message: str) -> SourceError:
    where = text.position(offset)
    return SourceError(message, where.line, where.column)


class _Parser:
    """Precedence climbing over the tokens of one expression."""

    def __init__(self, text: Text, start: int, end: int, limits: Limits) -> None:
        self._text = text
        self._end = end
        self._tokens = self._scan(start)
        self._next = 0
        self._room = limits.expression_depth

    def _scan(self, start: int) -> list[_Token]:
        tokens = []
        while start < self._end:
            match = _TOKEN.match(self._text.value, start, self._end)
            if not match:
                char = self._text.value[start]
                raise _at(self._text, start, f"token recognition error at: '{char}'")
            if match.lastgroup != "space":
                tokens.append(_Token(str(match.lastgroup), match[0], start))
            start = match.end()
        tokens.append(_Token("end", "", self._end))
        return tokens

    # Tokens

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _sign(self, *texts: str) -> bool:
        """Take the next token if it is one of these signs."""
        token = self._peek()
        found = token.kind == "sign" and token.text in texts
        self._next += found
        return found

    def _fail(self, token: _Token, expected: str) -> SourceError:
        if token.kind == "end":
            return _at(self._text, token.offset, f"unexpected end, expecting {expected}")
        message = f"mismatched input '{token.text}' expecting {expected}"
        return _at(self._text, token.offset, message)

    def _expect(self, sign: str) -> None:
        if not self._sign(sign):
            raise self._fail(self._peek(), f"'{sign}'")

    def finish(self) -> None:
        if self._peek().kind != "end":
            raise self._fail(self._peek(), "an operator or the end")

    # Grammar

    def expression(self, weakest: int = 1) -> Expression:
        self._deeper()
        left = self._unary()
        while True:
            token = self._peek()
            operator = OPERATOR_WORDS.get(token.text, token.text)
            level = PRECEDENCE.get(operator, 0) if token.kind in {"sign", "name"} else 0
            if level < weakest or not level:
                self._room += 1
                return left
            self._take()
            left = Binary(operator, left, self.expression(level + 1))

    def _deeper(self) -> None:
        self._room -= 1
        if self._room < 0:
            raise _at(self._text, self._peek().offset, "the expression is nested too deeply")

    def _unary(self) -> Expression:
        token = self._peek()
        if token.kind == "name" and token.text in NOT_WORDS:
            operator = "not"
        elif token.kind == "sign" and token.text in {"-", "+"}:
            operator = token.text
        else:
            return self._postfix(self._primary())
        self._take()
        number = self._peek()
        if operator == "-" and number.kind == "number":
            self._take()
            return self._postfix(Literal(self._number(number, negative=True)))
        self._deeper()
        operand = self._unary()
        self._room += 1
        return Unary(operator, operand)

    def _primary(self) -> Expression:
        token = self._take()
        if token.kind == "number":
            return Literal(self._number(token, negative=False))
        if token.kind == "string":
            return Literal(self._string(token))
        if token.kind == "name" and token.text in LITERAL_WORDS:
            return Literal(LITERAL_WORDS[token.text])
        if token.kind == "name" and token.text not in RESERVED:
            return Name(token.text, self._text.position(token.offset))
        if token.text == "(":
            inner = self.expression()
            self._expect(")")
            return inner
        if token.text == "[":
            return ListOf(self._list("]"))
        raise self._fail(token, "a value")

    def _postfix(self, base: Expression) -> Expression:
        start = self._tokens[self._next - 1]
        while True:
            if self._sign("."):
                base = Index(base, Literal(self._key()), dotted=True)
            elif self._sign("["):
                base = Index(base, self.expression())
                self._expect("]")
            elif self._sign("("):
                names = dotted_names(base)
                if names is None:
                    raise _at(self._text, start.offset, "only functions can be called")
                where = self._text.position(start.offset)
                base = Invoke(".".join(names), self._list(")"), where)
            else:
                return base

    def _key(self) -> str:
        token = self._take()
        if token.kind != "name":
            raise self._fail(token, "a name")
        return token.text

    def _list(self, close: str) -> tuple[Expression, ...]:
        if self._sign(close):
            return ()
        items = [self.expression()]
        while self._sign(","):
            items.append(self.expression())
        self._expect(close)
        return tuple(items)

    def target(self) -> Target:
        base = self._take()
        if base.kind != "name" or base.text in RESERVED:
            raise self._fail(base, "the name of a variable")
        path: list[Expression] = []
        while self._peek().kind != "end":
            if self._sign("."):
                path.append(Literal(self._key()))
            else:
                self._expect("[")
                path.append(self.expression())
                self._expect("]")
        return Target(base.text, tuple(path), self._text.position(base.offset))

    # Literals

    def _number(self, token: _Token, *, negative: bool) -> float:
        """Return an integer of 64 bits or a finite double."""
        sign = -1 if negative else 1
        if token.text.isdigit():
            if len(token.text) < 20 and int(token.text) <= MAX_INTEGER + negative:
                return sign * int(token.text)
            raise _at(self._text, token.offset, f"integer out of range: {token.text[:40]}")
        number = sign * float(token.text)
        if abs(number) == float("inf"):
            raise _at(self._text, token.offset, f"number out of range: {token.text[:40]}")
        return number

    def _string(self, token: _Token) -> str:
        try:
            text: str = json.loads(token.text, strict=False)
        except ValueError:
            raise _at(self._text, token.offset, f"bad escape in string {token.text}") from None
        return scalar_text(text)

"""What an expression of a workflow comes to, as far as its source and an answer can tell.

Three-valued: what is not known is `UNKNOWN`, and it stays so. Pure, and never raises.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

MAX_LENGTH = 1000  # characters; Google's most is 400
MAX_NESTED = 40


class Unknown:
    """A value that the source alone does not tell."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


class Partial(dict[str, Any]):
    """A map of which some keys are known; what else it has is not."""


Value = Any  # a text, number, boolean, None, `Partial` or `UNKNOWN`
Node = tuple[Any, ...]

_TOKEN = re.compile(
    r"\s*(?:(?P<string>\"(?:[^\"\\]|\\.)*\")|(?P<number>\d+(?:\.\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<sign>==|!=|<=|>=|//|[-+*/%<>()\[\].,]))",
    re.ASCII,
)
_WORDS: dict[str, Value] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL")),
}
_ESCAPE = re.compile(r"\\(.)")
_LEVELS = (
    frozenset({"or", "OR"}),
    frozenset({"and", "AND"}),
    frozenset({"<", "<=", ">", ">=", "==", "!=", "in"}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "//", "%"}),
)


class _NotUnderstood(Exception):
    pass


def value_of(written: Any, known: Mapping[str, Value]) -> Value:
    """What stands in a source: an expression, a text, or a list or map with such in it."""
    if isinstance(written, dict):
        return Partial({key: value_of(value, known) for key, value in written.items()})
    if isinstance(written, list):
        return UNKNOWN
    if not isinstance(written, str):
        return written
    node = parsed(written)
    if node is None:
        return _WORDS.get(written, UNKNOWN if written.strip().startswith("${") else written)
    return _evaluate(node, known)


def parsed(written: str) -> Node | None:
    """The expression in `${…}`; None where it is none, or is not understood."""
    text = written.strip()
    if not (text.startswith("${") and text.endswith("}") and len(text) <= MAX_LENGTH):
        return None
    try:
        return _Parser(text[2:-1]).whole()
    except (_NotUnderstood, RecursionError):
        return None


def pieces(written: Any) -> list[str] | None:
    """The texts that a value surely holds, in order; None where it is a text as it stands."""
    if not isinstance(written, str):
        return []
    if not written.strip().startswith("${"):
        return None
    node = parsed(written)
    return [part for part in _summands(node) if isinstance(part, str)] if node else []


def beginning(written: str) -> tuple[str, bool]:
    """The text that a value surely begins with, and whether that is all of it."""
    if not written.strip().startswith("${"):
        return written, True
    node = parsed(written)
    parts = list(_summands(node)) if node else [None]
    first = parts[0] if isinstance(parts[0], str) else ""
    return first, len(parts) == 1 and bool(first)


def _summands(node: Node) -> Iterator[str | None]:
    """What is added up: the texts among it, None for all else."""
    if node[0] == "+":
        yield from _summands(node[1])
        yield from _summands(node[2])
    else:
        yield node[1] if node[0] == "known" and isinstance(node[1], str) else None


class _Parser:
    """Text to nodes: a table of levels, weakest first."""

    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.at = 0
        self.depth = 0

    def whole(self) -> Node:
        node = self.level(0)
        if self.at != len(self.tokens):
            raise _NotUnderstood
        return node

    def peek(self) -> str:
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        return text if kind != "string" else ""

    def take(self, sign: str = "") -> tuple[str, str]:
        if self.at >= len(self.tokens) or (sign and self.peek() != sign):
            raise _NotUnderstood
        self.at += 1
        return self.tokens[self.at - 1]

    def level(self, number: int) -> Node:
        if number == len(_LEVELS):
            return self.unary()
        node = self.level(number + 1)
        while self.peek() in _LEVELS[number]:
            operator = self.take()[1].lower()
            node = (operator, node, self.level(number + 1))
        return node

    def unary(self) -> Node:
        self.depth += 1
        if self.depth > MAX_NESTED:
            raise _NotUnderstood
        if self.peek() in {"not", "NOT"}:
            self.take()
            node: Node = ("not", self.unary())
        elif self.peek() in {"-", "+"}:
            self.take()
            self.unary()
            node = ("known", UNKNOWN)
        else:
            node = self.postfix()
        self.depth -= 1
        return node

    def postfix(self) -> Node:
        node = self.primary()
        while self.peek() in {".", "[", "("}:
            sign = self.take()[1]
            if sign == ".":
                kind, name = self.take()
                if kind != "name":
                    raise _NotUnderstood
                node = ("get", node, ("known", name))
            elif sign == "[":
                node = ("get", node, self.level(0))
                self.take("]")
            else:
                node = ("call", node, self.listed(")"))
        return node

    def primary(self) -> Node:
        kind, text = self.take()
        if kind == "string":
            return ("known", _ESCAPE.sub(r"\1", text[1:-1]))
        if kind == "number":
            return ("known", float(text) if "." in text else int(text))
        if kind == "name":
            return ("known", _WORDS[text]) if text in _WORDS else ("name", text)
        if text == "(":
            node = self.level(0)
            self.take(")")
            return node
        if text == "[":
            self.listed("]")
            return ("known", UNKNOWN)
        raise _NotUnderstood

    def listed(self, end: str) -> tuple[Node, ...]:
        found: list[Node] = []
        while self.peek() != end:
            found.append(self.level(0))
            if self.peek() != end:
                self.take(",")
        self.take(end)
        return tuple(found)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _NotUnderstood
        yield match.lastgroup, match[match.lastgroup]
        at = match.end()


def _evaluate(node: Node, known: Mapping[str, Value]) -> Value:
    kind = node[0]
    if kind == "known":
        return node[1]
    if kind == "name":
        return known.get(node[1], UNKNOWN)
    if kind == "get":
        return got(_evaluate(node[1], known), _evaluate(node[2], known))
    if kind == "call":
        return _called(node[1], [_evaluate(each, known) for each in node[2]])
    if kind == "not":
        value = _evaluate(node[1], known)
        return not value if isinstance(value, bool) else UNKNOWN
    left, right = _evaluate(node[1], known), _evaluate(node[2], known)
    if kind in {"and", "or"}:
        return _joined(kind, left, right)
    operation = _OPERATIONS.get(kind)
    return operation(left, right) if operation else UNKNOWN


def got(holder: Value, key: Value) -> Value:
    """What a map holds under a key, as far as that is known."""
    if isinstance(holder, Partial) and isinstance(key, str):
        return holder.get(key, UNKNOWN)
    return UNKNOWN


def _called(function: Node, values: list[Value]) -> Value:
    if function == ("name", "default") and len(values) == 2:
        first, second = values
        if isinstance(first, Unknown):
            return UNKNOWN
        return second if first is None else first
    if function == ("name", "if") and len(values) == 3:
        condition, yes, no = values
        return (yes if condition else no) if isinstance(condition, bool) else UNKNOWN
    if function == ("get", ("name", "map"), ("known", "get")) and len(values) == 2:
        return got(*values)
    return UNKNOWN


def _joined(kind: str, left: Value, right: Value) -> Value:
    settles = kind == "or"
    # The right side is looked at only where the left one does not settle it.
    if left is settles:
        return settles
    if left is (not settles) and isinstance(right, bool):
        return right
    if right is settles and isinstance(left, Unknown):
        return settles
    return UNKNOWN


def _same(left: Value, right: Value) -> Value:
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        return UNKNOWN
    if isinstance(left, Partial) and isinstance(right, Partial):
        return UNKNOWN
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    return bool(left == right)


def _differ(left: Value, right: Value) -> Value:
    same = _same(left, right)
    return not same if isinstance(same, bool) else UNKNOWN


def _added(left: Value, right: Value) -> Value:
    """Two texts in one, as long as a source may spell them: doubled again and again they grow."""
    if isinstance(left, str) and isinstance(right, str) and len(left) + len(right) <= MAX_LENGTH:
        return left + right
    return UNKNOWN


def _has(left: Value, right: Value) -> Value:
    """Whether a map has a key; of a map that is known in part only that it has."""
    return (
        True if isinstance(left, str) and isinstance(right, Partial) and left in right else UNKNOWN
    )


_OPERATIONS: dict[str, Callable[[Value, Value], Value]] = {
    "+": _added,
    "==": _same,
    "!=": _differ,
    "in": _has,
}

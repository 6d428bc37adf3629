"""YAML and JSON text to nodes with places, by the rules of the service and not of YAML 1.1.

Only `true` and `false` (in three spellings each) are booleans, there are no sexagesimal
numbers and no dates, keys are strings, a duplicate key is an error, and `${…}` may stand
unquoted inside a flow list or map, as Google's own pages print it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml
from yaml.composer import Composer
from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner
from yaml.tokens import ScalarToken

from emulator.errors import SourceError
from emulator.limits import Limits
from emulator.syntax import Position
from emulator.values import MAX_INTEGER, MIN_INTEGER, Value, scalar_text

_PLAIN: Final = "plain"
_CORE_TAG: Final = "tag:yaml.org,2002:"
_CORE_TYPES: Final = {"null": type(None), "bool": bool, "int": int, "float": float}
_WORDS: Final[dict[str, Value]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED_INTEGER = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_DOUBLE = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_EXPRESSION_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[{}]', re.DOTALL)
_EXPRESSION_REACH: Final = 4096
_ESCAPE_LENGTHS: Final = {"x": 2, "u": 4, "U": 8}
_BLANK_ESCAPES: Final = frozenset(" \tntrvfNLP_\n")


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """The text of a scalar, and where each of its characters stands in the source."""

    value: str
    where: Position
    source: str
    start: int
    end: int
    style: str | None

    def position(self, offset: int) -> Position:
        """Return the place of a character of `value`, or of its end.

        YAML changes nothing but white space and escapes between source and value, so the
        character is found by counting what is not blank.
        """
        inset = self.start + (self.style in {"'", '"'})
        if self.source.startswith(self.value, inset) and not _BREAK.search(self.value):
            return self._place(inset + offset)
        wanted = sum(not char.isspace() for char in self.value[:offset])
        last = inset - 1
        for index, blank in self._marks():
            if not blank:
                last = index
                if not wanted:
                    return self._place(index)
                wanted -= 1
        return self._place(last + 1)

    def _marks(self) -> Iterator[tuple[int, bool]]:
        """Yield each character of the scalar in the source: its index and whether it is blank."""
        index, end = self.start, self.end
        if self.style in {"|", ">"}:
            index = self.source.find("\n", index, end) + 1 or end
        elif self.style:
            index, end = index + 1, end - 1
        while index < end:
            char, length, blank = self.source[index], 1, self.source[index].isspace()
            if self.style == "'" and self.source.startswith("''", index):
                length = 2
            elif self.style == '"' and char == "\\":
                escape = self.source[index + 1]
                length = 2 + _ESCAPE_LENGTHS.get(escape, 0)
                digits = self.source[index + 2 : index + length]
                blank = escape in _BLANK_ESCAPES or bool(digits and chr(int(digits, 16)).isspace())
            yield index, blank
            index += length

    def _place(self, index: int) -> Position:
        before = self.source[self.start : index]
        breaks = _BREAK.split(before)
        if len(breaks) == 1:
            return Position(self.where.line, self.where.column + len(before))
        return Position(self.where.line + len(breaks) - 1, len(breaks[-1]) + 1)


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A scalar: its value by the service's rules, and its text as written."""

    value: Value
    text: Text

    @property
    def where(self) -> Position:
        """Where it begins."""
        return self.text.where


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    where: Position


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """A map. Its keys are scalars with distinct texts."""

    entries: tuple[tuple[Scalar, Node], ...]
    where: Position

    def get(self, key: str) -> Node | None:
        """Return the value under a key, or None."""
        return next((node for name, node in self.entries if name.text.value == key), None)

    @property
    def keys(self) -> dict[str, Scalar]:
        """The keys in the order of the source."""
        return {name.text.value: name for name, _ in self.entries}


Node = Scalar | Sequence | Mapping


def expression_end(text: str, start: int) -> int | None:
    """Return the index after the `}` that closes the `${` at `start`, or None without one.

    It is looked for in the next few thousand characters, far more than an expression may have.
    """
    depth = 0
    for part in _EXPRESSION_PART.finditer(text, start + 1, start + _EXPRESSION_REACH):
        if part[0] in {"{", "}"}:
            depth += 1 if part[0] == "{" else -1
            if not depth:
                return part.end()
    return None


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML's composer with the scalar rules switched off and expressions in flow context."""

    def __init__(self, text: str, depth: int) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._text = text
        self._room = depth
        escapes = {**Scanner.ESCAPE_REPLACEMENTS, "/": "/"}  # JSON has one that YAML 1.1 lacks
        self.__dict__["ESCAPE_REPLACEMENTS"] = escapes

    def scan_plain(self) -> ScalarToken:
        """Read `${…}` in flow context to its closing brace, commas and brackets included."""
        start = self.get_mark()
        if self.flow_level and self.prefix(2) == "${":
            end = expression_end(self._text, start.index)
            if end is not None:
                self.forward(end - start.index)
                return ScalarToken(self._text[start.index : end], True, start, self.get_mark())
        if not self.flow_level:
            return super().scan_plain()
        self.__dict__["peek"] = self._peek_in_flow
        try:
            return super().scan_plain()
        finally:
            del self.__dict__["peek"]

    def _peek_in_flow(self, index: int = 0) -> str:
        """Let a plain scalar go on at a `?`, which YAML 1.1 as PyYAML reads it does not."""
        char: str = super().peek(index)
        return "x" if char == "?" else char

    def stale_possible_simple_keys(self) -> None:
        """Let the colon of a key in flow context stand on another line, as JSON and YAML 1.2 do."""
        key = self.possible_simple_keys.get(self.flow_level) if self.flow_level else None
        super().stale_possible_simple_keys()
        # Only the colon may come next: of others there would be one for each level.
        last = self.tokens_taken + len(self.tokens) - 1
        if key and key.token_number == last and isinstance(self.tokens[-1], ScalarToken):
            self.possible_simple_keys[self.flow_level] = key

    def scan_to_next_token(self) -> None:
        """Skip tabs between tokens where libyaml does: not where a line could begin a key."""
        loader: Any = super()
        loader.scan_to_next_token()
        while self.peek() == "\t" and (self.flow_level or not self.allow_simple_key):
            while self.peek() in " \t":
                self.forward()
            loader.scan_to_next_token()

    def scan_plain_spaces(self, indent: Any, start_mark: Any) -> Any:
        """Take tabs for spaces inside a plain scalar, and before the end of its line."""
        length = 0
        while self.peek(length) in " \t":
            length += 1
        blanks = self.prefix(length)
        loader: Any = super()
        if "\t" not in blanks:
            return loader.scan_plain_spaces(indent, start_mark)
        self.forward(length)
        if _BREAK.match(self.peek()):
            return loader.scan_plain_spaces(indent, start_mark)
        return [blanks]

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """Mark what was written without quotes and without a tag."""
        loader: Any = super()
        return (
            _PLAIN if kind is ScalarNode and implicit[0] else loader.resolve(kind, value, implicit)
        )

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node, and refuse nesting that would exhaust the stack."""
        if not self._room:
            loader: Any = self
            mark = loader.peek_event().start_mark
            raise SourceError("nested too deeply", mark.line + 1, mark.column + 1)
        self._room -= 1
        node = super().compose_node(parent, index)
        self._room += 1
        return node


class _Builder:
    """Makes our nodes of PyYAML's, expanding aliases up to a number of nodes."""

    def __init__(self, source: str, limits: Limits) -> None:
        self._source = source
        self._room = limits.source_nodes
        self._depth = limits.source_depth

    def build(self, node: Any, depth: int = 0) -> Node:
        where = Position(node.start_mark.line + 1, node.start_mark.column + 1)
        self._room -= 1
        if self._room < 0 or depth > self._depth:
            raise SourceError("too many nodes, or nested too deeply", where.line, where.column)
        if isinstance(node, ScalarNode):
            return self._scalar(node, where)
        tag = "map" if isinstance(node, MappingNode) else "seq"
        if node.tag != _CORE_TAG + tag:
            raise SourceError(f"unsupported tag '{node.tag}'", where.line, where.column)
        if isinstance(node, SequenceNode):
            return Sequence(tuple(self.build(item, depth + 1) for item in node.value), where)
        return self._mapping(node, where, depth)

    def _mapping(self, node: MappingNode, where: Position, depth: int) -> Mapping:
        entries: dict[str, tuple[Scalar, Node]] = {}
        for key_node, value_node in node.value:
            key = self.build(key_node, depth + 1)
            if not isinstance(key, Scalar):
                raise SourceError("a key must be a string", key.where.line, key.where.column)
            if key.text.value in entries:
                text = f"duplicate key '{key.text.value}'"
                raise SourceError(text, key.where.line, key.where.column)
            entries[key.text.value] = (key, self.build(value_node, depth + 1))
        return Mapping(tuple(entries.values()), where)

    def _scalar(self, node: ScalarNode, where: Position) -> Scalar:
        span = node.start_mark.index, node.end_mark.index
        style = node.style if node.style in {"|", ">", "'", '"'} else None
        text = Text(scalar_text(node.value), where, self._source, *span, style)
        kind = node.tag.removeprefix(_CORE_TAG)
        if kind == "str":
            return Scalar(text.value, text)
        try:
            value = _plain_value(text.value)
        except ValueError:
            raise SourceError("number out of range", where.line, where.column) from None
        if kind != _PLAIN and type(value) is not _CORE_TYPES.get(kind):
            raise SourceError(f"unsupported tag '{node.tag}'", where.line, where.column)
        return Scalar(value, text)


def _plain_value(text: str) -> Value:
    """Return the value of a scalar without quotes: null, a boolean, a number or the text."""
    if text in _WORDS:
        return _WORDS[text]
    if _BASED_INTEGER.fullmatch(text):
        number = int(text[2:], 16 if text[1] == "x" else 8)
        return number if number <= MAX_INTEGER else _finite(float(number), text)
    if _INTEGER.fullmatch(text) and len(text) <= 20 and MIN_INTEGER <= int(text) <= MAX_INTEGER:
        return int(text)
    return _finite(float(text), text) if _DOUBLE.fullmatch(text) else text


def _finite(number: float, text: str) -> float:
    if abs(number) == float("inf"):
        raise ValueError(f"number out of range: {text[:40]}")
    return number


def load(source: str, limits: Limits) -> Node:
    """Return the one document of a source. Raises SourceError with line and column."""
    if source.lstrip()[:1] in {"{", "["}:
        source = source.replace("\t", " ")  # JSON may be indented with tabs, YAML may not
    try:
        node = _Loader(source, limits.source_depth).get_single_node()
    except ReaderError as problem:
        before = source[: problem.position].split("\n")
        text = f"unacceptable character: {problem.reason}"
        raise SourceError(text, len(before), len(before[-1]) + 1) from None
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        text = ", ".join(filter(None, (problem.context, problem.problem)))
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise SourceError(text, line, column) from None
    if node is None:
        raise SourceError("the source is empty", 1, 1)
    return _Builder(source, limits).build(node)

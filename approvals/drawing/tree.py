"""The text of a workflow as lists, maps and texts; YAML and JSON alike. Every scalar is a text.

Built from the events of the parser and not by a loader: tags mean nothing here, an alias cannot
stand for endless text, and nothing is so deep that it would end the process.
"""

import re
from typing import Any

import yaml

MAX_TEXT = 256 * 1024  # characters; a source of Google's has at most 128 KB
MAX_DEPTH = 60  # lists and maps in one another
MAX_VALUES = 100_000  # what an alias stands for counts each time

Tree = Any  # a text, a list of trees, or a map of texts to trees; None for an empty value

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_EXPRESSION = re.compile(r'\$\{(?:"(?:[^"\\\n]|\\.){0,400}"|[^"{}\n]){0,400}\}')
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class Unreadable(ValueError):
    """A text that is neither YAML nor JSON, or is too large or too deep."""


def tree(text: str) -> Tree:
    """What the text holds. Raises `Unreadable`."""
    if len(text) > MAX_TEXT:
        raise Unreadable("too long")
    try:
        return _Builder().build(text)
    except yaml.YAMLError:
        pass
    # `[${a}, "x"]` is no YAML, yet Google takes it.
    try:
        return _Builder().build(_quoted(text))
    except yaml.YAMLError as error:
        raise Unreadable(type(error).__name__) from None


def _quoted(text: str) -> str:
    """The text with quotes round the expressions of lists and maps in brackets, in JSON's way."""
    quoted = re.sub(
        rf"(?<=[\[,])(\s*)({_EXPRESSION.pattern})(?=\s*[,\]])",
        lambda found: f"{found[1]}'{found[2].replace(chr(39), chr(39) * 2)}'",
        text,
    )
    return quoted.replace("\t", "  ")


class _Builder:
    """Puts the events of one document together; without recursion, and with limits."""

    def __init__(self) -> None:
        self.left = MAX_VALUES
        self.root: list[Tree] = []
        # What is open: the list or map, the key that waits for its value, and the anchor.
        self.open: list[tuple[Any, list[str]]] = [(self.root, [])]
        self.anchors: dict[str, tuple[Tree, int]] = {}
        self.named: list[tuple[str | None, int]] = []

    def build(self, text: str) -> Tree:
        """The first document. Raises `yaml.YAMLError` or `Unreadable`."""
        try:
            for event in yaml.parse(text, Loader=_Loader):
                if isinstance(event, yaml.DocumentEndEvent):
                    break
                self.take(event)
        except (RecursionError, ValueError) as error:
            if isinstance(error, Unreadable):
                raise
            raise Unreadable(type(error).__name__) from None
        return self.root[0] if self.root else None

    def take(self, event: yaml.Event) -> None:
        """One event after the other."""
        if isinstance(event, yaml.ScalarEvent):
            plain = event.style is None and event.value in _NULLS
            self.count(1)
            self.put(None if plain else event.value)
            if event.anchor:
                self.anchors[event.anchor] = (event.value, 1)
        elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            self.begin([] if isinstance(event, yaml.SequenceStartEvent) else {}, event.anchor)
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            self.end()
        elif isinstance(event, yaml.AliasEvent):
            # Not known while it is still open: so nothing holds itself.
            value, size = self.anchors.get(event.anchor or "", (None, 1))
            self.count(size)
            self.put(value)

    def begin(self, holder: Tree, anchor: str | None) -> None:
        self.count(1)
        self.open.append((holder, []))
        self.named.append((anchor, self.left))
        if len(self.open) > MAX_DEPTH:
            raise Unreadable("too deep")

    def end(self) -> None:
        holder, _ = self.open.pop()
        anchor, left = self.named.pop()
        self.put(holder)
        if anchor:
            self.anchors[anchor] = (holder, left - self.left + 1)

    def put(self, value: Tree) -> None:
        """A value into what is open; in a map every other one is a key, and the first counts."""
        holder, key = self.open[-1]
        if isinstance(holder, list):
            holder.append(value)
        elif not key:
            key.append(value if isinstance(value, str) else "")
        else:
            holder.setdefault(key.pop(), value)

    def count(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise Unreadable("too large")

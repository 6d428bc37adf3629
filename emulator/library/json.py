"""`json`: text to values and back."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from emulator.charsets import EACH_BYTE
from emulator.errors import WorkflowError, error
from emulator.library.registry import Context, function, wrong_type
from emulator.memory import Map, memory_exceeded, size_of, string_exceeded
from emulator.values import Value, from_json, to_json

_DEFAULT_INDENT: Final = "    "
_OPEN: Final = frozenset("[{")
_CLOSE: Final = frozenset("]}")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\[\]{},:"]+')


@function("json.decode(data: string|bytes)")
def decode(data: str | bytes) -> Value:
    """Return the value of JSON text, or of its bytes as `text.decode` reads them."""
    text = data.decode(errors=EACH_BYTE) if isinstance(data, bytes) else data
    try:
        return from_json(text.removeprefix("\ufeff"))
    except ValueError as problem:
        raise error("ValueError", f"invalid JSON: {str(problem)[:200]}") from None


@function("json.encode(data, indent: boolean|map=false)", with_context=True)
def encode(context: Context, data: Value, indent: bool | Map) -> bytes:
    """Return the value as JSON, as bytes of UTF-8, which may be more than a string may have."""
    return _encoded(data, indent, context.limits.memory_bytes, memory_exceeded).encode()


@function("json.encode_to_string(data, indent: boolean|map=false)", with_context=True)
def encode_to_string(context: Context, data: Value, indent: bool | Map) -> str:
    """Return the value as JSON with sorted keys, compact or indented.

    `indent` may be a map with `prefix`, before every line but the first, and `indent`, four
    spaces if not said. Raises ValueError for bytes, which JSON cannot hold.
    """
    return _encoded(data, indent, context.limits.string_bytes, string_exceeded)


def _encoded(
    data: Value, indent: bool | Map, most: int, exceeded: Callable[[], WorkflowError]
) -> str:
    if size_of(data) > most:
        raise exceeded()
    try:
        compact = to_json(data)
    except TypeError:
        raise error("ValueError", "json.encode() cannot encode bytes") from None
    if indent is False:
        return compact
    pieces: list[str] = []
    length = 0
    for piece in _indented(compact, *_indentation(indent)):
        pieces.append(piece)
        length += len(piece)
        if length > most:
            raise exceeded()
    return "".join(pieces)


def _indentation(indent: bool | Map) -> tuple[str, str]:
    if not isinstance(indent, Map):
        return "", _DEFAULT_INDENT
    prefix, step = indent.get("prefix", ""), indent.get("indent", _DEFAULT_INDENT)
    for text in (prefix, step):
        if not isinstance(text, str):
            raise wrong_type("json.encode", text, "string")
    return prefix, step


def _indented(compact: str, prefix: str, step: str) -> Iterator[str]:
    """Break compact JSON into lines: in pieces, because it may become too long."""
    depth = 0
    before = ""
    tokens = _TOKEN.findall(compact)
    for part, after in zip(tokens, [*tokens[1:], ""], strict=True):
        depth += (part in _OPEN) - (part in _CLOSE)
        line = f"\n{prefix}{step * depth}"
        if part in _CLOSE and before not in _OPEN:
            yield line + part
        elif part == "," or (part in _OPEN and after not in _CLOSE):
            yield part + line
        else:
            yield ": " if part == ":" else part
        before = part

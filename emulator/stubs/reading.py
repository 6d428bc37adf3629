"""Stub files: YAML with the calls and their answers. Every mistake is told with its place."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from emulator import document
from emulator.document import Node, Scalar, Sequence
from emulator.errors import SourceError
from emulator.limits import Limits
from emulator.stubs.answers import HTTP_KINDS, Answer, raises, responds, returns
from emulator.stubs.stub import Stub
from emulator.values import Value, to_json, type_name

_TOP = ("strict", "stubs")
_CONNECTOR = ("returns", "raises")
_BODIES = ("json", "text", "base64")
_HTTP = ("status", "headers", *_BODIES, "raises")


class UnusableStubs(ValueError):
    """A stub file that cannot be used: `stubs.yaml:3:5: ` and a sentence."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a stub file says. `strict` is None where it says nothing of it."""

    stubs: tuple[Stub, ...]
    strict: bool | None


def read(source: Path | str, name: str = "stubs") -> Reading:
    """The stubs in a file or in a text, which may be JSON.

    Args:
        name: what messages call a text.

    Raises:
        UnusableStubs: it cannot be read, or something in it is wrong.
    """
    if isinstance(source, Path):
        name = str(source)
        try:
            source = source.read_text(encoding="utf-8")
        except (OSError, ValueError) as failed:
            why = failed.strerror if isinstance(failed, OSError) else failed
            raise UnusableStubs(f"--stubs: cannot read {name}: {why}") from None
    try:
        return _top(document.load(source, Limits()))
    except SourceError as wrong:
        place = f"{name}:{wrong.line}:{wrong.column}"
        raise UnusableStubs(f"{place}: {wrong.message}") from None


def _top(node: Node) -> Reading:
    entries = _map(node, "a stub file", _TOP)
    strict: bool | None = None
    if "strict" in entries:
        value = _plain(entries["strict"])
        if not isinstance(value, bool):
            _refuse(entries["strict"], "strict must be true or false")
        strict = value
    stubs: list[Stub] = []
    if "stubs" in entries:
        calls = entries["stubs"]
        if not isinstance(calls, document.Mapping):
            _refuse(calls, "stubs must be a map from calls to answers")
        for call, answers in calls.entries:
            stubs += _of_call(call, answers)
    return Reading(tuple(stubs), strict)


def _of_call(call: Scalar, node: Node) -> Iterator[Stub]:
    """The stubs of one call: one, or a list of which the first that fits is taken."""
    name = call.text.value
    if not isinstance(node, Sequence):
        yield _stub(name, call, node)
        return
    if not node.items:
        _refuse(node, f"there is no answer for {name}")
    for number, item in enumerate(node.items):
        stub = _stub(name, call, item)
        if not stub.when and number < len(node.items) - 1:
            _refuse(
                node.items[number + 1],
                "this is never used, for the entry before it has no 'when' and takes every call;"
                " answers in turn are a list under 'replies'",
            )
        yield stub


def _stub(call: str, where: Scalar, node: Node) -> Stub:
    is_http = "://" in call
    known = _HTTP if is_http else _CONNECTOR
    entries = _map(node, f"the answer for {call}", ("when", "replies", "after", *known))
    nodes: tuple[Node, ...] = (node,)
    if "replies" in entries:
        replies = entries["replies"]
        beside = sorted(entries.keys() - {"when", "replies"})
        if beside:
            _refuse(entries[beside[0]], f"{beside[0]} belongs into one of the replies")
        if not isinstance(replies, Sequence) or not replies.items:
            _refuse(replies, "replies must be a list of one answer or more")
        nodes = replies.items
        for item in nodes:
            _map(item, f"a reply for {call}", ("after", *known))
    make = _http_answer if is_http else _connector_answer
    answers = [_answer(item, make) for item in nodes]
    try:
        return Stub(call, *answers, when=_when(entries))
    except ValueError as wrong:
        _refuse(where, str(wrong))


def _when(entries: Mapping[str, Node]) -> dict[str, Value]:
    when = _plain(entries["when"]) if "when" in entries else {}
    if not isinstance(when, dict):
        _refuse(entries["when"], "when must be a map from arguments to what they must be")
    return when


def _answer(node: Node, make: Callable[[dict[str, Node], float], Answer]) -> Answer:
    entries = _map(node, "an answer", None)
    after = _plain(entries["after"]) if "after" in entries else 0
    if isinstance(after, bool) or not isinstance(after, int | float):
        _refuse(entries["after"], f"after must be seconds, not {type_name(after)}")
    try:
        return make(entries, float(after))
    except (ValueError, TypeError) as wrong:
        _refuse(node, str(wrong))


def _connector_answer(entries: dict[str, Node], after: float) -> Answer:
    if ("returns" in entries) == ("raises" in entries):
        raise ValueError("an answer of a connector has either 'returns' or 'raises'")
    if "returns" in entries:
        return returns(_plain(entries["returns"]), after=after)
    value = _plain(entries["raises"])
    if not isinstance(value, str | dict):
        _refuse(entries["raises"], f"an error is a string or a map, not {type_name(value)}")
    return raises(value, after=after)


def _http_answer(entries: dict[str, Node], after: float) -> Answer:
    if "raises" in entries:
        kind = _plain(entries["raises"])
        if kind not in HTTP_KINDS:
            _refuse(
                entries["raises"],
                f"an HTTP call raises {', '.join(HTTP_KINDS)}, or an HttpError by its 'status'",
            )
        if len(entries.keys() & _HTTP) > 1:
            raise ValueError("an answer of an HTTP call has either 'raises' or a response")
        return raises(str(kind), after=after)
    if not entries.keys() & _HTTP:
        raise ValueError(f"an answer of an HTTP call has one or more of {', '.join(_HTTP)}")
    return responds(_status(entries), headers=_headers(entries), after=after, **_body(entries))


def _status(entries: Mapping[str, Node]) -> int:
    status = _plain(entries["status"]) if "status" in entries else 200
    if type(status) is not int:
        _refuse(entries["status"], f"status must be an integer, not {type_name(status)}")
    return status


def _headers(entries: Mapping[str, Node]) -> dict[str, str]:
    headers = _plain(entries["headers"]) if "headers" in entries else {}
    if not isinstance(headers, dict):
        _refuse(entries["headers"], "headers must be a map")
    return {
        name: value if isinstance(value, str) else to_json(value) for name, value in headers.items()
    }


def _body(entries: Mapping[str, Node]) -> dict[str, Any]:
    given = [name for name in _BODIES if name in entries]
    if len(given) > 1:
        _refuse(entries[given[1]], f"a response has one body: {' or '.join(given)}")
    if not given:
        return {}
    value = _plain(entries[given[0]])
    if given[0] == "json":
        return {"json": value}
    if not isinstance(value, str):
        _refuse(entries[given[0]], f"{given[0]} must be a string, not {type_name(value)}")
    if given[0] == "text":
        return {"text": value}
    try:
        return {"content": base64.b64decode(value, validate=True)}
    except binascii.Error:
        _refuse(entries["base64"], "base64 holds what is no base64")


def _map(node: Node, what: str, known: tuple[str, ...] | None) -> dict[str, Node]:
    """The entries of a map, whose keys are known."""
    if not isinstance(node, document.Mapping):
        _refuse(node, f"{what} must be a map")
    for key, scalar in node.keys.items():
        if known is not None and key not in known:
            _refuse(scalar, f"{what} has no {key!r}; there are {', '.join(known)}")
    return {key.text.value: value for key, value in node.entries}


def _plain(node: Node) -> Value:
    """The value of a node."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [_plain(item) for item in node.items]
    return {key.text.value: _plain(value) for key, value in node.entries}


def _refuse(node: Node, message: str) -> NoReturn:
    raise SourceError(message, node.where.line, node.where.column)

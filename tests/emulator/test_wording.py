"""Expressions as text mean what they meant in the source."""

import dataclasses
from collections.abc import Collection, Iterator
from typing import Any

import pytest

from emulator.errors import SourceError
from emulator.pages.wording import cut, kind, summary, written
from emulator.parser import parse
from emulator.syntax import Expression, Invoke, MapOf, Name, Position, Return, children
from tests.emulators import ROOT

SOURCES = [
    path
    for folder in ("workflows", "tests/emulator/seed", "tests/emulator/corpus")
    for path in sorted((ROOT / folder).rglob("*.yaml"))
]


def expressions(node: object) -> Iterator[Expression]:
    """All expressions in a tree that can be written as one: maps stand in YAML alone."""
    if isinstance(node, Expression):
        if not holds_map(node):
            yield node
        return
    if dataclasses.is_dataclass(node):
        node = [getattr(node, field.name) for field in dataclasses.fields(node)]
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list | tuple):
        for each in node:
            yield from expressions(each)


def holds_map(expression: Expression) -> bool:
    return isinstance(expression, MapOf) or any(map(holds_map, children(expression)))


def meaning(node: Any) -> Any:
    """A tree without its places in the source."""
    if isinstance(node, Position):
        return None
    if dataclasses.is_dataclass(node):
        values = [meaning(getattr(node, field.name)) for field in dataclasses.fields(node)]
        return type(node), values
    return [meaning(each) for each in node] if isinstance(node, tuple) else (type(node), node)


def parts(expression: Expression) -> Iterator[Expression]:
    yield expression
    for child in children(expression):
        yield from parts(child)


def returned(text: str, names: Collection[str] = "abcdef") -> Expression:
    """The expression of a text in which these names are variables."""
    assigned = ", ".join(f"{{{name}: 1}}" for name in (*names, "unused"))
    quoted = text.replace("'", "''")
    source = f"- set: {{assign: [{assigned}]}}\n- give: {{return: '${{{quoted}}}'}}\n"
    body = parse(source).routines["main"].steps[1].body
    assert isinstance(body, Return)
    return body.value


class TestWritten:
    @pytest.mark.parametrize(
        "text",
        [
            "a + b * c - d",
            "(a + b) * (c - d)",
            "a - (b - c)",
            "not (a and b) or c",
            "not a and b",
            "-(a + b)",
            "(a + b)[0].c",
            'a[b + 1].c["d e"]',
            'len(a[0]) >= 2 and "x" in b',
            "[a, [1, 2.5, null], true]",
            'default(map.get(a, "k"), "quote \\" and \\\\")',
        ],
    )
    def test_it_is_as_an_author_writes_it(self, text):
        assert written(returned(text)) == text

    def test_it_means_the_same_in_every_workflow_there_is(self):
        compared = 0
        for path in SOURCES:
            try:
                workflow = parse(path.read_text(encoding="utf-8"))
            except SourceError:
                continue
            for expression in expressions(dict(workflow.routines)):
                found = list(parts(expression))
                if any(isinstance(e, Invoke) and e.function in workflow.routines for e in found):
                    continue
                names = {part.name for part in found if isinstance(part, Name)}
                again = returned(written(expression), names)
                assert meaning(again) == meaning(expression), path
                compared += 1

        assert compared > 100


class TestCut:
    def test_long_texts_end_with_an_ellipsis_on_one_line(self):
        assert cut("a\n b", 10) == "a b"
        assert cut("x" * 11, 10) == "x" * 9 + "\N{HORIZONTAL ELLIPSIS}"


class TestSummary:
    @pytest.mark.parametrize(
        ("step", "expected"),
        [
            ("{assign: [{a: 1}]}", "assign a = 1"),
            ("{assign: [{a: {}}, {a.b: 2}]}", "assign a, a.b"),
            ("{call: sys.now, result: a}", "call a = sys.now(…)"),
            ("{for: {value: a, range: [1, 9], steps: [{b: {}}]}}", "for a in 1 to 9"),
            (
                "{parallel: {concurrency_limit: 2, for: {value: a, in: [1], steps: [{b: {}}]}}}",
                "parallel for a in [1]; 2 at a time",
            ),
            ("{try: {call: sys.now}, retry: '${http.default_retry}'}", "try with retry"),
            ("{raise: {code: 7}}", 'raise {"code": 7}'),
            ("{next: end}", ""),
        ],
    )
    def test_a_step_is_told_in_a_line(self, step, expected):
        body = parse(f"- only: {step}\n").routines["main"].steps[0].body

        assert f"{kind(body)} {summary(body)}".strip() == expected

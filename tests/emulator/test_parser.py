"""Sources to trees: the shape of what comes out, and that nothing but a SourceError comes instead.

What is refused, and where, is in cases/refusals.yaml, cases/yaml.yaml and cases/positions.yaml.
"""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import SourceError
from emulator.parser import parse
from emulator.syntax import (
    Assign,
    Assignment,
    Binary,
    Call,
    Condition,
    For,
    ListOf,
    Literal,
    MapOf,
    Name,
    NamedArguments,
    Next,
    Nothing,
    Parameter,
    Position,
    Retry,
    Return,
    Routine,
    Step,
    Switch,
    Target,
    Try,
)

HERE = Path(__file__).parent
SOURCES = [
    path.read_text()
    for folder in ("seed", "corpus/samples", "corpus/demos")
    for path in sorted((HERE / folder).rglob("*"))
    if path.is_file()
]
NOISE = [
    *("${", "}", '"', "\\", "[", "]", "{", ":", "|", ">", "'", "#", "*", "&", "!", "!!", "~", "?"),
    *(
        "steps:",
        "for:",
        "parallel:",
        "branches:",
        "shared:",
        "try:",
        "except:",
        "retry:",
        "switch:",
    ),
    *("condition:", "next:", "call:", "args:", "result:", "return:", "raise:", "assign:", "value:"),
    *(
        "in:",
        "range:",
        "true",
        "null",
        "0",
        "-1",
        "1e400",
        "99999999999999999999",
        "${e}",
        ",",
        "-",
    ),
    *("${sys.now()}", "${main()}", "\t", "\n", "  ", "\u2028", "é", "😀", "%", "\x00"),
]


class TestParse:
    def test_every_step_has_its_place(self):
        workflow = parse(
            """
main:
  params: [args]
  steps:
    - first:
        assign:
          - x: ${args + 1}
          - y: [1, {a: b}]
    - second:
        switch:
          - condition: true
            next: third
        next: end
    - third:
    - fourth: {return: done}
"""
        )

        assert workflow.routines == {
            "main": Routine(
                "main",
                (Parameter("args", None, Position(3, 12)),),
                (
                    Step(
                        "first",
                        Assign(
                            (
                                Assignment(
                                    Target("x", (), Position(7, 13)),
                                    Binary("+", Name("args", Position(7, 18)), Literal(1)),
                                ),
                                Assignment(
                                    Target("y", (), Position(8, 13)),
                                    ListOf((Literal(1), MapOf(((Literal("a"), Literal("b")),)))),
                                ),
                            )
                        ),
                        None,
                        Position(6, 9),
                        len("assign"),
                    ),
                    Step(
                        "second",
                        Switch(
                            (
                                Condition(
                                    Literal(True),
                                    Step(
                                        "second",
                                        Nothing(),
                                        Next("third", Position(12, 19)),
                                        Position(12, 13),
                                        len("next"),
                                    ),
                                ),
                            )
                        ),
                        Next("end", Position(13, 15)),
                        Position(10, 9),
                        len("switch"),
                    ),
                    Step("third", Nothing(), None, Position(14, 7), len("third")),
                    Step("fourth", Return(Literal("done")), None, Position(15, 16), len("return")),
                ),
                Position(2, 1),
            )
        }

    def test_a_call_has_named_arguments_or_a_list_or_an_expression(self):
        bodies = [
            step.body
            for step in parse(
                "- a: {call: sys.log, args: {text: x}, result: r}\n"
                "- b: {call: sys.log, args: [x]}\n"
                "- c: {call: sys.log, args: '${r}'}\n"
                "- d: {call: sys.now}\n"
            )
            .routines["main"]
            .steps
        ]

        assert bodies == [
            Call(
                "sys.log",
                NamedArguments((("text", Literal("x"), Position(1, 29)),)),
                Target("r", (), Position(1, 47)),
                Position(1, 13),
            ),
            Call("sys.log", ListOf((Literal("x"),)), None, Position(2, 13)),
            Call("sys.log", Name("r", Position(3, 31)), None, Position(3, 13)),
            Call("sys.now", NamedArguments(()), None, Position(4, 13)),
        ]

    def test_a_loop_has_items_or_a_range(self):
        first, second = (
            step.body
            for step in parse(
                "- a: {for: {value: v, index: i, in: [1], steps: [{b: {next: b}}]}}\n"
                "- c: {for: {value: v, range: [1, 2], steps: [{b: {next: b}}]}}\n"
            )
            .routines["main"]
            .steps
        )

        assert isinstance(first, For)
        assert (first.value, first.index, first.is_range) == ("v", "i", False)
        assert isinstance(second, For)
        assert (second.items, second.index, second.is_range) == (
            ListOf((Literal(1), Literal(2))),
            None,
            True,
        )

    def test_a_policy_by_name_and_one_in_full(self):
        steps = (
            parse(
                "- a: {try: {call: sys.now}, retry: '${http.default_retry}'}\n"
                "- b: {try: {call: sys.now},"
                " retry: {predicate: '${retry.never}', max_retries: 3}}\n"
            )
            .routines["main"]
            .steps
        )

        retries = [step.body.retry for step in steps if isinstance(step.body, Try)]
        assert retries == [
            Retry("http.default_retry", None, None, Position(1, 36)),
            Retry("retry.never", Literal(3), None, Position(2, 36)),
        ]

    def test_yaml_and_json_give_the_same_tree(self):
        samples = HERE / "corpus" / "samples"
        pairs = [(path, path.with_suffix(".json")) for path in sorted(samples.glob("*.yaml"))]
        assert pairs

        for source, twin in pairs:
            ours, theirs = parse(source.read_text()), parse(twin.read_text())
            assert shape(ours.routines) == shape(theirs.routines), source.name


def shape(tree: object) -> object:
    """A tree without its places."""
    if isinstance(tree, Position):
        return None
    if isinstance(tree, dict):
        return {key: shape(value) for key, value in tree.items()}
    if isinstance(tree, tuple):
        return [shape(item) for item in tree]
    fields = getattr(tree, "__dataclass_fields__", None)
    if fields is None:
        return tree
    kept = [name for name in fields if name != "where"]
    return (type(tree).__name__, [shape(getattr(tree, name)) for name in kept])


class TestSourceError:
    def test_it_is_printed_as_by_the_service(self):
        source = "main:\n  steps:\n    - step1:\n        return: ${'x'}\n"
        with pytest.raises(SourceError) as refused:
            parse(source)

        assert str(refused.value) == (
            "main.yaml:4:19: parse error: in workflow 'main', step 'step1':"
            " token recognition error at: '''\n"
            "        return: ${'x'}\n"
            "                  ^"
        )

    def test_it_does_not_repeat_a_line_that_nobody_could_read(self):
        source = f'[{{"a": {{"return": "{"x" * 300}"}}}}, {{"b": {{"return": "${{y}}"}}}}]'
        with pytest.raises(SourceError) as refused:
            parse(source)

        column = source.index("y}") + 1
        assert str(refused.value) == (
            f"main.yaml:1:{column}: parse error: in workflow 'main', step 'b':"
            " symbol 'y' is neither a variable nor a sub-workflow name"
        )

    def test_it_has_the_name_of_the_file(self):
        with pytest.raises(SourceError, match=r"^a/b\.yaml:1:3: parse error: in workflow 'main': "):
            parse("- a", "a/b.yaml")

    def test_it_names_nothing_where_there_is_nothing(self):
        with pytest.raises(
            SourceError, match=r"^main\.yaml:1:1: parse error: the source is empty$"
        ):
            parse("")


def refusal(source: str) -> tuple[int, str]:
    """Line and text of what is wrong with a source; 0 when nothing is."""
    try:
        parse(source)
    except SourceError as problem:
        return problem.line, str(problem)
    return 0, "main.yaml: fine"


class TestHostileSource:
    SIZE = 128 * 1024 - 200

    @pytest.mark.parametrize(
        "source",
        [
            "[" * SIZE,
            "{" * SIZE,
            "- " * (SIZE // 2),
            "a: " * (SIZE // 3),
            "[" + "${," * (SIZE // 3),
            "[" + '${",' * (SIZE // 4),
            '- a: {return: "' + "x" * SIZE,
            "- a:\n    return: " + "${" * (SIZE // 2),
            "- a: {return: [&x [*x, *x]]}",
            "&x [*x]",
            "? " * 1000,
            "%" * SIZE,
            "\x00",
            "- a:\n    return: \ud800",
            "\ufeff",
            "- a: {return: " + "1" * 5000 + "}",
            "- a: {return: ${" + "1" * 390 + "}}",
            "- a: {next: a, next: a}",
            "- a: !!binary x",
            "- a: {assign: [{x: 1}, {x" + "[0]" * 20000 + ": 1}]}",
            "\n".join(f"{' ' * (6 * n)}- s:\n{' ' * (6 * n)}    steps:" for n in range(100)),
        ],
        ids=lambda source: repr(source[:20]),
    )
    def test_it_is_refused_quickly(self, source):
        with pytest.raises(SourceError):
            parse(source)

    def test_what_is_large_and_right_is_accepted(self):
        items = ", ".join(["1"] * 20_000)

        parse(f"- a:\n    return: [{items}]")

    @settings(max_examples=150, deadline=None)
    @given(st.integers(0, 10**9))
    def test_a_damaged_source_is_a_workflow_or_a_source_error(self, seed):
        chance = random.Random(seed)
        source = chance.choice(SOURCES)
        for _ in range(chance.randint(1, 5)):
            at = chance.randrange(len(source) + 1)
            cut = chance.choice([0, 0, 1, 5, 30])
            source = source[:at] + chance.choice(NOISE) + source[at + cut :]

        line, text = refusal(source)

        assert 0 <= line <= source.count("\n") + source.count("\u2028") + 2
        assert text.startswith("main.yaml:")

    @given(st.text())
    def test_any_text_is_a_source_error(self, text):
        assert refusal(text)[0] > 0

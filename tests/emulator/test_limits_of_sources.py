"""Sources as large as the limits allow: they build, run, and take no longer for it."""

import pytest

from emulator.document import Mapping, load
from emulator.errors import SourceError
from emulator.interpreter import Run
from emulator.limits import Limits
from emulator.parser import parse
from emulator.parser.steps import StepParser
from emulator.protocol import Failed, Outcome, Succeeded
from emulator.values import Value

LIMITS = Limits()


class TestShared:
    SOURCE = """- all:
    parallel:
      shared: [%s]
      for: {value: v, in: [], steps: [{a: {}}]}
"""

    def test_a_long_list_is_read_whole(self):
        names = ", ".join(f"v{number}" for number in range(15_000))
        body = load(f"shared: [{names}]\n", LIMITS)
        assert isinstance(body, Mapping)

        assert len(StepParser(LIMITS)._shared(body)) == 15_000

    def test_a_variable_that_stands_in_it_twice_is_named(self):
        with pytest.raises(SourceError, match="'b' is shared twice") as refused:
            parse(self.SOURCE % "a, b, c, b")

        assert (refused.value.line, refused.value.column) == (3, 25)


class TestExpressions:
    """All that fits in 400 characters, at the innermost place that a source may have."""

    @pytest.mark.parametrize(
        ("expression", "value"),
        [
            ("1" + "+1" * 199, 200),
            ("200" + "-1" * 198, 2),
            ("100000" + "//9" * 130, 0),
            ('"a"' + '+"b"' * 99, "a" + "b" * 99),
            (" or ".join(["false"] * 43 + ["true"]), True),
            (" and ".join(["true"] * 43 + ["false"]), False),
            ("true" + " or 1" * 60, True),
            ("false and 1 or 2 == 2 and not false", True),
            ("f()" + "+1" * 190, 191),
            ("1" + "+f()" * 98, 99),
            ("false or true or f()", True),
            ("false and f() or f() == 1", True),
            ("m" + ".k" * 40 + " + 1", 8),
            ("m" + '["k"]' * 40, 7),
            ("10 - 2 - 3 * 2 // 2 - -1", 6),
        ],
    )
    def test_a_long_chain_gives_its_value(self, expression, value):
        assert ran(nested(f"return: '${{{expression}}}'")) == Succeeded(value)

    def test_what_is_missing_in_a_long_path_is_named(self):
        failed = ran(nested(f"return: '${{m{'.k' * 20}.z{'.k' * 150}}}'"))

        assert isinstance(failed, Failed)
        assert failed.value["message"] == "KeyError: key not found: z"


def assignments(count: int) -> str:
    return f"- a: {{assign: [{', '.join(['{x: 1}'] * count)}]}}"


def conditions(count: int) -> str:
    return f"- a: {{switch: [{', '.join(['{condition: false}'] * count)}]}}"


def characters(count: int) -> str:
    return f"- a: {{return: '${{1{' ' * (count - 1)}}}'}}"


def branches(count: int) -> str:
    listed = ", ".join(f"{{b{number}: {{assign: [{{x: 1}}]}}}}" for number in range(count))
    return f"- a: {{parallel: {{branches: [{listed}]}}}}"


def parameters(count: int) -> str:
    names = ", ".join(f"p{number}" for number in range(count))
    steps = "steps: [{a: {return: 1}}]"
    return f"main: {{{steps}}}\no: {{params: [{names}], {steps}}}"


def size(count: int) -> str:
    source = "- a: {return: 1}\n# "
    return source + "x" * (count - len(source))


def nesting(count: int) -> str:
    inner = "{s: {assign: [{x: 1}]}}"
    for level in range(count):
        loop = f"{{value: v{level}, in: [1], steps: [{inner}]}}"
        inner = f"{{p{level}: {{parallel: {{for: {loop}}}}}}}"
    return f"[{inner}]"


class TestFiguresOfTheService:
    """Each limit as Google gives it: the last source that deploys, and the first that does not."""

    @pytest.mark.parametrize(
        ("source", "most", "says"),
        [
            (assignments, 50, "assign must have at most 50 entries, not 51"),
            (conditions, 50, "switch must have at most 50 entries, not 51"),
            (characters, 400, "the expression is longer than 400 characters"),
            (branches, 10, "branches must have at most 10 entries, not 11"),
            (parameters, 10, "params must have at most 10 entries, not 11"),
            (size, 128 * 1024, "the source is larger than 131072 bytes"),
            (nesting, 2, "parallel steps can be nested at most 2 deep"),
        ],
    )
    def test_a_source_may_have_so_many_and_no_more(self, source, most, says):
        parse(source(most))

        with pytest.raises(SourceError) as refused:
            parse(source(most + 1))
        assert refused.value.message == says

    @pytest.mark.parametrize(("length", "fits"), [(256 * 1024, True), (256 * 1024 + 1, False)])
    def test_a_string_has_256_kilobytes(self, length, fits):
        source = (
            "main: {params: [n], steps: [{a: {return: '${len(text.replace_all(n.s, n.x, n.y))}'}}]}"
        )
        outcome = ran(
            source, {"s": "x" * 4, "x": "xxxx", "y": "é" * (length // 2) + "e" * (length % 2)}
        )

        assert isinstance(outcome, Succeeded) is fits

    def test_variables_have_512_kilobytes_together(self):
        source = (
            "main: {params: [s], steps: [{a: {assign: [{a: '${s}'}, {b: '${s}'}, {c: '${s}'}]}}, {"
            "d: {try: {assign: [{d: '${s}'}]}, except: {as: e, steps: [{s: {return: '${e}'}}]}}}]}"
        )

        fits = ran(source, "x" * (512 * 1024 // 5 - 2))
        full = ran(source, "x" * (512 * 1024 // 5))

        assert fits == Succeeded(None)
        assert isinstance(full, Succeeded)
        assert full.value == {
            "message": "ResourceLimitError: Memory usage limit exceeded",
            "tags": ["ResourceLimitError"],
        }


def nested(body: str) -> str:
    """A source with a step in as many steps as there may be."""
    deep = '{"k": ' * 40 + "7" + "}" * 40
    inner = f"[{{s: {{{body}}}}}]"
    for level in range((LIMITS.source_depth - 8) // 3):
        inner = f"[{{l{level}: {{steps: {inner}}}}}]"
    return (
        f"main: {{steps: [{{set: {{assign: [{{m: {deep}}}]}}}}, {{go: {{steps: {inner}}}}}]}}\n"
        "f: {steps: [{one: {return: 1}}]}\n"
    )


def ran(source: str, argument: Value = None) -> Outcome | None:
    run = Run(parse(source), argument, {})
    while run.advance():
        pass
    return run.outcome

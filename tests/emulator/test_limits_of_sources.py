"""Sources as large as the limits allow: they build, run, and take no longer for it."""

import pytest

from emulator.document import Mapping, load
from emulator.errors import SourceError
from emulator.interpreter import Run
from emulator.limits import Limits
from emulator.parser import parse
from emulator.parser.steps import StepParser
from emulator.protocol import Failed, Outcome, Succeeded

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


def ran(source: str) -> Outcome | None:
    run = Run(parse(source), None, {})
    while run.advance():
        pass
    return run.outcome

"""Which names mean what, judged from the source alone. Refusals are in cases/*.yaml."""

import pytest

from emulator.errors import SourceError
from emulator.limits import Limits
from emulator.parser import parse
from emulator.scopes import Scope, Variable, routine_scope
from emulator.syntax import For, Parallel, Routine, Step


def routine(source: str, name: str = "main") -> Routine:
    return parse(source).routines[name]


def loop_scope(step: Step, scope: Scope) -> Scope:
    assert isinstance(step.body, For)
    return scope.inner([step.body.value], step.body.steps)


def refused(source: str) -> list[str]:
    with pytest.raises(SourceError) as caught:
        parse(source)
    return [each.message for each in caught.value.all]


class TestUnknownName:
    @pytest.mark.parametrize(
        "step",
        [
            "{for: {value: v, in: [1], steps: [{b: {assign: [{x: 1}]}}]}}",
            "{for: {value: x, in: [1], steps: [{b: {call: sys.now}}]}}",
            "{for: {value: v, in: [1], steps: [{b: {call: sys.now, result: x}}]}}",
            "{try: {raise: oh}, except: {as: x, steps: [{b: {call: sys.now}}]}}",
            "{try: {raise: oh}, except: {steps: [{b: {assign: [{x: 1}]}}]}}",
            "{parallel: {branches: [{l: {assign: [{x: 1}]}}, {r: {call: sys.now}}]}}",
        ],
    )
    def test_that_it_is_set_inside_a_step_is_said(self, step):
        said = "symbol 'x' is neither a variable nor a sub-workflow name; it is set only inside"

        assert refused(f"- sum: {step}\n- c: {{return: '${{x}}'}}\n") == [
            f"{said} 'sum', whose variables end with it"
        ]

    def test_nothing_is_added_where_no_step_sets_it(self):
        assert refused("- a: {assign: [{x.y: 1}]}\n") == [
            "symbol 'x' is neither a variable nor a sub-workflow name"
        ]


class TestFind:
    def test_a_routine_has_its_parameters_first_and_every_name_that_it_assigns(self):
        main = routine(
            "main:\n"
            "  params: [args]\n"
            "  steps:\n"
            "    - a: {steps: [{b: {call: sys.now, result: x}}]}\n"
            "    - c: {switch: [{condition: true, assign: [{y: 1}, {y.z: 2}]}]}\n"
            "    - d: {try: {assign: [{z: 1}]},"
            " except: {as: e, steps: [{s: {assign: [{w: 1}]}}]}}\n"
        )

        scope = routine_scope(main)

        assert scope.names == {"args": 0, "x": 1, "y": 2, "z": 3}
        assert scope.find("e") is None
        assert scope.find("w") is None

    def test_a_loop_adds_what_the_routine_does_not_have(self):
        main = routine(
            "- a: {for: {value: v, in: [1], steps: [{b: {assign: [{x: 1}, {y: 1}]}}]}}\n"
            "- c: {assign: [{y: 2}]}\n"
        )
        outer = routine_scope(main)

        inner = loop_scope(main.steps[0], outer)

        assert list(inner.names) == ["v", "x"]
        assert inner.find("y") == outer.find("y") == Variable(0, 0, True)

    def test_a_branch_reaches_out_of_its_own_storage(self):
        main = routine(
            "- a: {assign: [{x: 1}, {y: 1}]}\n"
            "- b: {parallel: {shared: [x], for: {value: v, in: [1], steps: ["
            "{c: {assign: [{x: 2}, {z: '${y}'}]}}]}}}\n"
        )
        outer = routine_scope(main)
        parallel = main.steps[1].body
        assert isinstance(parallel, Parallel)
        assert isinstance(parallel.work, For)

        branch = outer.branch(["v"], parallel.work.steps, parallel)

        assert branch.find("v") == Variable(0, 0, True)
        assert branch.find("z") == Variable(0, 1, True)
        assert branch.find("x") == Variable(1, 0, True)
        assert branch.find("y") == Variable(1, 1, False)
        assert branch.find("nothing") is None


class TestCheck:
    def test_every_routine_is_checked_even_if_nothing_calls_it(self):
        with pytest.raises(SourceError) as refused:
            parse("{main: {steps: [{a: {return: 1}}]}, b: {steps: [{c: {return: '${d}'}}]}}")

        assert (refused.value.routine, refused.value.step) == ("b", "c")

    def test_a_predicate_may_have_a_second_parameter_with_a_default(self):
        parse(
            "{main: {steps: [{a: {try: {call: sys.now}, retry: {predicate: '${p}'}}}]},"
            " p: {params: [e, more: 1], steps: [{b: {return: true}}]}}"
        )

    def test_the_limit_of_nesting_is_a_setting(self):
        source = (
            "- a: {parallel: {for: {value: v, in: [1], steps: ["
            "{b: {parallel: {for: {value: w, in: [1], steps: [{c: {call: sys.now}}]}}}}]}}}"
        )
        parse(source)

        with pytest.raises(SourceError, match="nested at most 1 deep"):
            parse(source, limits=Limits(parallel_depth=1))

    def test_any_connector_deploys(self):
        parse("- a: {call: googleapis.compute.v1.instances.stop, args: {instance: i, zone: z}}")

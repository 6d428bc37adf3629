"""A source becomes steps and lines, whatever it is."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from approvals.drawing import words
from approvals.drawing.graph import Kind
from approvals.drawing.outline import outline
from approvals.drawing.picture import Drawn, picture
from approvals.drawing.progress import Ran
from approvals.drawing.reading import MAX_STEPS, read
from approvals.drawing.tree import MAX_TEXT, Unreadable, tree
from tests.approvals.drawings import ALL, OURS, drawn_steps, kinds, leads, named_steps, step_of

EVERY_KIND = """
main:
  steps:
    - begin:
        assign: [{a: 1}]
    - loop:
        for:
          value: v
          in: [1, 2]
          steps:
            - skip:
                switch:
                  - condition: ${v == 1}
                    next: continue
                  - condition: ${v == 2}
                    next: break
            - body: {call: sys.log}
    - both:
        parallel:
          branches:
            - left: {steps: [{go_left: {call: sub}}]}
            - right: {steps: [{go_right: {call: http.get}}]}
    - careful:
        try:
          steps:
            - risky: {call: http.post, args: {url: "https://api.example/pay?key=hunter2"}}
            - give_up: {raise: "no"}
        except:
          as: e
          steps:
            - mend: {assign: [{b: 2}], next: end}
    - group:
        steps:
          - inner: {next: last}
          - never: {return: 1}
    - once:
        try: {call: http.get}
        retry: ${http.default_retry}
        except: {as: e, steps: [{caught: {raise: "${e}"}}]}
    - last:
        switch:
          - condition: true
            return: 3
sub:
  params: [x]
  steps:
    - only: {return: true}
"""

LINES = {
    ("begin", "loop"),
    ("loop", "skip"),
    ("skip", "loop"),  # continue
    ("skip", "both"),  # break
    ("skip", "body"),
    ("body", "loop"),
    ("loop", "both"),
    ("both", "go_left"),
    ("both", "go_right"),
    ("go_left", "careful"),
    ("go_right", "careful"),
    ("careful", "risky"),
    ("careful", "mend"),
    ("risky", "give_up"),
    ("give_up", "mend"),
    ("mend", ""),
    ("group", "inner"),
    ("inner", "last"),
    ("never", ""),
    ("once", "last"),
    ("once", "caught"),
    ("caught", ""),
    ("last", ""),  # the `return` right in the condition
    ("", ""),
}

ODD = {
    "nothing": "",
    "a text": "hello",
    "a number": "5",
    "an empty list": "[]",
    "steps that are texts": "main: {steps: [a, b]}",
    "steps that are a text": "main: {steps: go}",
    "a step that is a list": "- a: [1, 2]",
    "a switch of texts": "- a: {switch: [x, {condition: 1}, {}]}",
    "a switch of nothing": "- a: {switch: }",
    "a loop of nothing": "- a: {for: }",
    "branches that are a map": "- a: {parallel: {branches: {x: 1}}}",
    "a try of nothing": "- a: {try: , except: }",
    "a try of a list": "- a: {try: [{b: {call: c}}], except: {steps: 7}}",
    "a jump to nowhere": "- a: {next: nowhere}",
    "a jump to itself": "- a: {next: a}",
    "break where no loop is": "- a: {next: break}",
    "keys that are lists": "? [a, b]\n: c",
    "tags": "- a: !!python/object/apply:os.system ['true']",
    "a cycle of anchors": "- &a [*a]",
    "half a map": "main: {steps: [",
    "tabs": "main:\n\tsteps:\n\t- a:",
    "a null byte": "- a:\n    call: b\x00",
    "a lone surrogate": "- a:\n    call: \ud800",
    "two documents": "- a: {return: 1}\n---\n- b: {return: 2}",
    "a bomb": "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" if n else "a0: &a0 [x]\n"
        for n in range(12)
    ),
    "very deep": "[" * 50_000,
    "very deep in blocks": "\n".join(f"{' ' * n}- a:" for n in range(1500)),
    "too long": "- a: {return: 1}\n" + "#" * MAX_TEXT,
}


def drawn(source):
    """Everything that is made of a source for a page."""
    graph = read(source)
    site = graph.sites[0] if graph.sites else None
    pictures = [picture(graph, name, Drawn(), site) for name in graph.shown[:3]]
    return graph, pictures, outline(graph, Ran())


class TestRead:
    @pytest.mark.parametrize("name", ALL)
    def test_a_drawing_has_exactly_the_steps_of_its_source(self, name):
        assert drawn_steps(read(ALL[name])) == named_steps(ALL[name])

    def test_every_kind_of_step_is_known_with_its_lines(self):
        graph = read(EVERY_KIND)

        assert leads(graph) == LINES
        assert leads(graph, "sub") == {("only", "")}
        assert kinds(graph)["once"] is Kind.CALL
        assert {kind for kind in Kind if kind is not Kind.NOTHING} <= set(kinds(graph).values())

    def test_our_own_subworkflows_are_one_step_that_waits(self):
        graph = read(OURS["supplier-payment"])

        assert graph.shown == ["main"]
        assert [site.name for site in graph.sites] == ["ask_accounting"]
        assert words.doing(graph, graph.sites[0]) == "waits for the answer of people"

    def test_json_is_read_as_yaml_is(self):
        source = '{"main": {"steps": [{"a": {"call": "sys.log"}},\n\t{"b": {"return": true}}]}}'

        assert leads(read(source)) == {("a", "b"), ("b", "")}

    def test_expressions_may_stand_bare_in_brackets(self):
        source = '- a:\n    call: text.join\n    args: [${x}, "y", ${a["b, c"]}]\n- b: {return: 1}'

        assert leads(read(source)) == {("a", "b"), ("b", "")}

    def test_an_anchor_counts_wherever_it_is_named(self):
        source = "- a: &same {call: sys.log}\n- b: *same"

        assert kinds(read(source)) == {"a": Kind.CALL, "b": Kind.CALL}


class TestOdd:
    @pytest.mark.parametrize("name", ODD)
    def test_no_source_is_too_odd(self, name):
        drawn(ODD[name])

    def test_what_is_no_workflow_is_a_list_of_what_looks_like_steps(self):
        graph, pictures, told = drawn("main:\n  steps:\n    - first:\n  - second: [\n")

        assert not graph.understood
        assert [item.name for item in told.groups[0].items] == ["first", "second"]
        assert told.groups[0].items[0].doing == ""
        assert pictures[0] is not None

    @pytest.mark.parametrize("name", ["a bomb", "very deep", "too long"])
    def test_what_would_take_all_memory_is_refused(self, name):
        with pytest.raises(Unreadable):
            tree(ODD[name])

    @hypothesis_settings(max_examples=200, deadline=None)
    @given(
        st.recursive(
            st.sampled_from(["${x}", "end", "a", "b", "break", "continue", "", "true"]),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            *(
                                "main",
                                "a",
                                "b",
                                "steps",
                                "switch",
                                "condition",
                                "next",
                                "for",
                                "try",
                            ),
                            *(
                                "except",
                                "parallel",
                                "branches",
                                "call",
                                "assign",
                                "return",
                                "raise",
                            ),
                        ]
                    ),
                    inner,
                    max_size=5,
                )
            ),
            max_leaves=40,
        )
    )
    def test_made_up_sources_are_drawn(self, value):
        drawn(json.dumps(value))

    @hypothesis_settings(max_examples=100, deadline=None)
    @given(st.text(max_size=300))
    def test_made_up_texts_are_drawn(self, text):
        drawn(text)


class TestLarge:
    def test_a_very_long_workflow_is_cut_and_quick(self):
        steps = [f"- step_{n}: {{call: sys.log, next: step_{n * 7 % 3000}}}" for n in range(3000)]
        source = "\n".join(steps)
        assert len(source) < 256 * 1024
        begun = time.process_time()

        graph, pictures, told = drawn(source)

        assert time.process_time() - begun < 5
        assert graph.cut
        assert len(graph.steps) == MAX_STEPS
        assert pictures[0].left_out == MAX_STEPS - 60
        assert told.more == MAX_STEPS - 300

    def test_a_knot_of_jumps_has_no_picture_and_costs_little(self):
        cases = "".join(f"{{condition: '${{x}}', next: s{m}}}, " for m in range(50))
        source = "\n".join(f"- s{n}: {{switch: [{cases}]}}" for n in range(50))
        begun = time.process_time()

        _, pictures, told = drawn(source)

        assert time.process_time() - begun < 5
        assert pictures == [None]
        assert len(told.groups[0].items) == 50

    def test_steps_that_are_very_deep_are_cut(self):
        graph = read(_nested(18))

        assert graph.cut


def _nested(depth):
    """A step in a step in a step."""
    lines = []
    for level in range(depth):
        lines += [f"{'    ' * level}- s{level}:", f"{'    ' * level}    steps:"]
    return "\n".join(lines) + f"\n{'    ' * depth}- bottom: {{return: 1}}\n"


class TestSecrets:
    SOURCE = """
- pay:
    call: http.post
    args:
      url: "https://eva:hunter2@api.bank.example:8443/hunter2?key=hunter2"
      headers: {Authorization: "Bearer hunter2"}
      body: {password: hunter2}
- log: {call: sys.log, args: {text: hunter2}}
- set: {assign: [{password: hunter2}]}
- branch: {switch: [{condition: '${x == "hunter2"}', next: end}]}
- done: {return: hunter2}
"""

    def test_only_the_host_of_a_request_is_told(self):
        graph, pictures, told = drawn(self.SOURCE)

        assert "hunter2" not in repr(pictures) + repr(told)
        assert words.doing(graph, step_of(graph, "pay")) == "sends a request to api.bank.example"

    @pytest.mark.parametrize(
        ("url", "host"),
        [
            ("https://api.example/pay", "api.example"),
            ("https://api.example", "api.example"),
            ('${"https://api.example/" + path}', "api.example"),
            ('${"https://api.example" + path}', ""),
            ('${"https://" + host + "/"}', ""),
            ("${url}", ""),
            ("ftp://api.example/", ""),
            ("https://[::1", ""),
            ("not a url", ""),
        ],
    )
    def test_a_host_is_told_where_the_source_says_all_of_it(self, url, host):
        graph = read(f"- a:\n    call: http.get\n    args:\n      url: '{url}'\n")

        assert graph.steps[0].host == host

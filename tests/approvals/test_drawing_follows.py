"""What follows each answer, as far as a source tells it."""

from typing import Any

import pytest

from approvals.drawing.expressions import UNKNOWN, Partial, Unknown, pieces, value_of
from approvals.drawing.following import Ending, follows
from approvals.drawing.reading import read
from tests.approvals.drawings import OURS, SEED, step_of


def told(way):
    """A way as plain lists: the names of the steps, then how it ends."""
    names = [step.name or step.call for step in way.steps]
    at = f" {way.at.name}" if way.at else ""
    return [*names, way.ending.value + at, *[told(each) for each in way.choices]]


def after(source, outcome, site=""):
    graph = read(source)
    return told(follows(graph, step_of(graph, site) if site else graph.sites[0], outcome))


OPEN = ["decides", ["roll_out", "tell_both", "ends"], ["tell_nobody_agreed", "ends"]]
FOLLOWS = [
    ("expense-approval", "ask", "approved", ["pay", "report_outcome", "ends"]),
    ("expense-approval", "ask", "changes_requested", ["tell_requester", "note_rejection", "ends"]),
    ("expense-approval", "ask", "rejected", ["tell_requester", "note_rejection", "ends"]),
    ("expense-approval", "ask", "expired", ["give_up", "ends"]),
    ("release-gate", "ask", "approved", OPEN),
    ("release-gate", "ask", "rejected", ["withdraw", *OPEN]),
    ("supplier-onboarding", "ask", "approved", ["create", "report_creation", "ends"]),
    ("supplier-onboarding", "ask", "rejected", ["give_up", "ends"]),
    (
        "supplier-onboarding",
        "ask",
        "changes_requested",
        ["decides", ["asks ask_requester"], ["give_up", "ends"]],
    ),
    ("supplier-onboarding", "ask_requester", "approved", ["asks ask"]),
    ("supplier-onboarding", "ask_requester", "rejected", ["give_up", "ends"]),
    ("supplier-payment", "ask_accounting", "approved", ["pay", "report_payment", "ends"]),
    ("supplier-payment", "ask_accounting", "rejected", ["leave", "ends"]),
    ("translation-review", "ask_editor", "approved", ["publish", "report_publication", "ends"]),
    (
        "translation-review",
        "ask_editor",
        "changes_requested",
        ["send_back", "report_return", "ends"],
    ),
    ("translation-review", "ask_editor", "rejected", ["leave", "ends"]),
    ("basic-get", "", "approved", ["print_callback_request", "ends"]),
    ("catch-timeout", "", "rejected", ["print_callback_result", "ends"]),
    ("expense-callback", "", "rejected", ["log_callback_received", "ends"]),
    ("parallel-callbacks", "", "approved", ["ends"]),
    ("retry-wait", "", "approved", ["print_callback_result", "ends"]),
]

# Behind a step that waits for a callback, without our subworkflow.
WAIT = "- wait: {call: events.await_callback, result: answer}\n"
YES = "- yes: {call: sys.log, next: end}\n"
NO = "- no: {call: sys.log}\n"
SMALL = {
    "the payload itself": """
- branch: {switch: [{condition: '${answer.http_request.body.outcome == "approved"}', next: yes}]}
- no: {call: sys.log, next: end}
- yes: {call: sys.log}
""",
    "a variable that holds the outcome": """
- set: {assign: [{body: "${answer.http_request.body}"}, {out: "${body.outcome}"}]}
- branch: {switch: [{condition: '${out != "approved"}', next: no}]}
- yes: {call: sys.log, next: end}
- no: {call: sys.log}
""",
    "a variable that says yes or no": """
- set: {assign: [{approved: '${answer.http_request.body.outcome == "approved"}'}]}
- branch: {switch: [{condition: "${not(approved)}", steps: [{no: {call: sys.log, next: end}}]}]}
- yes: {call: sys.log}
""",
    "a key of a map": """
- set: {assign: [{m: {}}, {m.out: '${answer.http_request.body["outcome"]}'}]}
- branch:
    switch:
      - condition: ${"approved" == default(map.get(m, "out"), "")}
        steps: [{yes: {call: sys.log}}]
      - condition: true
        steps: [{no: {call: sys.log}}]
""",
    "several conditions in one": """
- branch:
    switch:
      - condition: ${answer.http_request.body.outcome == "rejected" or x > 5 and false}
        next: no
- yes: {call: sys.log, next: end}
- no: {call: sys.log}
""",
}

# What cannot be told: no way of these may be claimed.
OPEN_ENDS = {
    "data": """
- branch: {switch: [{condition: "${amount < 100}", next: no}]}
- yes: {call: sys.log, next: end}
- no: {call: sys.log}
""",
    "a function": """
- set: {assign: [{ok: "${check(answer)}"}]}
- branch: {switch: [{condition: "${ok}", next: no}]}
- yes: {call: sys.log, next: end}
- no: {call: sys.log}
""",
    "a result that replaced the answer": """
- ask_again: {call: http.get, result: answer}
- branch:
    switch: [{condition: '${answer.http_request.body.outcome == "approved"}', next: no}]
- yes: {call: sys.log, next: end}
- no: {call: sys.log}
""",
    "what a loop may have set": """
- ok: {assign: [{good: true}]}
- loop: {for: {value: v, in: "${l}", steps: [{set: {assign: [{good: "${v}"}]}}]}, next: branch}
- branch: {switch: [{condition: "${good}", next: no}]}
- yes: {call: sys.log, next: end}
- no: {call: sys.log}
""",
}


class TestFollows:
    @pytest.mark.parametrize(("name", "site", "outcome", "expected"), FOLLOWS)
    def test_each_answer_leads_where_the_source_says(self, name, site, outcome, expected):
        assert after({**OURS, **SEED}[name], outcome, site) == expected

    @pytest.mark.parametrize("name", SMALL)
    def test_an_outcome_is_found_in(self, name):
        assert "yes" in after(WAIT + SMALL[name], "approved")
        assert "no" not in after(WAIT + SMALL[name], "approved")
        assert "no" in after(WAIT + SMALL[name], "rejected")
        assert "yes" not in after(WAIT + SMALL[name], "rejected")

    @pytest.mark.parametrize("name", OPEN_ENDS)
    def test_what_the_answer_does_not_decide_is_left_open(self, name):
        for outcome in ("approved", "rejected"):
            found = after(WAIT + OPEN_ENDS[name], outcome)

            assert found[-3] == "decides"
            assert sorted(found[-2:]) == [["no", "ends"], ["yes", "ends"]]

    def test_what_is_set_before_counts_unless_it_may_change_until_then(self):
        before = "- set: {assign: [{strict: true}]}\n"
        branch = '- branch: {switch: [{condition: "${strict}", next: no}]}\n'
        again = "- yes: {call: sys.log}\n- change: {assign: [{strict: false}], next: wait}\n"

        assert after(before + WAIT + branch + YES + NO, "approved") == ["no", "ends"]
        found = after(before + WAIT + branch + again + NO, "approved")
        assert found == ["decides", ["no", "ends"], ["yes", "asks wait"]]

    def test_an_error_that_is_raised_is_told_or_caught(self):
        raised = "- stop: {raise: no}\n"
        caught = "- safe: {try: {steps: [{stop: {raise: x}}]}, except: {steps: [{no: {call: a}}]}}"

        nothing = "- safe: {try: {steps: [{stop: {raise: x}}]}, except: {as: e}}\n- no: {call: a}\n"
        again = "- safe: {try: {raise: x}, except: {as: e}, next: no}\n- no: {call: a}\n"

        assert after(WAIT + raised, "approved") == ["fails stop"]
        assert after(WAIT + nothing, "approved") == ["no", "ends"]
        assert after(WAIT + again, "approved") == ["no", "ends"]
        assert after(WAIT + caught, "approved") == ["no", "ends"]

    def test_a_loop_goes_on_with_the_next_or_past_its_end(self):
        source = f"- each: {{for: {{value: v, in: [1], steps: [{WAIT[2:].strip()!s}]}}}}\n{NO}"
        source = source.replace("[wait: {", "[{wait: {").replace("answer}]", "answer}}]")

        assert after(source, "approved") == ["decides", ["again each"], ["no", "ends"]]

    def test_a_round_trip_ends_where_it_has_been(self):
        source = f"{WAIT}- a: {{call: sys.log}}\n- b: {{next: a}}\n"

        assert after(source, "approved") == ["a", "back a"]


class TestSubworkflows:
    SOURCE = """
main:
  steps:
    - ask: {call: wrapper, result: ok}
    - branch: {switch: [{condition: "${ok}", next: yes}]}
    - no: {call: sys.log, next: end}
    - yes: {call: sys.log}
wrapper:
  steps:
    - wait: {call: events.await_callback, result: answer}
    - give_back: {return: '${answer.http_request.body.outcome == "approved"}'}
"""

    def test_what_is_returned_is_known_to_who_called(self):
        assert after(self.SOURCE, "approved", "wait") == ["yes", "ends"]
        assert after(self.SOURCE, "rejected", "wait") == ["no", "ends"]

    def test_of_several_callers_none_is_claimed(self):
        twice = self.SOURCE.replace("    - ask:", "    - first: {call: wrapper}\n    - ask:")

        assert after(twice, "approved", "wait") == ["lost"]


class TestLimits:
    def test_ways_that_fork_and_fork_come_to_an_end(self):
        forks = "".join(
            f"- f{n}: {{switch: [{{condition: '${{x > {n}}}', next: g{n}}}]}}\n"
            f"- h{n}: {{call: sys.log}}\n- g{n}: {{call: sys.log}}\n"
            for n in range(40)
        )
        graph = read(WAIT + forks)

        way = follows(graph, graph.sites[0], "approved")

        assert way.ending is Ending.DECIDES

    def test_a_very_long_way_says_that_there_is_more(self):
        source = WAIT + "".join(f"- s{n}: {{call: sys.log}}\n" for n in range(200))

        assert after(source, "approved")[-2:] == ["s59", "long"]


KNOWN = {"d": Partial({"outcome": "approved"}), "n": None, "t": True, "u": UNKNOWN}


class TestExpressions:
    @pytest.mark.parametrize(
        ("written", "value"),
        [
            ('${d.outcome == "approved"}', True),
            ('${d.outcome != "approved"}', False),
            ('${d["outcome"] == "rejected"}', False),
            ('${"approved" == d.outcome and t}', True),
            ('${d.outcome == "rejected" and u}', False),
            ('${u and d.outcome == "rejected"}', False),
            ('${u or d.outcome == "approved"}', True),
            ("${d != null}", True),
            ("${n == null}", True),
            ("${d.comment == null}", UNKNOWN),
            ("${not(t)}", False),
            ('${"outcome" in d}', True),
            ('${"other" in d}', UNKNOWN),
            ('${default(n, "x")}', "x"),
            ('${if(t, "a", "b")}', "a"),
            ('${"a" + "b"}', "ab"),
            ("${u == u}", UNKNOWN),
            ("${1 == true}", False),
            ("${d == d}", UNKNOWN),
            ("${d in d}", UNKNOWN),
            ("${-1 == 1}", UNKNOWN),
            ("${a b}", UNKNOWN),
            ("${" + "(" * 300 + ")" * 300 + "}", UNKNOWN),
            ("${}", UNKNOWN),
            ("true", True),
            ("plain", "plain"),
        ],
    )
    def test_what_is_known_is_worked_out(self, written, value):
        found = value_of(written, KNOWN)

        assert found is value if isinstance(value, (bool, Unknown)) else found == value

    def test_a_text_that_doubles_and_doubles_ends_as_unknown(self):
        known: dict[str, Any] = {"x": "text"}
        for _ in range(100):
            known["x"] = value_of("${x + x}", known)

        assert known["x"] is UNKNOWN

    def test_texts_that_are_added_up_are_found(self):
        assert pieces('${"Pay " + p.name + ", no. " + string(p.number)}') == ["Pay ", ", no. "]
        assert pieces("plain") is None

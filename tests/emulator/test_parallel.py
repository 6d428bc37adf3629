"""Parallel steps: what overlaps, how many run at once, and assignments that wait."""

import itertools
import tracemalloc
from collections.abc import Iterator

from emulator.interpreter import Raised, Reply, Returned, Succeeded
from tests.emulator.scripted import finish, run_until_waiting, start


class TestRunAtOnce:
    def test_what_waits_overlaps(self):
        _, requests = start(
            "- a: {parallel: {for: {value: v, range: [1, 10], steps: ["
            "{b: {call: sys.sleep, args: {seconds: '${v}'}}}]}}}"
        )

        assert [request.args["seconds"] for request in requests] == list(range(1, 11))

    def test_twenty_run_at_once_and_the_rest_wait(self):
        run, requests = start(
            "- a: {parallel: {concurrency_limit: 100, for: {value: v, range: [1, 25], steps: ["
            "{b: {call: sys.sleep, args: {seconds: '${v}'}}}]}}}"
        )
        assert len(requests) == 20

        run.reply(requests[7].key, Returned(None))
        (new,) = run_until_waiting(run)

        assert new.args["seconds"] == 21
        assert len(finish(run, requests[:7] + requests[8:] + [new])) == 24
        assert run.outcome == Succeeded(None)

    def test_a_step_has_its_own_limit(self):
        run, requests = start(
            "- a: {parallel: {concurrency_limit: 2, for: {value: v, range: [1, 5], steps: ["
            "{b: {call: sys.sleep, args: {seconds: '${v}'}}}]}}}"
        )

        assert len(requests) == 2
        assert len(finish(run, requests)) == 5

    def test_the_limit_of_twenty_holds_across_nested_steps_without_deadlock(self):
        run, requests = start(
            "- a: {parallel: {for: {value: v, range: [1, 30], steps: ["
            "{b: {parallel: {for: {value: w, range: [1, 30], steps: ["
            "{c: {call: sys.sleep, args: {seconds: 1}}}]}}}}]}}}"
        )
        made, waiting = len(requests), list(requests)
        while run.outcome is None:
            assert len(waiting) <= 20
            run.reply(waiting.pop().key, Returned(None))
            new = run_until_waiting(run)
            made += len(new)
            waiting += new

        assert made == 900
        assert run.outcome == Succeeded(None)

    def test_no_outer_iteration_piles_up_before_the_inner_ones_are_done(self):
        run, _ = start(
            "- a: {parallel: {for: {value: v, range: [1, 1000], steps: ["
            "{b: {parallel: {for: {value: w, range: [1, 30], steps: ["
            "{c: {call: sys.sleep, args: {seconds: 1}}}]}}}}]}}}"
        )

        assert len(run.current_steps) <= 20


class TestAssignShared:
    def test_one_assignment_is_atomic_though_it_waits(self):
        source = """
main:
  steps:
    - init: {assign: [{total: 0}, {m: {n: 0}}]}
    - all:
        parallel:
          shared: [total, m]
          for:
            value: v
            range: [1, 6]
            steps:
              - add:
                  assign:
                    - total: ${total + slowly(v)}
                    - m.n: ${m.n + slowly(v)}
    - give: {return: "${[total, m.n]}"}
slowly:
  params: [x]
  steps:
    - wait: {call: sys.sleep, args: {seconds: 1}}
    - give: {return: "${x}"}
"""
        for choose in (0, -1):
            run, waiting = start(source)
            while run.outcome is None:
                run.reply(waiting.pop(choose).key, Returned(None))
                waiting += run_until_waiting(run)
            assert run.outcome == Succeeded([21, 21])

    def test_who_fails_in_the_middle_of_an_assignment_lets_the_others_go_on(self):
        source = """
- init: {assign: [{total: 0}]}
- all:
    try:
      parallel:
        shared: [total]
        for:
          value: v
          range: [1, 4]
          steps:
            - add: {assign: [{total: "${total + sys.now()}"}]}
            - note: {assign: [{total: "${total + 1}"}]}
    except: {as: e, steps: [{give: {return: "${[total, len(e.branches)]}"}}]}
"""
        run, requests = start(source)
        replies: Iterator[Reply] = itertools.cycle([Raised("broken clock"), Returned(10)])

        finish(run, requests, lambda _: next(replies))

        assert run.outcome == Succeeded([22, 2])

    def test_a_plain_assignment_waits_for_one_that_is_under_way(self):
        source = """
- init: {assign: [{n: 1}]}
- all:
    parallel:
      shared: [n]
      branches:
        - slow: {assign: [{n: "${n * sys.now()}"}]}
        - quick: {assign: [{n: "${n + 100}"}]}
        - called: {call: int, args: {x: "7"}, result: n}
- give: {return: "${n}"}
"""
        run, requests = start(source)
        assert [request.function for request in requests] == ["sys.now"]

        finish(run, requests, lambda _: Returned(5))

        assert run.outcome == Succeeded(7)

    def test_a_branch_that_waits_for_its_turn_does_not_hold_up_the_one_before_it(self):
        """The one that assigns may need every place there is."""
        source = """
main:
  steps:
    - init: {assign: [{n: 0}]}
    - all:
        parallel:
          shared: [n]
          for: {value: v, range: [1, 25], steps: [{add: {assign: [{n: "${n + spread()}"}]}}]}
    - give: {return: "${n}"}
spread:
  steps:
    - init: {assign: [{m: 0}]}
    - all:
        parallel:
          shared: [m]
          for:
            value: v
            range: [1, 3]
            steps:
              - w: {call: sys.now}
              - add: {assign: [{m: "${m + 1}"}]}
    - give: {return: "${m}"}
"""
        run, requests = start(source)
        finish(run, requests)

        assert run.outcome == Succeeded(75)


class TestErrors:
    def test_of_thousands_that_fail_only_those_that_are_told_are_kept(self):
        """Each error may be as large as half the memory of a run."""
        source = """
        - init: {assign: [{large: "0123456789"}, {n: 0}]}
        - grow: {assign: [{large: "${large + large}"}, {n: "${n + 1}"}]}
        - more: {switch: [{condition: "${n < 13}", next: grow}]}
        - all:
            try:
              parallel:
                for: {value: v, range: [1, 500], steps: [{a: {raise: "${large + string(v)}"}}]}
            except:
              as: e
              steps:
                - give:
                    return:
                      truncated: "${e.truncated}"
                      told: "${len(e.branches)}"
                      first: "${e.branches[0].id}"
        """
        tracemalloc.start()
        run, _ = start(source)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert run.outcome == Succeeded({"truncated": True, "told": 1, "first": "0"})
        assert peak < 20_000_000

    def test_the_first_by_number_are_told_in_whatever_order_they_fail(self):
        run, requests = start(
            "- all: {try: {parallel: {for: {value: v, range: [0, 3], steps: ["
            "{a: {call: sys.now}}, {b: {raise: '${string(v)}'}}]}}},"
            " except: {as: e, steps: [{give: {return: '${e}'}}]}}"
        )
        finish(run, requests[::-1])

        assert isinstance(run.outcome, Succeeded)
        assert isinstance(run.outcome.value, dict)
        branches = run.outcome.value["branches"]
        assert [branch["error"]["payload"] for branch in branches] == ['"0"', '"1"', '"2"', '"3"']
        assert run.outcome.value["truncated"] is False

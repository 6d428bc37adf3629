"""A run is a function of its replies: replayed from any point, it goes the same way."""

import random
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import error
from emulator.interpreter import Raised, Reply, Request, Returned, Run, Succeeded
from emulator.parser import parse
from emulator.values import dump, load
from tests.emulator.scripted import exact, result_of, run_until_waiting

EVERYTHING = """
main:
  steps:
    - init: {assign: [{total: 0}, {log: []}, {failed: []}]}
    - now: {assign: [{began: "${sys.now()}"}]}
    - all:
        try:
          steps:
            - work:
                parallel:
                  shared: [total, log]
                  concurrency_limit: 3
                  for:
                    value: v
                    range: [1, 5]
                    steps:
                      - fetch: {call: fetch, args: {v: "${v}"}, result: got}
                      - add: {assign: [{total: "${total + weigh(got) + sys.now() * 0}"}]}
                      - inner:
                          parallel:
                            shared: [log]
                            branches:
                              - sleeper:
                                  steps:
                                    - z: {call: sys.sleep, args: {seconds: "${v}"}}
                                    - w: {assign: [{log: "${list.concat(log, v)}"}]}
                              - thrower:
                                  switch:
                                    - condition: ${v == 4}
                                      raise: ${uuid.generate()}
        except:
          as: e
          steps:
            - note: {assign: [{failed: "${e.branches}"}]}
    - done: {return: ["${total}", "${log}", "${began}", "${failed}"]}
fetch:
  params: [v]
  steps:
    - attempt:
        try:
          steps:
            - get: {call: http.get, args: {url: '${"https://x/" + v}'}, result: got}
            - third: {switch: [{condition: "${got.body % 3 == 0}", raise: "${got}"}]}
        retry: {predicate: "${again}", max_retries: 1, backoff: {initial_delay: 2}}
        except:
          as: e
          steps:
            - give_up: {return: 100}
    - give: {return: "${got.body}"}
again:
  params: [e]
  steps:
    - note: {call: sys.log, args: {data: "${e}"}}
    - give: {return: '${not("message" in e)}'}
weigh:
  params: [n, by: 2]
  steps:
    - wait: {call: sys.sleep, args: {seconds: 0}}
    - give: {return: "${n * by}"}
"""


def answer_by_key(request: Request) -> Reply:
    """A reply that depends on the request alone, and is an error now and then."""
    weight = sum(map(ord, request.key))
    match request.function:
        case "http.get" if weight % 4 == 0:
            return Raised(error("ConnectionError", request.key).value)
        case "http.get":
            return Returned({"body": weight % 7, "code": 200, "headers": {}})
        case "sys.now":
            return Returned(1000.5)
        case "uuid.generate":
            return Returned(f"id-{request.key}")
    return Returned(None)


def play(choose: Callable[[list[Request]], Request], steps: int = 1000) -> tuple[Run, list[Any]]:
    """Run EVERYTHING; the journal has each reply in the order in which it was applied."""
    run = Run(parse(EVERYTHING), None, {})
    journal: list[Any] = []
    outstanding = run_until_waiting(run, steps)
    while run.outcome is None:
        request = choose(outstanding)
        outstanding.remove(request)
        reply = answer_by_key(request)
        journal.append((request.key, reply))
        run.reply(request.key, reply)
        outstanding += run_until_waiting(run, steps)
    return run, journal


def replay(journal: list[Any]) -> tuple[Run, dict[str, Request]]:
    """A fresh run that was given the journal; its outstanding requests by key."""
    run = Run(parse(EVERYTHING), None, {})
    outstanding = {request.key: request for request in run_until_waiting(run)}
    for key, reply in journal:
        del outstanding[key]
        run.reply(key, reply)
        outstanding.update({request.key: request for request in run_until_waiting(run)})
    return run, outstanding


def shown(outstanding: dict[str, Request]) -> list[Any]:
    return [
        (request.key, request.function, exact(dict(request.args)), request.step, request.line)
        for request in outstanding.values()
    ]


class TestReplay:
    @settings(max_examples=40, deadline=None)
    @given(seed=st.integers(0, 10**6), steps=st.integers(1, 20))
    def test_any_prefix_of_a_journal_leads_to_the_same_place(self, seed, steps):
        order = random.Random(seed)
        run, journal = play(order.choice, steps)
        cut = order.randrange(len(journal) + 1)

        again, outstanding = replay(journal[:cut])
        other, same = replay(journal[:cut])
        assert shown(outstanding) == shown(same)
        assert again.steps_run == other.steps_run
        assert again.current_steps == other.current_steps
        for key, reply in journal[cut:]:
            again.reply(key, reply)
            run_until_waiting(again)

        assert again.outcome == run.outcome
        assert again.steps_run == run.steps_run

    def test_a_journal_may_have_been_written_and_read(self):
        run, journal = play(lambda waiting: waiting[0])
        kept = [(key, type(reply), dump(reply.value)) for key, reply in journal]

        again, outstanding = replay([(key, kind(load(text))) for key, kind, text in kept])

        assert again.outcome == run.outcome
        assert outstanding == {}

    def test_the_order_of_replies_decides_the_order_of_effects(self):
        first, _ = play(lambda waiting: waiting[0])
        last, _ = play(lambda waiting: waiting[-1])

        total, log, _, failed = result_of(first)
        total_last, log_last, _, failed_last = result_of(last)
        assert total == total_last
        assert sorted(log) == sorted(log_last) == [1, 2, 3, 4, 5]
        assert log != log_last
        assert failed == failed_last

    def test_nothing_is_left_in_memory(self):
        run, _ = play(lambda waiting: waiting[0])

        assert run._memory.used == 0

    def test_the_length_of_turns_changes_nothing(self):
        whole, journal = play(lambda waiting: waiting[0])
        sliced, same = play(lambda waiting: waiting[0], steps=1)

        assert journal == same
        assert whole.outcome == sliced.outcome
        assert whole.steps_run == sliced.steps_run

    def test_one_parsed_workflow_serves_many_runs(self):
        workflow = parse("- a: {assign: [{x: {n: 1}}, {x.n: '${x.n + 1}'}]}\n- b: {return: '${x}'}")
        outcomes = []
        for _ in range(3):
            run = Run(workflow, None, {})
            run_until_waiting(run)
            outcomes.append(run.outcome)

        assert outcomes == [Succeeded({"n": 2})] * 3

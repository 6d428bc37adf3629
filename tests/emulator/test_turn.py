"""Turns of a run: how long one holds the others up."""

from emulator.interpreter import Run
from emulator.parser import parse
from emulator.protocol import Reply, Request
from emulator.replies import Replies
from emulator.turn import Live, take_turn

SLOW = """
- large: {assign: [{text: "[0]"}, {n: 0}]}
- double: {assign: [{text: '${text.replace_all(text, "0", "0,0,0,0,0,0,0,0")}'}, {n: "${n + 1}"}]}
- again: {switch: [{condition: "${n < 5}", next: double}]}
- slow: {assign: [{list: "${json.decode(text)}"}, {other: "${json.encode(list)}"}], next: slow}
"""


def nothing(request: Request) -> Reply | None:
    raise AssertionError(request)


def live_run(source: str) -> Live:
    return Live(Run(parse(source), None, {}), Replies(lambda after: []), set())


class TestSlice:
    def test_slow_steps_are_given_few_at_a_time(self):
        live = live_run(SLOW)
        while live.run.steps_run < 50:
            assert take_turn(live, nothing)

        for _ in range(5):
            before = live.run.steps_run
            assert take_turn(live, nothing)
            assert live.run.steps_run - before <= 4

    def test_quick_steps_are_many_in_one_slice(self):
        live = live_run("- again: {next: again}\n")

        assert take_turn(live, nothing)
        assert live.run.steps_run > 100

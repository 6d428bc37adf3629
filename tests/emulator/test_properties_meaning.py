"""Whole workflows mean what a second interpreter says: results, errors, traces, steps run."""

import json
import random
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from emulator.errors import SourceError
from emulator.interpreter import Failed, Run, Succeeded
from emulator.limits import Limits
from emulator.parser import parse
from tests.emulator.made import NAMES, Maker, Place, Tree
from tests.emulator.naive import Naive, Raised, TooLong
from tests.emulator.properties import examples
from tests.emulator.scripted import finish, run_until_waiting

MOST: Final = 800
LIMITS: Final = Limits(steps=MOST)


class PlainMaker(Maker):
    """Makes workflows that ask nothing of the world but the waits of retries, and not in branches.

    Inside a branch, and in what it could call, nothing waits and nothing is parallel: then the
    branches run one after the other.
    """

    VALUES = (
        *("${x}", "${y}", "${[x, y]}", "${sub(x)}", "${x == y}", "text", 1, None, True) * 3,
        *("${x + 1}", "${1 / 0}"),
    )
    CONDITIONS = (*("${x == 1}", "${x != y}", "${y == null}", True, False) * 3, "${x}")
    TARGETS = NAMES

    def workflow(self) -> str:
        routines = json.loads(super().workflow())
        begin = {"begin": {"assign": [{"x": "${p}"}, {"y": 2}, {"z": None}]}}
        steps = self.block(Place(depth=2, in_branch=True))
        give = {"give": {"return": "${[x, y, z]}"}}
        routines["sub"] = {"params": ["p"], "steps": [begin, *steps, give]}
        return json.dumps(routines)

    def over(self, place: Place) -> dict[str, Tree]:
        loop = super().over(place)
        if self.chance.random() < 0.4:  # a variable of the body, which no iteration leaves behind
            first = {self.name(): {"assign": [{self.chance.choice(NAMES): "${w}"}]}}
            last = {self.name(): {"assign": [{"w": self.value(place)}]}}
            loop["steps"] = [first, *loop["steps"], last]
        return loop

    def value(self, place: Place) -> Tree:
        found = super().value(place)
        return "${get_type(e)}" if found == "${e}" else found

    def end(self, place: Place) -> dict[str, Tree]:
        if self.chance.random() < 0.6:
            return self.assign(place)
        made = super().end(place)
        return {"raise": "${e}"} if "${get_type(e)}" in made.values() else made

    def call(self, place: Place) -> dict[str, Tree]:
        named = {"call": "sub", "args": {"p": self.value(place)}}
        listed = {"call": "sub", "args": [self.value(place)], "result": self.chance.choice(NAMES)}
        return self.chance.choice([named, listed])

    def parallel(self, place: Place) -> dict[str, Tree]:
        return self.group(place) if place.in_branch else super().parallel(place)

    def attempt(self, place: Place) -> dict[str, Tree]:
        made = super().attempt(place)
        if place.in_branch and made.pop("retry", None):
            made.setdefault("except", {"steps": self.block(place)})
        return made


def plainly(value: Any) -> Any:
    """A value in which the wording of errors does not matter."""
    if isinstance(value, dict) and "tags" in value:
        ids = value.get("ids") or [branch["id"] for branch in value.get("branches", ())]
        return {"tags": value["tags"], "ids": ids}
    if isinstance(value, list):
        return [plainly(item) for item in value]
    return {key: plainly(item) for key, item in value.items()} if isinstance(value, dict) else value


def expected(source: str) -> Any:
    naive = Naive(json.loads(source), MOST)
    try:
        return "gives", plainly(naive.call("main", None)), [], naive.steps
    except Raised as problem:
        return "fails", plainly(problem.value), problem.frames, naive.steps


def found(source: str) -> Any:
    run = Run(parse(source, limits=LIMITS), None, {}, LIMITS)
    finish(run, run_until_waiting(run))
    match run.outcome:
        case Succeeded(value):
            return "gives", plainly(value), [], run.steps_run
        case Failed(value, _, stack):
            frames = [(frame.step, frame.routine) for frame in stack]
            return "fails", plainly(value), frames, run.steps_run
    raise AssertionError(run.outcome)


def compared(seed: int) -> tuple[Any, Any] | None:
    """What both say of a workflow; None where it is not deployed or takes too long."""
    source = PlainMaker(random.Random(seed)).workflow()
    try:
        parse(source, limits=LIMITS)
        right = expected(source)
    except (SourceError, TooLong):
        return None
    return found(source), right


class TestMeaning:
    @examples(300)
    @given(st.integers(0, 2**32))
    def test_two_interpreters_agree(self, seed):
        both = compared(seed)

        assert both is None or json.dumps(both[0]) == json.dumps(both[1])

    def test_most_workflows_are_compared(self):
        both = [compared(seed) for seed in range(60)]

        assert sum(each is not None for each in both) > 30

"""Workflows of random structure, and a world whose replies depend on the request alone.

Every outside call names itself by a *tag*: where it stands, in which rounds of the loops around it
and which attempt it is. So the same call is known again in another life of the same execution.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

Step = dict[str, Any]
Draw = Any

RUN = "googleapis.workflowexecutions.v1.projects.locations.workflows.executions.run"
_SHARED = ("total", "log")
_MOST_STEPS = 14
_DEEPEST = 4


@dataclass(frozen=True)
class Place:
    """Where steps are being written.

    `marks` are the variables that tell one passing of this place from another, `shared` whether
    `total` and `log` may be assigned here, `forks` the parallel steps around it, `loops` whether
    an iteration can be broken off.
    """

    depth: int = 0
    marks: tuple[str, ...] = ()
    forks: int = 0
    loops: str = ""


@dataclass
class Writer:
    """Writes one workflow.

    `any_order` makes a workflow whose outcome does not depend on the order of replies: what is
    shared is only added to, and nothing branches on it.
    """

    draw: Draw
    any_order: bool
    steps: int = 0
    routines: dict[str, Any] = field(default_factory=dict)

    def source(self) -> str:
        """A whole workflow, as JSON, which is YAML. `input` gives `url` and `path`."""
        body = self.body(Place())
        init = {"total": 0, "log": [], "base": "${input.url}", "path": "${input.path}"}
        begin = {"first": {"assign": [{name: value} for name, value in init.items()]}}
        end = {"last": {"return": {"total": "${total}", "log": "${log}"}}}
        main = {"params": ["input"], "steps": [begin, *body, end]}
        return json.dumps({"main": main, **self.routines, "again": _AGAIN}, indent=1)

    def name(self, kind: str) -> str:
        self.steps += 1
        return f"{kind}{self.steps}"

    def body(self, place: Place) -> list[Step]:
        most = 3 if place.depth else 5
        written: list[Step] = []
        for _ in range(self.draw(st.integers(1, most))):
            if not written or self.steps < _MOST_STEPS:
                written += self.some(place)
        return written

    def some(self, place: Place) -> list[Step]:
        """One thing to do; where it is deep enough, a simple one."""
        kinds = [self.get, self.get, self.sleep, self.note, self.add, self.unique, self.callback]
        if self.any_order:
            kinds.append(self.child)
        if place.loops:
            kinds.append(self.leave)
        if place.depth < _DEEPEST and self.steps < _MOST_STEPS:
            kinds += [self.attempt, self.attempt, self.loop, self.jump, self.choose, self.sub]
            kinds += [self.parallel, self.parallel] if place.forks < 2 else []
        return self.draw(st.sampled_from(kinds))(place)

    # What is done

    def get(self, place: Place) -> list[Step]:
        name = self.name("get")
        call = {"call": "http.get", "args": {"url": f"${{base + {tag(name, place)}}}"}}
        return [{name: {**call, "result": f"r_{name}"}}, *self.add(place, f"r_{name}.body.n")]

    def callback(self, place: Place) -> list[Step]:
        name = self.name("callback")
        create = {"call": "events.create_callback_endpoint", "result": f"c_{name}"}
        wait = {
            "call": "events.await_callback",
            "args": {"callback": f"${{c_{name}}}"},
            "result": f"r_{name}",
        }
        added = self.add(place, f"r_{name}.http_request.body.n")
        return [{f"create_{name}": create}, {name: wait}, *added]

    def child(self, place: Place) -> list[Step]:
        name = self.name("child")
        argument = {"url": "${base}", "path": f"${{{tag(name, place)}}}"}
        call = {"call": RUN, "args": {"workflow_id": "child", "argument": argument}}
        return [{name: {**call, "result": f"r_{name}"}}, *self.add(place, f"r_{name}.n")]

    def sleep(self, place: Place) -> list[Step]:
        seconds = self.draw(st.integers(0, 3))
        return [{self.name("sleep"): {"call": "sys.sleep", "args": {"seconds": seconds}}}]

    def note(self, place: Place) -> list[Step]:
        name = self.name("note")
        return [{name: {"call": "sys.log", "args": {"text": f"${{{tag(name, place)}}}"}}}]

    def unique(self, place: Place) -> list[Step]:
        """An ID that is drawn once: it is told to the world under the tag of the place."""
        name = self.name("unique")
        body = {"id": "${uuid.generate()}", "at": "${sys.now()}"}
        url = f"${{base + {tag(name, place)}}}"
        call = {"call": "http.post", "args": {"url": url, "body": body}}
        caught = {"steps": [{f"none_{name}": {"assign": [{f"n_{name}": 0}]}}]}
        return [{name: {"try": call, "except": caught}}]

    def add(self, place: Place, what: str = "") -> list[Step]:
        name = self.name("add")
        number = what or str(self.draw(st.integers(1, 9)))
        assigned = [{"total": f"${{total + {number}}}"}]
        if not self.any_order:
            assigned.append({"log": f"${{list.concat(log, {tag(name, place)})}}"})
        return [{name: {"assign": assigned}}]

    # What holds other steps

    def attempt(self, place: Place) -> list[Step]:
        """`try` with `retry`, `except` or both; an attempt is marked with its number."""
        name = self.name("try")
        mark = f"m_{name}"
        inner = replace(place, depth=place.depth + 1, marks=(*place.marks, mark))
        count = {f"count_{name}": {"assign": [{mark: f"${{{mark} + 1}}"}]}}
        tried: Step = {"try": {"steps": [count, *self.body(inner)]}}
        way = self.draw(st.sampled_from(["retry", "except", "both"]))
        if way != "except":
            predicate = self.draw(st.sampled_from(["http.default_retry_predicate", "again"]))
            tried["retry"] = {
                "predicate": f"${{{predicate}}}",
                "max_retries": self.draw(st.integers(1, 2)),
                "backoff": {"initial_delay": 1, "max_delay": 2, "multiplier": 2},
            }
        if way != "retry":
            tried["except"] = {"as": f"e_{name}", "steps": self.body(inner)}
        return [{f"mark_{name}": {"assign": [{mark: 0}]}}, {name: tried}]

    def loop(self, place: Place) -> list[Step]:
        name = self.name("for")
        value = f"v_{name}"
        return [
            {name: {"for": {"value": value, "range": [1, 3], "steps": self.round(place, value)}}}
        ]

    def round(self, place: Place, value: str, *, forks: int = 0) -> list[Step]:
        loops = "continue" if forks else self.draw(st.sampled_from(["break", "continue"]))
        inner = Place(place.depth + 1, (*place.marks, value), place.forks + forks, loops)
        return self.body(inner)

    def leave(self, place: Place) -> list[Step]:
        """End the round, if its number is 2."""
        at_two = {"condition": f"${{{self.rounds(place)} == 2}}", "next": place.loops}
        return [{self.name("leave"): {"switch": [at_two]}}]

    def rounds(self, place: Place) -> str:
        return next(mark for mark in reversed(place.marks) if mark.startswith("v_"))

    def jump(self, place: Place) -> list[Step]:
        """A loop that is made of jumps."""
        name = self.name("jump")
        mark = f"m_{name}"
        inner = replace(place, depth=place.depth + 1, marks=(*place.marks, mark), loops="")
        again = {"condition": f"${{{mark} < 2}}", "next": f"round_{name}"}
        return [
            {f"mark_{name}": {"assign": [{mark: 0}]}},
            {f"round_{name}": {"assign": [{mark: f"${{{mark} + 1}}"}]}},
            {f"steps_{name}": {"steps": self.body(inner)}},
            {name: {"switch": [again]}},
        ]

    def choose(self, place: Place) -> list[Step]:
        name = self.name("switch")
        inner = replace(place, depth=place.depth + 1)
        number = place.marks[-1] if place.marks else "len(path)"
        if not self.any_order:
            number = "(total + len(log))"
        first = {"condition": f"${{{number} % 2 == 0}}", "steps": self.body(inner)}
        second: Step = {"condition": True, "steps": self.body(inner)}
        if self.draw(st.booleans()):
            second = {"condition": True, "raise": f"${{{tag(name, place)}}}"}
        return [{name: {"switch": [first, second]}}]

    def sub(self, place: Place) -> list[Step]:
        """Call a new subworkflow, by a step or in an expression."""
        name = self.name("sub")
        end = {f"end_{name}": {"return": {"n": "${total}"}}}
        begin = {f"begin_{name}": {"assign": [{"total": 0}, {"log": []}]}}
        routine = f"routine_{name}"
        body = self.body(Place(place.depth + 1))
        self.routines[routine] = {"params": ["base", "path"], "steps": [begin, *body, end]}
        path = tag(name, place)
        if self.draw(st.booleans()):
            call = {"call": routine, "args": {"base": "${base}", "path": f"${{{path}}}"}}
            return [{name: {**call, "result": f"r_{name}"}}, *self.add(place, f"r_{name}.n")]
        got: Step = {name: {"assign": [{f"r_{name}": f"${{{routine}(base, {path}).n}}"}]}}
        return [got, *self.add(place, f"r_{name}")]

    def parallel(self, place: Place) -> list[Step]:
        name = self.name("parallel")
        forked: Step = {"shared": list(_SHARED)}
        if self.draw(st.booleans()):
            forked["concurrency_limit"] = self.draw(st.integers(1, 3))
        if self.draw(st.booleans()):
            value = f"v_{name}"
            steps = self.round(place, value, forks=1)
            forked["for"] = {"value": value, "range": [1, 3], "steps": steps}
        else:
            inner = Place(place.depth + 1, place.marks, place.forks + 1)
            forked["branches"] = [
                {f"branch{number}_{name}": {"steps": self.body(inner)}}
                for number in range(self.draw(st.integers(2, 3)))
            ]
        return [{name: {"parallel": forked}}]


_AGAIN = {
    "params": ["e"],
    "steps": [
        {"say": {"call": "sys.log", "args": {"text": "again?"}}},
        {"nap": {"call": "sys.sleep", "args": {"seconds": 1}}},
        {"give": {"return": True}},
    ],
}


def tag(name: str, place: Place) -> str:
    """The expression of a tag: the path of the routine, the step, and the marks around it."""
    parts = ["path", f'"/{name}"', *(f'"-" + string({mark})' for mark in place.marks)]
    return " + ".join(parts)


@st.composite
def sources(draw: Draw, *, any_order: bool = False) -> str:
    """The source of a workflow."""
    return Writer(draw, any_order).source()


CHILD = """
main:
  params: [input]
  steps:
    - nap: {call: sys.sleep, args: {seconds: 1}}
    - tell: {call: sys.log, args: {text: '${"child " + input.path}'}}
    - done: {return: {n: "${len(input.path)}"}}
"""


def fate(*about: object) -> int:
    """A number that depends on nothing but its arguments, in every process."""
    return zlib.crc32(json.dumps(about).encode())


def pick(choices: Sequence[Any], *about: object) -> Any:
    """One of the choices, by fate."""
    return choices[fate(*about) % len(choices)]

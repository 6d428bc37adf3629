"""Workflows made at random: every kind of step inside every other, most of them deployable."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

Tree = Any
NAMES: Final = ("x", "y", "z")


@dataclass(frozen=True)
class Place:
    """What a step made at random may refer to: steps to go to, variables, jumps of loops."""

    steps: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    jumps: tuple[str, ...] = ()
    in_branch: bool = False
    depth: int = 3


class Maker:
    """Makes workflows at random, from the values, conditions and targets of its class."""

    VALUES: Sequence[Tree] = (
        *("${x}", "${y}", "${x + 1}", "${y.a}", "${[x, y]}", "${list.concat(x, y)}", "${sub(x)}"),
        *("${sys.now()}", "${x == y}", "${1 / 0}", "${len(x)}", "${map.get(x, y)}", "text", 1, 2.5),
        *(None, True, [1, "${x}"], {"a": "${y}", "${string(1)}": 2}),
    )
    CONDITIONS: Sequence[Tree] = (
        *("${x == 1}", "${x != y}", "${true}", "${y == null}", "${x}", True, False),
    )
    TARGETS: Sequence[str] = (*NAMES, "x.a", "y[0]", "x[y]", "z.a.b")

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.count = 0

    def workflow(self) -> str:
        begin = {"begin": {"assign": [{"x": 1}, {"y": [1, {"a": 2}]}, {"z": {}}]}}
        give = [{"give": {"return": "${[x, y, z]}"}}]
        routines = {
            "main": {"params": ["args"], "steps": [begin, *self.block(Place(), 4), *give]},
            "sub": {"params": ["p"], "steps": [begin, *self.block(Place(depth=2)), *give]},
            "check": {"params": ["e"], "steps": [{"give": {"return": "${e != null}"}}]},
        }
        return json.dumps(routines)

    def block(self, place: Place, most: int = 3) -> list[Tree]:
        names = [self.name() for _ in range(self.chance.randint(1, most))]
        inside = replace(place, steps=(*place.steps, *names))
        return [{name: self.body(inside)} for name in names]

    def name(self) -> str:
        self.count += 1
        return f"s{self.count}"

    def value(self, place: Place) -> Tree:
        return self.chance.choice([*self.VALUES, *place.values])

    def body(self, place: Place) -> dict[str, Tree]:
        simple: list[Callable[[Place], dict[str, Tree]]]
        simple = [self.assign, self.assign, self.call, self.jump, self.end]
        nested = [self.switch, self.loop, self.parallel, self.attempt, self.group]
        inside = replace(place, depth=place.depth - 1)
        made = self.chance.choice(simple if place.depth <= 0 else [*simple, *nested, *nested])
        return {**made(inside), **(self.jump(place) if self.chance.random() < 0.1 else {})}

    def jump(self, place: Place) -> dict[str, Tree]:
        ends = () if place.in_branch else ("end",)
        targets = [*place.steps, *place.jumps, *ends]
        return {"next": self.chance.choice(targets)} if targets else {}

    def assign(self, place: Place) -> dict[str, Tree]:
        return {"assign": [{self.chance.choice(self.TARGETS): self.value(place)} for _ in range(2)]}

    def call(self, place: Place) -> dict[str, Tree]:
        calls: list[dict[str, Tree]] = [
            {
                "call": "sub",
                "args": [self.value(place)],
                "result": self.chance.choice(self.TARGETS),
            },
            {"call": "sub", "args": {"p": self.value(place)}},
            {"call": "sys.sleep", "args": {"seconds": 1}},
            {"call": "http.get", "args": {"url": "https://x"}, "result": self.chance.choice(NAMES)},
            {"call": "sys.log", "args": {"data": self.value(place)}},
        ]
        return self.chance.choice(calls)

    def end(self, place: Place) -> dict[str, Tree]:
        kind = "raise" if place.in_branch or self.chance.random() < 0.7 else "return"
        return {kind: self.value(place)}

    def switch(self, place: Place) -> dict[str, Tree]:
        conditions = [
            {"condition": self.chance.choice(self.CONDITIONS), **self.body(place)}
            for _ in range(self.chance.randint(1, 3))
        ]
        return {"switch": conditions}

    def over(self, place: Place) -> dict[str, Tree]:
        loops: list[dict[str, Tree]] = [{"in": [1, "${x}"]}, {"in": "${y}"}, {"range": [1, 3]}]
        loop = {"value": "v", "index": "i", **self.chance.choice(loops)}
        inside = replace(place, values=(*place.values, "${v}", "${i + 1}"))
        return {**loop, "steps": self.block(inside)}

    def loop(self, place: Place) -> dict[str, Tree]:
        return {"for": self.over(replace(place, jumps=("break", "continue")))}

    def parallel(self, place: Place) -> dict[str, Tree]:
        body: dict[str, Tree] = {"shared": [*NAMES, *(["v"] if "${v}" in place.values else [])]}
        if self.chance.random() < 0.3:
            body["concurrency_limit"] = self.chance.choice([1, 2, "${x}"])
        inside = replace(place, steps=(), jumps=(), in_branch=True)
        if self.chance.random() < 0.5:
            body["for"] = self.over(replace(inside, jumps=("continue",)))
        else:
            body["branches"] = [{self.name(): self.body(inside)} for _ in range(2)]
        return {"parallel": body}

    def attempt(self, place: Place) -> dict[str, Tree]:
        steps: dict[str, Tree] = {"steps": self.block(place)}
        made = {"try": self.chance.choice([steps, steps["steps"], self.body(place)])}
        predicates = ["${retry.always}", "${http.default_retry}", "${check}"]
        if self.chance.random() < 0.5:
            made["retry"] = {"predicate": self.chance.choice(predicates), "max_retries": 2}
        if "retry" not in made or self.chance.random() < 0.5:
            inside = replace(place, values=(*place.values, "${e}"))
            made["except"] = {"as": "e", "steps": self.block(inside)}
        return made

    def group(self, place: Place) -> dict[str, Tree]:
        return {"steps": self.block(place)}

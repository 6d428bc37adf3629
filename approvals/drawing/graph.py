"""A workflow as its steps: what each is, what is in it, and where control goes after it."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

MAIN = "main"


class Kind(StrEnum):
    """What a step does, by its key in the source."""

    ASSIGN = "assign"
    CALL = "call"
    FOR = "for"
    NOTHING = "nothing"
    PARALLEL = "parallel"
    RAISE = "raise"
    RETURN = "return"
    STEPS = "steps"
    SWITCH = "switch"
    TRY = "try"


class Role(StrEnum):
    """What a list of steps is to the step that holds it."""

    BODY = "body"  # of a loop or a group
    BRANCH = "branch"
    CASE = "case"
    EXCEPT = "except"
    TRY = "try"


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A list of steps in a step; of a switch also the condition, and a jump in place of steps."""

    role: Role
    steps: "tuple[Step, ...]" = ()
    name: str = ""
    condition: Any = None
    next: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step. `number` counts all steps of the source in order; `name` is empty for a body that
    stands right in a condition.

    `call` is the function or subworkflow; `host` of the URL of a request, where the source says
    it; `assigns` are target and value, `value` what is returned or raised; `asks` is the map of
    the question, where the step asks one.
    """

    number: int
    routine: str
    name: str
    kind: Kind
    parts: tuple[Part, ...] = ()
    next: str = ""
    call: str = ""
    host: str = ""
    result: str = ""
    assigns: tuple[tuple[str, Any], ...] = ()
    value: Any = None
    asks: Any = field(default=None, repr=False)

    @property
    def cases(self) -> tuple[Part, ...]:
        """The conditions of a switch, in order."""
        return tuple(part for part in self.parts if part.role is Role.CASE)

    def within(self) -> "Iterator[Step]":
        """Itself and all steps in it, in order."""
        yield self
        for part in self.parts:
            for step in part.steps:
                yield from step.within()


class Where(StrEnum):
    """Where control goes, if not to a step."""

    END = "end"  # of the routine
    JOIN = "join"  # waits for the other branches of a parallel step
    ROUND = "round"  # the next round of a loop, or past it
    STEP = "step"


@dataclass(frozen=True, slots=True)
class Next:
    """Where control goes: to `step`, or the loop or parallel `step` that is left, or the end."""

    where: Where
    step: Step | None = None


END = Next(Where.END)


@dataclass(frozen=True, slots=True)
class Edge:
    """A line of the drawing, from a step to another one or to the end (None)."""

    source: Step
    target: Step | None
    back: bool = False  # the next round of a loop
    fails: bool = False  # taken where the step fails
    case: int | None = None  # the number of the condition; -1 where none was true


@dataclass(frozen=True, slots=True)
class _Place:
    siblings: tuple[Step, ...]
    index: int
    owner: Step | None
    part: Part | None


@dataclass(frozen=True)
class Graph:
    """All routines of a workflow.

    `folded` are the subworkflows that are ours: nobody needs their insides. `cut`: there was more
    than is kept. `understood` is false where only the names of steps could be found.
    """

    routines: dict[str, tuple[Step, ...]]
    folded: frozenset[str] = frozenset()
    cut: bool = False
    understood: bool = True

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """All steps in the order of the source."""
        return tuple(
            step for first in self.routines.values() for each in first for step in each.within()
        )

    @property
    def shown(self) -> list[str]:
        """The routines that people see: `main` first, without ours."""
        names = [name for name in self.routines if name not in self.folded]
        return sorted(names, key=lambda name: name != MAIN)

    @cached_property
    def sites(self) -> tuple[Step, ...]:
        """The steps at which the workflow waits for an answer of people, as people see them."""
        return tuple(step for name in self.shown for step in self.of(name) if self.waits_at(step))

    def of(self, routine: str) -> Iterator[Step]:
        """All steps of a routine."""
        for step in self.routines.get(routine, ()):
            yield from step.within()

    def waits_at(self, step: Step) -> bool:
        """Whether the step itself waits: by Google's function, or by one of ours that does."""
        return step.call == "events.await_callback" or step.call in self._waiting

    @cached_property
    def _waiting(self) -> frozenset[str]:
        """Our subworkflows that wait for an answer, right there or through another."""
        waiting: set[str] = set()
        while True:
            more = {
                name
                for name in self.folded - waiting
                for step in self.of(name)
                if step.call == "events.await_callback" or step.call in waiting
            }
            if not more:
                return frozenset(waiting)
            waiting |= more

    # --- where control goes ---------------------------------------------------------------------

    @cached_property
    def _places(self) -> dict[int, _Place]:
        found: dict[int, _Place] = {}
        todo: list[tuple[tuple[Step, ...], Step | None, Part | None]]
        todo = [(steps, None, None) for steps in self.routines.values()]
        while todo:
            steps, owner, part = todo.pop()
            for index, step in enumerate(steps):
                found[step.number] = _Place(steps, index, owner, part)
                todo += [(inner.steps, step, inner) for inner in step.parts]
        return found

    def owner(self, step: Step) -> Step | None:
        """The step that it stands in."""
        return self._places[step.number].owner

    def part(self, step: Step) -> Part | None:
        """The list of its owner that it stands in."""
        return self._places[step.number].part

    def after(self, step: Step) -> Next:
        """Where control goes when a step, and all in it, ended well."""
        if step.kind is Kind.RETURN:
            return END
        if step.next:
            return self.jump(step, step.next)
        place = self._places[step.number]
        if place.index + 1 < len(place.siblings):
            return Next(Where.STEP, place.siblings[place.index + 1])
        if place.owner is None or place.part is None:
            return END
        if place.part.next:
            return self.jump(place.owner, place.part.next)
        return self._leave(place.owner, place.part)

    def _leave(self, owner: Step, part: Part) -> Next:
        if part.role in {Role.BODY, Role.BRANCH}:
            if owner.kind is Kind.FOR:
                return Next(Where.ROUND, owner)
            if owner.kind is Kind.PARALLEL:
                return Next(Where.JOIN, owner)
        return self.after(owner)

    def jump(self, step: Step, name: str) -> Next:
        """Where `next: NAME` leads from a step; to the end where there is no such step."""
        if name == "end":
            return END
        if name in {"break", "continue"}:
            return self._out_of_loop(step, name)
        place: _Place | None = self._places[step.number]
        while place:
            for each in place.siblings:
                if each.name == name:
                    return Next(Where.STEP, each)
            place = self._places[place.owner.number] if place.owner else None
        return END

    def _out_of_loop(self, step: Step, name: str) -> Next:
        owner = self.owner(step)
        while owner:
            if owner.kind is Kind.FOR:
                return self.after(owner) if name == "break" else Next(Where.ROUND, owner)
            if owner.kind is Kind.PARALLEL:
                return Next(Where.JOIN, owner)
            owner = self.owner(owner)
        return END

    # --- lines ----------------------------------------------------------------------------------

    def edges(self, routine: str) -> list[Edge]:
        """The lines between the steps of a routine, in order."""
        found = [edge for step in self.of(routine) for edge in self._edges_of(step)]
        return list(dict.fromkeys(found))

    def _edges_of(self, step: Step) -> Iterator[Edge]:
        if step.kind is Kind.SWITCH:
            yield from self._cases(step)
        beside = {Role.CASE, Role.EXCEPT}
        enters = [part for part in step.parts if part.role not in beside and part.steps]
        for part in enters:
            yield Edge(step, part.steps[0])
        if (not enters and step.kind is not Kind.SWITCH) or step.kind is Kind.FOR:
            # Of a raised error nobody knows where it ends.
            if step.kind is not Kind.RAISE:
                yield self._edge(step, self.after(step))
            else:
                caught = self.caught(step)
                yield replace(self._edge(step, caught) if caught else Edge(step, None), fails=True)
        for part in step.parts:
            if part.role is Role.EXCEPT and part.steps:
                yield Edge(step, part.steps[0], fails=True)

    def _cases(self, step: Step) -> Iterator[Edge]:
        for number in range(len(step.cases)):
            yield self._edge(step, self.case(step, number), case=number)
        if not any(always(part) for part in step.cases):
            yield self._edge(step, self.after(step), case=-1)

    def case(self, step: Step, number: int) -> Next:
        """Where a condition of a switch leads; -1 where none was true."""
        if number < 0:
            return self.after(step)
        part = step.cases[number]
        if part.steps:
            return Next(Where.STEP, part.steps[0])
        return self.jump(step, part.next) if part.next else self.after(step)

    def _edge(self, source: Step, after: Next, *, case: int | None = None) -> Edge:
        """A line to where control goes: a join is where it goes on, a round is its loop."""
        back = after.where is Where.ROUND
        while after.where is Where.JOIN and after.step:
            after = self.after(after.step)
            back = after.where is Where.ROUND
        return Edge(source, after.step, back=back, case=case)

    def caught(self, step: Step) -> Next | None:
        """Where an error that is raised there goes on in its own routine; None if nowhere.

        An `except` without steps goes on after its step.
        """
        owner: Step | None = step
        inner: Part | None = None  # of itself, where the step is what its own `try` holds
        while owner:
            if inner is None or inner.role is Role.TRY:
                for part in owner.parts:
                    if part.role is Role.EXCEPT:
                        return Next(Where.STEP, part.steps[0]) if part.steps else self.after(owner)
            inner, owner = self.part(owner), self.owner(owner)
        return None


def always(part: Part) -> bool:
    """Whether a condition is written as true."""
    return isinstance(part.condition, str) and part.condition in {
        *("true", "True", "TRUE"),
        *("${true}", "${True}", "${TRUE}"),
    }

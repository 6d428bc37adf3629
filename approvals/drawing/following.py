"""What follows an answer: from the step that waits on, as far as the source tells it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from approvals.drawing.expressions import UNKNOWN, Partial, Unknown, Value, value_of
from approvals.drawing.graph import MAIN, Graph, Kind, Next, Role, Step, Where

MAX_STEPS = 60  # of one way
MAX_FORKS = 3  # decisions of the workflow's own in one another
MAX_WALKED = 600  # steps of all ways after one answer
MAX_CHOICES = 6
MAX_CALLERS = 10

# What a person reads of what follows. What is only worked out, or leads on, is left out.
TOLD = frozenset({Kind.CALL, Kind.FOR, Kind.PARALLEL})


class Ending(StrEnum):
    """How a way ends, as far as it is told."""

    AGAIN = "again"  # another round of the loop that `at` is
    ASKS = "asks"  # waits for an answer again, at `at`
    BACK = "back"  # goes back to `at`, where it has been
    DECIDES = "decides"  # the workflow's own data decide between `choices`
    ENDS = "ends"
    FAILS = "fails"
    LONG = "long"  # there is more of it
    LOST = "lost"  # it goes on in a part that several others lead to


@dataclass(frozen=True, slots=True)
class Way:
    """What follows: steps in order, and how that ends.

    `joins`: before which of `steps` the workflow waits for other branches. `passed` are the numbers
    of all steps on the way, the told ones and others. `decided` are the conditions that the
    answer decides: switch, and number of the condition; `perhaps` those that are left open.
    """

    steps: tuple[Step, ...] = ()
    ending: Ending = Ending.ENDS
    at: Step | None = None
    choices: "tuple[Way, ...]" = ()
    joins: frozenset[int] = frozenset()  # numbers in `steps`
    passed: frozenset[int] = frozenset()
    decided: frozenset[tuple[int, int]] = frozenset()
    perhaps: frozenset[tuple[int, int]] = frozenset()

    @property
    def gist(self) -> object:
        """What two ways have in common if the same happens on them."""
        numbers = tuple(step.number for step in self.steps)
        at = self.at.number if self.at else None
        return numbers, self.ending, at, tuple(way.gist for way in self.choices)


@dataclass
class _Walk:
    """A way as it is walked: where, with what known, and who called."""

    known: dict[str, Value]
    callers: list[Step]
    routine: str = MAIN
    depth: int = 0
    steps: list[Step] = field(default_factory=list)
    joins: set[int] = field(default_factory=set)
    passed: set[int] = field(default_factory=set)
    decided: set[tuple[int, int]] = field(default_factory=set)
    perhaps: set[tuple[int, int]] = field(default_factory=set)
    returned: Value = None

    def way(self, ending: Ending, at: Step | None = None, choices: tuple[Way, ...] = ()) -> Way:
        return Way(
            *(tuple(self.steps), ending, at, choices),
            *(frozenset(self.joins), frozenset(self.passed)),
            *(frozenset(self.decided), frozenset(self.perhaps)),
        )

    def fork(self) -> "_Walk":
        return _Walk(
            *(dict(self.known), list(self.callers), self.routine, self.depth + 1),
            passed=set(self.passed),
            returned=self.returned,
        )


def follows(graph: Graph, site: Step, outcome: str) -> Way:
    """What follows when the answer at a step that waits is this one."""
    answer = Partial({"outcome": outcome})
    if site.call == "events.await_callback":
        answer = Partial({"http_request": Partial({"body": answer})})
    callers = callers_of(graph, site.routine)
    # Which routine is left when there is nobody to go back to.
    last = callers[0].routine if callers else site.routine
    walk = _Walk(_known_before(graph, site), callers, last)
    walk.passed.add(site.number)
    _set(walk.known, site.result, answer)
    return _Follower(graph).walk(graph.after(site), walk)


def callers_of(graph: Graph, routine: str) -> list[Step]:
    """The steps that lead to a subworkflow, outermost first; of several callers, none is known."""
    found: list[Step] = []
    while len(found) < MAX_CALLERS:
        calls = [step for name in graph.shown for step in graph.of(name) if step.call == routine]
        if len(calls) != 1 or calls[0] in found:
            break
        found.insert(0, calls[0])
        routine = calls[0].routine
    return found


def _known_before(graph: Graph, site: Step) -> dict[str, Value]:
    """What is surely known where it waits: only what every way to there has set alike.

    That is what the straight way from the beginning sets, less what may be set between two
    visits of the step.
    """
    follower, walk = _Follower(graph), _Walk({}, [])
    steps = graph.routines[site.routine]
    while steps:
        step = steps[0]
        if step is site:
            break
        if step.kind is Kind.SWITCH or step.number in walk.passed:
            return {}
        walk.passed.add(step.number)
        to = follower.step(step, walk)
        steps = (to.step,) if to.where is Where.STEP and to.step else ()
    for each in _between_visits(graph, site) if steps else ():
        _forget(walk.known, each)
    return walk.known if steps else {}


def _between_visits(graph: Graph, site: Step) -> list[Step]:
    """The steps that may run after it and before it runs again."""
    leads: dict[int, set[int]] = {}
    comes: dict[int, set[int]] = {}
    for edge in graph.edges(site.routine):
        if edge.target:
            leads.setdefault(edge.source.number, set()).add(edge.target.number)
            comes.setdefault(edge.target.number, set()).add(edge.source.number)
    both = _reached(leads, site.number) & _reached(comes, site.number)
    return [step for step in graph.of(site.routine) if step.number in both]


def _reached(leads: Mapping[int, set[int]], begin: int) -> set[int]:
    found: set[int] = set()
    todo = [begin]
    while todo:
        new = leads.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found


class _Follower:
    """Walks, within limits."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.left = MAX_WALKED

    def walk(self, to: Next, walk: _Walk) -> Way:
        """The way from there on."""
        while True:
            went = self._go(to, walk)
            if isinstance(went, Way):
                return went
            to = went

    def _go(self, to: Next, walk: _Walk) -> Next | Way:
        """One move: where to next, or the whole way where it is over."""
        if to.where is Where.END or to.step is None:
            if walk.callers:
                return self._return(walk)
            return walk.way(Ending.ENDS if walk.routine == MAIN else Ending.LOST)
        if to.where is Where.ROUND:
            return self._round(to.step, walk)
        if to.where is Where.JOIN:
            walk.joins.add(len(walk.steps))
            for each in to.step.within():
                _forget(walk.known, each)
            return self.graph.after(to.step)
        return self._ended(to.step, walk) or self._enter(to.step, walk)

    def _ended(self, step: Step, walk: _Walk) -> Way | None:
        """The way, if it is over before this step, or at it."""
        if step.number in walk.passed:
            again = self.graph.waits_at(step)
            return walk.way(Ending.ASKS if again else Ending.BACK, step)
        self.left -= 1
        if self.left < 0 or len(walk.steps) >= MAX_STEPS:
            return walk.way(Ending.LONG)
        walk.passed.add(step.number)
        asking = self._asks(step)
        return walk.way(Ending.ASKS, asking) if asking else None

    def _enter(self, step: Step, walk: _Walk) -> Next | Way:
        if step.kind is Kind.SWITCH:
            options = self._options(step, walk)
            if len(options) > 1:
                return self._fork([self.graph.case(step, each) for each in options], walk)
            return self.graph.case(step, options[0])
        if step.kind is Kind.RAISE:
            return self.graph.caught(step) or walk.way(Ending.FAILS, step)
        return self.step(step, walk)

    def step(self, step: Step, walk: _Walk) -> Next:
        """Take a step that only goes on; where to."""
        if step.kind in TOLD:
            walk.steps.append(step)
        for target, value in step.assigns:
            _assign(walk.known, target, value_of(value, walk.known))
        _set(walk.known, step.result, UNKNOWN)
        if step.kind is Kind.RETURN:
            walk.returned = value_of(step.value, walk.known)
        inner = _entered(step)
        if inner:
            return Next(Where.STEP, inner[0])
        for each in step.within() if step.parts else ():
            _forget(walk.known, each)
        return self.graph.after(step)

    def _asks(self, step: Step) -> Step | None:
        """The step that waits for an answer again, if this one or one in it does."""
        if _entered(step) or step.kind is Kind.SWITCH:
            return None
        return next((each for each in step.within() if self.graph.waits_at(each)), None)

    def _return(self, walk: _Walk) -> Next:
        """Back to who called; what is known there is what is returned alone."""
        caller = walk.callers.pop()
        walk.known = {}
        _set(walk.known, caller.result, walk.returned)
        walk.returned = None
        walk.passed.add(caller.number)
        return self.graph.after(caller)

    def _options(self, step: Step, walk: _Walk) -> list[int]:
        """The numbers of the conditions that may be the first true one; -1 for none of them."""
        found: list[int] = []
        for number, part in enumerate(step.cases):
            holds = value_of(part.condition, walk.known)
            if holds is False:
                continue
            found.append(number)
            if holds is True:
                break
        else:
            found.append(-1)
        surely = walk.decided if len(found) == 1 else walk.perhaps
        surely |= {(step.number, number) for number in found}
        return found

    def _round(self, loop: Step, walk: _Walk) -> Way:
        """The end of a round, in a loop that has begun before: another one, or past it."""
        if walk.depth >= MAX_FORKS:
            return walk.way(Ending.DECIDES)
        past = self.walk(self.graph.after(loop), walk.fork())
        again = Way((), Ending.AGAIN, loop)
        return walk.way(Ending.DECIDES, None, (again, past))

    def _fork(self, ways: list[Next], walk: _Walk) -> Way:
        """Where the workflow's own data decide: each way that it may go, once."""
        if walk.depth >= MAX_FORKS:
            return walk.way(Ending.DECIDES)
        found: dict[object, Way] = {}
        for to in ways[:MAX_CHOICES]:
            way = self.walk(to, walk.fork())
            found.setdefault(way.gist, way)
        if len(found) > 1 or len(ways) > MAX_CHOICES:
            return walk.way(Ending.DECIDES, None, tuple(found.values()))
        (only,) = found.values()
        only_joins = frozenset(number + len(walk.steps) for number in only.joins)
        return replace(
            only,
            steps=(*walk.steps, *only.steps),
            joins=only_joins | frozenset(walk.joins),
            decided=only.decided | walk.decided,
            perhaps=only.perhaps | walk.perhaps,
        )


def _entered(step: Step) -> tuple[Step, ...]:
    """The steps with which a group begins, which is walked into."""
    if step.kind in {Kind.STEPS, Kind.TRY}:
        return next((part.steps for part in step.parts if part.role is not Role.EXCEPT), ())
    return ()


def _forget(known: dict[str, Value], step: Step) -> None:
    """What a step that may run or not could have set is not known after it."""
    for target, _ in step.assigns:
        _set(known, _root(target), UNKNOWN)
    _set(known, step.result, UNKNOWN)


def _root(target: str) -> str:
    return target.partition(".")[0].partition("[")[0].strip()


def _assign(known: dict[str, Value], target: str, value: Value) -> None:
    """Set a variable, or a key of one that is a map; what else is written is not known after."""
    root = _root(target)
    if target == root:
        _set(known, root, value)
        return
    holder = known.get(root, UNKNOWN)
    key = target.removeprefix(f"{root}.")
    if isinstance(holder, Partial) and key.isidentifier():
        known[root] = Partial({**holder, key: value})
    elif not isinstance(holder, Unknown):
        known[root] = UNKNOWN


def _set(known: dict[str, Value], name: str, value: Value) -> None:
    if name:
        known[name] = value


def decided_on(way: Way) -> frozenset[tuple[int, int]]:
    """The conditions that the answer decides, also on the ways of a fork."""
    return way.decided.union(*(decided_on(each) for each in way.choices))


def perhaps_on(way: Way) -> frozenset[tuple[int, int]]:
    """The conditions that may hold after the answer or not, also on the ways of a fork."""
    return way.perhaps.union(*(perhaps_on(each) for each in way.choices))

"""The drawing as a list: the same steps in the same order, for ears and for small screens."""

from dataclasses import dataclass

from django.utils.translation import gettext

from approvals.drawing import words
from approvals.drawing.graph import Graph, Kind, Next, Role, Step, Where
from approvals.drawing.lettering import staged
from approvals.drawing.progress import Ran

MOST = 300  # steps; what is more is counted


@dataclass(frozen=True, slots=True)
class Item:
    """One step: its name, what it does, how it stands, where it leads if not to the next one."""

    name: str
    doing: str
    stage: str
    goes: str
    groups: "tuple[Group, ...]" = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Steps in a step, with what they are to it."""

    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """All routines as lists. `more`: so many steps are left out."""

    groups: tuple[Group, ...]
    more: int = 0


def outline(graph: Graph, ran: Ran) -> Outline:
    """The steps of a workflow as nested lists."""
    writer = _Writer(graph, ran)
    groups = tuple(
        Group(words.heading(name), writer.items(graph.routines[name])) for name in graph.shown
    )
    whole = sum(1 for name in graph.shown for _ in graph.of(name))
    return Outline(tuple(group for group in groups if group.items), max(whole - MOST, 0))


class _Writer:
    def __init__(self, graph: Graph, ran: Ran) -> None:
        self.graph, self.ran = graph, ran
        self.left = MOST

    def items(self, steps: tuple[Step, ...]) -> tuple[Item, ...]:
        found = []
        for step in steps:
            if self.left <= 0:
                break
            self.left -= 1
            found.append(self.item(step))
        return tuple(found)

    def item(self, step: Step) -> Item:
        stage = self.ran.stages.get(step.number)
        doing = words.doing(self.graph, step)
        return Item(
            words.name_of(step) or doing,
            doing if step.name else "",
            staged(stage) if stage else "",
            self.goes(step),
            tuple(self.groups(step)),
        )

    def goes(self, step: Step) -> str:
        """Where a step that jumps leads; a step without one goes on with the next of the list."""
        jumps = step.next and step.kind not in {Kind.RETURN, Kind.RAISE}
        return _leads(self.graph.after(step)) if jumps else ""

    def groups(self, step: Step) -> list[Group]:
        found = []
        for number, part in enumerate(step.parts):
            items = self.items(part.steps)
            if part.role is Role.CASE:
                leads = "" if items else _leads(self.graph.case(step, number))
                title = gettext("one way: %(leads)s") % {"leads": leads} if leads else ""
                found.append(Group(title or gettext("one way:"), items))
            elif items:
                found.append(Group(_title(part.role, part.name), items))
        return found


def _leads(to: Next) -> str:
    if to.where is Where.STEP and to.step:
        return gettext("goes on with “%(step)s”") % {"step": words.name_of(to.step)}
    if to.where is Where.END:
        return gettext("ends")
    if to.where is Where.ROUND:
        return gettext("goes on with the next of the list")
    return gettext("waits for the other branches")


def _title(role: Role, name: str) -> str:
    if role is Role.BRANCH:
        return gettext("At the same time, “%(name)s”:") % {"name": words.spoken(name)}
    return {
        Role.BODY: gettext("In it:"),
        Role.EXCEPT: gettext("If that fails:"),
        Role.TRY: gettext("It tries:"),
    }[role]

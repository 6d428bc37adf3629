"""What happens after each answer to an approval: the workflow read, and put into words."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext

from approvals.drawing import words
from approvals.drawing.following import Way, decided_on, follows, perhaps_on
from approvals.drawing.graph import Graph, Kind, Step
from approvals.drawing.outline import Outline, outline
from approvals.drawing.picture import Drawn, Mark, picture
from approvals.drawing.progress import Question, Ran, ran, site_of
from approvals.drawing.reading import read
from approvals.drawing.shapes import Picture
from approvals.models import Approval
from approvals.models.content import NEGATIVE, PENDING
from approvals.plain import visible
from approvals.runs import Told, asked

MOST_PICTURES = 6  # of routines


@dataclass(frozen=True, slots=True)
class Answer:
    """Answers that lead to the same, and what follows them."""

    labels: tuple[str, ...]
    tone: str
    account: words.Account


@dataclass(frozen=True, slots=True)
class Taken:
    """What was answered, the path that the workflow then took, and what it came to."""

    label: str
    lines: tuple[words.Told, ...]
    result: str


@dataclass(frozen=True, slots=True)
class Shown:
    """All that the page shows. Without `outline` there is nothing but the notes."""

    notes: tuple[str, ...]
    answers: tuple[Answer, ...] = ()
    taken: Taken | None = None
    waits_at: str = ""
    pictures: tuple[Picture, ...] = ()
    outline: Outline | None = None


def way_of(approval: Approval) -> Shown:
    """What follows each answer, the path so far, and the picture; notes say what is not known."""
    told = asked(approval.execution)
    if told.source is None:
        return Shown((told.trouble,))
    graph = read(told.source.text)
    done = _progress(graph, told)
    site = site_of(graph, done, _question(approval)) if graph.understood else None
    if approval.is_open and site:
        done = done.waiting(site)
    labels = _labels(approval)
    ways = {value: follows(graph, site, value) for value in labels} if site else {}
    drawn = Drawn(done, _marks(ways, labels))
    pictures = _pictures(graph, drawn, site)
    return Shown(
        tuple(_notes(graph, told, site, pictures)),
        _answers(graph, ways, labels) if approval.status == PENDING else (),
        taken=_taken(approval, graph, told, done, site),
        waits_at=_where(approval, site),
        pictures=pictures,
        outline=outline(graph, done),
    )


def _progress(graph: Graph, told: Told) -> Ran:
    entries = [
        (entry.place.routine, entry.place.step, entry.state, entry.thread)
        for entry in told.entries or ()
    ]
    current = [(place.routine, place.step) for place in told.seen.current] if told.seen else []
    return ran(graph, entries, current)


def _question(approval: Approval) -> Question:
    options = tuple((option["value"], option["label"]) for option in approval.options)
    return Question(approval.title, (approval.idempotency_key or "").partition("/")[2], options)


def _labels(approval: Approval) -> dict[str, str]:
    """Each outcome that may come, as it stands on the buttons."""
    labels = {option["value"]: option["label"] for option in approval.buttons}
    if approval.expires_at and approval.on_expiry not in labels:
        labels[approval.on_expiry] = gettext("No answer in time")
    return labels


def _answers(graph: Graph, ways: dict[str, Way], labels: dict[str, str]) -> tuple[Answer, ...]:
    """The answers with what follows; those that lead to the same are one."""
    alike: dict[object, list[str]] = {}
    for value, way in ways.items():
        alike.setdefault(way.gist, []).append(value)
    return tuple(
        Answer(
            tuple(visible(labels[value]) for value in values),
            _tone(values),
            words.account(graph, ways[values[0]]),
        )
        for values in alike.values()
    )


def _tone(values: Sequence[str]) -> str:
    """Whether these are a yes, or all of them a no."""
    if set(values) == {"approved"}:
        return "good"
    return "bad" if set(NEGATIVE).issuperset(values) else ""


def _marks(ways: dict[str, Way], labels: dict[str, str]) -> dict[tuple[int, int], Mark]:
    """The answers at the conditions that they decide; none where all lead the same way."""
    surely = {value: decided_on(way) for value, way in ways.items()}
    perhaps = {value: perhaps_on(way) - surely[value] for value, way in ways.items()}
    marks = {}
    for switch, case in set().union(*surely.values(), *perhaps.values()):
        taken = {
            frozenset(each for each in surely[value] | perhaps[value] if each[0] == switch)
            for value in ways
        }
        if len(taken - {frozenset()}) < 2:
            continue
        sure = [value for value in ways if (switch, case) in surely[value]]
        open_ = [value for value in ways if (switch, case) in perhaps[value]]
        said = [visible(labels[value]) for value in sure]
        said += [f"{visible(labels[value])}?" for value in open_]
        marks[switch, case] = Mark(" / ".join(said), _tone(sure + open_))
    return marks


def _pictures(graph: Graph, drawn: Drawn, site: Step | None) -> tuple[Picture, ...]:
    if not graph.understood:
        return ()
    found = (picture(graph, name, drawn, site) for name in graph.shown[:MOST_PICTURES])
    return tuple(each for each in found if each)


def _where(approval: Approval, site: Step | None) -> str:
    """The name of the step that waits; empty where none does."""
    return words.name_of(site) if site and approval.is_open else ""


def _taken(
    approval: Approval, graph: Graph, told: Told, done: Ran, site: Step | None
) -> Taken | None:
    """What followed, as far as it is known, once it is settled."""
    if approval.status == PENDING:
        return None
    label = visible(approval.status_label)
    return Taken(label, _path(graph, done, site), _result(approval, told))


def _path(graph: Graph, done: Ran, site: Step | None) -> tuple[words.Told, ...]:
    """The steps that ran after the answer, in order."""
    if site not in done.order:
        return ()
    after: Sequence[Step] = done.order[done.order.index(site) + 1 :]
    told = {Kind.CALL, Kind.RETURN, Kind.RAISE}
    return tuple(words.told(graph, step) for step in after if step.kind in told)


def _result(approval: Approval, told: Told) -> str:
    """What it came to: the workflow's own words, else the state of its execution."""
    if approval.result_message:
        return visible(approval.result_message)
    return {
        "ACTIVE": gettext("The workflow still runs."),
        "CANCELLED": gettext("The workflow was cancelled."),
        "FAILED": gettext("The workflow ended with an error."),
        "SUCCEEDED": gettext("The workflow has ended well."),
    }.get(told.seen.state if told.seen else "", "")


def _notes(graph: Graph, told: Told, site: Step | None, pictures: tuple[Picture, ...]) -> list[str]:
    """What the reader should know of the drawing itself."""
    notes = []
    if told.gone:
        notes.append(
            gettext(
                "Google does not keep this run of the workflow any more. This is the workflow as it"
                " is now, without the path that was taken."
            )
        )
    elif told.entries is None:
        notes.append(
            gettext("The path so far could not be read, so the drawing is shown without it.")
        )
    if told.latest and told.seen and told.latest != told.seen.revision:
        notes.append(
            gettext(
                "The workflow has been changed since. This is the version that asks you, and that"
                " will go on with your answer."
            )
        )
    if not graph.understood:
        notes.append(
            gettext("The workflow could not be read as steps. These are names found in it.")
        )
    elif not pictures:
        notes.append(gettext("There are too many ways through it for a picture."))
    if graph.understood and site is None:
        notes.append(
            gettext(
                "The workflow's source does not show where it asks this question, so what follows"
                " each answer is not shown here."
            )
        )
    if graph.cut:
        notes.append(gettext("The workflow is longer than what is shown here."))
    return notes

"""The insights in sentences: what the tiles say, and what a chart says to who does not see it."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from approvals.charts import MOST_BARS, label_of
from approvals.insights import EXPIRED, OUTCOMES, Insights, Pace
from approvals.plain import visible
from approvals.templatetags.approvals import span

NONE = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Headline:
    """One figure of the page's head: what it is, the figure, and a line below it."""

    label: str
    figure: str
    note: str


def headlines(insights: Insights) -> list[Headline]:
    """The figures that are read first, but for what waits now."""
    closed, spread, reminders = insights.closed, insights.spread, insights.reminders
    total, expired = closed.total(), closed[EXPIRED]
    return [
        Headline(
            _("Answered"),
            str(spread.number if spread else 0),
            ngettext("of %(count)s closed request", "of %(count)s closed requests", total)
            % {"count": total},
        ),
        Headline(
            _("Time to decision"),
            span(spread.median) if spread else NONE,
            _("median; 95 %% within %(high)s") % {"high": span(spread.high)}
            if spread
            else _("no decisions in this period"),
        ),
        Headline(
            _("Nobody answered in time"),
            share(expired, total) if total else NONE,
            _("%(number)s of %(total)s closed requests") % {"number": expired, "total": total},
        ),
        Headline(
            _("Reminders that helped"),
            share(reminders.helped, reminders.number) if reminders.number else NONE,
            _("%(number)s of %(total)s were followed by an answer within a day")
            % {"number": reminders.helped, "total": reminders.number},
        ),
    ]


def share(part: int, whole: int) -> str:
    """A part in percent; what is not nothing is never 0 %."""
    percent = 100 * part / whole
    if part and percent < 1:
        return _("under 1 %")
    return f"{percent:.0f} %"


def alternatives(insights: Insights) -> dict[str, str]:
    """What each chart shows, for who does not see it; the tables below say all of it."""
    return {
        "outcomes": _outcomes(insights),
        "types": _paces(insights.types, _("Time to decision by type.")),
        "groups": _paces(insights.groups, _("Time to decision by group.")),
        "people": _people(insights.people),
    }


def _outcomes(insights: Insights) -> str:
    closed = insights.closed
    parts = [f"{label}: {closed[kind]}" for kind, label in OUTCOMES.items() if closed[kind]]
    said = ", ".join(parts) or _("nothing closed in this period")
    return _("Outcomes over time. Total: %(said)s.") % {"said": said}


def _paces(paces: Sequence[Pace], about: str) -> str:
    found = [
        _("%(name)s: median %(median)s")
        % {"name": label_of(pace), "median": span(pace.spread.median)}
        for pace in paces[:MOST_BARS]
        if pace.spread
    ]
    said = "; ".join(found) or _("No decisions in this period")
    return f"{about} {said}."


def _people(people: Sequence[tuple[str, int]]) -> str:
    if not people:
        return _("Nothing waits for anybody.")
    name, number = people[0]
    said = ngettext(
        "Requests waiting, by person. %(name)s has the most: %(number)s request.",
        "Requests waiting, by person. %(name)s has the most: %(number)s requests.",
        number,
    )
    return said % {"name": visible(name), "number": number}

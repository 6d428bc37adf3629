"""The insights: figures of how deciding goes, as a page, as charts, and as files."""

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import StringIO
from typing import Any
from urllib.parse import urlencode

from csp.constants import NONE
from csp.decorators import csp
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from approvals import charts
from approvals.charts import Drawing, Look
from approvals.export import BOM, cell
from approvals.insights import OUTCOMES, Insights, Pace
from approvals.insights_form import RANGE_LABELS, InsightsForm
from approvals.insights_words import alternatives, headlines
from approvals.views.common import PersonRequest, signed_in


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the page: how it is drawn, and its columns and rows in a file."""

    draw: Callable[[Insights, Look], Drawing]
    columns: tuple[str, ...]
    rows: Callable[[Insights], Iterable[tuple[object, ...]]]


def _of_periods(insights: Insights) -> Iterable[tuple[object, ...]]:
    for period in insights.periods:
        counts = [period.counts[kind] for kind in OUTCOMES]
        yield period.first, period.last, *counts, period.counts.total()


def _of_paces(paces: Iterable[Pace]) -> Iterable[tuple[object, ...]]:
    for pace in paces:
        spread = pace.spread
        times = (spread.number, round(spread.median), round(spread.high)) if spread else (0, "", "")
        yield pace.name, *times, pace.waiting


PACE = ("decided", "median_seconds", "percentile_95_seconds", "waiting_now")
TABLES: Mapping[str, Table] = {
    "outcomes": Table(
        lambda insights, look: charts.outcomes(insights.periods, look),
        ("from", "to", *OUTCOMES, "total"),
        _of_periods,
    ),
    "types": Table(
        lambda insights, look: charts.times(insights.types, look),
        ("type", *PACE),
        lambda insights: _of_paces(insights.types),
    ),
    "groups": Table(
        lambda insights, look: charts.times(insights.groups, look),
        ("group", *PACE),
        lambda insights: _of_paces(insights.groups),
    ),
    "people": Table(
        lambda insights, look: charts.people(insights.people, look),
        ("person", "waiting_now"),
        lambda insights: insights.people,
    ),
}


@require_safe
@signed_in
def insights(request: PersonRequest) -> HttpResponse:
    """The figures of what this person may read, in the days and of the type and group chosen."""
    form = InsightsForm(request.GET, request.user)
    if not form.is_valid():
        return _page(request, form, {}, status=422)
    selection = form.selection
    found = Insights(request.user, selection)
    context = {
        "selection": selection,
        "insights": found,
        "headlines": headlines(found),
        "alternatives": alternatives(found),
        "heights": charts.heights(found),
        "outcomes": OUTCOMES,
        "query": urlencode(_asked(form)),
    }
    return _page(request, form, context)


def _page(
    request: PersonRequest, form: InsightsForm, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    others = {name: form.data[name] for name in ("type", "group") if form.data.get(name)}
    ranges = [
        (value, label, urlencode({"range": value} | others))
        for value, label in RANGE_LABELS.items()
    ]
    chosen = form.chosen_range if form.is_valid() else ""
    shared = {"form": form, "ranges": ranges, "chosen": chosen}
    return render(request, "approvals/insights.html", shared | context, status=status)


def _asked(form: InsightsForm) -> dict[str, str]:
    """The parameters that ask for the same again."""
    names = ("since", "until") if form.is_own else ()
    given = {name: str(form.cleaned_data[name] or "") for name in (*names, "type", "group")}
    return {name: text for name, text in {"range": form.chosen_range, **given}.items() if text}


@require_safe
@signed_in
def insights_chart(request: PersonRequest, name: str) -> HttpResponseBase:
    """One chart as SVG; `dark=1` for dark pages, `narrow=1` for phones.

    Its style is in it, and no other counts there.
    """
    form = InsightsForm(request.GET, request.user)
    if not form.is_valid():
        return _page(request, form, {}, status=422)
    look = Look(dark=bool(request.GET.get("dark")), narrow=bool(request.GET.get("narrow")))
    drawn = TABLES[name].draw(Insights(request.user, form.selection), look)
    policy = csp({"default-src": [NONE], "style-src": drawn.styles, "frame-ancestors": [NONE]})
    picture = HttpResponse(drawn.svg, content_type="image/svg+xml")
    return policy(lambda _request: picture)(request)


@require_safe
@signed_in
def insights_file(request: PersonRequest, name: str) -> HttpResponse:
    """The figures of one chart as CSV: days as they are written in ISO 8601, times in seconds."""
    form = InsightsForm(request.GET, request.user)
    if not form.is_valid():
        return _page(request, form, {}, status=422)
    selection, table = form.selection, TABLES[name]
    lines = StringIO()
    writer = csv.writer(lines)
    writer.writerow(table.columns)
    for row in table.rows(Insights(request.user, selection)):
        writer.writerow([cell(value) for value in row])
    days = f"{selection.first:%Y%m%d}-{selection.last:%Y%m%d}"
    headers = {"Content-Disposition": f'attachment; filename="insights-{name}-{days}.csv"'}
    return HttpResponse(
        BOM + lines.getvalue(), content_type="text/csv; charset=utf-8", headers=headers
    )

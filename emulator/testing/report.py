"""What a failed test tells of its runs: how they ended, approvals, steps, calls and log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from pathlib import Path

from emulator.history import History
from emulator.services import Services
from emulator.store import Execution, State
from emulator.testing.errors import TookTooLong
from emulator.testing.past import calls, lines, past, place, steps
from emulator.testing.record import Record
from emulator.testing.site import Site
from emulator.trace import StepEntry
from workflows.bundle import Bundle

_LONGEST = 300  # characters
_MOST_RUNS = 20
_MOST_STEPS = 200
_LAST = 20  # of the log, and of calls


def sections(site: Site) -> list[tuple[str, str]]:
    """The sections of a report: one for each of the last runs, oldest first."""
    try:
        return site.do(lambda: [*_sections(site)])
    except TookTooLong as late:
        return [("workflows", str(late))]


def _sections(site: Site) -> Iterator[tuple[str, str]]:
    services = site.services
    for found in site.executions()[-_MOST_RUNS:]:
        asked = [record for record in site.inbox.records if record.execution.endswith(found.id)]
        told = past(services, found)
        parts = [*_summary(found), *_approvals(asked), *_steps(told, site.bundle(found))]
        parts += [*_calls(told, site), *_log(services, found)]
        yield f"workflow {found.workflow}", "\n".join(parts)


def _summary(found: Execution) -> Iterator[str]:
    yield f"started with {_short(found.argument)}"
    if found.state is State.ACTIVE:
        where = ", ".join(place(routine, step) for routine, step in found.steps)
        yield f"waits at {where or 'its beginning'}"
    elif found.error is not None:
        yield f"{found.state}: {_short(found.error['payload'])}"
    else:
        yield f"{found.state} {_short(found.result)}".rstrip()


def _approvals(asked: Sequence[Record]) -> Iterator[str]:
    for record in asked:
        who = f" by {record.decided_by[0]}" if record.decided_by else ""
        carried = f", its callback is {record.delivery!r}" if record.delivery else ""
        yield f"approval {record.body.title!r}: {record.status}{who}{carried}"


def _steps(told: History, complete: Bundle | None) -> Iterator[str]:
    """The steps of the author's file, and on a line each time what was done in a library."""
    entries = [*steps(told)]
    began = entries[0].created if entries else None
    shown = []
    for library, group in groupby(entries, partial(_library, complete)):
        if library is None:
            shown += [(entry, _step(entry, entry.line)) for entry in group]
        else:
            shown.append(_folded(library, list(group), complete))
    if len(shown) > _MOST_STEPS:
        yield f"steps (the last {_MOST_STEPS} of {len(shown)}):"
    elif shown:
        yield "steps:"
    for first, text in shown[-_MOST_STEPS:]:
        yield f"  {_since(began, first.created)} {text}"


def _library(complete: Bundle | None, entry: StepEntry) -> Path | None:
    """The library that a step stands in, if it does."""
    if complete is None:
        return None
    path, _ = complete.place(entry.line)
    return None if path == complete.files[0][1] else path


def _folded(
    library: Path, group: Sequence[StepEntry], complete: Bundle | None
) -> tuple[StepEntry, str]:
    """The steps of a library on one line: how many, and the last that failed, or the last."""
    last = next((entry for entry in reversed(group) if entry.exception is not None), group[-1])
    line = last.line if complete is None else complete.place(last.line)[1]
    many = f"{len(group)} steps, " if len(group) > 1 else ""
    return group[0], f"{library.name}: {many}{_step(last, line)}"


def _step(entry: StepEntry, line: int) -> str:
    name = place(entry.routine, entry.step)
    state = entry.state.removeprefix("STATE_").lower().replace("_", " ")
    if entry.exception is None:
        return f"{name} (line {line}): {state}"
    return f"{name} (line {line}): {state}, {_short(entry.exception)}"


def _calls(told: History, site: Site) -> Iterator[str]:
    made = [*calls(told, site.inbox.url)][-_LAST:]
    if made:
        yield "calls:"
    for call in made:
        name = f"{call.method} {call.url}".strip() or call.function
        gave = f"raised {_short(call.error)}" if call.error is not None else _short(call.result)
        yield f"  {call.step}: {name} {_short(call.body)} -> {gave}"


def _log(services: Services, found: Execution) -> Iterator[str]:
    logged = [*lines(services, found.id)][-_LAST:]
    if logged:
        yield "log:"
    for line in logged:
        yield f"  {line.severity} {line.step}: {_short(line.text)}"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=repr, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def _since(began: datetime | None, moment: datetime) -> str:
    """Virtual time since the first step, as `+1d 02:03:04`."""
    passed = moment - (began or moment)
    hours, rest = divmod(passed.seconds, 3600)
    return f"+{passed.days}d {hours:02}:{rest // 60:02}:{rest % 60:02}"

"""Traces in tests: runs that are traced, their outline as text, and what holds for every trace."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from emulator.interpreter import Run, payload
from emulator.limits import Limits
from emulator.parser import parse
from emulator.trace import MAIN, Room, StepEntry, StepState, Trace

NOW = datetime(2026, 1, 31, 16, 4, tzinfo=UTC)


def run(source: str, argument: Any = None, limits: Limits | None = None, env: Any = None) -> Run:
    """A run that is traced with all variables."""
    limits = limits or Limits()
    trace = Trace(NOW, Room(10**9))
    return Run(parse(source, limits=limits), argument, env or {}, limits, trace)


def entries_of(run: Run) -> list[StepEntry]:
    """What was traced so far; after the end nothing is in progress."""
    assert run.trace is not None
    run.trace.stop()
    if run.outcome is not None:
        run.trace.finish(StepState.CANCELLED, None, NOW)
    return run.trace.entries


def outline(entries: Sequence[StepEntry]) -> str:
    """A line for each entry, and further in those that stand in it."""
    return "\n".join(
        line for entry in entries if entry.parent is None for line in _lines(entry, entries)
    )


def _lines(entry: StepEntry, entries: Sequence[StepEntry], depth: int = 0) -> Iterator[str]:
    yield "  " * depth + " ".join(_words(entry))
    for child in entry.children:
        yield from _lines(entries[child - 1], entries, depth + 1)


def _words(entry: StepEntry) -> Iterator[str]:
    yield entry.step if entry.routine == "main" else f"{entry.routine}.{entry.step}"
    yield entry.step_type.name
    if entry.iteration is not None:
        yield f"{entry.iteration}/{entry.expected}" if entry.expected else f"{entry.iteration}"
    if entry.state is not StepState.SUCCEEDED:
        yield entry.state.name
    if isinstance(entry.exception, dict):
        yield entry.exception["tags"][0] if "tags" in entry.exception else "map"
    elif entry.exception is not None:
        yield json.dumps(entry.exception)


def facts(entry: StepEntry) -> dict[str, Any]:
    """All that is known of an entry, in a form that can be compared."""
    found = {name: getattr(entry, name) for name in StepEntry.__dataclass_fields__}
    found["variables"] = payload(dict(entry.variables or {}))
    found["children"] = list(entry.children)
    return found


def check(entries: Sequence[StepEntry]) -> None:
    """What holds for every trace: its links agree, and a state fits those around it."""
    by_id = {entry.id: entry for entry in entries}
    assert list(by_id) == list(range(1, len(entries) + 1))
    for entry in entries:
        assert (entry.progress is None) == (entry.iteration is None), entry
        if entry.parent is not None:
            around = by_id[entry.parent]
            assert entry.id in around.children
            assert entry.thread.startswith(around.thread), entry
            if around.state is not StepState.IN_PROGRESS:
                assert entry.state is not StepState.IN_PROGRESS, entry
        else:
            assert entry.thread == MAIN
        assert [by_id[child].parent for child in entry.children] == [entry.id] * len(entry.children)
        assert list(entry.children) == sorted(entry.children)
        for there, back in ((entry.next, "previous"), (entry.previous, "next")):
            if there is not None:
                other = by_id[there]
                assert getattr(other, back) == entry.id
                assert (other.parent, other.thread) == (entry.parent, entry.thread)
                assert other.routine == entry.routine
        assert (entry.exception is not None) == (entry.state is StepState.FAILED), entry
        assert entry.created <= entry.updated

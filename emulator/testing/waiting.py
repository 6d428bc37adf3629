"""What a test is told when a run waits, asks something else, or calls what nobody answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from countersign.bodies import PENDING
from emulator.store import Execution, Wait
from emulator.testing.past import place
from emulator.testing.record import Record


def still_waiting(
    found: Execution, waits: Iterable[Wait], records: Iterable[Record], now: float
) -> str:
    """What a run waits for, and what can be done about it.

    Args:
        records: all approvals.
        now: seconds since 1970.
    """
    asked = {url.rpartition("/")[2]: record for record in records for url in record.callback_urls}
    lines = [f"{found.workflow} waits at {places(found)}, and no time passes by itself."]
    lines += [f"- {_told(asked.get(wait.subject or ''), _until(wait.due, now))}" for wait in waits]
    return "\n".join([*lines, "Or let time pass: workflows.advance(days=…)"])


def _told(record: Record | None, until: str) -> str:
    if record is None:
        return f"for a callback, {until}: run.callback().post(json={{…}})"
    if record.status == PENDING:
        answers = "run.approval().approve(), .reject(…) or .choose(…)"
        return f"for the approval {record.body.title!r}, {until}: {answers}"
    return (
        f"for the callback of {record.body.title!r}, {until}: the answer {record.status!r} is on"
        f" record, its delivery is {record.delivery!r}"
    )


def places(found: Execution) -> str:
    return ", ".join(place(routine, step) for routine, step in found.steps) or "its beginning"


def _until(due: float | None, now: float) -> str:
    if due is None:
        return "without end"
    days, rest = divmod(round(due - now), 24 * 3600)
    hours, rest = divmod(rest, 3600)
    parts = {"days": days, "hours": hours, "minutes": rest // 60, "seconds": rest % 60}
    shown = [f"{count} {name}" for name, count in parts.items() if count]
    return f"{' '.join(shown) or '0 seconds'} more"


def no_stub(call: str) -> str:
    answer = "responds(json={…})" if "://" in call else "returns({…})"
    return (
        f"no stub fits {call}. Say what it is answered, before the run starts:"
        f" workflows.stub({call!r}, {answer})"
    )


def which(workflow: str, pending: Sequence[Record], title: str | None) -> str:
    titles = ", ".join(repr(record.body.title) for record in pending)
    if title is not None:
        return f"{workflow} does not ask {title!r} now. It waits for {titles}."
    return f"{workflow} asks {len(pending)} things. Say which: run.approval(TITLE), of {titles}."

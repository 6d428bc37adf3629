"""What Google says of a run and of the workflow that it runs; asked in little time, and kept.

Nothing is written, and no transaction is open while Google is asked. A revision of a workflow never
changes, so its source is kept for a day; how an execution stands, and that it could not be read,
for a few seconds.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext

from approvals.google.sources import (
    Deadline,
    Entry,
    Seen,
    Source,
    execution_seen,
    latest_revision,
    source_of,
    step_entries,
)
from approvals.google.wire import CannotLook

SECONDS = 3.0  # for all that is asked of Google
KEPT = 24 * 3600  # seconds, for what never changes
FRESH = 5  # seconds, for how an execution stands
CURRENT = 60  # seconds, for which revision is the newest


@dataclass(frozen=True, slots=True)
class Told:
    """What Google said; `trouble` says why there is no source.

    `entries` is None where they could not be read. `gone`: Google knows the execution no more.
    """

    source: Source | None = None
    seen: Seen | None = None
    entries: tuple[Entry, ...] | None = None
    latest: str = ""
    gone: bool = False
    trouble: str = ""


def asked(execution: str) -> Told:
    """What Google says of an execution and its workflow, in three seconds or not at all."""
    deadline = Deadline(SECONDS)
    workflow = execution.rpartition("/executions/")[0]
    try:
        seen = _kept("seen", FRESH, lambda: deadline.ask(execution_seen, execution), execution)
        revision = seen.revision if seen else ""
        source = _kept(
            *("source", KEPT if revision else FRESH),
            lambda: deadline.ask(source_of, workflow, revision),
            *(workflow, revision),
        )
    except CannotLook as error:
        return Told(trouble=_trouble(error))
    if source is None:
        return Told(trouble=gettext("The workflow is not there any more, so it cannot be drawn."))
    entries, latest = None, ""
    try:
        if seen:
            entries = _kept(
                "entries", FRESH, lambda: deadline.ask(step_entries, execution), execution
            )
            latest = _kept(
                "latest", CURRENT, lambda: deadline.ask(latest_revision, workflow), workflow
            )
    except CannotLook:
        pass  # the drawing is shown without it
    return Told(source, seen, entries, latest, gone=seen is None)


def _trouble(error: CannotLook) -> str:
    if error.status == 403:
        return gettext(
            "The inbox may not read this workflow; an operator can grant the role"
            " Workflows Viewer (roles/workflows.viewer)."
        )
    return gettext("Google could not be asked just now. Your answer does not depend on it.")


def _kept(kind: str, seconds: int, ask: Callable[[], Any], *about: str) -> Any:
    """What was asked before, else the answer now. Raises `CannotLook`, also from memory."""
    parts = json.dumps([settings.WORKFLOWS_EMULATOR_HOST, *about])
    key = f"way:{kind}:{hashlib.sha256(parts.encode()).hexdigest()}"
    kept = cache.get(key)
    if kept is None:
        try:
            kept = (ask(), None, None)
        except CannotLook as error:
            kept, seconds = (None, str(error), error.status), FRESH
        cache.set(key, kept, seconds)
    value, failure, status = kept
    if failure is not None:
        raise CannotLook(failure, status=status)
    return value

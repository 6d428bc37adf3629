"""What a workflow's source is, and how far an execution of it has come; asked in little time."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from django.conf import settings

from approvals.google.addresses import is_execution_name, is_workflow_name
from approvals.google.executions import STATES
from approvals.google.wire import CannotLook, get, understood

PAGE = "500"  # entries
MAX_PAGES = 4
AT_ONCE = 4  # people whose pages ask at the same time; more of them are told to come back
TIMEOUT = (1.5, 2.0)  # seconds to connect, and between two reads

Given = ParamSpec("Given")
Found = TypeVar("Found")

# A token that cannot be had is tried for longer than a person waits: so whoever asks waits for
# the answer of a thread, and leaves it alone when the time is over.
_pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="sources")


@dataclass(frozen=True, slots=True)
class Place:
    """A step of a routine, as Google names it."""

    routine: str
    step: str


@dataclass(frozen=True, slots=True)
class Seen:
    """An execution: its state, the revision that it runs, and where it is or was last."""

    state: str
    revision: str
    current: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A step that was run, or runs; `thread` tells the branches of a parallel step apart."""

    place: Place
    state: str
    thread: str


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a workflow at a revision."""

    text: str
    revision: str


class Deadline:
    """So many seconds for all that is asked of Google for one page."""

    def __init__(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds

    def ask(self, what: Callable[Given, Found], *of: Given.args, **more: Given.kwargs) -> Found:
        """What a question to Google gives. Raises `CannotLook`, also when the time is over."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise CannotLook("There was no time left.")
        asked = _pool.submit(what, *of, **more)
        try:
            return asked.result(timeout=left)
        except TooLate:
            asked.cancel()
            raise CannotLook("Google did not answer in time.", answered=False) from None


def execution_seen(name: str) -> Seen | None:
    """How an execution stands; None if Google does not know it. Raises `CannotLook`."""
    if not is_execution_name(name):
        raise CannotLook("This is not the name of an execution.")
    with understood():
        fields = "state,workflowRevisionId,status"
        found = _get(f"{_executions()}/v1/{name}", view="FULL", fields=fields)
        if found is None:
            return None
        current = found.get("status", {}).get("currentSteps", ())
        state = str(found["state"])
        return Seen(
            state if state in STATES else "",
            str(found.get("workflowRevisionId", "")),
            tuple(map(_place, current)),
        )


def step_entries(execution: str) -> tuple[Entry, ...]:
    """What an execution has run, in order; of very much the first. Raises `CannotLook`."""
    if not is_execution_name(execution):
        raise CannotLook("This is not the name of an execution.")
    entries: list[Entry] = []
    token = ""
    fields = (
        "stepEntries(entryId,routine,step,state,stepEntryMetadata,navigationInfo),nextPageToken"
    )
    places: dict[str, Place] = {}
    for _ in range(MAX_PAGES):
        with understood():
            url = f"{_executions()}/v1/{execution}/stepEntries"
            page = _get(url, pageSize=PAGE, pageToken=token, fields=fields)
            if page is None:
                raise CannotLook("Google does not know it.", status=404, answered=True)
            for said in page.get("stepEntries", ()):
                place, parent = _place(said), said.get("navigationInfo", {}).get("parent", "")
                places[str(said.get("entryId", ""))] = place
                # What is in it, an attempt or a condition, is named as the step itself.
                if not parent or places.get(str(parent)) != place:
                    entries.append(_entry(said))
            token = str(page.get("nextPageToken", ""))
        if not token:
            break
    return tuple(entries)


def source_of(workflow: str, revision: str = "") -> Source | None:
    """The source of a workflow, at a revision or as it is now; None if there is none.

    Raises `CannotLook`.
    """
    if not is_workflow_name(workflow):
        raise CannotLook("This is not the name of a workflow.")
    with understood():
        found = _get(f"{_workflows()}/v1/{workflow}", revisionId=revision)
        if found is None:
            return None
        return Source(str(found.get("sourceContents", "")), str(found.get("revisionId", "")))


def latest_revision(workflow: str) -> str:
    """The revision that new executions run; empty if there is none. Raises `CannotLook`."""
    if not is_workflow_name(workflow):
        raise CannotLook("This is not the name of a workflow.")
    with understood():
        found = _get(f"{_workflows()}/v1/{workflow}", fields="revisionId")
        return str(found.get("revisionId", "")) if found else ""


def _get(url: str, **query: str) -> dict[str, Any] | None:
    return get(url, TIMEOUT, **query)


def _place(said: dict[str, Any]) -> Place:
    return Place(str(said.get("routine", "")), str(said.get("step", "")))


def _entry(said: dict[str, Any]) -> Entry:
    thread = str(said.get("stepEntryMetadata", {}).get("threadId", ""))
    return Entry(_place(said), str(said.get("state", "")), thread)


def _executions() -> str:
    return settings.WORKFLOWS_EMULATOR_HOST or "https://workflowexecutions.googleapis.com"


def _workflows() -> str:
    return settings.WORKFLOWS_EMULATOR_HOST or "https://workflows.googleapis.com"

"""What a run has done: its steps, its calls to other systems, its log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emulator.history import History, MadeCall, Wanted, history
from emulator.protocol import Raised, Returned
from emulator.services import Services
from emulator.store import Execution
from emulator.trace import StepEntry, StepType
from workflows.bundle import Bundle, shown

_OTHER_SYSTEMS = ("http.", "googleapis.", "experimental.")
PARTS = frozenset(
    {
        StepType.CONDITION,
        StepType.ITERATION,
        StepType.BRANCH,
        StepType.TRY,
        StepType.RETRY,
        StepType.EXCEPT,
    }
)
"""What is not a step, but a part of one."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call to another system: `http.*`, or a connector.

    `step` is where it was made. `result` is what it gave; `error` what it raised, or None.
    `answered` is None while it is under way.
    """

    function: str
    args: Mapping[str, Any]
    step: str
    asked: datetime
    answered: datetime | None
    result: Any = None
    error: Any = None

    @property
    def method(self) -> str:
        """Of HTTP, the method: `POST`; else empty."""
        if not self.function.startswith("http."):
            return ""
        name = self.function.removeprefix("http.")
        return str(self.args.get("method", "")) if name == "request" else name.upper()

    @property
    def url(self) -> str:
        """Of HTTP, the address; else empty."""
        return str(self.args.get("url", ""))

    @property
    def body(self) -> Any:
        """What was sent."""
        return self.args.get("body")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log. `data` is what was logged: a text, or a map."""

    severity: str
    data: Any
    step: str
    time: str

    @property
    def text(self) -> str:
        """What was logged, as text."""
        return self.data if isinstance(self.data, str) else json.dumps(self.data)


def place(routine: str, step: str) -> str:
    """How tests name a step: `pay` in `main`, and `request_approval.wait` elsewhere."""
    return step if routine == "main" else f"{routine}.{step}"


def past(services: Services, found: Execution) -> History:
    """The history of an execution, as far as it has come."""
    definition = services.catalog.find(found.workflow, found.number)
    if definition is None:
        raise LookupError(found.workflow)
    everything = Wanted(detailed=True)
    return history(found, definition, services.settings, services.store, everything)


def steps(told: History) -> Iterator[StepEntry]:
    """The steps of a history, in the order in which they began.

    Branches, conditions, iterations and attempts are parts of a step, and left out: a call that is
    tried three times is one step.
    """
    parts = {entry.id: entry for entry in told.entries if entry.step_type in PARTS}
    for entry in told.entries:
        around = parts.get(entry.parent or 0)
        is_inside = around is not None and around.step == entry.step
        if entry.id not in parts and not is_inside:
            yield entry


def frames(error: Mapping[str, Any], complete: Bundle | None) -> Iterator[str]:
    """Where in libraries an error came through, in their own lines, innermost first."""
    if complete is None:
        return
    for element in error.get("stackTrace", {}).get("elements", ()):
        path, line = complete.place(int(element["position"]["line"]))
        if path != complete.files[0][1]:
            yield f"{shown(path)}:{line}: {place(element['routine'], element['step'])}"


def calls(told: History, inbox: str) -> Iterator[Call]:
    """The calls to other systems but the inbox, oldest first."""
    for made in told.calls:
        if made.function.startswith(_OTHER_SYSTEMS):
            call = _call(made)
            if not call.url.startswith(inbox):
                yield call


def lines(services: Services, execution: str) -> Iterator[Line]:
    """The log of an execution."""
    for line in services.store.logs(execution):
        where = place(line.routine, line.step)
        yield Line(line.severity, json.loads(line.payload), where, line.time)


def _call(made: MadeCall) -> Call:
    return Call(
        function=made.function,
        args=made.args or {},
        step=place(made.routine, made.step),
        asked=made.asked,
        answered=made.answered,
        result=made.reply.value if isinstance(made.reply, Returned) else None,
        error=made.reply.value if isinstance(made.reply, Raised) else None,
    )

"""What there is to see of one execution."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from emulator import callbacks
from emulator.catalog import Definition, program
from emulator.clock import parse_timestamp
from emulator.errors import SourceError
from emulator.history import History, MadeCall, StepEntry, StepState
from emulator.interpreter import Raised, payload
from emulator.pages.outline import Drawing, drawings, tallies
from emulator.pages.shown import Text, cut, pretty, text, value_text
from emulator.protocol import Returned
from emulator.services import Services
from emulator.settings import Auth
from emulator.store import Execution, LogLine, Received, State, Wait
from emulator.values import Value
from emulator.world.waits import MEMBER

CALLS, ENTRIES, LINES = 50, 100, 200
"""How many calls, step entries and log lines are on a page."""

_QUIET = frozenset(("sys.log", "sys.now"))
_AROUND = 2
"""Lines of the source above and below one that failed."""

_ACCESS = (
    "$(curl -s -H 'Metadata-Flavor: Google'"
    " {base}/computeMetadata/v1/instance/service-accounts/default/token"
    ' | sed \'s/.*"access_token": *"\\([^"]*\\)".*/\\1/\')'
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that an execution waits for now. Times are aware; `until` is None for no end.

    `asks_inbox`: the URL was given to an inbox, where people answer; `approval` is their page.
    """

    key: str
    place: str
    line: int
    what: str
    since: datetime | None
    until: datetime | None
    url: str = ""
    command: str = ""
    child: str = ""
    asks_inbox: bool = False
    approval: str = ""


@dataclass(frozen=True, slots=True)
class Failing:
    """A frame of an error: where it was, and the lines around it, with their numbers."""

    place: str
    line: int
    lines: Sequence[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class ShownCall:
    """A request to the world, and what came back."""

    number: int
    function: str
    place: str
    line: int
    asked: datetime
    took: float | None
    brief: str
    args: Text
    reply: Text | None
    raised: bool


@dataclass(frozen=True, slots=True)
class Pages:
    """One page of many: `first` and `last` count from 1."""

    number: int
    of: int
    first: int
    last: int
    total: int

    @classmethod
    def cut(cls, total: int, size: int, number: int) -> Pages:
        """The page of that number, or the last before it."""
        of = max(1, -(-total // size))
        number = min(max(1, number), of)
        return cls(number, of, (number - 1) * size + 1, min(total, number * size), total)

    def items(self, all_of_them: Sequence[Any]) -> Sequence[Any]:
        """Those on the page."""
        return all_of_them[self.first - 1 : self.last]


def base(found: Execution) -> str:
    """The path of an execution's page."""
    return f"/ui/executions/{found.id}"


def waiting(services: Services, found: Execution, past: History) -> list[Waiting]:
    """What an execution waits for, oldest first: sleeps, callbacks, children, calls under way."""
    calls = {call.key: call for call in past.calls if call.answered is None}
    waits = {wait.key: wait for wait in services.store.waits_of(found.id)}
    many = {key.partition(MEMBER)[0] for key in waits if MEMBER in key}
    shown = []
    for key, wait in waits.items():
        if key not in many:  # the children that are not over are shown one by one
            call = calls.get(key.partition(MEMBER)[0])
            shown.append(_in_an_inbox(_waiting(services, found, wait, call), past))
    for key, call in calls.items():
        if key not in waits and found.state is State.ACTIVE:
            what = f"the answer to {_brief(call)}"
            shown.append(Waiting(key, _place(call), call.line, what, call.asked, None))
    return shown


def _waiting(services: Services, found: Execution, wait: Wait, call: MadeCall | None) -> Waiting:
    place = "" if call is None else _place(call)
    line = 0 if call is None else call.line
    since = None if call is None else call.asked
    until = None if wait.due is None else datetime.fromtimestamp(wait.due, UTC)
    if wait.kind == "callback" and wait.subject is not None:
        endpoint = services.store.callback(found.id, wait.subject)
        method = "POST" if endpoint is None else endpoint.method
        path = callbacks.path(services.settings, found.workflow, found.id, wait.subject)
        url = services.settings.base_url + path
        what = f"a {method} request to its callback"
        command = answering(services, url, method)
        return Waiting(wait.key, place, line, what, since, until, url, command)
    if wait.kind == "child" and wait.subject is not None:
        return Waiting(wait.key, place, line, "another execution", since, until, child=wait.subject)
    return Waiting(wait.key, place, line, "time to pass", since, until)


def _in_an_inbox(wait: Waiting, past: History) -> Waiting:
    """A wait for a callback whose URL was registered as the `callback_url` of a question."""
    for call in reversed(past.calls) if wait.url else ():
        match call.args, call.reply:
            case {"body": {"callback_url": wait.url}}, Returned({"body": {"url": str(page)}}) if (
                page.startswith(("https://", "http://"))
            ):
                return replace(wait, asks_inbox=True, approval=page)
            case {"body": {"callback_url": wait.url}}, _:
                return replace(wait, asks_inbox=True)
    return wait


def answering(services: Services, url: str, method: str) -> str:
    """A command line that answers a callback."""
    parts = ["curl"]
    if method == "HEAD":
        parts.append("--head")  # -X HEAD waits for a body that never comes
    elif method != "POST":
        parts.append(f"-X {method}")
    if services.settings.auth is not Auth.OFF:
        token = _ACCESS.format(base=services.settings.base_url)
        parts.append(f'-H "Authorization: Bearer {token}"')
    if method not in ("GET", "HEAD"):
        parts.append("-H 'Content-Type: application/json' -d '{\"answer\": \"yes\"}'")
    return " ".join([*parts, f"'{url}'"])


def _place(call: MadeCall | StepEntry) -> str:
    return f"{call.routine}/{call.step}"


def _brief(call: MadeCall) -> str:
    """What was asked, on one line: the method and URL of a call, the name of a connector."""
    args = call.args or {}
    if call.function.startswith("http."):
        method = str(args.get("method") or call.function.removeprefix("http.")).upper()
        return f"{method} {_text(args.get('url'))}"
    for name in ("url", "seconds", "text", "name", "parent", "workflow_id"):
        if args.get(name) is not None:
            return cut(f"{call.function} {_text(args[name])}", 120)
    return call.function


def _text(value: Value) -> str:
    return value if isinstance(value, str) else payload(value)


def calls(found: Execution, past: History, number: int) -> tuple[Pages, list[ShownCall]]:
    """One page of the calls that an execution made, without log lines and looks at the clock."""
    made = [call for call in past.calls if call.function not in _QUIET]
    pages = Pages.cut(len(made), CALLS, number)
    return pages, [_shown_call(found, call) for call in pages.items(made)]


def _shown_call(found: Execution, call: MadeCall) -> ShownCall:
    link = f"{base(found)}/full/call/{call.number}"
    reply = None
    if call.reply is not None:
        reply = text(value_text(call.reply.value), link)
    return ShownCall(
        number=call.number,
        function=call.function,
        place=_place(call),
        line=call.line,
        asked=call.asked,
        took=None if call.answered is None else (call.answered - call.asked).total_seconds(),
        brief=cut(_brief(call), 200),
        args=text(value_text({k: v for k, v in (call.args or {}).items() if v is not None}), link),
        reply=reply,
        raised=isinstance(call.reply, Raised),
    )


def full_call(past: History, number: int) -> str | None:
    """A call with arguments and reply in full."""
    for call in past.calls[number - 1 : number]:
        parts = [f"{call.function} in {_place(call)}, line {call.line}", "", "Arguments:"]
        parts.append(value_text(dict(call.args or {})))
        if call.reply is not None:
            raised = isinstance(call.reply, Raised)
            parts += ["", "Raised:" if raised else "Returned:", value_text(call.reply.value)]
        return "\n".join(parts) + "\n"
    return None


def failing(found: Execution, definition: Definition | None) -> list[Failing]:
    """The frames of the error of an execution, with their source."""
    error: Mapping[str, Any] = found.error or {}
    lines = [] if definition is None else definition.source.splitlines()
    frames = []
    for element in error.get("stackTrace", {}).get("elements", ()):
        line = int(element["position"]["line"])
        first = max(1, line - _AROUND)
        around = list(enumerate(lines[first - 1 : line + _AROUND], first))
        frames.append(Failing(f"{element['routine']}/{element['step']}", line, around))
    return frames


def drawn(definition: Definition, past: History | None) -> list[Drawing]:
    """The drawing of a source, with what became of its steps; nothing for one that is broken."""
    try:
        workflow = program(definition.source)
    except SourceError:  # deployed by an emulator that knew less
        return []
    return drawings(workflow, None if past is None else tallies(past.entries))


def outcome(found: Execution) -> Text | None:
    """The result or the error of an execution, as far as there is one."""
    if found.result is not None:
        return text(pretty(found.result), f"{base(found)}/full/result")
    if found.error is not None:
        return text(pretty(str(found.error.get("payload", ""))), f"{base(found)}/full/error")
    return None


def full(found: Execution, part: str) -> str | None:
    """The argument, result or error in full."""
    match part:
        case "argument":
            return pretty(found.argument)
        case "result" if found.result is not None:
            return pretty(found.result)
        case "error" if found.error is not None:
            return (
                f"{pretty(str(found.error.get('payload', '')))}\n\n{found.error.get('context')}\n"
            )
    return None


def lasted(services: Services, found: Execution) -> float:
    """Seconds from the start to the end, or to now."""
    end = services.clock.now() if found.ended is None else parse_timestamp(found.ended)
    return max(0.0, (end - parse_timestamp(found.created)).total_seconds())


def word(state: StepState) -> str:
    """The state of an entry as people read it."""
    return state.value.removeprefix("STATE_").replace("_", " ").lower()


def log_text(line: LogLine) -> str:
    """What was logged: a text as it is, else JSON."""
    logged = json.loads(line.payload)
    return logged if isinstance(logged, str) else pretty(line.payload)


def request_text(received: Received) -> str:
    """A request that reached a callback."""
    return value_text(received.request)

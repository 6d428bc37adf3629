"""What an execution asked of the world, received and logged: for whoever tests it, on this machine.

Values are JSON; bytes in them are `{"$bytes": base64}`, and keys that begin with `$` have one more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from aiohttp import web

from emulator.api.access import SERVICES
from emulator.api.answers import answer, page_size, page_token, token_of
from emulator.api.history import fitting, history_of
from emulator.clock import timestamp
from emulator.history import MadeCall, Wanted
from emulator.memory import size_of
from emulator.pages.execution import Waiting, waiting
from emulator.protocol import Raised, Reply
from emulator.refusal import not_found
from emulator.store import Execution, LogLine, Received, State
from emulator.values import Value, from_json, tagged

_MOST = 1000
_MOST_ALONE = 100
"""Calls of a page whose values are too large to be held with those of all others."""

_MOST_ROWS = 100
_Row = TypeVar("_Row", Received, LogLine)


def routes() -> list[web.RouteDef]:
    """Lists of each execution."""
    one = "/emulator/executions/{execution}"
    get = partial(web.get, allow_head=False)
    return [
        get(f"{one}/journal", list_calls),
        get(f"{one}/waits", list_waits),
        get(f"{one}/received", list_received),
        get(f"{one}/logs", list_logs),
    ]


async def list_calls(request: web.Request) -> web.Response:
    """What it asked of the world, in order, and what it was told."""
    there = _found(request)
    about = f"{there.id} journal"
    size, begin = page_size(request, _MOST, _MOST), page_token(request, about) or 0
    calls = (await history_of(request, there)).calls
    asked = calls[begin : begin + size]
    if any(call.args is None for call in asked):
        numbers = range(begin + 1, begin + 1 + min(size, _MOST_ALONE))
        alone = await history_of(request, there, Wanted(detailed=False, calls=numbers))
        asked = alone.calls[begin : begin + len(numbers)]
    shown = fitting(asked, _size)
    body: dict[str, object] = {"calls": list(map(_call, shown))}
    if len(calls) > begin + len(shown) and shown:
        body["nextPageToken"] = token_of(begin + len(shown), about)
    return answer(body)


async def list_waits(request: web.Request) -> web.Response:
    """What it waits for now, as its page shows it."""
    there = _found(request)
    services = request.app[SERVICES]
    past = await history_of(request, there)
    found = waiting(services, there, past) if there.state is State.ACTIVE else ()
    return answer({"waits": list(map(wait_shown, found))})


async def list_received(request: web.Request) -> web.Response:
    """What reached its callbacks, in order."""
    return _page(
        request, "received", request.app[SERVICES].store.received, _received, _size_of_received
    )


async def list_logs(request: web.Request) -> web.Response:
    """Its log lines, in order."""
    return _page(
        request, "logs", request.app[SERVICES].store.logs, _line, lambda line: len(line.payload)
    )


def _page(
    request: web.Request,
    name: str,
    read: Callable[[str, int, int], Sequence[_Row]],
    show: Callable[[_Row], Mapping[str, object]],
    size_of_row: Callable[[_Row], int],
) -> web.Response:
    """A page of what is read from the data file: from an execution, so many, after so many."""
    there = _found(request)
    about = f"{there.id} {name}"
    size, begin = page_size(request, _MOST_ROWS, _MOST_ROWS), page_token(request, about) or 0
    rows = read(there.id, size + 1, begin)
    shown = fitting(rows[:size], size_of_row)
    body: dict[str, object] = {name: list(map(show, shown))}
    if len(rows) > len(shown):
        body["nextPageToken"] = token_of(begin + len(shown), about)
    return answer(body)


def _found(request: web.Request) -> Execution:
    """The execution that the path names.

    Raises:
        Refusal: NOT_FOUND.
    """
    execution = request.match_info["execution"]
    there = request.app[SERVICES].store.find(execution)
    if there is None:
        raise not_found(f"executions/{execution}")
    return there


def _call(call: MadeCall) -> Mapping[str, object]:
    shown: dict[str, object] = {
        "number": call.number,
        "key": call.key,
        "function": call.function,
        "args": None if call.args is None else tagged(dict(call.args)),
        "routine": call.routine,
        "step": call.step,
        "line": call.line,
        "asked": timestamp(call.asked),
    }
    if call.entry is not None:
        shown["stepEntry"] = call.entry
    if call.answered is not None:
        shown["answered"] = timestamp(call.answered)
    if call.reply is not None:
        kind = "raised" if isinstance(call.reply, Raised) else "returned"
        shown[kind] = tagged(call.reply.value)
    return shown


def wait_shown(wait: Waiting) -> Mapping[str, object]:
    """A wait as JSON; what does not apply is left out."""
    shown = {
        "key": wait.key,
        "place": wait.place,
        "line": wait.line,
        "what": wait.what,
        "since": None if wait.since is None else timestamp(wait.since),
        "until": None if wait.until is None else timestamp(wait.until),
        "url": wait.url,
        "command": wait.command,
        "child": wait.child,
        "asksInbox": wait.asks_inbox,
        "approval": wait.approval,
    }
    return {name: value for name, value in shown.items() if value}


def _size(call: MadeCall) -> int:
    reply: Reply | None = call.reply
    given = sum(map(size_of, call.args.values())) if call.args else 0
    return given + (0 if reply is None else size_of(reply.value))


def _size_of_received(received: Received) -> int:
    return size_of(received.request)


def _received(received: Received) -> Mapping[str, object]:
    http: Value = received.request.get("http_request") if isinstance(received.request, dict) else {}
    shown: dict[str, object] = {
        "time": received.time,
        "callback": received.callback,
        "verdict": received.verdict,
        "request": tagged(received.request),
    }
    if isinstance(http, dict):
        shown |= {"method": http.get("method"), "body": tagged(http.get("body"))}
    if received.fault is not None:
        shown["fault"] = received.fault
    if received.taken is not None:
        shown["taken"] = received.taken
    return shown


def _line(line: LogLine) -> Mapping[str, object]:
    return {
        "time": line.time,
        "severity": line.severity,
        "routine": line.routine,
        "step": line.step,
        "payload": from_json(line.payload),
    }

"""Step entries of executions, and what else Google offers of their history."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from aiohttp import web

from emulator.api import filters
from emulator.api.access import SERVICES, guarded, settings_for
from emulator.api.answers import (
    answer,
    no_fields,
    page_size,
    page_token,
    parameter,
    take_time,
    token_of,
)
from emulator.api.executions import found
from emulator.clock import timestamp
from emulator.history import DETAILED, History, StepEntry, Wanted
from emulator.memory import size_of
from emulator.refusal import Refusal, Status, invalid, not_found
from emulator.resources import execution_name, step_entry
from emulator.store import Execution, State

_FIELDS: Mapping[str, Callable[[StepEntry], object]] = {
    "entryId": lambda entry: entry.id,
    "createTime": lambda entry: timestamp(entry.created),
    "updateTime": lambda entry: timestamp(entry.updated),
    "routine": lambda entry: entry.routine,
    "step": lambda entry: entry.step,
    "stepType": lambda entry: (entry.step_type.value, entry.step_type.removeprefix("STEP_")),
    "parent": lambda entry: entry.parent,
    "state": lambda entry: (entry.state.value, entry.state.removeprefix("STATE_")),
}
_ORDERS: Mapping[str, Callable[[StepEntry], object]] = {
    "entryId": lambda entry: entry.id,
    "createTime": lambda entry: entry.created,
    "updateTime": lambda entry: entry.updated,
    "routine": lambda entry: entry.routine,
    "step": lambda entry: entry.step,
    "stepType": lambda entry: entry.step_type,
    "state": lambda entry: entry.state,
}
_MOST = 1000
_MOST_ALONE = 100
"""Entries of a page whose variables are too large to be held with those of all others."""

PAGE_BYTES = 4 * 1024 * 1024
"""About how much of values one page shows; at least those of one item."""

_AT_ONCE = 500
"""Entries after which others have their turns."""

_EXPORTED_BYTES = 16 * 1024 * 1024

_Item = TypeVar("_Item")


def routes() -> list[web.RouteDef]:
    """The routes below one execution."""
    one = (
        "/v1/projects/{project}/locations/{location}/workflows/{workflow:[^/:]+}"
        "/executions/{execution:[^/:]+}"
    )
    get = partial(web.get, allow_head=False)
    return [
        get(f"{one}/stepEntries", guarded("workflows.stepEntries.list", list_entries)),
        get(f"{one}/stepEntries/{{entry}}", guarded("workflows.stepEntries.get", show_entry)),
        get(f"{one}:exportData", guarded("workflows.executions.get", export)),
        web.post(f"{one}:deleteExecutionHistory", guarded("workflows.executions.delete", delete)),
    ]


async def list_entries(request: web.Request) -> web.Response:
    """The step entries, as they began or as `orderBy` says.

    A page is shorter than asked for where variables are large.

    Raises:
        Refusal: INVALID_ARGUMENT.
    """
    there, settings = found(request), settings_for(request)
    wanted, order = parameter(request, "filter"), parameter(request, "orderBy")
    about = f"{there.id} stepEntries {wanted} {order}"
    size = page_size(request, _MOST, _MOST)
    begin = (page_token(request, about) or 0) + _skipped(request)
    test = filters.filtered(wanted, _FIELDS.keys())
    keys = filters.ordered(order, _ORDERS.keys())
    entries = await _filtered((await history_of(request, there)).entries, wanted, test)
    for field, descending in reversed(keys):
        entries = sorted(entries, key=_ORDERS[field], reverse=descending)  # type: ignore[arg-type]  # each field has one type
    asked = entries[begin : begin + size]
    if any(_lacks_variables(entry, there) for entry in asked):
        asked = await _with_variables(request, there, asked[:_MOST_ALONE])
    shown = fitting(asked, _size)
    body: dict[str, object] = {}
    if shown:
        body["stepEntries"] = [step_entry(entry, there, settings) for entry in shown]
    if len(entries) > begin + len(shown) and shown:
        body["nextPageToken"] = token_of(begin + len(shown), about)
    if entries:
        body["totalSize"] = len(entries)
    return answer(body)


async def show_entry(request: web.Request) -> web.Response:
    """One step entry.

    Raises:
        Refusal: NOT_FOUND.
    """
    there, settings = found(request), settings_for(request)
    number = request.match_info["entry"]
    entries = (await history_of(request, there)).entries
    if not (number.isascii() and number.isdigit() and 0 < int(number[:18]) <= len(entries)):
        raise not_found(f"{execution_name(there, settings)}/stepEntries/{number}")
    shown = entries[int(number) - 1]
    if _lacks_variables(shown, there):
        (shown,) = await _with_variables(request, there, [shown])
    return answer(step_entry(shown, there, settings))


async def export(request: web.Request) -> web.Response:
    """The step entries as one JSON text, without variables; of very many the first."""
    there, settings = found(request), settings_for(request)
    entries = (await history_of(request, there)).entries
    texts = []
    room = _EXPORTED_BYTES
    for entry in entries:
        shown = step_entry(replace(entry, variables=None), there, settings)
        texts.append(json.dumps(shown, ensure_ascii=False))
        room -= len(texts[-1])
        if room < 0:
            break
        if not entry.id % _AT_ONCE:
            await asyncio.sleep(0)
    name = json.dumps(execution_name(there, settings))
    data = f'{{"execution": {name}, "stepEntries": [{", ".join(texts)}]'
    data += f', "totalSize": {len(entries)}}}'
    return answer({"data": data})


async def delete(request: web.Request) -> web.Response:
    """Forget what an execution that is over has done; it stays itself, and so do its log lines.

    Raises:
        Refusal: FAILED_PRECONDITION, it is not over.
    """
    services = request.app[SERVICES]
    await no_fields(request)
    there = found(request)
    if there.state is State.ACTIVE:
        raise Refusal(
            Status.FAILED_PRECONDITION,
            f"Execution '{there.id}' is not over: it needs its history to go on",
        )
    with services.database.write():
        services.store.delete_history(there.id)
    services.histories.forget(there.id)
    return answer({})


async def history_of(
    request: web.Request, there: Execution, wanted: Wanted | None = None
) -> History:
    """The history of an execution; a long one takes as long as it ran, without its waits."""
    take_time(request)
    histories = request.app[SERVICES].histories
    return await (histories.of(there) if wanted is None else histories.of(there, wanted))


def fitting(items: Sequence[_Item], size: Callable[[_Item], int]) -> Sequence[_Item]:
    """As many items as may be shown on one page with their values."""
    room = PAGE_BYTES
    for number, item in enumerate(items):
        room -= size(item)
        if room < 0:
            return items[: max(number, 1)]
    return items


async def _filtered(
    entries: Sequence[StepEntry], text: str, test: filters.Test
) -> Sequence[StepEntry]:
    """The entries that pass; others have their turns meanwhile."""
    if not text.strip():
        return entries
    fields = {name: read for name, read in _FIELDS.items() if name in text}
    passed = []
    for entry in entries:
        if test({name: read(entry) for name, read in fields.items()}):
            passed.append(entry)
        if not entry.id % _AT_ONCE:
            await asyncio.sleep(0)
    return passed


def _skipped(request: web.Request) -> int:
    text = parameter(request, "skip") or "0"
    if not text.isascii() or not text.isdigit():
        raise invalid(f"skip must be a number that is not negative, not {text!r}")
    return int(text[:9])


def _lacks_variables(entry: StepEntry, there: Execution) -> bool:
    return entry.variables is None and there.settings.get("executionHistoryLevel") == DETAILED


async def _with_variables(
    request: web.Request, there: Execution, entries: Iterable[StepEntry]
) -> Sequence[StepEntry]:
    numbers = [entry.id for entry in entries]
    alone = await history_of(request, there, Wanted(entries=frozenset(numbers)))
    return [alone.entries[number - 1] for number in numbers]


def _size(entry: StepEntry) -> int:
    values = list(entry.variables.values()) if entry.variables else []
    return sum(map(size_of, values)) + size_of(entry.exception)

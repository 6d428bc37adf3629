"""`…/workflows/W/executions`: starting, reading and cancelling executions; their callbacks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from functools import partial

from aiohttp import web

from emulator import creation
from emulator.api import filters
from emulator.api.access import SERVICES, guarded, settings_for
from emulator.api.answers import (
    answer,
    json_body,
    listed,
    no_fields,
    page,
    page_size,
    page_token,
    parameter,
)
from emulator.api.workflows import found as found_workflow
from emulator.refusal import invalid, not_found
from emulator.resources import callback, execution, workflow_name
from emulator.settings import Settings
from emulator.store import Execution

_TIMES = ("createTime", "startTime", "endTime", "duration")
_QUEUED_ANYWAY = "disableConcurrencyQuotaOverflowBuffering"
_FILTERED = frozenset(
    {
        *("executionId", "state", *_TIMES, "workflowRevisionId", "stepName"),
        *("label.*", "labels.*", _QUEUED_ANYWAY),
    }
)
_AT_ONCE = 200
_SORTED = frozenset({"executionId", "state", *_TIMES, "workflowRevisionId"})


def routes() -> list[web.RouteDef]:
    """The routes of the Executions API, without the callback endpoints themselves."""
    all_ = "/v1/projects/{project}/locations/{location}/workflows/{workflow:[^/:]+}/executions"
    one = all_ + "/{execution:[^/:]+}"
    get = partial(web.get, allow_head=False)
    return [
        web.post(all_, guarded("workflows.executions.create", create)),
        get(all_, guarded("workflows.executions.list", list_all)),
        get(one, guarded("workflows.executions.get", show)),
        web.post(f"{one}:cancel", guarded("workflows.executions.cancel", cancel)),
        get(f"{one}/callbacks", guarded("workflows.callbacks.list", list_callbacks)),
    ]


def found(request: web.Request) -> Execution:
    """The execution that the path names.

    Raises:
        Refusal: NOT_FOUND.
    """
    services = request.app[SERVICES]
    execution_id = request.match_info["execution"]
    there = services.store.find(execution_id)
    if there is None or there.workflow != request.match_info["workflow"]:
        parent = workflow_name(
            request.match_info["workflow"], settings_for(request), request.match_info["project"]
        )
        raise not_found(f"{parent}/executions/{execution_id}")
    return there


async def create(request: web.Request) -> web.Response:
    """Start an execution of the latest revision. The argument is JSON text, null when not given."""
    services = request.app[SERVICES]
    argument, wanted = creation.read(await json_body(request))
    definition = found_workflow(request)
    settings = creation.settings(definition, wanted)
    created = services.engine.create(definition, argument, settings)
    return answer(execution(created, settings_for(request)))


async def show(request: web.Request) -> web.Response:
    """An execution; the view is FULL unless it says BASIC."""
    there = found(request)
    return answer(execution(there, settings_for(request), full=_full(request, default=True)))


async def list_all(request: web.Request) -> web.Response:
    """The executions of a workflow, newest first or as `orderBy` says; the view is BASIC."""
    settings = settings_for(request)
    full = _full(request, default=False)
    definition = found_workflow(request)
    wanted, order = parameter(request, "filter"), parameter(request, "orderBy")
    keys = filters.ordered(order, _SORTED)
    about = f"{definition.workflow} {wanted} {order}"
    most = 100 if full else 1000
    passing = _passing(request, definition.workflow, wanted, None if keys else about)
    if not keys:
        size = page_size(request, 100, most)
        items = []
        async for there in passing:
            items.append((there.sequence, execution(there, settings, full=full)))
            if len(items) > size:
                break
        return page("executions", items, size=size, about=about)
    compared = [(_compared(there, settings), there) async for there in passing]
    for field, descending in reversed(keys):
        by_field = partial(filters.sort_key, field=field)
        compared.sort(key=lambda pair, key=by_field: key(pair[0]), reverse=descending)  # type: ignore[misc]  # a default binds the loop's field
    shown = [execution(there, settings, full=full) for _, there in compared]
    return listed(request, "executions", shown, usual=100, most=most, about=about)


async def _passing(
    request: web.Request, workflow: str, wanted: str, about: str | None
) -> AsyncIterator[Execution]:
    """The executions that a filter lets through, newest first; others have turns meanwhile.

    Args:
        about: the list whose token says where to begin; None to begin with the newest.
    """
    settings = settings_for(request)
    passes = filters.filtered(wanted, _FILTERED)
    begin = None if about is None else page_token(request, about)
    newest_first = request.app[SERVICES].store.newest_first(workflow, begin)
    for number, there in enumerate(newest_first, start=1):
        if not wanted or passes(_compared(there, settings)):
            yield there
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)


async def cancel(request: web.Request) -> web.Response:
    """End an execution that runs or waits."""
    services = request.app[SERVICES]
    await no_fields(request)
    cancelled = services.engine.cancel(found(request).id)
    return answer(execution(cancelled, settings_for(request)))


async def list_callbacks(request: web.Request) -> web.Response:
    """The endpoints of an execution that is not over, by ID."""
    services = request.app[SERVICES]
    owner = found(request)
    about = f"{owner.id} callbacks"
    shown = [
        callback(there, owner, settings_for(request), len(services.store.waits_on(there.id)))
        for there in services.store.callbacks(owner.id)
    ]
    return listed(request, "callbacks", shown, usual=100, most=100, about=about)


def _compared(there: Execution, settings: Settings) -> Mapping[str, object]:
    """What filters and orders of a list look at."""
    shown = execution(there, settings)
    return {
        _QUEUED_ANYWAY: False,
        **shown,
        "executionId": there.id,
        "stepName": [step for _, step in there.steps],
        "label": shown.get("labels"),
    }


def _full(request: web.Request, *, default: bool) -> bool:
    view = parameter(request, "view")
    if view in ("", "0", "EXECUTION_VIEW_UNSPECIFIED"):
        return default
    if view not in ("BASIC", "FULL", "1", "2"):
        raise invalid(f"view must be BASIC or FULL, not {json.dumps(view)}")
    return view in ("FULL", "2")

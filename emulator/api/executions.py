"""`…/workflows/W/executions`: starting, reading and cancelling executions; their callbacks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial

from aiohttp import web

from emulator.api import fields, filters
from emulator.api.access import SERVICES, guarded
from emulator.api.answers import answer, json_body, page, page_size, page_token
from emulator.api.workflows import found as found_workflow
from emulator.limits import Limits
from emulator.refusal import Refusal, Status, invalid, not_found
from emulator.resources import callback, execution, execution_name, workflow_name
from emulator.store import Execution
from emulator.values import from_json

_CHECKS: Mapping[str, fields.Check] = {
    "argument": fields.text(Limits().argument_bytes),
    "callLogLevel": fields.LOG_LEVEL,
    "executionHistoryLevel": fields.HISTORY_LEVEL,
    "labels": fields.labels,
    "disableConcurrencyQuotaOverflowBuffering": fields.flag,
}
_OUTPUT = frozenset(
    {
        *("name", "createTime", "startTime", "endTime", "duration", "state", "result", "error"),
        *("workflowRevisionId", "status", "stateError"),
    }
)
_TIMES = ("createTime", "startTime", "endTime", "duration")
_FILTERED = frozenset({"executionId", "state", *_TIMES, "workflowRevisionId", "labels.*"})
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
        get(f"{one}/stepEntries", guarded("workflows.stepEntries.list", not_yet)),
        get(f"{one}/stepEntries/{{entry}}", guarded("workflows.stepEntries.get", not_yet)),
        get(f"{one}:exportData", guarded("workflows.executions.get", not_yet)),
        web.post(f"{one}:deleteExecutionHistory", guarded("workflows.executions.get", not_yet)),
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
            request.match_info["workflow"], services.settings, request.match_info["project"]
        )
        raise not_found(f"{parent}/executions/{execution_id}")
    return there


async def create(request: web.Request) -> web.Response:
    """Start an execution of the latest revision. The argument is JSON text, null when not given."""
    services = request.app[SERVICES]
    wanted = fields.read(await json_body(request), _CHECKS, _OUTPUT, "execution")
    definition = found_workflow(request)
    argument = str(wanted.pop("argument", "null"))
    if len(argument.encode()) > Limits().argument_bytes:
        raise invalid(f"execution.argument is too large: {Limits().argument_bytes} bytes at most")
    try:
        from_json(argument)
    except ValueError as wrong:
        raise invalid(f"execution.argument is not JSON: {wrong}") from None
    for name in ("callLogLevel", "executionHistoryLevel"):
        if name in definition.fields:
            wanted.setdefault(name, definition.fields[name])
    inherited, own = definition.fields.get("labels"), wanted.get("labels")
    if isinstance(inherited, dict):
        wanted["labels"] = inherited | (own if isinstance(own, dict) else {})
    created = services.engine.create(definition, argument, wanted)
    return answer(execution(created, services.settings))


async def show(request: web.Request) -> web.Response:
    """An execution; the view is FULL unless it says BASIC."""
    services = request.app[SERVICES]
    there = found(request)
    return answer(execution(there, services.settings, full=_full(request, default=True)))


async def list_all(request: web.Request) -> web.Response:
    """The executions of a workflow, newest first or as `orderBy` says; the view is BASIC."""
    services = request.app[SERVICES]
    settings = services.settings
    query = request.query
    full = _full(request, default=False)
    definition = found_workflow(request)
    passes = filters.filtered(query.get("filter", ""), _FILTERED)
    keys = filters.ordered(query.get("orderBy", ""), _SORTED)
    about = f"{definition.workflow} {query.get('filter', '')} {query.get('orderBy', '')}"
    size = page_size(request, 100, 100 if full else 1000)
    begin = page_token(request, about)

    def resource(there: Execution) -> Mapping[str, object]:
        return {**execution(there, settings), "executionId": there.id}

    def shown(there: Execution) -> object:
        return execution(there, settings, full=full)

    every = services.store.newest_first(definition.workflow, None if keys else begin)
    passed = (there for there in every if passes(resource(there)))
    if not keys:
        items = ((there.sequence, shown(there)) for there in passed)
        return page("executions", items, size=size, about=about)
    in_order = list(passed)
    for field, descending in reversed(keys):
        in_order.sort(
            key=lambda there, field=field: filters.sort_key(resource(there), field),  # type: ignore[misc]  # a default binds the loop's field
            reverse=descending,
        )
    numbered = list(enumerate(map(shown, in_order), start=1))
    return page("executions", numbered[begin or 0 :], size=size, about=about)


async def cancel(request: web.Request) -> web.Response:
    """End an execution that runs or waits."""
    services = request.app[SERVICES]
    await json_body(request)
    cancelled = services.engine.cancel(found(request).id)
    return answer(execution(cancelled, services.settings))


async def list_callbacks(request: web.Request) -> web.Response:
    """The endpoints of an execution that is not over, by ID."""
    services = request.app[SERVICES]
    owner = found(request)
    about = f"{owner.id} callbacks"
    shown = [
        callback(there, owner, services.settings, len(services.store.waits_on(there.id)))
        for there in services.store.callbacks(owner.id)
    ]
    numbered = list(enumerate(shown, start=1))[page_token(request, about) or 0 :]
    return page("callbacks", numbered, size=page_size(request, 100, 100), about=about)


async def not_yet(request: web.Request) -> web.Response:
    """What the service has and the emulator does not."""
    owner = found(request)
    name = execution_name(owner, request.app[SERVICES].settings)
    raise Refusal(
        Status.UNIMPLEMENTED,
        f"the emulator does not offer {request.path.rpartition(owner.id)[2].strip(':/')} of {name}:"
        " look at status.currentSteps of the execution and at the emulator's output",
    )


def _full(request: web.Request, *, default: bool) -> bool:
    view = request.query.get("view", "")
    if view in ("", "0", "EXECUTION_VIEW_UNSPECIFIED"):
        return default
    if view not in ("BASIC", "FULL", "1", "2"):
        raise invalid(f"view must be BASIC or FULL, not {json.dumps(view)}")
    return view in ("FULL", "2")

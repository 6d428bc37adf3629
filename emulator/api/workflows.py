"""`/v1/projects/P/locations/L/workflows`: definitions, their revisions, operations, locations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from aiohttp import web

from emulator import fields
from emulator.api import filters
from emulator.api.access import SERVICES, guarded, settings_for
from emulator.api.answers import answer, json_body, listed, parameter
from emulator.catalog import Definition
from emulator.errors import SourceError
from emulator.limits import Limits
from emulator.refusal import Refusal, invalid, not_found
from emulator.resources import EMPTY_TYPE, WORKFLOW_TYPE, operation, workflow, workflow_name

_CHECKS: Mapping[str, fields.Check] = {
    "description": fields.text(1000),
    "labels": fields.labels,
    "serviceAccount": fields.text(500),
    "sourceContents": fields.text(Limits().source_bytes),
    "cryptoKeyName": fields.text(500),
    "callLogLevel": fields.LOG_LEVEL,
    "userEnvVars": fields.environment,
    "executionHistoryLevel": fields.HISTORY_LEVEL,
    "tags": fields.strings,
}
_OUTPUT = frozenset(
    {
        *("name", "state", "revisionId", "createTime", "updateTime", "revisionCreateTime"),
        *("stateError", "allKmsKeys", "allKmsKeysVersions", "cryptoKeyVersion"),
    }
)
_FILTERED = frozenset(
    {"name", "state", "revisionId", "createTime", "updateTime", "description", "labels.*"}
)
_GONE = {"response": {"@type": EMPTY_TYPE}}
_OPERATIONS_FILTERED = frozenset({"name", "done", "metadata.*", "error.*", "response.*"})
_PLACES_FILTERED = frozenset({"name", "locationId"})
_SORTED = frozenset({"name", "createTime", "updateTime", "state", "revisionId"})


def routes() -> list[web.RouteDef]:
    """The routes of the Workflows API."""
    location = "/v1/projects/{project}/locations/{location}"
    one = location + "/workflows/{workflow:[^/:]+}"
    done = location + "/operations/{operation}"
    get, post, patch, delete = (
        partial(web.get, allow_head=False),
        web.post,
        web.patch,
        web.delete,
    )
    return [
        post(f"{location}/workflows", guarded("workflows.workflows.create", create)),
        get(f"{location}/workflows", guarded("workflows.workflows.list", list_all)),
        get(one, guarded("workflows.workflows.get", show)),
        patch(one, guarded("workflows.workflows.update", update)),
        delete(one, guarded("workflows.workflows.delete", remove)),
        get(f"{one}:listRevisions", guarded("workflows.workflows.get", list_revisions)),
        get(done, guarded("workflows.operations.get", show_operation)),
        delete(done, guarded("workflows.operations.cancel", remove_operation)),
        get(f"{location}/operations", guarded("workflows.operations.list", list_operations)),
        get("/v1/projects/{project}/locations", guarded("workflows.locations.list", list_places)),
        get(location, guarded("workflows.locations.get", show_place)),
    ]


def found(request: web.Request) -> Definition:
    """The workflow that the path names, at its latest revision.

    Raises:
        Refusal: NOT_FOUND.
    """
    services = request.app[SERVICES]
    workflow_id = request.match_info["workflow"]
    definition = services.catalog.find(workflow_id)
    if definition is None:
        project = request.match_info["project"]
        raise not_found(workflow_name(workflow_id, settings_for(request), project))
    return definition


async def create(request: web.Request) -> web.Response:
    """Deploy a new workflow."""
    services = request.app[SERVICES]
    started = services.clock.stamp()
    wanted = fields.read(await json_body(request), _CHECKS, _OUTPUT, "workflow")
    workflow_id = parameter(request, "workflowId")
    try:
        definition = services.catalog.create(workflow_id, wanted)
    except Refusal as refusal:
        return _not_built(request, "create", started, workflow_id, refusal)
    return _deployed(request, "create", started, definition)


async def update(request: web.Request) -> web.Response:
    """Change the fields that `updateMask` names, or all when there is none."""
    services = request.app[SERVICES]
    started = services.clock.stamp()
    given = fields.read(await json_body(request), _CHECKS, _OUTPUT, "workflow")
    old = found(request)  # as it is now that the body is here: slow clients overlap
    mask = _mask(request)
    if "tags" in old.fields:
        given["tags"] = old.fields["tags"]  # they never change
    if mask is not None:
        kept = {name: value for name, value in old.fields.items() if name not in mask}
        given = kept | {name: value for name, value in given.items() if name in mask}
    try:
        changed = services.catalog.update(old, given)
    except Refusal as refusal:
        return _not_built(request, "update", started, old.workflow, refusal)
    return _deployed(request, "update", started, changed)


async def remove(request: web.Request) -> web.Response:
    """Cancel the executions of a workflow and forget it."""
    services = request.app[SERVICES]
    started = services.clock.stamp()
    definition = found(request)
    services.engine.delete_workflow(definition.workflow)
    return _operation(request, "delete", started, definition.workflow, _GONE)


async def show(request: web.Request) -> web.Response:
    """A workflow, at the revision that `revisionId` names or at the latest."""
    services = request.app[SERVICES]
    definition = found(request)
    wanted = parameter(request, "revisionId")
    if wanted:
        revisions = services.catalog.revisions(definition.workflow)
        definition = next(
            (revision for revision in revisions if revision.revision == wanted), None
        ) or _no_revision(definition, wanted)
    return answer(workflow(definition, settings_for(request), request.match_info["project"]))


async def list_all(request: web.Request) -> web.Response:
    """The workflows without their sources, by name or as `orderBy` says."""
    services = request.app[SERVICES]
    wanted, order = parameter(request, "filter"), parameter(request, "orderBy")
    passes = filters.filtered(wanted, _FILTERED)
    keys = filters.ordered(order, _SORTED)
    settings, project = settings_for(request), request.match_info["project"]
    shown = [
        workflow(definition, settings, project, source=False)
        for definition in services.catalog.all()
    ]
    shown = [resource for resource in shown if passes(resource)]
    for field, descending in reversed(keys):
        shown.sort(key=partial(filters.sort_key, field=field), reverse=descending)
    about = f"workflows {wanted} {order}"
    return listed(request, "workflows", shown, usual=500, most=1000, about=about)


async def list_revisions(request: web.Request) -> web.Response:
    """The revisions of a workflow, newest first."""
    services = request.app[SERVICES]
    settings, project = settings_for(request), request.match_info["project"]
    definition = found(request)
    shown = [
        workflow(revision, settings, project)
        for revision in services.catalog.revisions(definition.workflow)
    ]
    about = f"{definition.workflow} revisions"
    return listed(
        *(request, "workflows", shown), usual=20, most=100, about=about, known_by="revisionId"
    )


async def show_operation(request: web.Request) -> web.Response:
    """What an operation did; all are done."""
    services = request.app[SERVICES]
    name = request.match_info["operation"]
    body = services.catalog.operation(name)
    if body is None:
        raise not_found(f"{_location(request)}/operations/{name}")
    return answer({"name": f"{_location(request)}/operations/{name}", **body})


async def list_operations(request: web.Request) -> web.Response:
    """The operations, newest first."""
    services = request.app[SERVICES]
    query = parameter(request, "filter")
    passes = filters.filtered(query, _OPERATIONS_FILTERED)
    shown = [
        {"name": f"{_location(request)}/operations/{name}", **body}
        for name, body in services.catalog.operations()
    ]
    kept = list(filter(passes, shown))
    return listed(request, "operations", kept, usual=100, most=1000, about=f"operations {query}")


async def remove_operation(request: web.Request) -> web.Response:
    """Forget an operation."""
    name = request.match_info["operation"]
    if not request.app[SERVICES].catalog.delete_operation(name):
        raise not_found(f"{_location(request)}/operations/{name}")
    return answer({})


async def show_place(request: web.Request) -> web.Response:
    """The one location."""
    return answer(_place(request))


async def list_places(request: web.Request) -> web.Response:
    """The one location, as a list."""
    passes = filters.filtered(parameter(request, "filter"), _PLACES_FILTERED)
    places = list(filter(passes, [_place(request)]))
    return listed(request, "locations", places, usual=100, most=1000, about="locations")


def _place(request: web.Request) -> dict[str, object]:
    return {"name": _location(request), "locationId": settings_for(request).location}


def _mask(request: web.Request) -> frozenset[str] | None:
    paths = [path.strip() for path in parameter(request, "updateMask").split(",") if path.strip()]
    names = frozenset(map(fields.json_name, paths))
    if not names or names == {"*"}:
        return None
    unknown = sorted(names - (_CHECKS.keys() - {"tags"}))
    if unknown:
        raise invalid(f"updateMask: {unknown[0]} is no field that can be changed")
    return names


def _no_revision(definition: Definition, wanted: str) -> Definition:
    raise not_found(f"{definition.workflow}@{wanted}")


def _location(request: web.Request) -> str:
    location = settings_for(request).location
    return f"projects/{request.match_info['project']}/locations/{location}"


def _deployed(
    request: web.Request, verb: str, started: str, definition: Definition
) -> web.Response:
    shown = workflow(definition, settings_for(request), request.match_info["project"])
    response = {"@type": WORKFLOW_TYPE, **shown}
    return _operation(request, verb, started, definition.workflow, {"response": response})


def _not_built(
    request: web.Request, verb: str, started: str, workflow_id: str, refusal: Refusal
) -> web.Response:
    """Refuse a source that does not build: at once, or as Google does, as what became of it.

    Raises:
        Refusal: the one given, unless operations are to tell.
    """
    told_later = request.app[SERVICES].settings.operation_errors
    if not (told_later and isinstance(refusal.__cause__, SourceError)):
        raise refusal
    error = {"code": 3, "message": refusal.message, "details": refusal.details}
    return _operation(request, verb, started, workflow_id, {"error": error})


def _operation(
    request: web.Request, verb: str, started: str, workflow_id: str, outcome: Mapping[str, object]
) -> web.Response:
    services = request.app[SERVICES]
    target = workflow_name(workflow_id, settings_for(request), request.match_info["project"])
    body = operation(verb, target, started, services.clock.stamp(), outcome)
    name = services.catalog.record_operation(body)
    return answer({"name": f"{_location(request)}/operations/{name}", **body})

"""`/v1/projects/P/locations/L/workflows`: definitions, their revisions, operations, locations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from aiohttp import web

from emulator.api import fields, filters
from emulator.api.access import SERVICES, guarded
from emulator.api.answers import answer, json_body, page, page_size, page_token
from emulator.catalog import Definition
from emulator.limits import Limits
from emulator.refusal import invalid, not_found
from emulator.resources import EMPTY_TYPE, WORKFLOW_TYPE, operation, workflow, workflow_name
from emulator.services import Services

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
        raise not_found(workflow_name(workflow_id, services.settings, project))
    return definition


async def create(request: web.Request) -> web.Response:
    """Deploy a new workflow; a source that does not build is refused at once."""
    services = request.app[SERVICES]
    started = services.clock.stamp()
    wanted = fields.read(await json_body(request), _CHECKS, _OUTPUT, "workflow")
    definition = services.catalog.create(request.query.get("workflowId", ""), wanted)
    return _deployed(request, "create", started, definition)


async def update(request: web.Request) -> web.Response:
    """Change the fields that `updateMask` names, or all when there is none."""
    services = request.app[SERVICES]
    started = services.clock.stamp()
    given = fields.read(await json_body(request), _CHECKS, _OUTPUT, "workflow")
    old = found(request)  # as it is now that the body is here: slow clients overlap
    mask = _mask(request)
    if mask is not None:
        kept = {name: value for name, value in old.fields.items() if name not in mask}
        given = kept | {name: value for name, value in given.items() if name in mask}
    return _deployed(request, "update", started, services.catalog.update(old, given))


async def remove(request: web.Request) -> web.Response:
    """Cancel the executions of a workflow and forget it."""
    services = request.app[SERVICES]
    started = services.clock.stamp()
    definition = found(request)
    services.engine.delete_workflow(definition.workflow)
    return _operation(request, "delete", started, definition.workflow, {"@type": EMPTY_TYPE})


async def show(request: web.Request) -> web.Response:
    """A workflow, at the revision that `revisionId` names or at the latest."""
    services = request.app[SERVICES]
    definition = found(request)
    wanted = request.query.get("revisionId")
    if wanted:
        revisions = services.catalog.revisions(definition.workflow)
        definition = next(
            (revision for revision in revisions if revision.revision == wanted), None
        ) or _no_revision(definition, wanted)
    return answer(workflow(definition, services.settings, request.match_info["project"]))


async def list_all(request: web.Request) -> web.Response:
    """The workflows without their sources, by name or as `orderBy` says."""
    services = request.app[SERVICES]
    query = request.query
    passes = filters.filtered(query.get("filter", ""), _FILTERED)
    keys = filters.ordered(query.get("orderBy", ""), _SORTED)
    project = request.match_info["project"]
    shown = [
        workflow(definition, services.settings, project, source=False)
        for definition in services.catalog.all()
    ]
    shown = [resource for resource in shown if passes(resource)]
    for field, descending in reversed(keys):
        shown.sort(key=partial(filters.sort_key, field=field), reverse=descending)
    about = f"workflows {query.get('filter', '')} {query.get('orderBy', '')}"
    return _numbered_page(request, "workflows", shown, usual=500, most=1000, about=about)


async def list_revisions(request: web.Request) -> web.Response:
    """The revisions of a workflow, newest first."""
    services = request.app[SERVICES]
    project = request.match_info["project"]
    definition = found(request)
    shown = [
        workflow(revision, services.settings, project)
        for revision in services.catalog.revisions(definition.workflow)
    ]
    return _numbered_page(
        request, "workflows", shown, usual=20, most=100, about=f"{definition.workflow} revisions"
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
    passes = filters.filtered(request.query.get("filter", ""), {"done"})
    shown = [
        {"name": f"{_location(request)}/operations/{name}", **body}
        for name, body in services.catalog.operations()
    ]
    return _numbered_page(
        request, "operations", list(filter(passes, shown)), usual=100, most=1000, about="operations"
    )


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
    return answer({"locations": [_place(request)]})


def _place(request: web.Request) -> dict[str, object]:
    location = request.app[SERVICES].settings.location
    return {
        "name": f"projects/{request.match_info['project']}/locations/{location}",
        "locationId": location,
    }


def _mask(request: web.Request) -> frozenset[str] | None:
    paths = [
        path.strip() for path in request.query.get("updateMask", "").split(",") if path.strip()
    ]
    names = frozenset(map(fields.json_name, paths))
    if not names or names == {"*"}:
        return None
    unknown = sorted(names - _CHECKS.keys())
    if unknown:
        raise invalid(f"updateMask: {unknown[0]} is no field that can be changed")
    return names


def _no_revision(definition: Definition, wanted: str) -> Definition:
    raise not_found(f"{definition.workflow}@{wanted}")


def _location(request: web.Request) -> str:
    location = request.app[SERVICES].settings.location
    return f"projects/{request.match_info['project']}/locations/{location}"


def _deployed(
    request: web.Request, verb: str, started: str, definition: Definition
) -> web.Response:
    services: Services = request.app[SERVICES]
    shown = workflow(definition, services.settings, request.match_info["project"])
    response = {"@type": WORKFLOW_TYPE, **shown}
    return _operation(request, verb, started, definition.workflow, response)


def _operation(
    request: web.Request,
    verb: str,
    started: str,
    workflow_id: str,
    response: Mapping[str, object],
) -> web.Response:
    services = request.app[SERVICES]
    target = workflow_name(workflow_id, services.settings, request.match_info["project"])
    body = operation(verb, target, started, services.clock.stamp(), response)
    name = services.catalog.record_operation(body)
    return answer({"name": f"{_location(request)}/operations/{name}", **body})


def _numbered_page(
    request: web.Request,
    name: str,
    resources: Iterable[Mapping[str, object]],
    *,
    usual: int,
    most: int,
    about: str,
) -> web.Response:
    """A page of a list that is at hand; its tokens are positions in it."""
    numbered = list(enumerate(resources, start=1))[page_token(request, about) or 0 :]
    return page(name, numbered, size=page_size(request, usual, most), about=about)

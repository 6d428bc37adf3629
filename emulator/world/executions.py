"""Starting other workflows, in the transaction of the step itself: a child is started once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from emulator import creation
from emulator.catalog import Definition
from emulator.errors import WorkflowError, error, http_error
from emulator.limits import Limits
from emulator.protocol import Request, Returned
from emulator.refusal import Refusal, Status, invalid, not_found
from emulator.resources import execution as shown
from emulator.settings import Auth
from emulator.values import Value
from emulator.world.arguments import json_text, known, number, optional_map, text
from emulator.world.site import Armed, Performed, Site
from emulator.world.waits import MEMBER

EXECUTIONS = "googleapis.workflowexecutions.v1.projects.locations.workflows.executions"
_PERMISSION = "workflows.executions.create"
_PARENT = re.compile(
    r"projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/workflows/(?P<workflow>[^/]+)"
)


def run(request: Request, site: Site) -> Performed:
    """Start a child execution; the reply comes at its end or after `connector_params.timeout`."""
    args = request.args
    known(request, "workflow_id", "project_id", "location", "argument", "connector_params")
    definition = _definition_named(args, site)
    options = optional_map(args, "connector_params")
    due = site.clock.due(number(options, "timeout")) if "timeout" in options else None
    argument = _argument(args.get("argument"))
    _check_room(site, 1)
    return Armed("child", due, site.start(definition, argument, creation.settings(definition, {})))


def run_all(request: Request, site: Site) -> Performed:
    """Start a child execution for every argument; the reply is the list of their results, in order.

    It comes when all are over. Each child has a wait of its own, which ends with it.
    """
    definition = _definition_named(request.args, site)
    given = request.args.get("arguments")
    if not isinstance(given, list):
        raise error("TypeError", "arguments must be a list")
    if not given:
        return Returned([])
    arguments = [_argument(item) for item in given]
    _check_room(site, len(arguments))
    settings = creation.settings(definition, {})
    children = [site.start(definition, argument, settings) for argument in arguments]
    for place, child in enumerate(children):
        site.store.arm(site.execution.id, f"{request.key}{MEMBER}{place}", "child", None, child)
    return Armed("child", None, json.dumps(children))


def create(request: Request, site: Site) -> Performed:
    """Start an execution, and give it at once as the API shows it."""
    known(request, "parent", "body", "connector_params")
    parent = _PARENT.fullmatch(text(request.args, "parent"))
    body = optional_map(request.args, "body")
    try:
        if parent is None:
            form = "projects/PROJECT/locations/LOCATION/workflows/WORKFLOW"
            raise invalid(f"parent must have the form {form}")
        argument, wanted = creation.read(body)
    except Refusal as refusal:
        raise refused(refusal) from None
    definition = _definition(parent["project"], parent["location"], parent["workflow"], site)
    _check_room(site, 1)
    child = site.start(definition, argument, creation.settings(definition, wanted))
    found = site.store.find(child)
    if found is None:
        raise LookupError(f"execution {child}")
    return Returned(shown(found, site.settings))


def refused(refusal: Refusal) -> WorkflowError:
    """The HttpError of a call that Google's API would refuse."""
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    return http_error(refusal.status.code, headers, refusal.as_json())


def _definition_named(args: Mapping[str, Value], site: Site) -> Definition:
    """The workflow that `workflow_id` names, here unless `project_id` and `location` say more."""
    project, location = (
        usual if args.get(name) is None else text(args, name)
        for name, usual in (
            ("project_id", site.settings.project),
            ("location", site.settings.location),
        )
    )
    return _definition(project, location, text(args, "workflow_id"), site)


def _definition(project: str, location: str, workflow: str, site: Site) -> Definition:
    """A workflow at its latest revision. With authentication off every project is this one.

    Raises:
        WorkflowError: HttpError 403 for another project and where the account may not start it, 404
            for another location and for a workflow that is not there.
    """
    settings = site.settings
    anywhere = settings.auth is Auth.OFF
    if project not in settings.projects and not anywhere:
        message = f"project '{project}' is not this emulator's: it plays '{settings.project}'"
        raise refused(Refusal(Status.PERMISSION_DENIED, message))
    name = f"projects/{project}/locations/{location}/workflows/{workflow}"
    if not site.permits(_PERMISSION):
        message = f"Permission '{_PERMISSION}' denied on resource '{name}' for {site.account}"
        raise refused(Refusal(Status.PERMISSION_DENIED, message))
    here = location == settings.location or anywhere
    definition = site.definition(workflow) if here else None
    if definition is None:
        raise refused(not_found(name))
    return definition


def _argument(value: Value) -> str:
    argument = json_text(value, "argument")
    if len(argument.encode()) > Limits().argument_bytes:
        raise error("ResourceLimitError", "the argument of the execution is too large")
    return argument


def _check_room(site: Site, children: int) -> None:
    """Raise ResourceLimitError where a workflow that runs itself would go on for ever."""
    limits = Limits()
    if site.store.ancestors(site.execution.id, limits.execution_depth) >= limits.execution_depth:
        raise error("ResourceLimitError", "too many executions wait for one another")
    if site.store.count_open() + children > limits.active_executions:
        raise error("ResourceLimitError", "too many executions are active to start another")

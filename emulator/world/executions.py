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
from emulator.world.arguments import flag, json_text, known, number, optional_map, text
from emulator.world.site import Armed, Performed, Site
from emulator.world.waits import MEMBER

EXECUTIONS = "googleapis.workflowexecutions.v1.projects.locations.workflows.executions"
_PERMISSION = "workflows.executions.create"
_NAMED = ("workflow_id", "project_id", "location")
_TIMEOUT = 1800.0
_LONGEST = 31_536_000.0
_PARENT = re.compile(
    r"projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/workflows/(?P<workflow>[^/]+)"
)


def run(request: Request, site: Site) -> Performed:
    """Start a child execution; the reply comes at its end or when the timeout is over.

    With `connector_params.skip_polling` nothing is waited for, and the reply is null.
    """
    args = request.args
    known(request, *_NAMED, "argument", "callLogLevel", "connector_params")
    definition = _definition_named(args, site)
    due = site.clock.due(timeout(request))
    polls = not flag(optional_map(args, "connector_params"), "skip_polling")
    argument = _argument(args.get("argument"))
    try:
        _, wanted = creation.read({"callLogLevel": args.get("callLogLevel")})
    except Refusal as refusal:
        raise refused(refusal) from None
    _check_room(site, 1)
    child = site.start(definition, argument, creation.settings(definition, wanted))
    return Armed("child", due, child) if polls else Returned(None)


def timeout(request: Request) -> float:
    """The seconds that a connector may take: `connector_params.timeout`, or half an hour.

    Raises:
        WorkflowError: TypeError, it is no number; ValueError, it is negative or above a year.
    """
    options = optional_map(request.args, "connector_params")
    if options.get("timeout") is None:
        return _TIMEOUT
    seconds = number(options, "timeout")
    if not 0 <= seconds <= _LONGEST:
        raise error("ValueError", f"timeout must be between 0 and {_LONGEST:.0f} seconds")
    return seconds


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
    """Start an execution, and give it at once as the API shows it.

    Google's page has it wait for the end unless `skip_polling` is true, and does not say what it
    gives then. An execution at once is what it says of `skip_polling`, and what authors expect.
    """
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

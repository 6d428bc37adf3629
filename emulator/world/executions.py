"""The connector that runs another workflow and waits for its result."""

from __future__ import annotations

from emulator.errors import error, http_error
from emulator.limits import Limits
from emulator.protocol import Raised, Reply, Request, Returned
from emulator.resources import execution as shown
from emulator.settings import Settings
from emulator.store import Execution, State
from emulator.values import from_json
from emulator.world.arguments import json_text, optional_map, text
from emulator.world.site import Armed, Performed, Site

RUN = "googleapis.workflowexecutions.v1.projects.locations.workflows.executions.run"
_PARAMETERS = {"workflow_id", "project_id", "location", "argument", "connector_params"}


def run(request: Request, site: Site) -> Performed:
    """Start a child execution; the reply comes at its end or after `connector_params.timeout`."""
    unknown = sorted(set(request.args) - _PARAMETERS)
    if unknown:
        raise error("TypeError", f"unknown argument {unknown[0]} of {RUN}")
    workflow = text(request.args, "workflow_id")
    for name, known in (
        ("project_id", site.settings.projects),
        ("location", {site.settings.location}),
    ):
        if request.args.get(name) is not None and text(request.args, name) not in known:
            raise error("ValueError", f"{name}: the emulator plays {min(known)} only")
    options = optional_map(request.args, "connector_params")
    argument = json_text(request.args.get("argument"), "argument")
    if len(argument.encode()) > Limits().argument_bytes:
        raise error("ResourceLimitError", "the argument of the execution is too large")
    _check_room(site)
    child = site.start(workflow, argument)
    if child is None:
        message = f"workflow '{workflow}' was not found"
        raise http_error(
            404,
            {"Content-Type": "application/json; charset=UTF-8"},
            {"error": {"code": 404, "message": message, "status": "NOT_FOUND"}},
        )
    timeout = options.get("timeout")
    if isinstance(timeout, int | float) and not isinstance(timeout, bool):
        return Armed("child", site.clock.due(float(timeout)), child)
    return Armed("child", None, child)


def _check_room(site: Site) -> None:
    """Raise ResourceLimitError where a workflow that runs itself would go on for ever."""
    limits = Limits()
    if site.store.ancestors(site.execution.id, limits.execution_depth) >= limits.execution_depth:
        raise error("ResourceLimitError", "too many executions wait for one another")
    if site.store.count_open() >= limits.active_executions:
        raise error("ResourceLimitError", "too many executions are active to start another")


def reply_of(child: Execution, settings: Settings) -> Reply:
    """What the parent is told about a child that is over: its result, or an OperationError."""
    if child.state is State.SUCCEEDED and child.result is not None:
        return Returned(from_json(child.result))
    return Raised(
        {
            "message": "Execution failed or cancelled.",
            "operation": shown(child, settings),
            "tags": ["OperationError"],
        }
    )

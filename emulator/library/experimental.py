"""`experimental`: the old way to run another workflow, kept by the service for old sources."""

from emulator.library.registry import world

world(
    "experimental.executions.run(workflow_id, project_id=null, location=null, argument=null)",
    blocking=True,
)
world(
    "experimental.executions.map(workflow_id, arguments, project_id=null, location=null)",
    blocking=True,
)

"""The commands that speak to a running emulator: `deploy`, `start`, `executions`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from emulator import console
from emulator.client import Client, RefusedByEmulator
from emulator.store import State
from workflows.bundle import Bundle

Item = tuple[str, dict[str, Any]]
"""The name of a workflow, and an execution of it."""


async def deploy(
    client: Client, bundles: Mapping[str, Bundle], variables: Mapping[str, str]
) -> int:
    """Deploy all that build; gives how many were refused, after saying why."""
    refused = []
    for workflow, bundle in bundles.items():
        try:
            done, revision = await client.deploy(workflow, bundle.text, variables)
        except RefusedByEmulator as why:
            console.complain(bundle.explain(str(why)))
            refused.append(workflow)
        else:
            console.announce(f"{done} {workflow} {revision}")
    if refused:
        console.complain(f"{len(refused)} of {len(bundles)} not deployed: {', '.join(refused)}")
    return len(refused)


async def list_executions(client: Client, workflow: str | None) -> None:
    """Say a line for each execution, of one workflow or of all, newest first."""
    if workflow is not None:
        lists = [_executions(client, workflow)]
    else:
        names = [str(each["name"]) async for each in client.pages("/workflows", "workflows")]
        lists = [_executions(client, name.rpartition("/")[2]) for name in names]
    async for name, execution in _newest_first(lists):
        console.announce(_line(name, execution))


async def _executions(client: Client, workflow: str) -> AsyncIterator[Item]:
    path = f"/workflows/{workflow}/executions"
    async for execution in client.pages(path, "executions", view="FULL"):
        yield workflow, execution


async def _newest_first(lists: list[AsyncIterator[Item]]) -> AsyncIterator[Item]:
    """The items of all lists by their start, when each list is in that order."""
    heads = [(await anext(each, None), each) for each in lists]
    while waiting := [(item, each) for item, each in heads if item is not None]:
        newest, source = max(waiting, key=lambda head: str(head[0][1]["startTime"]))
        yield newest
        heads = [
            (await anext(each, None) if each is source else item, each) for item, each in waiting
        ]


def _line(workflow: str, execution: Mapping[str, Any]) -> str:
    """State, workflow, ID, start and outcome of an execution, on one line."""
    outcome = str(execution.get("result", ""))
    if "error" in execution:
        outcome = console.reason(execution["error"])
    elif execution["state"] == State.ACTIVE:
        steps = execution.get("status", {}).get("currentSteps", ())
        outcome = "at " + ", ".join(f"{step['routine']}/{step['step']}" for step in steps)
    name = str(execution["name"]).rpartition("/")[2]
    line = f"{execution['state']:<9} {workflow} {name} {execution['startTime']} {outcome}"
    return line.rstrip()

"""What is told to a step that waits: when its time is over, and when a child execution is."""

from __future__ import annotations

import json

from emulator.errors import error
from emulator.protocol import Raised, Reply, Returned
from emulator.resources import execution as shown
from emulator.settings import Settings
from emulator.store import Execution, State, Store, Wait
from emulator.values import from_json, load

MEMBER = "#"
"""Stands in the key of a wait between a request and the number of a child, where it has many."""


def timed_out(wait: Wait) -> Reply:
    """What a wait gives when its time is over: a sleep may hold what a stub says after it."""
    if wait.kind == "callback":
        return Raised(error("TimeoutError", "timed out waiting for a callback").value)
    if wait.kind == "child":
        return Raised(error("TimeoutError", "timed out waiting for an execution").value)
    if wait.subject is None:
        return Returned(None)
    kept = load(wait.subject)
    if not isinstance(kept, dict):
        raise TypeError(f"the wait {wait.key} of {wait.execution} holds no reply")
    return Raised(kept["value"]) if kept["raised"] else Returned(kept["value"])


def child_ended(
    wait: Wait, child: Execution, store: Store, settings: Settings
) -> tuple[str, Reply] | None:
    """End a wait on a child that is over. Gives the request that is answered by it, and the answer.

    A request that started many children is answered when the last one is over.
    """
    store.disarm(wait)
    key, is_member, _ = wait.key.partition(MEMBER)
    if not is_member:
        return key, _reply(child, settings)
    waits = store.waits_of(wait.execution)
    if any(each.key.startswith(key + MEMBER) for each in waits):
        return None
    whole = next(each for each in waits if each.key == key)
    store.disarm(whole)
    return key, _replies(whole, store, settings)


def _replies(whole: Wait, store: Store, settings: Settings) -> Reply:
    """The results of many children, in order; or the error of the first that has none."""
    results = []
    for child in json.loads(whole.subject or "[]"):
        found = store.find(child)
        if found is None:
            return Raised(error("SystemError", f"execution {child} has been forgotten").value)
        reply = _reply(found, settings)
        if isinstance(reply, Raised):
            return reply
        results.append(reply.value)
    return Returned(results)


def _reply(child: Execution, settings: Settings) -> Reply:
    """The result of a child, or an OperationError."""
    if child.state is State.SUCCEEDED and child.result is not None:
        return Returned(from_json(child.result))
    return Raised(
        {
            "message": "Execution failed or cancelled.",
            "operation": shown(child, settings),
            "tags": ["OperationError"],
        }
    )

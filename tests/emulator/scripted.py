"""Drives a run without a world: the replies come from a list, or from a function."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from emulator.errors import error
from emulator.interpreter import Failed, Raised, Reply, Request, Returned, Run, Succeeded
from emulator.limits import Limits
from emulator.parser import parse
from emulator.values import Value, dump

Answer = Callable[[Request], Reply]


def run_until_waiting(run: Run, steps: int = 1000) -> list[Request]:
    """Run until nothing is ready; the new requests."""
    while run.advance(steps):
        pass
    return run.take_requests()


def start(
    source: str,
    argument: Value = None,
    *,
    env: Mapping[str, str] | None = None,
    limits: Limits | None = None,
) -> tuple[Run, list[Request]]:
    """A run of the source that waits or has ended, and its requests."""
    limits = limits or Limits()
    run = Run(parse(source, limits=limits), argument, env or {}, limits)
    return run, run_until_waiting(run)


def null(request: Request) -> Reply:
    """Answer everything with null."""
    return Returned(None)


def finish(run: Run, requests: list[Request], answer: Answer = null) -> list[Request]:
    """Answer all requests in the order in which they were made; every request that there was."""
    made = list(requests)
    waiting = list(requests)
    while run.outcome is None:
        request = waiting.pop(0)
        run.reply(request.key, answer(request))
        new = run_until_waiting(run)
        made += new
        waiting += new
    return made


def script(replies: list[dict[str, Any]]) -> Answer:
    """Answer with the entries of a list: `{returns: value}`, `{raises: value or tag}`."""
    left = list(replies)

    def answer(request: Request) -> Reply:
        assert left, f"no reply for {request}"
        reply = left.pop(0)
        expected = reply.get("to")
        assert expected in {None, request.function}, f"{request} is not for {expected}"
        if "fails" in reply:
            return Raised(error(reply["fails"], "as the world says").value)
        return Raised(reply["raises"]) if "raises" in reply else Returned(reply.get("returns"))

    return answer


def result_of(run: Run) -> Any:
    """What the run returned; it must have succeeded."""
    assert isinstance(run.outcome, Succeeded), run.outcome
    return run.outcome.value


def error_of(run: Run) -> Any:
    """The error that ended the run."""
    assert isinstance(run.outcome, Failed), run.outcome
    return run.outcome.value


def exact(value: Any) -> Any:
    """A form of a value in which 1, 1.0 and true differ, and the order of keys does not matter."""
    return json.dumps(json.loads(dump(value)), sort_keys=True)

"""A run: one execution of a workflow as a function of its argument and the replies it is given."""

from collections.abc import Mapping

from emulator.errors import Frame, WorkflowError
from emulator.limits import Limits
from emulator.protocol import Failed, Outcome, Raised, Reply, Request, Returned, Succeeded
from emulator.syntax import Workflow
from emulator.values import Value

__all__ = [
    "Failed",
    "Frame",
    "Outcome",
    "Raised",
    "Reply",
    "Request",
    "Returned",
    "Run",
    "Succeeded",
    "WorkflowError",
]

DEFAULT_LIMITS = Limits()


class Run:
    """One execution. The same replies in the same order give the same requests and outcome."""

    def __init__(
        self,
        workflow: Workflow,
        argument: Value,
        env: Mapping[str, str],
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.outcome: Outcome | None = None
        self.steps_run = 0
        raise NotImplementedError

    @property
    def current_steps(self) -> tuple[tuple[str, str], ...]:
        """The routine and step of every thread that runs or waits; after the end, the last."""
        raise NotImplementedError

    def advance(self, steps: int = 1000) -> bool:
        """Run what is ready for about `steps` steps. True while there is more to run now."""
        raise NotImplementedError

    def take_requests(self) -> list[Request]:
        """Return the requests made since this was last asked, in order."""
        raise NotImplementedError

    def reply(self, key: str, reply: Reply) -> None:
        """Give the answer to an outstanding request.

        Raises ValueError for a key that is not outstanding, and while something is still
        ready to run: replies are applied one at a time, with `advance` to its end in between.
        """
        raise NotImplementedError

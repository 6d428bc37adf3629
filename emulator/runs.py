"""Runs in memory: built from their journals when needed, dropped again when many wait."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from functools import partial
from itertools import islice

from emulator.catalog import Definition, program
from emulator.interpreter import Run
from emulator.protocol import Reply
from emulator.replies import AT_ONCE, Replies
from emulator.resources import environment
from emulator.settings import Settings
from emulator.store import Execution, Stand, Store
from emulator.trace import Trace
from emulator.turn import Live
from emulator.values import from_json

_KEPT = 256
"""Runs of waiting executions that stay in memory."""


Tracing = Callable[[Execution], Trace | None]
"""Gives the trace for a run that is built, or None to let it run untold."""


class Runs:
    """The runs of executions that are not over.

    Args:
        calling: the requests of an execution whose calls are under way.
    """

    def __init__(
        self, settings: Settings, store: Store, calling: Callable[[str], frozenset[str]]
    ) -> None:
        self._settings = settings
        self._store = store
        self._calling = calling
        self._lives: OrderedDict[str, Live] = OrderedDict()
        self.trace: Tracing = lambda _found: None

    def live(self, found: Execution, definition: Definition) -> Live:
        """The run of an execution, built again from its journal if it is not in memory."""
        live = self._lives.get(found.id)
        if live is None:
            live = self._lives[found.id] = self._build(found, definition)
        self._lives.move_to_end(found.id)
        return live

    def deliver(self, execution: str, key: str, reply: Reply) -> None:
        """Hand a recorded reply to the run, if it is in memory; if not, its journal has it."""
        live = self._lives.get(execution)
        if live is not None:
            live.replies.add(key, reply)

    def stand(self, found: Execution) -> Stand | None:
        """How far the run of an execution has come; None if as far as its journal allows."""
        live = self._lives.get(found.id)
        if live is None:
            return None if found.steps else Stand(0, 0)
        return Stand(live.replies.taken, live.run.steps_run if live.run.is_ready else None)

    def drop(self, execution: str) -> None:
        """Forget the run of an execution."""
        self._lives.pop(execution, None)

    def drop_idle(self, ready: Collection[str]) -> None:
        """Forget the runs that have waited longest, if there are many; not those in `ready`."""
        excess = len(self._lives) - _KEPT
        for execution in tuple(islice(self._lives, max(0, excess))):
            if execution not in ready:
                del self._lives[execution]

    def _build(self, found: Execution, definition: Definition) -> Live:
        waiting = {wait.key for wait in self._store.waits_of(found.id)}
        answered = self._store.answered(found.id)
        return Live(
            run=Run(
                program(definition.source),
                from_json(found.argument),
                environment(found, definition, self._settings),
                trace=self.trace(found),
            ),
            replies=Replies(partial(self._store.journal, found.id, AT_ONCE)),
            settled=answered | waiting | self._calling(found.id),
        )

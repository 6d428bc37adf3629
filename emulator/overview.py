"""What runs and has run, over all workflows, for the eyes of a person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from emulator.database import Database
from emulator.store import Execution, State, Store


class Overview:
    """Looks through the executions of all workflows."""

    def __init__(self, database: Database, store: Store) -> None:
        self._database = database
        self._store = store

    def counts(self) -> Mapping[str, Mapping[State, int]]:
        """How many executions each workflow has in each state."""
        found: dict[str, dict[State, int]] = defaultdict(dict)
        for row in self._database.rows(
            "SELECT workflow, state, count(*) AS number FROM executions GROUP BY workflow, state"
        ):
            found[row["workflow"]][State(row["state"])] = row["number"]
        return found

    def newest(
        self, most: int, *, workflow: str = "", state: str = "", before: int | None = None
    ) -> Sequence[Execution]:
        """The newest executions.

        Args:
            most: this many of them.
            workflow: of this one alone.
            state: in this one alone.
            before: those with a smaller sequence.
        """
        rows = self._database.rows(
            "SELECT execution FROM executions"
            " WHERE (?1 = '' OR workflow = ?1) AND (?2 = '' OR state = ?2) AND sequence < ?3"
            " ORDER BY sequence DESC LIMIT ?4",
            *(workflow, state, 2**62 if before is None else before, most),
        )
        found = (self._store.find(row["execution"]) for row in rows)
        return [execution for execution in found if execution is not None]

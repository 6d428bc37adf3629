"""What runs and has run, over all workflows, for the eyes of a person."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from operator import itemgetter

from emulator.database import Database
from emulator.store import Execution, State, Store

_OF_BOTH = "workflow = ? AND state = ? AND"


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
        below = 2**62 if before is None else before
        if not workflow and not state:
            rows = self._newest("", below, most)
        elif not state:
            rows = self._newest("workflow = ? AND", below, most, workflow)
        else:
            # One look into the index for each workflow; there are few of them.
            names = [workflow] if workflow else self.counts()
            looks = (self._newest(_OF_BOTH, below, most, name, state) for name in names)
            rows = sorted(chain.from_iterable(looks), key=itemgetter("sequence"), reverse=True)
        found = (self._store.find(row["execution"]) for row in rows[:most])
        return [execution for execution in found if execution is not None]

    def _newest(self, condition: str, below: int, most: int, *values: str) -> list[sqlite3.Row]:
        return self._database.rows(
            f"SELECT execution, sequence FROM executions WHERE {condition} sequence < ?"  # noqa: S608 - constants of this class
            " ORDER BY sequence DESC LIMIT ?",
            *(*values, below, most),
        )

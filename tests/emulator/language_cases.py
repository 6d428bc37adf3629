"""The language as data: sources with what they must give, in `cases/*.yaml`.

A case has a `source`, or one `expression` with its `variables`. It may have an `argument`, `env`,
`limits` and `replies` of the world, which are given in the order of the requests. It says what
must come out: `result`, or `fails` (`tag`, `message`, exact `value`, exact `context`), or
`refused` (place `at`, part of the message `says`), and perhaps the `requests` that were made.
`real` says that the world itself gives the same replies.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

FILES: Final = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
KEYS: Final = {
    "argument",
    "env",
    "expression",
    "fails",
    "limits",
    "name",
    "real",
    "refused",
    "replies",
    "requests",
    "result",
    "source",
    "steps",
    "variables",
}


@dataclass(frozen=True)
class Case:
    """One case: the file it stands in, its name, and what it says."""

    file: str
    name: str
    says: dict[str, Any]

    @property
    def id(self) -> str:
        """File and name."""
        return f"{self.file}: {self.name}"

    @property
    def source(self) -> str:
        """The case's source, or one that returns the value of its expression."""
        if "source" in self.says:
            return str(self.says["source"])
        steps: list[Any] = [{"give": {"return": f"${{{self.says['expression']}}}"}}]
        variables = self.says.get("variables")
        if variables:
            names = [{name: f"${{args.{name}}}"} for name in variables]
            steps.insert(0, {"set": {"assign": names}})
        return json.dumps({"main": {"params": ["args"], "steps": steps}})

    @property
    def argument(self) -> Any:
        """What the execution is given, null for nothing."""
        return self.says.get("argument", self.says.get("variables"))


def cases() -> Iterator[Case]:
    """All cases, in the order of the files."""
    for path in FILES:
        for number, says in enumerate(yaml.safe_load(path.read_text(encoding="utf-8"))):
            assert says.keys() <= KEYS, f"{path.name}, case {number}: {says.keys() - KEYS}"
            assert len(says.keys() & {"result", "fails", "refused"}) == 1, (path.name, says)
            yield Case(path.stem, str(says.get("name") or says["expression"]), says)

"""Workflows that make calls, and give what each of them gave or raised."""

import json
from typing import Any


def calls(*steps: dict[str, Any]) -> str:
    """A workflow that makes calls, and gives the list of what each gave or raised."""
    made: list[dict[str, Any]] = [{"init": {"assign": [{"all": []}]}}]
    for number, step in enumerate(steps):
        keep = {"assign": [{"all": "${list.concat(all, got)}"}]}
        body = {
            "try": {**step, "result": "got"},
            "except": {"as": "e", "steps": [{f"note{number}": {"assign": [{"got": "${e}"}]}}]},
        }
        made += [{f"call{number}": body}, {f"keep{number}": keep}]
    return json.dumps([*made, {"done": {"return": "${all}"}}])


def get(url: str, function: str = "http.get", **args: Any) -> dict[str, Any]:
    return {"call": function, "args": {"url": url, **args}}


def connector(name: str, /, **args: Any) -> dict[str, Any]:
    return {"call": name, "args": args}

"""The authors' files that a command is given: complete, and checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from emulator import console
from emulator.catalog import Catalog, require_id
from emulator.commands.exits import WRONG_INPUT
from emulator.errors import SourceError
from emulator.parser import parse
from emulator.refusal import Refusal
from workflows.bundle import Bundle, bundle, bundle_file
from workflows.bundle import workflow_id as id_of_file


def bundles(place: str) -> dict[str, Bundle]:
    """The complete sources of a directory, or of one file, by workflow ID."""
    path = Path(place)
    return bundle(path) if path.is_dir() else {workflow_id(path): bundle_file(path)}


def texts(bundles: Mapping[str, Bundle]) -> dict[str, str]:
    """What is deployed, by workflow ID."""
    return {workflow: complete.text for workflow, complete in bundles.items()}


def problems(bundles: Mapping[str, Bundle]) -> int:
    """Say what is wrong with each source that does not build; gives the exit code, or 0."""
    return WRONG_INPUT if broken(bundles) else 0


def broken(bundles: Mapping[str, Bundle]) -> Sequence[str]:
    """The workflows that cannot be deployed, after saying what is wrong with each."""
    found = []
    for workflow, complete in bundles.items():
        try:
            require_id(workflow)
            parse(complete.text)
        except SourceError as problem:
            for each in problem.all:
                console.complain(complete.explain(str(each)))
            found.append(workflow)
        except Refusal as refused:
            console.complain(complete.explain(str(refused)))
            found.append(workflow)
    if found and len(bundles) > 1:
        console.complain(f"{len(found)} of {len(bundles)} do not build: {', '.join(found)}")
    return found


def set_variables(catalog: Catalog, workflows: Iterable[str], variables: Mapping[str, str]) -> None:
    """Set variables of deployed workflows beside those that they have."""
    for workflow in workflows if variables else ():
        deployed = catalog.find(workflow)
        if deployed is not None:
            own = deployed.fields.get("userEnvVars")
            merged = {**(own if isinstance(own, dict) else {}), **variables}
            catalog.update(deployed, {**deployed.fields, "userEnvVars": merged})


def workflow_id(path: Path) -> str:
    """The ID that a file has in a folder, made a valid one where its name is none."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", id_of_file(path)).strip("-_")
    return name[:64] if re.match("[A-Za-z]", name) else f"w-{name}"[:64]

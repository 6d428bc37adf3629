"""The authors' files that a command is given: complete, and checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from emulator import console
from emulator.catalog import Catalog
from emulator.commands.exits import WRONG_INPUT
from emulator.errors import SourceError
from emulator.parser import parse
from workflows.bundle import Bundle, bundle, bundle_file


def bundles(place: str) -> dict[str, Bundle]:
    """The complete sources of a directory, or of one file, by workflow ID."""
    path = Path(place)
    return bundle(path) if path.is_dir() else {workflow_id(path): bundle_file(path)}


def texts(bundles: Mapping[str, Bundle]) -> dict[str, str]:
    """What is deployed, by workflow ID."""
    return {workflow: complete.text for workflow, complete in bundles.items()}


def problems(bundles: Mapping[str, Bundle]) -> int:
    """Say what is wrong with each source that does not build; gives the exit code, or 0."""
    broken = []
    for workflow, complete in bundles.items():
        try:
            parse(complete.text)
        except SourceError as problem:
            for each in problem.all:
                console.complain(complete.explain(str(each)))
            broken.append(workflow)
    if broken and len(bundles) > 1:
        console.complain(f"{len(broken)} of {len(bundles)} do not build: {', '.join(broken)}")
    return WRONG_INPUT if broken else 0


def set_variables(catalog: Catalog, workflows: Iterable[str], variables: Mapping[str, str]) -> None:
    """Set variables of deployed workflows beside those that they have."""
    for workflow in workflows if variables else ():
        deployed = catalog.find(workflow)
        if deployed is not None:
            own = deployed.fields.get("userEnvVars")
            merged = {**(own if isinstance(own, dict) else {}), **variables}
            catalog.update(deployed, {**deployed.fields, "userEnvVars": merged})


def workflow_id(path: Path) -> str:
    """A workflow ID made from the name of a file."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", path.name.partition(".")[0]).strip("-_")
    return name[:64] if re.match("[A-Za-z]", name) else f"w-{name}"[:64]

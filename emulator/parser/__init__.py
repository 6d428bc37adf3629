"""Source text to a workflow: the shape of routines and steps, then the checks of names."""

from __future__ import annotations

from typing import Final

from emulator.checker import check
from emulator.document import load
from emulator.errors import SourceError
from emulator.limits import Limits
from emulator.parser.routines import RoutineParser
from emulator.syntax import Workflow

DEFAULT_LIMITS: Final = Limits()
LONGEST_EXCERPT: Final = 200  # characters; JSON is often one line


def parse(text: str, name: str = "main.yaml", limits: Limits = DEFAULT_LIMITS) -> Workflow:
    """Return the workflow of a YAML or JSON source, checked as a deployment checks it.

    Raises SourceError, and nothing else, for whatever is wrong with the source: the first thing,
    with `others`.
    """
    try:
        _check_size(text, limits)
        workflow = RoutineParser(limits).workflow(load(text, limits))
        check(workflow, limits)
    except SourceError as problem:
        lines = text.splitlines()
        for each in problem.all:
            each.name = name
            line = lines[each.line - 1] if each.line <= len(lines) else ""
            each.excerpt = line if len(line) <= LONGEST_EXCERPT else ""
        raise
    return workflow


def _check_size(text: str, limits: Limits) -> None:
    if len(text.encode("utf-8", "replace")) > limits.source_bytes:
        raise SourceError(f"the source is larger than {limits.source_bytes} bytes", 1, 1)

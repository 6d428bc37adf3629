"""Source text to a workflow: the shape of routines and steps, then the checks of names."""

from __future__ import annotations

from typing import Final

from emulator.checker import check
from emulator.document import Node, load
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
        workflow = _checked(load(text, limits), limits)
    except SourceError as problem:
        lines = text.splitlines()
        for each in problem.all:
            each.name = name
            line = lines[each.line - 1] if each.line <= len(lines) else ""
            each.excerpt = line if len(line) <= LONGEST_EXCERPT else ""
        raise
    return workflow


def _checked(root: Node, limits: Limits) -> Workflow:
    """The workflow of a document.

    A step whose shape is wrong hides none of what is wrong with the names in others.
    """
    reader = RoutineParser(limits)
    found: list[SourceError] = []
    workflow = None
    try:
        workflow = reader.workflow(root)
    except SourceError as problem:
        found = list(problem.all)
    found = sorted([*reader.skipped.problems, *found], key=lambda each: (each.line, each.column))
    if workflow is not None:
        try:
            check(workflow, limits)
        except SourceError as problem:
            found += [each for each in problem.all if not reader.skipped.explains(each)]
    if workflow is None or found:
        first, *others = found
        for each in others:
            each.others = ()
        first.others = tuple(others)
        raise first
    return workflow


def _check_size(text: str, limits: Limits) -> None:
    if len(text.encode("utf-8", "replace")) > limits.source_bytes:
        raise SourceError(f"the source is larger than {limits.source_bytes} bytes", 1, 1)

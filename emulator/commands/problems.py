"""What is wrong with workflow files, told in the authors' files and lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from emulator.commands.hints import Hint, hints
from emulator.errors import SourceError
from emulator.parser import parse
from workflows.bundle import Bundle, BundleError, bundle_file, gather, shown


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """It cannot be deployed."""
    WARNING = "warning"
    """It can, and may not do what its author means."""


class Format(StrEnum):
    """How problems are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something about one place in a file. Line and column count from 1; line 0 is the file."""

    path: Path
    line: int
    column: int
    severity: Severity
    message: str
    excerpt: str = ""

    def written(self, form: Format) -> str:
        """The problem in a format, on one line; as text with the source and a caret below it."""
        match form:
            case Format.JSON:
                return json.dumps(
                    {
                        "path": str(self.path),
                        "line": self.line,
                        "column": self.column,
                        "severity": self.severity,
                        "message": self.message,
                    },
                    ensure_ascii=False,
                )
            case Format.GITHUB:
                place = f"file={_escaped(str(self.path), ',:')}"
                place += f",line={self.line},col={self.column}" if self.line else ""
                return f"::{self.severity} {place}::{_escaped(self.message)}"
        place = f"{self.path}:{self.line}:{self.column}" if self.line else str(self.path)
        text = f"{place}: {self.severity}: {self.message}"
        if self.excerpt:
            # Tabs before the caret keep it in its column, however wide they are shown.
            indent = "".join(c if c == "\t" else " " for c in self.excerpt[: self.column - 1])
            text += f"\n{self.excerpt}\n{indent}^"
        return text


def check(place: Path) -> tuple[list[Problem], int]:
    """The problems of a file, or of the workflow files right in a folder; and how many files.

    Raises:
        OSError: it cannot be read.
        BundleError: the folder holds no file that could be a workflow.
    """
    if place.is_dir():
        found = gather(place)
        bundles, wrong = [*found.bundles.values(), *found.unused], found.problems
        if not bundles and not wrong:
            raise BundleError(f"{place} holds no workflow: no YAML or JSON file.")
        files = {path for bundle in bundles for _, path in bundle.files if path.parent == place}
        count = len(files | {path for path, _ in wrong})
    else:
        bundles, wrong = _around(place)
        count = 1
    problems = {problem for bundle in bundles for problem in _of(bundle)}
    problems |= {_unusable(path, error) for path, error in wrong}
    if not place.is_dir():
        problems = {problem for problem in problems if problem.path == shown(place)}
    return sorted(problems), count


def _around(place: Path) -> tuple[list[Bundle], list[tuple[Path, BundleError]]]:
    """The sources that hold a file: its own, or if it is a library, those that it is part of."""
    place.open("rb").close()  # that it is missing is said of the file, not of its folder
    found = gather(place.parent)
    bundles = [
        bundle
        for bundle in (*found.bundles.values(), *found.unused)
        if any(path == place for _, path in bundle.files)
    ]
    wrong = [each for each in found.problems if each[0] == place]
    try:
        alone = bundle_file(place)  # as `run` and `deploy` put it together
    except BundleError as error:
        wrong.append((place, error))
    else:
        bundles = bundles or [alone]  # another ending than workflows have
    return bundles, wrong


def _of(bundle: Bundle) -> Iterator[Problem]:
    try:
        workflow = parse(bundle.text)
    except SourceError as problem:
        yield from (_error(bundle, each) for each in problem.all)
        return
    yield from (_warning(bundle, hint) for hint in hints(workflow))


def _error(bundle: Bundle, error: SourceError) -> Problem:
    path, line = bundle.place(error.line)
    where = [("workflow", error.routine), ("step", error.step)]
    inside = ", ".join(f"{kind} '{name}'" for kind, name in where if name is not None)
    message = f"in {inside}: {error.message}" if inside else error.message
    return Problem(shown(path), line, error.column, Severity.ERROR, message, error.excerpt)


def _warning(bundle: Bundle, hint: Hint) -> Problem:
    path, line = bundle.place(hint.where.line)
    excerpt = bundle.text.splitlines()[hint.where.line - 1]
    message = f"in workflow '{hint.routine}', step '{hint.step}': {hint.message}"
    return Problem(shown(path), line, hint.where.column, Severity.WARNING, message, excerpt)


def _unusable(path: Path, error: BundleError) -> Problem:
    return Problem(shown(path), 0, 0, Severity.ERROR, str(error).removeprefix(f"{path}: "))


def _escaped(text: str, more: str = "") -> str:
    """A text within a workflow command of GitHub's."""
    return "".join(f"%{ord(c):02X}" if c in "%\r\n" + more else c for c in text)

"""Errors: of a source that cannot be deployed, and of a workflow while it runs.

An error inside a workflow is a value, a string or a map, and nothing is normalised: what a
`raise` step gives is what `except` binds. Errors of the system are maps with `message` and
`tags`; only HTTP errors have `code`, `headers` and `body` too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

ErrorValue = str | dict[str, Any]

# The tags of each kind of error. A kind that is not listed has its own name as its only tag.
TAGS: Final[dict[str, tuple[str, ...]]] = {
    "IndexError": ("IndexError", "LookupError"),
    "KeyError": ("KeyError", "LookupError"),
    "UnhandledBranchError": ("UnhandledBranchError", "RuntimeError"),
    "ZeroDivisionError": ("ZeroDivisionError", "ArithmeticError"),
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One entry of a stack trace: the step, and where its body stands in the source.

    `line` and `column` count from 1; `length` is in bytes of UTF-8.
    """

    step: str
    routine: str
    line: int
    column: int
    length: int


class WorkflowError(Exception):
    """An error value on its way through a workflow, until an `except` takes it.

    `frames` grows while the error passes through steps and their callers, innermost first.
    """

    def __init__(self, value: ErrorValue) -> None:
        super().__init__(value)
        self.value = value
        self.frames: list[Frame] = []


def error(kind: str, text: str) -> WorkflowError:
    """Return an error of the system, such as `KeyError` with "key not found: x"."""
    return WorkflowError({"message": f"{kind}: {text}", "tags": list(TAGS.get(kind, (kind,)))})


def http_error(code: int, headers: dict[str, Any], body: Any) -> WorkflowError:
    """Return the error for an HTTP answer with a status of 400 or more.

    `headers` are the canonical names with string values, `body` the decoded body.
    """
    return WorkflowError(
        {
            "body": body,
            "code": code,
            "headers": headers,
            "message": f"HTTP server responded with error code {code}",
            "tags": ["HttpError"],
        }
    )


class SourceError(Exception):
    """A source that cannot be deployed: what is wrong with it, and where.

    `line` and `column` count from 1. `step` and `routine` are None outside of any. `others` are
    what else is wrong with the source, as far as it can be told without mending this.
    The text has the form that Google's service prints, with the line and a caret below it.
    """

    def __init__(
        self,
        message: str,
        line: int,
        column: int,
        *,
        step: str | None = None,
        routine: str | None = None,
        name: str = "main.yaml",
        excerpt: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.step = step
        self.routine = routine
        self.name = name
        self.excerpt = excerpt
        self.others: tuple[SourceError, ...] = ()

    @property
    def all(self) -> tuple[SourceError, ...]:
        """This one and the others."""
        return (self, *self.others)

    def __str__(self) -> str:
        places = [("workflow", self.routine), ("step", self.step)]
        where = ", ".join(f"{kind} '{name}'" for kind, name in places if name is not None)
        text = f"{self.name}:{self.line}:{self.column}: parse error: "
        text += f"in {where}: {self.message}" if where else self.message
        if self.excerpt:
            text += f"\n{self.excerpt}\n{' ' * (self.column - 1)}^"
        return text


@contextmanager
def gathered() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Look through all parts of something, each in a block `with part():`, before any error counts.

    Raises:
        SourceError: the first that a part raised, with the others.
    """
    problems: list[SourceError] = []

    @contextmanager
    def part() -> Iterator[None]:
        try:
            yield
        except SourceError as problem:
            problems.extend(problem.all)
            problem.others = ()

    yield part
    if problems:
        problems[0].others = tuple(problems[1:])
        raise problems[0]

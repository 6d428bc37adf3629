"""What an execution does, told on the terminal while it does it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from emulator.errors import ErrorValue
from emulator.interpreter import payload
from emulator.operations.tracing import kind_of
from emulator.pages.wording import cut, kind, summary, written
from emulator.syntax import Step, Switch, Workflow
from emulator.trace import Mark, Open, StepEntry, StepType, Trace
from emulator.walk import all_steps

_ROUNDS = 3
"""Rounds of a loop that are told; the others are counted."""

_AGAIN = 5
"""How often the same step is told, should jumps lead to it again and again."""

_TOOK = 0.01
"""Seconds from which on it is told how long something took."""

_ARROW = "\N{RIGHTWARDS ARROW}"

Words = Mapping[tuple[str, str, int, StepType, int], str]


def words(workflow: Workflow) -> Words:
    """What each step and each case is, in a few words."""
    found = {}
    for routine in workflow.routines.values():
        for step in all_steps(routine.steps):
            place = (routine.name, step.name, step.where.line)
            told = f"{kind(step.body)} {summary(step.body)}".strip()
            found[*place, kind_of(step.body, workflow.routines), 0] = (told + _jump(step)).strip()
            if isinstance(step.body, Switch):
                for number, condition in enumerate(step.body.conditions, 1):
                    told = f"case {number}: {cut(written(condition.test), 60)}"
                    found[*place, StepType.CONDITION, number] = told + _jump(condition.then)
    return found


def _jump(step: Step) -> str:
    return "" if step.next is None else f" {_ARROW} {step.next.target}"


class Teller(Trace):
    """A trace that says each entry on a line: when, how deep inside what, and how it went.

    A step is said when it has ended, or before the first step inside it. Of loops the first rounds
    are said, and whatever fails.

    Args:
        seconds: the time, in seconds since 1970.
        say: takes the lines.
    """

    def __init__(
        self, workflow: Workflow, seconds: Callable[[], float], say: Callable[[str], None]
    ) -> None:
        super().__init__(datetime.now(UTC))
        self._words = words(workflow)
        self._seconds = seconds
        self._say = say
        self._start = seconds()
        self._began: dict[int, float] = {}
        self._depths: dict[int, int] = {}
        self._said: set[int] = set()
        self._hidden: set[int] = set()
        self._more: Counter[int] = Counter()
        self._told: Counter[tuple[str, str, int, StepType]] = Counter()
        self._silent = 0
        self._names = {"0": ""}
        self._held: list[str] | None = []

    def line(self, text: str, depth: int = 0) -> None:
        """Say a line, once it was said that the execution has started: that has to be on disk."""
        told = self.at("  " * depth + text)
        if self._held is None:
            self._say(told)
        else:
            self._held.append(told)

    def release(self) -> list[str]:
        """The lines that were held back; the next ones are said at once."""
        held, self._held = self._held, None
        return held or []

    def at(self, text: str) -> str:
        """A text after the seconds since the start."""
        return f"{self._seconds() - self._start:9.3f}  {text}"

    def events_of(self, execution: str) -> logging.Formatter:
        """What writes the events of an execution among its steps."""
        return _Events(self, execution)

    def add(
        self, mark: Mark, thread: str, around: Open | None, before: StepEntry | None
    ) -> StepEntry:
        """An entry begins: what it stands in is said now, if that was not."""
        entry = super().add(mark, thread, around, before)
        self._began[entry.id] = self._seconds()
        if around is None:
            self._depths[entry.id] = 0
            return entry
        holder = around.entry
        if holder.id in self._hidden or self._is_late_round(holder):
            self._hidden.add(entry.id)
        else:
            self._head(holder)
        self._depths[entry.id] = self._depths[holder.id] + 1
        if thread not in self._names:
            self._names[thread] = self._name(entry, holder)
        return entry

    def end(self, opened: Open, error: ErrorValue | None) -> None:
        """An entry has ended: it is said now, if it was not."""
        super().end(opened, error)
        entry = opened.entry
        began = self._began.pop(entry.id)
        if entry.id in self._said:
            if rounds := self._more.pop(entry.id, 0):
                self.line(f"\N{HORIZONTAL ELLIPSIS} {rounds} more", self._depths[entry.id] + 1)
            return
        if error is None and (entry.id in self._hidden or self._is_late_round(entry)):
            return
        if error is not None and entry.children:
            return  # it was said where the error came from
        took = self._seconds() - began
        text = f" ({took:.3f} s)" if took >= _TOOK else ""
        if error is not None:
            text += f" FAILED: {_message(error)}"
        self._entry(entry, text, always=error is not None)

    def _is_late_round(self, entry: StepEntry) -> bool:
        """Whether an entry is a round that is only counted; so it is, the first time."""
        if entry.step_type is not StepType.ITERATION or (entry.iteration or 0) <= _ROUNDS:
            return False
        if entry.id not in self._hidden and entry.parent is not None:
            self._hidden.add(entry.id)
            self._more[entry.parent] += 1
        return True

    def _head(self, entry: StepEntry) -> None:
        if entry.id not in self._said:
            self._said.add(entry.id)
            self._entry(entry, "")

    def _entry(self, entry: StepEntry, more: str, *, always: bool = False) -> None:
        key = (entry.routine, entry.step, entry.line, entry.step_type)
        self._told[key] += 1
        if self._told[key] > _AGAIN and not always:
            self._silent += 1
            return
        if self._silent:
            silent, self._silent = self._silent, 0
            self.line(f"\N{HORIZONTAL ELLIPSIS} {silent} like these", self._depths[entry.id])
        name = self._names[entry.thread]
        where = f"[{name}] " if name else ""
        self.line(where + self._text(entry) + more, self._depths[entry.id])

    def _text(self, entry: StepEntry) -> str:
        place = (entry.routine, entry.step, entry.line)
        number = entry.iteration or 0
        of = f" of {entry.expected}" if entry.expected is not None else ""
        match entry.step_type:
            case StepType.CONDITION:
                return self._words.get((*place, StepType.CONDITION, number), f"case {number}")
            case StepType.ITERATION:
                return f"round {number}{of}"
            case StepType.BRANCH:
                return f"branch {entry.step}"
            case StepType.TRY:
                return f"attempt {number}" if number else "try"
            case StepType.RETRY:
                return f"tries again, {number}{of}"
            case StepType.EXCEPT:
                return "except"
        return f"{entry.step}: {self._words.get((*place, entry.step_type, 0), '')}".rstrip(": ")

    def _name(self, entry: StepEntry, holder: StepEntry) -> str:
        """The name of a thread: of its branch, or the number of its round."""
        around = self._names[holder.thread]
        rounds = holder.step_type is StepType.PARALLEL_FOR
        own = f"#{int(entry.thread.rpartition('.')[2]) + 1}" if rounds else entry.step
        return f"{around}/{own}" if around else own


class _Events(logging.Formatter):
    """Events with the seconds since the start, and without the name of the one execution."""

    def __init__(self, teller: Teller, execution: str) -> None:
        super().__init__()
        self._teller = teller
        self._execution = execution

    def format(self, record: logging.LogRecord) -> str:
        words = record.getMessage().split(" ")
        told = [word for word in words if word != f"execution={self._execution}"]
        text = self._teller.at(" ".join(told))
        if words[0] == "execution-started" and len(told) < len(words):
            text = "\n".join((text, *self._teller.release()))  # of these moments, in that order
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def _message(error: ErrorValue) -> str:
    message = error.get("message") if isinstance(error, dict) else error
    return cut(message if isinstance(message, str) else payload(error), 200)

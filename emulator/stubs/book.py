"""The stubs of one emulator, which of their answers were given, and the calls that none fitted."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emulator.stubs.answers import Answer
from emulator.stubs.reading import Reading, read
from emulator.stubs.stub import Stub
from emulator.values import Value

_MISSED = 100
"""Calls without a stub that are told of; the latest."""


@dataclass(slots=True)
class Entry:
    """A stub, and how many calls it has answered."""

    stub: Stub
    used: int = 0


class Stubs:
    """Which stub answers a call: the first that fits. What is added later stands in front.

    How often each was used is kept in memory alone: after a restart its answers begin anew.

    Args:
        strict: HTTP calls that no stub fits are refused, so that nothing reaches the network but
            this emulator itself. Connectors without a stub always are, for they are not here.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.missed: deque[str] = deque(maxlen=_MISSED)
        self.entries: tuple[Entry, ...] = ()

    @classmethod
    def of(cls, path: Path | None) -> Stubs:
        """The stubs of a file, or none.

        Raises:
            UnusableStubs: something in it cannot be used; the text says what and where.
        """
        stubs = cls()
        if path is not None:
            stubs.take(read(path))
        return stubs

    def add(self, *stubs: Stub) -> None:
        """Put stubs, in this order, in front of those that are there."""
        self.entries = (*map(Entry, stubs), *self.entries)

    def take(self, reading: Reading) -> None:
        """Add the stubs of a file; it also says whether to be strict, unless it says nothing."""
        self.add(*reading.stubs)
        if reading.strict is not None:
            self.strict = reading.strict

    def clear(self) -> None:
        """Forget all stubs and all calls that were missed; it stays as strict as it is."""
        self.entries = ()
        self.missed.clear()

    def answer(self, name: str, args: Mapping[str, Value]) -> Answer | None:
        """What a call is given, which counts as a use; None where no stub fits.

        Args:
            name: of a connector, or method and URL.
            args: of a connector as they are; of HTTP as `http_arguments` gives them.
        """
        for entry in self.entries:
            if entry.stub.fits(name, args):
                answers = entry.stub.answers
                entry.used += 1
                return answers[min(entry.used, len(answers)) - 1]
        return None

    def miss(self, name: str) -> None:
        """Note a call that was refused for want of a stub."""
        self.missed.append(name)

"""How far a long command is: a line on a terminal that overwrites itself, nothing elsewhere."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.core.management.base import OutputWrapper

EVERY = 0.2  # seconds


@dataclass(slots=True)
class Progress:
    """Counts what is done of `total`; `noun` is what is counted, in the plural."""

    out: OutputWrapper
    total: int
    noun: str
    done: int = 0
    shown_at: float = field(default=0.0)

    def step(self) -> None:
        """One more is done."""
        self.done += 1
        if self.out.isatty() and time.monotonic() - self.shown_at >= EVERY:
            self.shown_at = time.monotonic()
            self.out.write(f"\r{self.done:,} of {self.total:,} {self.noun}", ending="")
            self.out.flush()

    def clear(self) -> None:
        """Take the line away, so that others can be written."""
        if self.out.isatty():
            self.out.write("\r\x1b[K", ending="")


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """Inside the block, SIGTERM and Ctrl-C set the event, and the work in hand is finished."""
    stop = threading.Event()
    before = {
        signum: signal.signal(signum, lambda *_: stop.set())
        for signum in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)

"""Processes of one local run: started under a name, watched, printed, and ended together."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NoReturn

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0  # for one process to answer, on a slow machine
STOP_SECONDS = 10.0  # more than gunicorn's --graceful-timeout
# Where util-linux is there, a process ends even when we are killed and cannot end it.
LEASH = ("setpriv", "--pdeathsig", "TERM") if shutil.which("setpriv") else ()


class CannotRun(Exception):
    """The run ends with this sentence."""


class CommandFailed(CannotRun):
    """A command has ended with another exit code than 0; its lines are printed."""


class Stopped(Exception):
    """Ctrl-C, or a signal that asks to stop."""


def say(line: str) -> None:
    """Print a line at once; nobody reading any more is no reason to stop serving."""
    with suppress(BrokenPipeError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Child:
    """One process, leader of a session of its own, and the thread that prints its lines."""

    name: str
    process: subprocess.Popen[str]
    printer: threading.Thread

    @classmethod
    def start(cls, name: str, arguments: tuple[str, ...], env: Mapping[str, str]) -> "Child":
        """Start `python ARGUMENTS`. Its own session: Ctrl-C at the terminal must reach only us."""
        process = subprocess.Popen(
            [*LEASH, sys.executable, *arguments],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert process.stdout is not None  # it is a pipe
        printer = threading.Thread(target=_print_lines, args=(name, process.stdout), daemon=True)
        printer.start()
        return cls(name, process, printer)

    def ended(self, seconds: float = 0.0) -> bool:
        """True if it ends within the time; then all its lines are printed."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self.printer.join(1)
        return True

    def kill(self) -> None:
        """Kill what is left of its session; nothing, where it had ended in order."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.ended(1)


def _print_lines(name: str, lines: IO[str]) -> None:
    with lines:
        for line in lines:
            say(f"{name:>10} | {line.rstrip()}")


@dataclass(slots=True)
class Children:
    """The services of a run, and the commands that run between their starts."""

    env: Mapping[str, str]
    stopping: threading.Event = field(default_factory=threading.Event)
    services: list[Child] = field(default_factory=list)

    def start(self, name: str, *arguments: str) -> None:
        """Start a service, `python ARGUMENTS`, which is to last as long as the run."""
        self.services.append(Child.start(name, arguments, self.env))

    def run(self, name: str, *arguments: str) -> None:
        """Run a command, `python ARGUMENTS`, to its end. Raises CommandFailed if it fails."""
        child = Child.start(name, arguments, self.env)
        try:
            while not child.ended(0.1):
                self._look()
        finally:
            child.kill()
        if code := child.process.returncode:
            raise CommandFailed(f"`{name}` failed (exit code {code}); its lines are above.")

    def wait_until(self, ready: Callable[[], bool], what: str) -> None:
        """Wait for `ready()`. Raises CannotRun if that takes too long or a service ends.

        A service that has ended is noticed first: what answers then is somebody else's.
        """
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            self._look()
            if time.monotonic() > deadline:
                raise CannotRun(f"{what} within {START_SECONDS:.0f} seconds; see the lines above.")
            self.stopping.wait(0.1)
        self._look()

    def follow(self) -> NoReturn:
        """Watch until the end: raises Stopped when asked to stop, CannotRun if a service ends."""
        while True:
            self.stopping.wait(0.2)
            self._look()

    def stop(self) -> None:
        """End all services: ask, wait, and kill what then is left."""
        for child in self.services:
            child.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in self.services:
            child.ended(max(0.0, deadline - time.monotonic()))
            child.kill()

    def _look(self) -> None:
        if self.stopping.is_set():
            raise Stopped
        for child in self.services:
            if child.ended():
                raise CannotRun(
                    f"The {child.name} has ended (exit code {child.process.returncode}), its lines"
                    " are above; the others are stopped too."
                )

"""A process that has everything imported, and forks emulators which start in a moment.

It reads the arguments of one `python -m emulator` a line, as JSON, and answers with the process ID.
The last of the arguments is the file that the emulator's output goes to.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from emulator.__main__ import main as emulator
from tests.emulators import ROOT


class Forks:
    """Emulators to be started, and to be killed with `kill -9`."""

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(10)
        self._server.stdout.close()

    def start(self, arguments: Sequence[str], output: Path) -> int:
        """Start an emulator and give its process ID; it may not be ready yet."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps([*arguments, str(output)]) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def kill(self, process: int) -> None:
        """`kill -9`, and wait until nothing is left of it."""
        os.kill(process, signal.SIGKILL)
        while alive(process):
            time.sleep(0.001)


def alive(process: int) -> bool:
    """Whether there is a process of that ID."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    """Fork until there is nobody to ask for it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nothing is left of what has ended
    while line := sys.stdin.readline():
        *arguments, output = json.loads(line)
        process = os.fork()
        if not process:
            with Path(output).open("a", encoding="utf-8") as written:
                os.dup2(written.fileno(), 1)
                os.dup2(written.fileno(), 2)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os._exit(emulator(arguments))
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

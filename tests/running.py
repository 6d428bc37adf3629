"""Processes of this machine as tests look for them."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path


def eventually(condition: Callable[[], object], seconds: float = 10.0) -> bool:
    """True as soon as the condition holds; False if it does not within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def running_with(mark: str) -> dict[int, str]:
    """Process id -> command line, of all processes that have the text in their environment."""
    if not Path("/proc/self/environ").exists():
        command = ["ps", "axEww", "-o", "pid=,command="]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        lines = (line.split(maxsplit=1) for line in shown.splitlines() if mark in line)
        return {int(pid): rest for pid, rest in lines}
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # it has ended, or is somebody else's
    return found

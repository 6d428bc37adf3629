"""How a command ends: exit codes, and what is said with them."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from emulator import console
from emulator.store import State

FAILED, WRONG_INPUT = 1, 2
"""Exit codes: what was asked for failed; it could not be tried."""

INTERRUPTED = 128 + signal.SIGINT
"""Exit code after Ctrl-C, as a shell gives it for other programs."""

CUT_SHORT = 128 + signal.SIGPIPE
"""Exit code when nobody reads the output any more, as a shell gives it for other programs."""


def complain(text: str, code: int) -> int:
    """Say on standard error what is wrong; gives the exit code."""
    console.complain(text)
    return code


def report(over: Mapping[str, Any]) -> int:
    """Print how an execution ended: its result on standard output, or its error."""
    if over["state"] == State.SUCCEEDED:
        console.announce(str(over["result"]))
        return 0
    error = over.get("error", {})
    said = console.answered(error)
    payload, context = error.get("payload", ""), error.get("context", "")
    lines = (said, payload, context) if said else (payload, context)
    return complain(f"{over['state']}: " + "\n".join(lines).rstrip(), FAILED)

"""`python -m emulator`: run one command of `emulator.commands`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence

from emulator import console
from emulator.client import NoEmulator
from emulator.commands import parser
from emulator.commands.exits import CUT_SHORT, INTERRUPTED, WRONG_INPUT, complain
from emulator.database import UnusableData
from emulator.refusal import Refusal
from emulator.server import CannotStart
from workflows.bundle import BundleError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    options = parser().parse_args(arguments)
    console.speak()
    command: Callable[[argparse.Namespace], Coroutine[None, None, int]] = options.command
    try:
        return asyncio.run(command(options))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has what they wanted (`| head`). Nothing is left to flush into it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CUT_SHORT
    except OSError as wrong:
        told = f"{wrong.filename}: {wrong.strerror}" if wrong.filename else str(wrong)
        return complain(told, WRONG_INPUT)
    except (BundleError, CannotStart, NoEmulator, UnusableData, Refusal, ValueError) as failed:
        return complain(str(failed), WRONG_INPUT)


if __name__ == "__main__":
    sys.exit(main())

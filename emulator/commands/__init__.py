"""The command line: one module a command, each with its options and what it does."""

from __future__ import annotations

import argparse

from emulator.commands import cancel, check, deploy, executions, run, serve, start


def parser() -> argparse.ArgumentParser:
    """All commands with their options; `command` of what it reads is what to do."""
    parser = argparse.ArgumentParser(
        prog="python -m emulator", description="Google Cloud Workflows on this machine."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (serve, run, check, deploy, start, executions, cancel):
        module.add(commands)
    return parser

"""`executions`: those of a running emulator."""

from __future__ import annotations

import argparse

from emulator import remote
from emulator.client import Client, RefusedByEmulator
from emulator.commands.exits import FAILED, complain
from emulator.commands.options import Commands, add_emulator


def add(commands: Commands) -> None:
    """The command and its options."""
    parser = commands.add_parser("executions", help="list the executions of a running emulator")
    add_emulator(parser)
    parser.add_argument("--workflow", metavar="NAME", help="only those of this workflow")
    parser.set_defaults(command=command)


async def command(options: argparse.Namespace) -> int:
    """Print a line each, the newest first."""
    async with Client.connected(options.emulator) as client:
        try:
            await remote.list_executions(client, options.workflow)
        except RefusedByEmulator as refused:
            return complain(str(refused), FAILED)
    return 0

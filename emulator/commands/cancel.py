"""`cancel NAME ID`: end an execution of a running emulator."""

from __future__ import annotations

import argparse

from emulator import console
from emulator.client import Client, RefusedByEmulator
from emulator.commands.exits import WRONG_INPUT, complain
from emulator.commands.options import Commands, add_emulator


def add(commands: Commands) -> None:
    """The command and its options."""
    parser = commands.add_parser("cancel", help="cancel an execution on a running emulator")
    parser.add_argument("workflow", metavar="NAME")
    parser.add_argument("execution", metavar="ID", help="as `executions` lists it")
    add_emulator(parser)
    parser.set_defaults(command=command)


async def command(options: argparse.Namespace) -> int:
    """Cancel it and print the state that it is in."""
    async with Client.connected(options.emulator) as client:
        try:
            console.announce(await client.cancel(options.workflow, options.execution))
        except RefusedByEmulator as refused:
            return complain(str(refused), WRONG_INPUT)
    return 0

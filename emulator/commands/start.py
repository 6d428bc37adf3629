"""`start NAME`: an execution on a running emulator."""

from __future__ import annotations

import argparse

from emulator import console
from emulator.client import Client, RefusedByEmulator
from emulator.commands.exits import WRONG_INPUT, complain, report
from emulator.commands.options import Commands, add_argument, add_emulator, argument


def add(commands: Commands) -> None:
    """The command and its options."""
    parser = commands.add_parser("start", help="start an execution on a running emulator")
    parser.add_argument("workflow", metavar="NAME")
    add_argument(parser)
    parser.add_argument("--wait", action="store_true", help="until it is over; print its result")
    add_emulator(parser)
    parser.set_defaults(command=command)


async def command(options: argparse.Namespace) -> int:
    """Start it and print its ID, or what became of it."""
    data = argument(options)
    async with Client.connected(options.emulator) as client:
        try:
            started = await client.start(options.workflow, data)
        except RefusedByEmulator as refused:
            return complain(str(refused), WRONG_INPUT)
        if not options.wait:
            console.announce(started)
            return 0
        console.event("execution-started", workflow=options.workflow, execution=started)
        return report(await client.end(options.workflow, started))

"""`deploy DIR|FILE`: to a running emulator."""

from __future__ import annotations

import argparse

from emulator import remote
from emulator.client import Client
from emulator.commands import sources
from emulator.commands.exits import WRONG_INPUT
from emulator.commands.options import Commands, add_emulator, add_environment, variables


def add(commands: Commands) -> None:
    """The command and its options."""
    parser = commands.add_parser("deploy", help="deploy a folder or a file to a running emulator")
    parser.add_argument("source", metavar="DIR|FILE")
    add_environment(parser)
    add_emulator(parser)
    parser.set_defaults(command=command)


async def command(options: argparse.Namespace) -> int:
    """Deploy each, whatever becomes of the others."""
    bundles = sources.bundles(options.source)
    environment = variables(options)
    async with Client.connected(options.emulator) as client:
        return WRONG_INPUT if await remote.deploy(client, bundles, environment) else 0

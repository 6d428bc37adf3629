"""`serve`: Google's APIs until Ctrl-C."""

from __future__ import annotations

import argparse
from pathlib import Path

from emulator.commands import sources
from emulator.commands.options import Commands, add_settings, settings
from emulator.server import serve


def add(commands: Commands) -> None:
    """The command and its options."""
    parser = commands.add_parser("serve", help="serve Google's APIs until Ctrl-C")
    parser.add_argument(
        "--workflows", metavar="DIR", help="deploy the workflows of this folder first"
    )
    parser.add_argument(
        "--no-reload", action="store_true", help="do not deploy what changes in that folder"
    )
    parser.add_argument("--data", default="var/emulator.sqlite3", metavar="FILE", help="data file")
    add_settings(parser, port=8787)
    parser.set_defaults(command=command)


async def command(options: argparse.Namespace) -> int:
    """Serve until told to stop."""
    bundles = sources.bundles(options.workflows) if options.workflows else {}
    if problems := sources.problems(bundles):
        return problems
    beside = options.port + 1 if options.port else 0
    await serve(settings(options, Path(options.data), beside), sources.texts(bundles))
    return 0

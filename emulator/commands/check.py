"""`check FILE|DIR…`: whether workflows build, without running anything."""

from __future__ import annotations

import argparse

from emulator.commands import sources
from emulator.commands.options import Commands


def add(commands: Commands) -> None:
    """The command and its options."""
    parser = commands.add_parser("check", help="say whether files build, and what is wrong")
    parser.add_argument("sources", metavar="FILE|DIR", nargs="+")
    parser.set_defaults(command=command)


async def command(options: argparse.Namespace) -> int:
    """Check each file."""
    found = [sources.problems(sources.bundles(place)) for place in options.sources]
    return max(found)

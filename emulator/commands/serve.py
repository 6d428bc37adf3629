"""`serve`: Google's APIs until Ctrl-C, and what changes in a folder deployed at once."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path

from emulator.commands import sources
from emulator.commands.options import (
    Commands,
    add_environment,
    add_settings,
    settings,
    variables,
)
from emulator.reloading import Folder
from emulator.server import serve
from emulator.services import Services


def add(commands: Commands) -> None:
    """The command and its options."""
    parser = commands.add_parser("serve", help="serve Google's APIs until Ctrl-C")
    parser.add_argument(
        "--workflows", metavar="DIR", help="deploy the workflows of this folder, and what changes"
    )
    parser.add_argument(
        "--watch", metavar="DIR", help="deploy what changes in this folder from now on"
    )
    parser.add_argument(
        "--no-reload", action="store_true", help="do not deploy what changes in --workflows"
    )
    add_environment(parser)
    parser.add_argument("--data", default="var/emulator.sqlite3", metavar="FILE", help="data file")
    add_settings(parser, port=8787)
    parser.set_defaults(command=command)


async def command(options: argparse.Namespace) -> int:
    """Serve until told to stop."""
    environment = variables(options)
    bundles = sources.bundles(options.workflows) if options.workflows else {}
    if problems := sources.problems(bundles):
        return problems
    texts = sources.texts(bundles)
    folders = _folders(options, texts)

    def reload(services: Services) -> Coroutine[None, None, None]:
        sources.set_variables(services.catalog, bundles, environment)
        return _watch(
            [Folder(path, services.catalog, known, environment) for path, known in folders.items()]
        )

    beside = options.port + 1 if options.port else 0
    await serve(settings(options, Path(options.data), beside), texts, reload)
    return 0


def _folders(
    options: argparse.Namespace, deployed: dict[str, str]
) -> dict[Path, dict[str, str] | None]:
    """The folders whose changes are deployed, each with what is known of it.

    Raises:
        ValueError: `--watch` is none.
    """
    folders: dict[Path, dict[str, str] | None] = {}
    if options.watch:
        folders[Path(options.watch)] = None
        if not Path(options.watch).is_dir():
            raise ValueError(f"--watch takes a folder, and {options.watch} is none")
    if options.workflows and not options.no_reload and Path(options.workflows).is_dir():
        folders[Path(options.workflows)] = deployed
    return folders


async def _watch(folders: Sequence[Folder]) -> None:
    async with asyncio.TaskGroup() as group:
        for folder in folders:
            group.create_task(folder.watch())

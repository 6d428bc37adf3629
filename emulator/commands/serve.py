"""`serve`: Google's APIs until Ctrl-C, and what changes in a folder deployed at once."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path

from emulator import console
from emulator.commands import sources
from emulator.commands.exits import WRONG_INPUT
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
from workflows.bundle import Gathered, bundle, gather, shown


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
    found = _found(options)
    broken = sources.broken(found.bundles)
    folders = _folders(options, found)
    if broken and not _reloads(options):
        return WRONG_INPUT
    bundles = {name: each for name, each in found.bundles.items() if name not in broken}

    def reload(services: Services) -> Coroutine[None, None, None]:
        sources.set_variables(services.catalog, bundles, environment)
        for workflow in broken:
            old = services.catalog.find(workflow)
            still = "" if old is None else old.revision
            file = shown(found.bundles[workflow].files[0][1])
            console.event("workflow-broken", workflow=workflow, file=file, still=still)
        return _watch(
            [
                Folder(path, services.catalog, known, environment, services.amiss)
                for path, known in folders.items()
            ]
        )

    beside = options.port + 1 if options.port else 0
    told = settings(options, Path(options.data), beside)
    await serve(told, sources.texts(bundles), reload)
    return 0


def _found(options: argparse.Namespace) -> Gathered:
    """What is to be deployed at the start; files that cannot be used are told.

    A broken file is no reason not to start where it is deployed as soon as it is mended: what
    waits in the data file can be answered meanwhile.

    Raises:
        BundleError: there is nothing that could be deployed, or nothing would mend it.
    """
    if not options.workflows:
        return Gathered()
    if not _reloads(options):
        return Gathered(sources.bundles(options.workflows))
    place = Path(options.workflows)
    found = gather(place)
    if not found.bundles:
        return Gathered(bundle(place))  # says what is wrong
    for _, problem in found.problems:
        console.complain(str(problem))
    return found


def _reloads(options: argparse.Namespace) -> bool:
    """Whether what changes in `--workflows` is deployed."""
    return bool(options.workflows) and not options.no_reload and Path(options.workflows).is_dir()


def _folders(options: argparse.Namespace, deployed: Gathered) -> dict[Path, Gathered | None]:
    """The folders whose changes are deployed, each with what is known of it.

    Raises:
        ValueError: `--watch` is none.
    """
    folders: dict[Path, Gathered | None] = {}
    if options.watch:
        folders[Path(options.watch)] = None
        if not Path(options.watch).is_dir():
            raise ValueError(f"--watch takes a folder, and {options.watch} is none")
    if _reloads(options):
        folders[Path(options.workflows)] = deployed
    return folders


async def _watch(folders: Sequence[Folder]) -> None:
    async with asyncio.TaskGroup() as group:
        for folder in folders:
            group.create_task(folder.watch())

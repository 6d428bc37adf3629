"""`run FILE`: one execution in an emulator of its own."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from emulator.commands import sources
from emulator.commands.exits import report
from emulator.commands.options import (
    Commands,
    add_argument,
    add_environment,
    add_settings,
    argument,
    settings,
    variables,
)
from emulator.resources import execution
from emulator.server import serving
from workflows.bundle import bundle_file


def add(commands: Commands) -> None:
    """The command and its options."""
    parser = commands.add_parser("run", help="run one file to its end and print its result")
    parser.add_argument("file", metavar="FILE")
    add_argument(parser)
    parser.add_argument("--workflows", metavar="DIR", help="deploy these too, for child executions")
    add_environment(parser)
    add_settings(parser, port=0)
    parser.set_defaults(command=command)


async def command(options: argparse.Namespace) -> int:
    """Deploy, start, wait and report."""
    path = Path(options.file)
    workflow = sources.workflow_id(path)
    bundles = sources.bundles(options.workflows) if options.workflows else {}
    bundles[workflow] = bundle_file(path)
    data = argument(options)
    environment = variables(options)
    if problems := sources.problems(bundles):
        return problems
    with tempfile.TemporaryDirectory(prefix="emulator-") as folder:
        told = settings(options, Path(folder) / "run.sqlite3", grpc_port=None)
        async with serving(told, sources.texts(bundles)) as services:
            sources.set_variables(services.catalog, bundles, environment)
            deployed = services.catalog.find(workflow)
            if deployed is None:
                raise LookupError(workflow)
            started = services.engine.create(deployed, data, {})
            over = await services.engine.wait(started.id)
            return report(execution(over, services.settings))

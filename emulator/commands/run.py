"""`run FILE`: one execution in an emulator of its own, told step by step."""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from emulator import console
from emulator.api.journal import wait_shown
from emulator.catalog import program
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
from emulator.commands.telling import Teller
from emulator.commands.waits import Waits
from emulator.pages.execution import waiting
from emulator.resources import execution
from emulator.server import serving
from emulator.services import Services
from emulator.settings import Time
from emulator.store import Execution
from workflows.bundle import Bundle, bundle_file, shown

_LOOK_EVERY = 0.25
"""Seconds between two looks at what an execution waits for; what is over sooner is not told."""

_LONGEST_EXCERPT = 200  # characters; JSON is often one line


def add(commands: Commands) -> None:
    """The command and its options."""
    parser = commands.add_parser("run", help="run one file to its end and print its result")
    parser.add_argument("file", metavar="FILE")
    add_argument(parser)
    parser.add_argument("--workflows", metavar="DIR", help="deploy these too, for child executions")
    parser.add_argument("--quiet", action="store_true", help="say nothing but result or error")
    add_environment(parser)
    add_settings(parser, port=0)
    parser.set_defaults(command=command)


async def command(options: argparse.Namespace) -> int:
    """Deploy, start, tell, wait and report."""
    path = Path(options.file)
    workflow = sources.workflow_id(path)
    bundles = sources.bundles(options.workflows) if options.workflows else {}
    bundles[workflow] = bundle_file(path)
    data = argument(options)
    environment = variables(options)
    if problems := sources.problems(bundles):
        return problems
    if options.quiet:
        logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory(prefix="emulator-") as folder:
        told = settings(options, Path(folder) / "run.sqlite3", grpc_port=None)
        async with serving(told, sources.texts(bundles)) as services:
            sources.set_variables(services.catalog, bundles, environment)
            over = await _execute(services, workflow, data, quiet=options.quiet)
            outcome = execution(over, services.settings)
    code = report(outcome)
    if error := outcome.get("error"):
        _show_places(error, bundles[workflow])
    return code


async def _execute(services: Services, workflow: str, data: str, *, quiet: bool) -> Execution:
    """Run one execution to its end, and tell what it does."""
    deployed = services.catalog.find(workflow)
    if deployed is None:
        raise LookupError(workflow)
    teller = Teller(program(deployed.source), services.clock.seconds, console.complain)
    started = services.engine.create(deployed, data, {})
    if not quiet:
        services.engine.trace_with(lambda found: teller if found.id == started.id else None)
        console.speak(formatter=teller.events_of(started.id))
    watch = None if quiet else asyncio.create_task(_tell_waits(services, started.id, teller))
    try:
        return await services.engine.wait(started.id)
    except asyncio.CancelledError:
        _tell_place(services, started.id)
        raise
    finally:
        if watch is not None:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch


async def _tell_waits(services: Services, started: str, teller: Teller) -> None:
    """Say what the execution waits for, once for each that takes longer than a moment."""
    ready = services.settings
    page = f"{ready.base_url}/ui/executions/{started}"
    waits = Waits(ready.base_url, page, is_virtual=ready.time is Time.VIRTUAL)
    while True:
        await asyncio.sleep(_LOOK_EVERY)
        found = services.store.find(started)
        new = waits.new({wait.key for wait in services.store.waits_of(started)})
        if found is None or not new:
            continue
        past = await services.histories.of(found)
        for wait in waiting(services, found, past):
            if wait.key in new:
                first, *others = waits.lines(wait_shown(wait))
                teller.line(first)
                for line in others:
                    console.complain(line)


def _tell_place(services: Services, started: str) -> None:
    """Say where an execution stands that is broken off."""
    found = services.store.find(started)
    if found is not None and found.steps:
        steps = ", ".join(f"{routine}/{step}" for routine, step in found.steps)
        console.complain(f"Broken off at {steps}")


def _show_places(error: Any, bundle: Bundle) -> None:
    """Say where in the author's files the steps stand that an error came through."""
    lines = bundle.text.splitlines()
    for number, element in enumerate(error.get("stackTrace", {}).get("elements", ())):
        position = element["position"]
        line, column = int(position["line"]), int(position["column"])
        path, own = bundle.place(line)
        source = lines[line - 1] if line <= len(lines) else ""
        console.complain(f"{shown(path)}:{own}:{column}: {element['routine']}/{element['step']}")
        if number == 0 and len(source) <= _LONGEST_EXCERPT:
            console.complain(f"{source}\n{' ' * (column - 1)}^")

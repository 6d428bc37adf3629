"""`start NAME`: an execution on a running emulator."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from emulator import console
from emulator.client import Client, NoEmulator, RefusedByEmulator
from emulator.commands.exits import WRONG_INPUT, complain, report
from emulator.commands.options import Commands, add_argument, add_emulator, argument
from emulator.commands.waits import Waits
from emulator.settings import Time
from workflows.bundle import shipped_place, shown

_LOOK_EVERY = 0.5
"""Seconds between two looks at what an execution waits for."""


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
        page = f"{client.base}/ui/executions/{started}"
        console.event("execution-started", workflow=options.workflow, execution=started, page=page)
        watch = asyncio.create_task(_tell_waits(client, started))
        try:
            over = await client.end(options.workflow, started)
            code = report(over)
            await _tell_places(client, options.workflow, over)
            return code
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch


async def _tell_places(client: Client, workflow: str, over: Mapping[str, Any]) -> None:
    """Say where in shipped libraries an error came through; other files are unknown here."""
    elements = over.get("error", {}).get("stackTrace", {}).get("elements", ())
    if not elements:
        return
    revision = {"revisionId": over["workflowRevisionId"]}
    with suppress(RefusedByEmulator):
        found = await client.request("GET", f"/workflows/{quote(workflow)}", params=revision)
        for element in elements:
            place = shipped_place(found["sourceContents"], int(element["position"]["line"]))
            if place is not None:
                step = f"{element['routine']}/{element['step']}"
                console.complain(f"{shown(place[0])}:{place[1]}: {step}")


async def _tell_waits(client: Client, started: str) -> None:
    """Say what the execution waits for, as far as the emulator tells this machine."""
    with suppress(RefusedByEmulator, NoEmulator):
        clock = await client.own("/clock")
        waits = Waits(client.base, "", is_virtual=clock["time"] == Time.VIRTUAL)
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            found = (await client.own(f"/executions/{started}/waits"))["waits"]
            new = waits.new({wait["key"] for wait in found})
            for wait in found:
                for line in waits.lines(wait) if wait["key"] in new else ():
                    console.complain(line)

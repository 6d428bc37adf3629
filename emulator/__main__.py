"""The command line: `serve`, `run FILE`, `deploy DIR`, `executions`."""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import re
import sys
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path

from emulator import console
from emulator.client import Client, NoEmulator, RefusedByEmulator
from emulator.database import UnusableData
from emulator.errors import SourceError
from emulator.limits import Limits
from emulator.parser import parse
from emulator.refusal import Refusal
from emulator.server import CannotStart, serve, serving
from emulator.settings import Auth, Settings
from emulator.store import Execution, State
from emulator.values import from_json
from workflows.bundle import BundleError, bundle, bundle_file

FAILED, WRONG_INPUT = 1, 2
"""Exit codes: what was asked for failed; it could not be tried."""

_ADDRESS = os.environ.get("WORKFLOWS_EMULATOR_HOST") or "http://127.0.0.1:8787"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    options = _parser().parse_args(arguments)
    console.speak()
    command: Callable[[argparse.Namespace], Coroutine[None, None, int]] = options.command
    try:
        return asyncio.run(command(options))
    except KeyboardInterrupt:
        return 130
    except (BundleError, OSError, SourceError) as wrong:
        return _complain(str(wrong), WRONG_INPUT)
    except (CannotStart, NoEmulator, UnusableData, Refusal, ValueError) as failed:
        return _complain(str(failed), WRONG_INPUT)


async def _serve(options: argparse.Namespace) -> int:
    sources = _sources(options.workflows) if options.workflows else {}
    for workflow, source in sources.items():
        parse(source, f"{workflow}.yaml")
    await serve(_settings(options, Path(options.data)), sources)
    return 0


async def _run(options: argparse.Namespace) -> int:
    path = Path(options.file)
    source = bundle_file(path)
    parse(source, str(path))
    argument = _argument(options.data)
    workflow = _workflow_id(path)
    sources = _sources(options.workflows) if options.workflows else {}
    with tempfile.TemporaryDirectory(prefix="emulator-") as folder:
        settings = _settings(options, Path(folder) / "run.sqlite3")
        async with serving(settings, {**sources, workflow: source}) as services:
            definition = services.catalog.find(workflow)
            if definition is None:
                raise LookupError(workflow)
            started = services.engine.create(definition, argument, {})
            return _report(await services.engine.wait(started.id))


async def _deploy(options: argparse.Namespace) -> int:
    sources = _sources(options.source)
    code = 0
    async with Client.connected(options.emulator) as client:
        for workflow, source in sources.items():
            try:
                done, revision = await client.deploy(workflow, source)
            except RefusedByEmulator as refused:
                code = _complain(f"{workflow}: {refused}", WRONG_INPUT)
            else:
                console.announce(f"{done} {workflow} {revision}")
    return code


async def _executions(options: argparse.Namespace) -> int:
    async with Client.connected(options.emulator) as client:
        try:
            names = [options.workflow] if options.workflow else await _workflow_names(client)
            for workflow in names:
                path = f"/workflows/{workflow}/executions"
                async for execution in client.pages(path, "executions", view="FULL"):
                    console.announce(_line(workflow, execution))
        except RefusedByEmulator as refused:
            return _complain(str(refused), FAILED)
    return 0


async def _workflow_names(client: Client) -> list[str]:
    return [
        str(workflow["name"]).rpartition("/")[2]
        async for workflow in client.pages("/workflows", "workflows")
    ]


def _line(workflow: str, execution: Mapping[str, object]) -> str:
    """State, workflow, ID, start and outcome of an execution, on one line."""
    error = execution.get("error")
    outcome = str(execution.get("result", ""))
    if isinstance(error, dict):
        outcome = " ".join(str(error.get("context", "")).split())
    elif execution["state"] == State.ACTIVE:
        status = execution.get("status")
        steps = status["currentSteps"] if isinstance(status, dict) else []
        outcome = "at " + ", ".join(f"{step['routine']}/{step['step']}" for step in steps)
    name = str(execution["name"]).rpartition("/")[2]
    line = f"{execution['state']:<9} {workflow} {name} {execution['startTime']} {outcome}"
    return line.rstrip()


def _report(over: Execution) -> int:
    """Print how an execution ended: its result on standard output, or its error."""
    if over.state is State.SUCCEEDED and over.result is not None:
        console.announce(over.result)
        return 0
    error = over.error or {}
    text = f"{over.state}: {error.get('payload', '')}\n{error.get('context', '')}"
    return _complain(text.rstrip(), FAILED)


def _complain(text: str, code: int) -> int:
    sys.stderr.write(text + "\n")
    return code


def _sources(place: str) -> dict[str, str]:
    """The complete sources of a directory, or of one file, by workflow ID."""
    path = Path(place)
    return bundle(path) if path.is_dir() else {_workflow_id(path): bundle_file(path)}


def _workflow_id(path: Path) -> str:
    """A workflow ID made from the name of a file."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", path.name.partition(".")[0]).strip("-_")
    return name[:64] if re.match("[A-Za-z]", name) else f"w-{name}"[:64]


def _argument(data: str) -> str:
    try:
        from_json(data)
    except ValueError as wrong:
        raise ValueError(f"--data is not JSON: {wrong}") from None
    if len(data.encode()) > Limits().argument_bytes:
        raise ValueError(f"--data is too large: {Limits().argument_bytes} bytes at most")
    return data


def _settings(options: argparse.Namespace, data: Path) -> Settings:
    grants: dict[str, frozenset[str]] = {}
    for grant in options.grant:
        email, sign, role = grant.partition("=")
        if not sign or not email:
            raise ValueError(f"--grant takes EMAIL=ROLE, not {grant!r}")
        grants[email] = grants.get(email, frozenset()) | ({role} if role else frozenset())
    return Settings(
        host=options.host,
        port=options.port,
        project=options.project,
        project_number=options.project_number,
        location=options.location,
        base_url=options.base_url,
        auth=Auth(options.auth),
        allow_remote=options.allow_remote,
        time_scale=options.time_scale,
        data=data,
        grants=grants,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m emulator", description="Google Cloud Workflows on this machine."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    server = commands.add_parser("serve", help="serve Google's APIs until Ctrl-C")
    server.add_argument(
        "--workflows", metavar="DIR", help="deploy the workflows of this folder first"
    )
    server.add_argument("--data", default="var/emulator.sqlite3", metavar="FILE", help="data file")
    _add_settings(server, port=8787)
    server.set_defaults(command=_serve)

    runner = commands.add_parser("run", help="run one file to its end and print its result")
    runner.add_argument("file", metavar="FILE")
    runner.add_argument("--data", default="null", metavar="JSON", help="argument of the execution")
    runner.add_argument("--workflows", metavar="DIR", help="deploy these too, for child executions")
    _add_settings(runner, port=0)
    runner.set_defaults(command=_run)

    deployer = commands.add_parser("deploy", help="deploy a folder or a file to a running emulator")
    deployer.add_argument("source", metavar="DIR|FILE")
    deployer.add_argument("--emulator", default=_ADDRESS, metavar="URL")
    deployer.set_defaults(command=_deploy)

    lister = commands.add_parser("executions", help="list the executions of a running emulator")
    lister.add_argument("--emulator", default=_ADDRESS, metavar="URL")
    lister.add_argument("--workflow", metavar="NAME", help="only those of this workflow")
    lister.set_defaults(command=_executions)
    return parser


def _add_settings(parser: argparse.ArgumentParser, port: int) -> None:
    usual = Settings()
    add = parser.add_argument
    add("--host", default=usual.host, help="address to listen on")
    add("--port", type=int, default=port, help="port to listen on; 0 takes a free one")
    add("--project", default=usual.project, metavar="ID")
    add("--project-number", default=usual.project_number, metavar="N")
    add("--location", default=usual.location, metavar="L")
    add("--base-url", default="", metavar="URL", help="where callback URLs begin")
    add("--time-scale", type=_scale, default=1.0, metavar="X", help="waits pass X times faster")
    add("--auth", choices=[mode.value for mode in Auth], default=usual.auth.value)
    add(
        *("--grant",),
        action="append",
        default=[],
        metavar="EMAIL=ROLE",
        help="with --auth iam: viewer, invoker, editor or admin; EMAIL= takes everything away",
    )
    add("--allow-remote", action="store_true", help="serve other machines too")


def _scale(text: str) -> float:
    scale = float(text)
    if not (scale > 0 and math.isfinite(scale)):
        raise argparse.ArgumentTypeError(f"must be greater than 0, not {text}")
    return scale


if __name__ == "__main__":
    sys.exit(main())

"""The command line: `serve`, `run FILE`, `deploy DIR`, `start NAME`, `executions`."""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from emulator import console, remote
from emulator.api.fields import environment
from emulator.client import Client, NoEmulator, RefusedByEmulator
from emulator.database import UnusableData
from emulator.errors import SourceError
from emulator.limits import Limits
from emulator.parser import parse
from emulator.refusal import Refusal
from emulator.resources import execution
from emulator.server import CannotStart, serve, serving
from emulator.settings import Auth, Settings
from emulator.store import State
from emulator.values import from_json
from workflows.bundle import Bundle, BundleError, bundle, bundle_file

FAILED, WRONG_INPUT = 1, 2
"""Exit codes: what was asked for failed; it could not be tried."""

CUT_SHORT = 128 + signal.SIGPIPE
"""Exit code when nobody reads the output any more, as a shell gives it for other programs."""

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
    except BrokenPipeError:
        # Whoever read our output has what they wanted (`| head`). Nothing is left to flush into it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CUT_SHORT
    except (BundleError, OSError) as wrong:
        return _complain(str(wrong), WRONG_INPUT)
    except (CannotStart, NoEmulator, UnusableData, Refusal, ValueError) as failed:
        return _complain(str(failed), WRONG_INPUT)


async def _serve(options: argparse.Namespace) -> int:
    bundles = _bundles(options.workflows) if options.workflows else {}
    if problems := _problems(bundles):
        return problems
    await serve(_settings(options, Path(options.data)), _texts(bundles))
    return 0


async def _run(options: argparse.Namespace) -> int:
    path = Path(options.file)
    workflow = _workflow_id(path)
    bundles = _bundles(options.workflows) if options.workflows else {}
    bundles[workflow] = bundle_file(path)
    argument = _argument(options.data)
    variables = _variables(options.env)
    if problems := _problems(bundles):
        return problems
    with tempfile.TemporaryDirectory(prefix="emulator-") as folder:
        settings = _settings(options, Path(folder) / "run.sqlite3")
        async with serving(settings, _texts(bundles)) as services:
            if variables:
                for definition in services.catalog.all():
                    fields = {**definition.fields, "userEnvVars": variables}
                    services.catalog.update(definition, fields)
            deployed = services.catalog.find(workflow)
            if deployed is None:
                raise LookupError(workflow)
            started = services.engine.create(deployed, argument, {})
            over = await services.engine.wait(started.id)
            return _report(execution(over, services.settings))


async def _deploy(options: argparse.Namespace) -> int:
    bundles = _bundles(options.source)
    variables = _variables(options.env)
    async with Client.connected(options.emulator) as client:
        return WRONG_INPUT if await remote.deploy(client, bundles, variables) else 0


async def _start(options: argparse.Namespace) -> int:
    argument = _argument(options.data)
    async with Client.connected(options.emulator) as client:
        try:
            started = await client.start(options.workflow, argument)
        except RefusedByEmulator as refused:
            return _complain(str(refused), WRONG_INPUT)
        if not options.wait:
            console.announce(started)
            return 0
        console.event("execution-started", workflow=options.workflow, execution=started)
        return _report(await client.end(options.workflow, started))


async def _executions(options: argparse.Namespace) -> int:
    async with Client.connected(options.emulator) as client:
        try:
            await remote.list_executions(client, options.workflow)
        except RefusedByEmulator as refused:
            return _complain(str(refused), FAILED)
    return 0


def _report(over: Mapping[str, Any]) -> int:
    """Print how an execution ended: its result on standard output, or its error."""
    if over["state"] == State.SUCCEEDED:
        console.announce(str(over["result"]))
        return 0
    error = over.get("error", {})
    lines = (f"{over['state']}: {error.get('payload', '')}", error.get("context", ""))
    return _complain("\n".join(lines).rstrip(), FAILED)


def _complain(text: str, code: int) -> int:
    console.complain(text)
    return code


def _bundles(place: str) -> dict[str, Bundle]:
    """The complete sources of a directory, or of one file, by workflow ID."""
    path = Path(place)
    return bundle(path) if path.is_dir() else {_workflow_id(path): bundle_file(path)}


def _texts(bundles: Mapping[str, Bundle]) -> dict[str, str]:
    return {workflow: complete.text for workflow, complete in bundles.items()}


def _problems(bundles: Mapping[str, Bundle]) -> int:
    """Say what is wrong with each source that does not build; gives the exit code, or 0."""
    broken = []
    for workflow, complete in bundles.items():
        try:
            parse(complete.text)
        except SourceError as problem:
            console.complain(complete.explain(str(problem)))
            broken.append(workflow)
    if broken and len(bundles) > 1:
        console.complain(f"{len(broken)} of {len(bundles)} do not build: {', '.join(broken)}")
    return WRONG_INPUT if broken else 0


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


def _variables(pairs: Sequence[str]) -> dict[str, str]:
    variables = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not (name and sign):
            raise ValueError(f"--env takes NAME=VALUE, not {pair!r}")
        variables[name] = value
    try:
        environment(variables)
    except ValueError as wrong:
        raise ValueError(f"--env {wrong}") from None
    return variables


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
    _add_environment(runner)
    _add_settings(runner, port=0)
    runner.set_defaults(command=_run)

    deployer = commands.add_parser("deploy", help="deploy a folder or a file to a running emulator")
    deployer.add_argument("source", metavar="DIR|FILE")
    _add_environment(deployer)
    deployer.add_argument("--emulator", default=_ADDRESS, metavar="URL")
    deployer.set_defaults(command=_deploy)

    starter = commands.add_parser("start", help="start an execution on a running emulator")
    starter.add_argument("workflow", metavar="NAME")
    starter.add_argument("--data", default="null", metavar="JSON", help="argument of the execution")
    starter.add_argument("--wait", action="store_true", help="until it is over; print its result")
    starter.add_argument("--emulator", default=_ADDRESS, metavar="URL")
    starter.set_defaults(command=_start)

    lister = commands.add_parser("executions", help="list the executions of a running emulator")
    lister.add_argument("--emulator", default=_ADDRESS, metavar="URL")
    lister.add_argument("--workflow", metavar="NAME", help="only those of this workflow")
    lister.set_defaults(command=_executions)
    return parser


def _add_environment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable that the workflows read with sys.get_env, such as COUNTERSIGN_URL",
    )


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

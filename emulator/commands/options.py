"""Options that several commands have, and what is made of them."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from emulator.fields import environment
from emulator.limits import Limits
from emulator.settings import LAST_PORT, Auth, Settings, Time
from emulator.values import from_json

Commands = Any
"""What argparse gives to add commands to; its class has no public name."""

_ADDRESS = os.environ.get("WORKFLOWS_EMULATOR_HOST") or "http://127.0.0.1:8787"
_USUAL_PORTS = {"http": 80, "https": 443}


def add_argument(parser: argparse.ArgumentParser) -> None:
    """`--data` of an execution."""
    parser.add_argument("--data", default="null", metavar="JSON", help="argument of the execution")


def argument(options: argparse.Namespace) -> str:
    """The argument of the execution.

    Raises:
        ValueError: it is no JSON, or too large.
    """
    data: str = options.data
    try:
        from_json(data)
    except ValueError as wrong:
        raise ValueError(f"--data is not JSON: {wrong}") from None
    if len(data.encode()) > Limits().argument_bytes:
        raise ValueError(f"--data is too large: {Limits().argument_bytes} bytes at most")
    return data


def add_emulator(parser: argparse.ArgumentParser) -> None:
    """`--emulator`, the running one that is spoken to."""
    told = f"the running one (default: {_ADDRESS})"
    parser.add_argument("--emulator", default=_ADDRESS, metavar="URL", help=told)


def add_environment(parser: argparse.ArgumentParser) -> None:
    """`--env`, variables of the workflows."""
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable that the workflows read with sys.get_env, such as COUNTERSIGN_URL",
    )


def variables(options: argparse.Namespace) -> dict[str, str]:
    """The variables of the workflows.

    Raises:
        ValueError: one is not written NAME=VALUE, or Google allows no such name or value.
    """
    found = {}
    for pair in options.env:
        name, value = _pair("--env", "NAME=VALUE", pair)
        found[name] = value
    try:
        environment(found)
    except ValueError as wrong:
        raise ValueError(f"--env {wrong}") from None
    return found


def add_settings(parser: argparse.ArgumentParser, *, port: int) -> None:
    """What an emulator is told when it starts."""
    usual = Settings()
    add = parser.add_argument
    add("--host", default=usual.host, help="address to listen on")
    add("--port", type=int, default=port, help="port to listen on; 0 takes a free one")
    add("--project", default=usual.project, metavar="ID", help="the one project there is")
    add("--project-number", default=usual.project_number, metavar="N", help="its number")
    add("--location", default=usual.location, metavar="L", help="the one location there is")
    add("--base-url", default="", metavar="URL", help="where callback URLs begin")
    add("--time-scale", type=_scale, default=1.0, metavar="X", help="waits pass X times faster")
    add(
        "--time",
        choices=[mode.value for mode in Time],
        default=usual.time.value,
        help="virtual: waits pass when they are told to; skip: at once",
    )
    add("--grpc-port", type=_port, metavar="PORT", help="port of gRPC; 0 takes a free one; or off")
    add(
        "--operation-errors",
        action="store_true",
        help="a source that does not build ends the operation, as on Google, and is no HTTP 400",
    )
    add("--stubs", metavar="FILE", help="answers to connectors and HTTP calls")
    _add_repeated(parser, "--host-map", "ORIGIN=ORIGIN", "call the second in place of the first")
    _add_repeated(parser, "--allow-host", "HOST", "workflows may call these hosts alone")
    add(
        "--auth",
        choices=[mode.value for mode in Auth],
        default=usual.auth.value,
        help="off: nobody is asked; token: any of its own tokens will do (the default);"
        " iam: the token's account needs the permission",
    )
    _add_repeated(
        parser,
        "--grant",
        "EMAIL=ROLE",
        "with --auth iam: viewer, invoker, editor or admin; EMAIL= takes everything away",
    )
    add("--allow-remote", action="store_true", help="serve other machines too")


def settings(options: argparse.Namespace, data: Path, grpc_port: int | None) -> Settings:
    """The settings that the options say.

    Args:
        grpc_port: where none is given; None for none.

    Raises:
        ValueError: one cannot be used; the text says which.
    """
    if options.grpc_port is not None:
        grpc_port = options.grpc_port if options.grpc_port >= 0 else None
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
        time=Time(options.time),
        grpc_port=grpc_port,
        operation_errors=options.operation_errors,
        stubs=Path(options.stubs) if options.stubs else None,
        hosts=_hosts(options.host_map),
        allowed_hosts=frozenset(host.lower() for host in options.allow_host),
        data=data,
        grants=_grants(options.grant),
    )


def _add_repeated(parser: argparse.ArgumentParser, name: str, metavar: str, told: str) -> None:
    parser.add_argument(name, action="append", default=[], metavar=metavar, help=told)


def _grants(pairs: Sequence[str]) -> dict[str, frozenset[str]]:
    grants: dict[str, frozenset[str]] = {}
    for grant in pairs:
        email, role = _pair("--grant", "EMAIL=ROLE", grant)
        grants[email] = grants.get(email, frozenset()) | ({role} if role else frozenset())
    return grants


def _hosts(pairs: Sequence[str]) -> dict[str, str]:
    hosts = {}
    for pair in pairs:
        named, called = _pair("--host-map", "ORIGIN=ORIGIN", pair)
        hosts[_origin(named)] = _origin(called)
    return hosts


def _pair(option: str, form: str, text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise ValueError(f"{option} takes {form}, not {text!r}")
    return name, value


def _origin(text: str) -> str:
    """An origin as it is compared: lower case, without a port that goes without saying."""
    try:
        parts = urlsplit(text.lower())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if not parts.hostname or parts.scheme not in _USUAL_PORTS or parts.path.strip("/"):
        raise ValueError(
            f"--host-map takes origins such as https://api.example or http://127.0.0.1:8000,"
            f" not {text!r}"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown = "" if port in (None, _USUAL_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{shown}"


def _port(text: str) -> int:
    """A port, or -1 for `off`."""
    if text != "off" and not (text.isdecimal() and int(text) <= LAST_PORT):
        raise argparse.ArgumentTypeError(f"must be from 0 to {LAST_PORT}, or off, not {text}")
    return -1 if text == "off" else int(text)


def _scale(text: str) -> float:
    scale = float(text)
    if not (scale > 0 and math.isfinite(scale)):
        raise argparse.ArgumentTypeError(f"must be greater than 0, not {text}")
    return scale

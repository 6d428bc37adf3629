"""The two ports of a local run: each its own, free, and those that the data was made with."""

import shlex
import socket
from collections.abc import Mapping
from pathlib import Path

from config.processes import CannotRun

HOST = "127.0.0.1"
VARIABLES = ("PORT", "EMULATOR_PORT", "DATA_DIR", "DEMO_PASSWORD")
Ports = tuple[int, int]
"""Of the inbox and of the emulator."""


def read_port(name: str, text: str) -> int:
    """The port in a variable. Raises CannotRun where it is none."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise CannotRun(f"{name}={text} is not a port: give a number from 1 to 65535.")
    return int(text)


def command(given: Mapping[str, str], **other: object) -> str:
    """`make run` with the variables that were given, and with these instead."""
    values = {name: given[name] for name in VARIABLES if given.get(name)}
    values |= {name: str(value) for name, value in other.items()}
    return " ".join(["make run", *(f"{name}={shlex.quote(values[name])}" for name in values)])


def require_two(ports: Ports, given: Mapping[str, str]) -> None:
    """Raise CannotRun if both are one."""
    if ports[0] == ports[1]:
        way_out = command(given, PORT=ports[0], EMULATOR_PORT=next_free(ports[1]))
        raise CannotRun(
            f"PORT and EMULATOR_PORT are both {ports[0]}: the inbox and the emulator need a port"
            f" each, for example: {way_out}"
        )


def require_same(ports: Ports, data_dir: Path, given: Mapping[str, str]) -> None:
    """Raise CannotRun where the questions in the data directory wait at other ports.

    A callback's address names the emulator's port, and a workflow that waits knows the inbox's.
    """
    kept = kept_ports(data_dir)
    if kept in (None, ports):
        return
    raise CannotRun(
        f"The data in {data_dir} was made with PORT={kept[0]} EMULATOR_PORT={kept[1]}. Workflows"
        " that still wait there do so at those ports; at others no answer would reach them.\n"
        f"  The same ports:          {command(given, PORT=kept[0], EMULATOR_PORT=kept[1])}\n"
        f"  Other data:              {command(given, DATA_DIR=f'var-{ports[0]}')}\n"
        f"  Nothing waits any more:  {command(given, NEW_PORTS=1)}"
    )


def require_free(ports: Ports, data_dir: Path, given: Mapping[str, str]) -> None:
    """Raise CannotRun if one of them is taken."""
    for name, port in zip(("PORT", "EMULATOR_PORT"), ports, strict=True):
        if is_free(port):
            continue
        other: dict[str, object] = {name: next_free(port, *ports)}
        if kept_ports(data_dir):  # what waits there waits at the taken port
            other["DATA_DIR"] = f"var-{other[name]}"
        raise CannotRun(
            f"Port {port} is taken. Stop what uses it (another `make run`?), or choose another"
            f" port: {command(given, **other)}"
        )


def is_free(port: int) -> bool:
    """True if we could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def next_free(port: int, *but: int) -> int | str:
    """The next port that nobody has, and none of these; a word where there is none."""
    others = (each for each in range(port + 1, 65536) if each not in but and is_free(each))
    return next(others, "NUMBER")


def kept_ports(data_dir: Path) -> Ports | None:
    """The ports of the last start with this data, if there was one."""
    try:
        port, emulator_port = (data_dir / "ports").read_text(encoding="ascii").split()
        return int(port), int(emulator_port)
    except (FileNotFoundError, ValueError):
        return None


def keep_ports(data_dir: Path, ports: Ports) -> None:
    """Remember them: what waits in this data waits at them."""
    (data_dir / "ports").write_text("{} {}\n".format(*ports), encoding="ascii")

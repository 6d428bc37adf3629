"""`check FILE|DIR…`: whether workflows build, without running anything."""

from __future__ import annotations

import argparse
from pathlib import Path

from emulator import console
from emulator.commands.exits import FAILED
from emulator.commands.options import Commands
from emulator.commands.problems import Format, Problem, Severity, check


def add(commands: Commands) -> None:
    """The command and its options."""
    parser = commands.add_parser("check", help="say whether files build, and what is wrong")
    parser.add_argument("sources", metavar="FILE|DIR", nargs="+")
    parser.add_argument(
        "--format",
        choices=[form.value for form in Format],
        default=Format.TEXT.value,
        help="json: an object a line; github: what GitHub shows beside the lines",
    )
    parser.set_defaults(command=command)


async def command(options: argparse.Namespace) -> int:
    """Say each problem on standard output, and how many there are on standard error."""
    found: list[Problem] = []
    files = 0
    for place in map(Path, options.sources):
        problems, count = check(place)
        found += [problem for problem in problems if problem not in found]
        files += count
    for problem in found:
        console.announce(problem.written(Format(options.format)))
    errors = sum(problem.severity is Severity.ERROR for problem in found)
    said = [_counted(errors, "error"), _counted(len(found) - errors, "warning")]
    told = ", ".join(filter(None, said)) or "nothing wrong"
    console.complain(f"{told} in {_counted(files, 'file')}")
    return FAILED if errors else 0


def _counted(number: int, noun: str) -> str:
    """`2 errors`, `1 error`, or nothing for none."""
    return f"{number} {noun}{'s' * (number != 1)}" if number else ""

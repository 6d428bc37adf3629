"""A process that has one release's code imported, and forks its programs.

A fork is there in a moment, where a fresh process takes a second of a core to import Django: with
a kill every second the cores would do nothing else. It reads an order a line, as JSON (the program,
its arguments, the file for its output), and answers with the ID of the process, which leads a
process group of its own. Nothing of `tests` is imported, so that it serves other releases too.
When nobody is left to give orders, whatever it has started ends.
"""

import json
import os
import signal
import sys
from contextlib import suppress

from django.core.management import execute_from_command_line
from gunicorn.app.wsgiapp import WSGIApplication

import config.wsgi
import emulator.__main__


def become(program: str, arguments: list[str], output: str) -> None:
    """Be that program from now on; never returns."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    written = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, written), (2, written)):
        os.dup2(source, target)
    sys.argv = [program, *arguments]
    code = 1
    try:
        code = run(program)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run(program: str) -> int:
    """The program with the arguments of `sys.argv`, to its end; its exit code."""
    match program:
        case "gunicorn":
            WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]").run()
        case "emulator":
            return emulator.__main__.main(sys.argv[1:])
        case _:
            execute_from_command_line(sys.argv)
    return 0


def reap(groups: set[int]) -> None:
    """Nothing is left of what has ended."""
    with suppress(ChildProcessError):
        while process := os.waitpid(-1, os.WNOHANG)[0]:
            groups.discard(process)


def main() -> None:
    """Fork until nobody asks for it any more."""
    assert config.wsgi.application, "what is forked has the application ready"
    groups: set[int] = set()
    signal.signal(signal.SIGCHLD, lambda *_: reap(groups))
    for signum in (signal.SIGTERM, signal.SIGINT):  # whoever gives orders ends first
        signal.signal(signum, signal.SIG_IGN)
    while line := sys.stdin.readline():
        program, arguments, output = json.loads(line)
        process = os.fork()
        if not process:
            become(program, arguments, output)
        groups.add(process)
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()
    for group in list(groups):
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()

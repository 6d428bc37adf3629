"""A process that has one release's code imported, and forks its web servers and workers.

A fork is there in a moment, where a fresh process takes a second of a core to import Django: with
a kill every second the cores would do nothing else. It reads an order a line, as JSON (the program,
its arguments, the file for its output), and answers with the ID of the process, which leads a
process group of its own. Nothing of `tests` is imported, so that it serves other releases too.
"""

import json
import os
import signal
import sys

from django.core.management import execute_from_command_line
from gunicorn.app.wsgiapp import WSGIApplication

import config.wsgi


def become(program: str, arguments: list[str], output: str) -> None:
    """Be that program from now on; never returns."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    written = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, written), (2, written)):
        os.dup2(source, target)
    sys.argv = [program, *arguments]
    code = 1
    try:
        if program == "gunicorn":
            WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]").run()
        else:
            execute_from_command_line(sys.argv)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Fork until nobody asks for it any more."""
    assert config.wsgi.application, "what is forked has the application ready"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nothing is left of what has ended
    while line := sys.stdin.readline():
        program, arguments, output = json.loads(line)
        process = os.fork()
        if not process:
            become(program, arguments, output)
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

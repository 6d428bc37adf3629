"""`manage.py deliver`, in a process for which Google's hosts are a server on this machine.

    BENCH_GOOGLE_PORT=… BENCH_AUTHORITY=… python -m benchmarks.worker [options of deliver]

All else is the product's: which addresses may be sent to, TLS with the host's name checked, the
sessions. Only names are resolved to the loopback address, and the benchmark's authority is trusted
in place of the usual ones.
"""

import os
import socket
import sys
from typing import Any

import certifi
from django.core.management import execute_from_command_line

PORT = int(os.environ["BENCH_GOOGLE_PORT"])
_getaddrinfo = socket.getaddrinfo


def _here(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
    if str(host).endswith(".googleapis.com"):
        host, port = "127.0.0.1", PORT
    return _getaddrinfo(host, port, *rest, **named)


if __name__ == "__main__":
    socket.getaddrinfo = _here
    certifi.where = lambda: os.environ["BENCH_AUTHORITY"]  # before requests asks for it
    execute_from_command_line(["manage.py", "deliver", *sys.argv[1:]])

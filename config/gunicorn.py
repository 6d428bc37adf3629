"""How gunicorn serves the inbox: in the container, by `make run` and in the tests."""

import os
import sys
from pathlib import Path

from config.logs import logging_config

wsgi_app = "config.wsgi"
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 8
timeout = 60
# Cloud Run waits 10 seconds after SIGTERM; a request in flight gets 8.
graceful_timeout = 8
max_requests = 5000
max_requests_jitter = 500
# Heartbeats in memory: on a disk that stalls, they would end healthy workers.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a mount point
control_socket_disable = True
logconfig_dict = logging_config(os.environ.get("LOG_FORMAT", "json"))


def worker_exit(server: object, worker: object) -> None:
    """Give back the deliveries that this process has in hand: a worker goes on with them."""
    del server, worker
    if dispatch := sys.modules.get("approvals.dispatch"):  # it got so far as to load the inbox
        dispatch.end_of_process()

"""The processes of a siege: two web servers, two workers and the emulator, killed at any moment."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.emulator.forks import alive
from tests.emulators import NUMBER, ROOT
from tests.services import free_port

ZYGOTE = Path(__file__).with_name("zygote.py")
NAMES = ("web-1", "web-2", "worker-1", "worker-2", "emulator")
LEASE = 20
"""Seconds: longer than a round in which the emulator's faults hold up each of its requests."""


@dataclass
class Release:
    """The code of one release, imported once and forked as its programs."""

    code: Path = ROOT

    def __enter__(self) -> Self:
        self._zygote = subprocess.Popen(
            [sys.executable, "-P", str(ZYGOTE)],
            cwd=self.code,
            env=os.environ | {"PYTHONPATH": str(self.code)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *error: object) -> None:
        self._zygote.communicate(timeout=20)

    def fork(self, program: str, arguments: tuple[str, ...], output: Path) -> int:
        """Start `gunicorn`, `manage.py` or `emulator`; the ID of the process and of its group."""
        order = json.dumps([program, arguments, str(output)])
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.write(f"{order}\n")
        self._zygote.stdin.flush()
        return int(self._zygote.stdout.readline())


@dataclass
class Ports:
    """Where things listen: the web servers at one of their own each, and at one they share."""

    shared: int = field(default_factory=free_port)
    web: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))
    emulator: int = field(default_factory=free_port)

    @property
    def base(self) -> str:
        """The inbox for workflows: the kernel shares its connections out among those who live."""
        return f"http://127.0.0.1:{self.shared}"

    def environment(self, database: str) -> dict[str, str]:
        """What all processes are told."""
        here = f"127.0.0.1:{self.emulator}"
        return {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SECRET_KEY": "only-for-the-soak",
            "DEBUG": "1",
            "BASE_URL": self.base,
            "ALLOWED_HOSTS": "127.0.0.1",
            "DATABASE_URL": database,
            "GOOGLE_CLOUD_PROJECT": "countersign-demo",
            "WORKFLOWS_EMULATOR_HOST": f"http://{here}",
            "GCE_METADATA_HOST": here,
            "GCE_METADATA_IP": here,
            "LOG_FORMAT": "json",
            "DELIVERY_LEASE": str(LEASE),
            "WEB_CONCURRENCY": "1",
            "API_RATE": "1000000/min",  # a few clients play a whole company here
            "API_FAILURE_RATE": "1000000/min",
        }


class Processes:
    """All five, by name; each can be killed and started again, and of another release too."""

    def __init__(self, home: Path, ports: Ports, release: Release) -> None:
        self.home, self.ports = home, ports
        self.releases = dict.fromkeys(NAMES, release)
        self.running: dict[str, int] = {}

    def start(self, name: str) -> None:
        """Start one, in place of the one that runs, if any; it may not answer yet."""
        self.kill(name)
        program, *arguments = self._command(name)
        self.running[name] = self.releases[name].fork(program, tuple(arguments), self.log(name))

    def _command(self, name: str) -> tuple[str, ...]:
        match name.partition("-"):
            case "web", _, number:
                own = self.ports.web[int(number) - 1]
                binds = (f"--bind=127.0.0.1:{port}" for port in (own, self.ports.shared))
                return "gunicorn", "-c", "config/gunicorn.py", "--reuse-port", *binds
            case "worker", _, _:
                return "manage.py", "deliver", "--idle", "0.2"
        data, port = str(self.emulator_data), str(self.ports.emulator)
        serve = ("emulator", "serve", "--port", port, "--data", data)
        return *serve, "--grpc-port", "off", "--project-number", NUMBER

    def kill(self, name: str) -> None:
        """`kill -9` of the process and, of a web server, of those it has forked."""
        process = self.running.pop(name, 0)
        if not process:
            return
        with suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        while alive(process):
            time.sleep(0.001)

    def kill_all(self) -> None:
        for name in NAMES:
            self.kill(name)

    def url(self, name: str) -> str:
        """Where it answers; empty for a worker."""
        if name == "emulator":
            return f"http://127.0.0.1:{self.ports.emulator}"
        kind, _, number = name.partition("-")
        return f"http://127.0.0.1:{self.ports.web[int(number) - 1]}" if kind == "web" else ""

    def log(self, name: str) -> Path:
        return self.home / f"{name}.log"

    @property
    def emulator_data(self) -> Path:
        return self.home / "emulator.sqlite3"

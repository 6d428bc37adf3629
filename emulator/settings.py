"""What an emulator is told when it starts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

APP_ACCOUNT = "inbox@emulator.invalid"
WORKFLOW_ACCOUNT = "workflow@emulator.invalid"

LAST_PORT = 65535
_BASE = re.compile(r"https?://[^\s@?#\\\"<>/]+(/[^\s?#\\\"<>]*)?", re.IGNORECASE)


class Auth(StrEnum):
    """Who may call the APIs."""

    OFF = "off"
    """Anyone who reaches the port."""
    TOKEN = "token"  # noqa: S105 - the name of a mode, no secret
    """Whoever shows a token that this emulator issued."""
    IAM = "iam"
    """As `token`, and the token's account must have been granted the permission."""


class Time(StrEnum):
    """How time passes for waits."""

    REAL = "real"
    """As on the wall, `time_scale` times faster."""
    VIRTUAL = "virtual"
    """It stands still until it is told to go on."""
    SKIP = "skip"
    """It jumps to the next due time whenever nothing can run."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How one emulator is set up.

    `base_url` is what callback URLs begin with; empty means the address the server listens on.
    `grants` maps an account to the names of its roles; an account named here has these roles only.
    `grpc_port` is None where gRPC is not served; 0 takes a free port. With `operation_errors` a
    source that does not build ends the operation of its deployment with an error, as on Google;
    else the request is refused. `stubs` is a file of answers to connectors and HTTP calls. `hosts`
    maps the origin of a URL (`https://a.example`) to the one that is called instead; where
    `allowed_hosts` is not empty, workflows may call no other host.

    Raises:
        ValueError: a setting cannot be used; the text says which, as a sentence.
    """

    host: str = "127.0.0.1"
    port: int = 8787
    project: str = "countersign-demo"
    project_number: str = "123456789012"
    location: str = "us-central1"
    base_url: str = ""
    auth: Auth = Auth.TOKEN
    allow_remote: bool = False
    time_scale: float = 1.0
    time: Time = Time.REAL
    grpc_port: int | None = None
    operation_errors: bool = False
    stubs: Path | None = None
    hosts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    allowed_hosts: frozenset[str] = frozenset()
    data: Path = Path("var/emulator.sqlite3")
    grants: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Check what no other part would refuse with a sentence."""
        if not 0 <= self.port <= LAST_PORT:
            raise ValueError(f"--port must be from 0 to {LAST_PORT}, not {self.port}")
        if self.grpc_port is not None and not 0 <= self.grpc_port <= LAST_PORT:
            raise ValueError(f"--grpc-port must be from 0 to {LAST_PORT}, not {self.grpc_port}")
        if self.time is not Time.REAL and self.time_scale != 1.0:
            raise ValueError(
                f"--time-scale is for real time: leave it out, or leave out --time {self.time}"
            )
        if self.base_url and not _is_base(self.base_url):
            raise ValueError(
                "--base-url must be http:// or https:// with a host, and perhaps a port and a path,"
                f" not {self.base_url!r}"
            )

    @property
    def projects(self) -> frozenset[str]:
        """The names of the one project: its ID and its number."""
        return frozenset({self.project, self.project_number})


def _is_base(url: str) -> bool:
    """Whether paths can be appended to a URL to make addresses of this server."""
    if _BASE.fullmatch(url) is None:
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False

"""What an emulator is told when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

APP_ACCOUNT = "inbox@emulator.invalid"
WORKFLOW_ACCOUNT = "workflow@emulator.invalid"


class Auth(StrEnum):
    """Who may call the APIs."""

    OFF = "off"
    """Anyone who reaches the port."""
    TOKEN = "token"  # noqa: S105 - the name of a mode, no secret
    """Whoever shows a token that this emulator issued."""
    IAM = "iam"
    """As `token`, and the token's account must have been granted the permission."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How one emulator is set up.

    `base_url` is what callback URLs begin with; empty means the address the server listens on.
    `grants` maps an account to the names of its roles; an account named here has these roles only.
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
    data: Path = Path("var/emulator.sqlite3")
    grants: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def projects(self) -> frozenset[str]:
        """The names of the one project: its ID and its number."""
        return frozenset({self.project, self.project_number})

"""A callback endpoint of a run, and requests to it as others send them."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import EllipsisType
from typing import TYPE_CHECKING, Any

from emulator.callbacks import path
from emulator.identity import SCOPE
from emulator.settings import APP_ACCOUNT

if TYPE_CHECKING:
    from emulator.store import Execution
    from emulator.testing.site import Site

__tracebackhide__ = True  # a test that fails shows its own lines


@dataclass(frozen=True, slots=True)
class Response:
    """What an endpoint answered. `status` is None where the connection was broken off."""

    status: int | None
    body: Any = None


class Callback:
    """An endpoint that `events.create_callback_endpoint` has made."""

    def __init__(self, site: Site, execution: Execution, callback: str, method: str) -> None:
        self._site = site
        self._execution = execution
        self.id = callback
        self.method = method

    def __repr__(self) -> str:
        return f"<Callback {self.method} {self.url}>"

    @property
    def url(self) -> str:
        """Its address, as the workflow has it."""
        settings = self._site.services.settings
        found = path(settings, self._execution.workflow, self._execution.id, self.id)
        return f"{settings.base_url}{found}"

    @property
    def waiters(self) -> int:
        """How many steps wait for a request to it."""
        store = self._site.services.store
        return len(self._site.do(lambda: store.waits_on(self.id)))

    def get(self, **options: Any) -> Response:
        """Send a GET; as `send`."""
        return self.send("GET", **options)

    def post(self, json: Any = ..., **options: Any) -> Response:
        """Send a POST; as `send`."""
        return self.send("POST", json=json, **options)

    def send(
        self,
        method: str,
        *,
        json: Any | EllipsisType = ...,
        data: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> Response:
        """Send a request, and return when the run has done all that follows from it at once.

        Args:
            json: the body, sent as `application/json`.
            data: the body as it is; a Content-Type goes into the headers.
            token: an access token; by default one that may. Empty is none at all.
        """
        sent = dict(headers or {})
        body = data.encode() if isinstance(data, str) else data
        if not isinstance(json, EllipsisType):
            body = jsonlib.dumps(json).encode()
            sent.setdefault("Content-Type", "application/json")
        if token is None:
            issuer = self._site.services.issuer
            token = self._site.do(lambda: issuer.access_token(APP_ACCOUNT, (SCOPE,)))
        if token:
            sent.setdefault("Authorization", f"Bearer {token}")
        return self._site.run(self._site.send(method, self.url, body, sent, query or {}))

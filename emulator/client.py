"""A client of a running emulator, for the command line: Google's REST with a token of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp

_TIMEOUT = aiohttp.ClientTimeout(total=30)
_METADATA = "/computeMetadata/v1"
_LOOK_EVERY = 0.2  # seconds


class NoEmulator(Exception):
    """Nothing answers as an emulator does; the text says what to do."""


class RefusedByEmulator(Exception):
    """The emulator refused a request; the text is its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Client:
    """Speaks to one emulator about its one project and location."""

    session: aiohttp.ClientSession
    base: str
    """Where it is: `http://127.0.0.1:8787`"""
    parent: str
    """`…/v1/projects/P/locations/L`, below that"""

    @classmethod
    @asynccontextmanager
    async def connected(cls, url: str) -> AsyncIterator[Client]:
        """A client that has asked the metadata server for a token and the project.

        Args:
            url: of the emulator; `http://` when it names no scheme.

        Raises:
            NoEmulator: nothing answers at the URL, or something else does.
        """
        url = url if "://" in url else f"http://{url}"
        async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=False) as session:
            try:
                client = await cls._introduce(session, url.rstrip("/"))
            except (aiohttp.ClientError, TimeoutError, KeyError, ValueError) as failed:
                raise NoEmulator(
                    f"no emulator answers at {url} ({_why(failed)}): start one"
                    " with `python -m emulator serve`, or give its address with --emulator"
                ) from failed
            yield client

    @classmethod
    async def _introduce(cls, session: aiohttp.ClientSession, base: str) -> Client:
        flavor = {"Metadata-Flavor": "Google"}

        async def ask(path: str) -> aiohttp.ClientResponse:
            response = await session.get(base + _METADATA + path, headers=flavor)
            response.raise_for_status()
            return response

        project = await (await ask("/project/project-id")).text()
        region = await (await ask("/instance/region")).text()
        token = await (await ask("/instance/service-accounts/default/token")).json()
        session.headers["Authorization"] = f"Bearer {token['access_token']}"
        location = region.rpartition("/")[2]
        return cls(session, base, f"{base}/v1/projects/{project}/locations/{location}")

    async def deploy(
        self, workflow: str, source: str, variables: Mapping[str, str]
    ) -> tuple[str, str]:
        """Create a workflow or change its source; gives what was done, and the revision.

        Args:
            variables: of its environment, to set beside those that it has.

        Raises:
            RefusedByEmulator: among others, when the source does not build.
        """
        path = f"/workflows/{quote(workflow, safe='')}"
        try:
            there = await self.request("GET", path)
        except RefusedByEmulator as refused:
            if refused.status != 404:
                raise
            body = {"sourceContents": source, "userEnvVars": dict(variables)}
            done = await self.request(
                "POST", "/workflows", params={"workflowId": workflow}, json=body
            )
            return "created", str(done["response"]["revisionId"])
        old: dict[str, Any] = {name: there.get(name) for name in ("sourceContents", "userEnvVars")}
        new = {
            "sourceContents": source,
            "userEnvVars": {**(old["userEnvVars"] or {}), **variables} or None,
        }
        if new == old:
            return "unchanged", str(there["revisionId"])
        done = await self.request("PATCH", path, params={"updateMask": ",".join(new)}, json=new)
        return "updated", str(done["response"]["revisionId"])

    async def start(self, workflow: str, argument: str) -> str:
        """Start an execution of a workflow with an argument (JSON text); gives its ID.

        Raises:
            RefusedByEmulator: among others, when there is no such workflow.
        """
        path = f"/workflows/{quote(workflow, safe='')}/executions"
        created = await self.request("POST", path, json={"argument": argument})
        return str(created["name"]).rpartition("/")[2]

    async def cancel(self, workflow: str, execution: str) -> str:
        """Cancel an execution; gives the state that it is in.

        Raises:
            RefusedByEmulator: among others, when it is over.
        """
        path = _path(workflow, execution)
        return str((await self.request("POST", f"{path}:cancel"))["state"])

    async def end(self, workflow: str, execution: str) -> dict[str, Any]:
        """An execution when it is over, however long that takes."""
        path = _path(workflow, execution)
        while True:
            found = await self.request("GET", path)
            if found["state"] != "ACTIVE":
                return found
            await asyncio.sleep(_LOOK_EVERY)

    async def pages(self, path: str, name: str, **params: str) -> AsyncIterator[dict[str, Any]]:
        """The items of a list, page after page."""
        while True:
            body = await self.request("GET", path, params=params)
            for item in body.get(name, ()):
                yield item
            if "nextPageToken" not in body:
                return
            params["pageToken"] = body["nextPageToken"]

    async def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One request below the location.

        Raises:
            RefusedByEmulator: the answer is an error.
            NoEmulator: there is no answer.
        """
        return await self._ask(method, self.parent + path, **options)

    async def own(self, path: str) -> dict[str, Any]:
        """What the emulator tells of itself, which Google does not: a GET below `/emulator`.

        Raises:
            RefusedByEmulator: among others, when it is on another machine.
            NoEmulator: there is no answer.
        """
        return await self._ask("GET", f"{self.base}/emulator{path}")

    async def _ask(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        try:
            async with self.session.request(method, url, **options) as response:
                body: dict[str, Any] = await response.json()
        except (aiohttp.ClientError, TimeoutError) as failed:
            raise NoEmulator(f"the emulator no longer answers ({_why(failed)})") from failed
        if response.status >= 400:
            raise RefusedByEmulator(response.status, body["error"]["message"])
        return body


def _path(workflow: str, execution: str) -> str:
    """Where an execution is, below the location."""
    return f"/workflows/{quote(workflow, safe='')}/executions/{quote(execution, safe='')}"


def _why(failed: Exception) -> str:
    """Why there was no answer, without the words of the HTTP library around it."""
    if isinstance(failed, aiohttp.ClientConnectorError):
        cause = failed.os_error
        if isinstance(cause, ConnectionError) and cause.errno is not None:
            return os.strerror(cause.errno)
        return str(cause.strerror or cause)
    return str(failed) or type(failed).__name__

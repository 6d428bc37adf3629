"""One client's connection: what is no HTTP is refused in Google's words too."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from aiohttp import web
from aiohttp.web_request import BaseRequest

from emulator import console
from emulator.api.answers import refused
from emulator.refusal import Refusal, Status, invalid

_DETAILS = re.compile(r":\s|\n")
"""What the parser's message goes on with: the bytes of the request, which nobody needs back."""


class Connection(web.RequestHandler):
    """Speaks HTTP with a client.

    Args:
        idle: seconds without a whole request, or without the client taking its answer, after which
            the connection is closed.
    """

    __slots__ = ("_idle",)

    def __init__(self, server: web.Server, *, idle: float) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=idle,
            access_log=None,  # type: ignore[arg-type]  # aiohttp takes None for no log at all
        )
        self._idle = idle

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what cannot be read, or to a request that nobody answered.

        Raises:
            ConnectionError: part of another answer has been sent.
        """
        if request.writer.output_size > 0:
            raise ConnectionError("part of an answer has been sent")
        if status == Status.INVALID_ARGUMENT.code:
            reason = _DETAILS.split(message or "", maxsplit=1)[0]
            response = refused(invalid(f"this is no HTTP that can be read: {reason}"))
        else:
            console.trouble("request-broken", path=request.path, error=type(exc).__name__)
            message = "internal error of the emulator, see its output"
            response = refused(Refusal(Status.INTERNAL, message))
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Tell of what went wrong besides requests, but for bodies that break off unread."""
        if not isinstance(kw.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **kw)

    async def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer, if the client takes it in time."""
        if isinstance(resp, web.HTTPException) and resp.status >= 400:  # raised by no handler
            resp = refused(invalid(resp.text or resp.reason))
        try:
            async with asyncio.timeout(self._idle):
                return await super().finish_response(request, resp, start_time)
        except TimeoutError:
            if self.transport is not None:
                self.transport.abort()
            return resp, True

"""A mail server in the test's own process, which answers as it is told."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class Post:
    """What arrived, in order; and what the server says to the next mails."""

    port: int = 0
    arrived: list[EmailMessage] = field(default_factory=list)
    sayings: list[tuple[str, str]] = field(default_factory=list)
    free: threading.Event = field(default_factory=threading.Event)
    """Cleared, each mail is taken and its sender waits for the answer."""

    def refuse(self, step: str, saying: str) -> None:
        """Say this at the next `RCPT` or `DATA`."""
        self.sayings.append((step, saying))

    def _said(self, step: str) -> str:
        if self.sayings and self.sayings[0][0] == step:
            return self.sayings.pop(0)[1]
        return ""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if said := self._said("RCPT"):
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if said := self._said("DATA"):
            return said
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.arrived.append(message)
        await asyncio.to_thread(self.free.wait, 30)
        return "250 OK"

    def to(self, address: str) -> list[EmailMessage]:
        return [each for each in self.arrived if each["To"] == address]

    @property
    def told(self) -> list[tuple[str, str]]:
        """Who was told what: address and subject."""
        return [(each["To"], each["Subject"]) for each in self.arrived]


def text_in(message: EmailMessage, kind: str = "plain") -> str:
    """The text of a mail, or its HTML."""
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


class AnyPort(Controller):
    """A controller that takes whichever port is free."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mail_server() -> Iterator[Post]:
    """A server on a free port of the loopback address."""
    post = Post()
    post.free.set()
    controller = AnyPort(post, hostname="127.0.0.1", port=0, ready_timeout=10)
    controller.start()
    try:
        post.port = controller.port
        yield post
    finally:
        controller.stop()

"""A server in Google's place, as fast as Python serves: tokens, executions, callback endpoints.

It answers for all of Google's hosts, over TLS with an authority of its own, and over plain HTTP as
an emulator would. Each POST to a callback is noted. A workflow ends as soon as it has its answer.
The real emulator is for truth; here thousands of executions cost nothing, so that what is
measured is the sender.
"""

import asyncio
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TOKEN = {"access_token": "bench", "expires_in": 3600, "token_type": "Bearer"}
ACCOUNT = {"email": "inbox@example.com", "scopes": [], "aliases": ["default"]}
LOCATION = "us-central1"
Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived; `at` is the time of day in seconds."""

    at: float
    method: str
    host: str
    path: str


@dataclass
class Google:
    """The server, in a thread of its own while the block lasts.

    `silent`: whether a request is read and never answered. `status`: what callbacks answer.
    """

    home: Path
    hosts: tuple[str, ...]
    status: int = 200
    silent: Callable[[Request], bool] = lambda _: False
    posts: list[Request] = field(default_factory=list)
    stored: Counter[str] = field(default_factory=Counter)
    port: int = 0
    plain_port: int = 0

    def __post_init__(self) -> None:
        self.authority = self.home / "authority.pem"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._connections: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None
        self._plain: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self._context = _certified(self.home, self.authority, self.hosts)
        self._thread.start()
        self._plain = self._do(self._serve(0, None))
        self.plain_port = _port_of(self._plain)
        self.come_back()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_away()
        if self._plain is not None:
            self._loop.call_soon_threadsafe(self._plain.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def come_back(self) -> None:
        """Listen to the hosts' requests, at the same port as before."""
        self._server = self._do(self._serve(self.port, self._context))
        self.port = _port_of(self._server)

    def go_away(self) -> None:
        """Refuse connections to the hosts, and cut those that are open."""
        if self._server is not None:
            self._do(self._shut(self._server))
            self._server = None

    def _do(self, doing: Coroutine[None, None, Done]) -> Done:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(20)

    async def _serve(self, port: int, context: ssl.SSLContext | None) -> asyncio.Server:
        make = Connection if context is None else Hosts
        return await self._loop.create_server(
            lambda: make(self), "127.0.0.1", port, ssl=context, backlog=1000
        )

    async def _shut(self, server: asyncio.Server) -> None:
        server.close()
        for transport in list(self._connections):
            transport.abort()

    def answer(self, request: Request) -> tuple[int, str]:
        """Status and body."""
        name = request.path.partition("?")[0]
        if request.path.startswith("/computeMetadata"):
            return 200, json.dumps(TOKEN | ACCOUNT)
        if request.method == "POST":
            self.posts.append(request)
            if self.status == 200:
                self.stored[name] += 1
            return self.status, "{}"
        if name.endswith("/callbacks"):
            return 200, '{"callbacks": []}'
        if name.endswith("/stepEntries"):
            return 200, '{"stepEntries": [{"state": "STATE_SUCCEEDED"}]}'
        return 200, json.dumps({"name": name, "state": self._state(name)})

    def _state(self, execution: str) -> str:
        return "SUCCEEDED" if self.stored[f"{execution}/callbacks/one"] else "ACTIVE"


class Connection(asyncio.Protocol):
    """One connection, kept open for request after request."""

    def __init__(self, google: Google) -> None:
        self.google, self.received = google, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (request := self._next()) is not None:
            if self.google.silent(request):
                return
            status, body = self.google.answer(request)
            self.transport.write(
                f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\n"
                f"Metadata-Flavor: Google\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
            )

    def _next(self) -> Request | None:
        """The request at the front, if it is there whole, with its body."""
        head, end, rest = self.received.partition(b"\r\n\r\n")
        if not end:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return None
        self.received = rest[length:]
        method, path, _ = first.split(" ")
        return Request(time.time(), method, headers["host"], path)


class Hosts(Connection):
    """A connection to one of Google's hosts: cut when they go away."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.google._connections.add(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.google._connections.discard(self.transport)


def _port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


def callback_url(host: str, workflow: str, execution: str, project: str = "123456789012") -> str:
    """The one callback endpoint of an execution here."""
    origin = host if "://" in host else f"https://{host}"
    name = f"projects/{project}/locations/{LOCATION}/workflows/{workflow}/executions/{execution}"
    return f"{origin}/v1/{name}/callbacks/one"


def _certified(home: Path, authority: Path, hosts: Iterable[str]) -> ssl.SSLContext:
    """A context with a certificate for the hosts; who issued it is written to `authority`."""
    root, root_key = _certificate("Benchmark authority", None, None, ())
    leaf, leaf_key = _certificate("Google, here", root, root_key, hosts)
    authority.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    chain = home / "server.pem"
    chain.write_bytes(
        leaf_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + leaf.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context


def _certificate(
    name: str,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey | None,
    hosts: Iterable[str],
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate for a day, and its key; without an issuer, one that issues others."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if names := [x509.DNSName(host) for host in hosts]:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256()), key

"""One HTTP server that plays every host a workflow calls, as the corpus describes them."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Stub = Mapping[str, Any]


@dataclass(frozen=True)
class Received:
    """A request that was sent; `url` is the original one, without query."""

    method: str
    url: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass
class StubServer:
    """Answers by the stubs it is given; use it as a context manager.

    The original host is the first part of the path: `https://example.com/a` is asked for as
    `http://127.0.0.1:PORT/example.com/a`.
    """

    stubs: Sequence[Stub] = ()
    received: list[Received] = field(default_factory=list)
    _used: dict[int, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def script(self, stubs: Sequence[Stub]) -> None:
        """Begin anew with these stubs."""
        with self._lock:
            self.stubs, self.received = stubs, []
            self._used.clear()

    def respond(self, received: Received) -> Mapping[str, Any]:
        """What the first stub that fits answers now; successive requests get successive answers."""
        with self._lock:
            self.received.append(received)
            for number, stub in enumerate(self.stubs):
                if _fits(stub, received):
                    used = self._used.get(number, 0)
                    self._used[number] = used + 1
                    responses: Sequence[Mapping[str, Any]] = stub["responses"]
                    return responses[min(used, len(responses) - 1)]
        return {"status": 404, "text": f"no stub for {received.method} {received.url}"}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _fits(stub: Stub, received: Received) -> bool:
    """Method, URL (a pattern if `regex`) and part of the body."""
    if stub["method"] != received.method:
        return False
    if not url_fits(stub, received.url):
        return False
    return stub.get("body_contains", "").encode() in received.body


def url_fits(stub: Stub, url: str) -> bool:
    """Whether a URL is the one of a stub or an expectation.

    A slash at its end does not matter, nor does the scheme, which the stub's own URL hides.
    """
    for scheme in ("https://", "http://"):
        asked = scheme + url.partition("://")[2]
        if stub.get("regex") and re.fullmatch(stub["url"], asked) is not None:
            return True
        if stub["url"].rstrip("/") == asked.rstrip("/"):
            return True
    return False


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, stub: StubServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stub = stub


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        received = Received(
            self.command,
            f"https:/{parts.path}",
            parse_qs(parts.query, keep_blank_values=True),
            dict(self.headers),
            body,
        )
        response = self.server.stub.respond(received)
        if response.get("fault") == "close":
            self.close_connection = True
            return
        content, kind = b"", ""
        if "json" in response:
            content, kind = json.dumps(response["json"]).encode(), "application/json"
        elif "text" in response:
            content, kind = response["text"].encode(), "text/plain; charset=utf-8"
        content = content.replace(b"{{STUB}}", self.server.stub.url.encode())
        self.send_response(response["status"])
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_HEAD = do_OPTIONS = handle_any  # noqa: N815 - the names of the base class
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - the names of the base class

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""

"""A server in Google's place: workflows that wait for ever, and keep every answer unread."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

TOKEN = {
    "email": "inbox@siege.invalid",
    "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
    "access_token": "of-the-siege",
    "expires_in": 3600,
    "token_type": "Bearer",
}
"""What any address of the metadata server answers."""


class Google(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.waiting: dict[str, str] = {}
        self.posted: defaultdict[str, list[str]] = defaultdict(list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def wait_at(self, urls: Iterable[str]) -> None:
        """One execution waits at each of these callbacks."""
        paths = (urlsplit(url).path for url in urls)
        self.waiting |= {path.rpartition("/")[0]: path for path in paths}

    def read(self, path: str) -> dict[str, Any]:
        """An execution, its callbacks, or a token."""
        if path in self.waiting:
            callback = self.waiting[path]
            payloads = self.posted[callback]
            waits = {"waiters": int(not payloads), "availablePayloads": payloads}
            return {"callbacks": [{"name": callback.removeprefix("/v1/"), **waits}]}
        return {"state": "ACTIVE"} if path.startswith("/v1/") else TOKEN

    def handle_error(self, *args: object) -> None:
        """Who asks is killed on the way."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Google

    def do_GET(self) -> None:
        self._say(self.server.read(urlsplit(self.path).path))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.posted[self.path].append(body.decode())
        self._say({})

    def _say(self, answer: dict[str, Any]) -> None:
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: object) -> None:
        """Silence."""


@contextmanager
def google() -> Iterator[Google]:
    """Serve on a free loopback port until the block ends."""
    server = Google()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

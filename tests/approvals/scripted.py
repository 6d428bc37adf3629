"""A small HTTP server that answers as a test tells it, and notes what it was sent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Said:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Script:
    """What the server does next. Answers are (status, headers, body) or a fault by name.

    Requests with `stalling` in their path get no answer until `released`.
    """

    origin: str = ""
    answers: list[Any] = field(default_factory=list)
    seen: list[Said] = field(default_factory=list)
    stalling: str = ""
    released: threading.Event = field(default_factory=threading.Event)

    def answer(self, status: int, body: Any = None, **headers: str) -> "Script":
        """Queue an answer; `body` is sent as JSON."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, named, json.dumps(body or {}).encode()))
        return self

    def hang_up(self) -> "Script":
        """Queue a fault: read the request, then close without an answer."""
        self.answers.append("hang up")
        return self


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Script

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        script = self.script
        script.seen.append(Said(self.command, self.path, dict(self.headers.items()), body))
        if script.stalling and script.stalling in self.path and not script.released.is_set():
            script.released.wait(30)
            self.close_connection = True
            return
        answer = script.answers.pop(0) if script.answers else (200, {}, b"{}")
        if answer == "hang up":
            self.close_connection = True
            return
        status, headers, text = answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = handle_any  # noqa: N815 - the names http.server looks for

    def log_message(self, *args: object) -> None:
        """Silence."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: object) -> None:
        """Clients of these tests hang up early on purpose."""


@contextmanager
def scripted_server() -> Iterator[Script]:
    """Serve on a free loopback port until the block ends."""
    script = Script()
    with serving(type("Scripted", (Handler,), {"script": script}), script.released) as origin:
        script.origin = origin
        yield script


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], over: threading.Event) -> Iterator[str]:
    """Serve on a free loopback port until the block ends, and then say that it is over."""
    server = Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()

"""Reading what Google answers: not for ever, not without an end, however the body is sent."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import pytest

from approvals.google import certificates, wire
from approvals.google.certificates import CannotFetch, fetch_certificates
from approvals.google.wire import CannotLook
from tests.approvals.scripted import serving

LENGTH, CHUNKS, CLOSE = "Content-Length", "chunks", "until it is closed"


def look(url):
    with wire.understood():
        return wire.get(url)


READERS = {
    "get": (wire, look, CannotLook),
    "fetch_certificates": (certificates, fetch_certificates, CannotFetch),
}
however_sent = pytest.mark.parametrize("framing", [LENGTH, CHUNKS, CLOSE])
MUCH = 64_000_000  # bytes; more than both ends of a connection hold by themselves


@dataclass
class Sender:
    """What the server sends, and what came of it."""

    framing: str
    body: bytes
    piece: int = 1_000_000  # bytes that are sent at a time
    pause: float = 0  # seconds before each of them
    breaks_off: bool = False  # after the first of them
    headers: dict[str, str] = field(default_factory=dict)
    origin: str = ""
    connections: set[int] = field(default_factory=set)
    encodings: set[str] = field(default_factory=set)
    sent: int = 0
    over: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    sender: Sender

    def do_GET(self) -> None:
        it = self.sender
        it.connections.add(self.client_address[1])
        it.encodings.add(self.headers["Accept-Encoding"])
        self.send_response(200)
        framed = {
            LENGTH: ("Content-Length", str(len(it.body))),
            CHUNKS: ("Transfer-Encoding", "chunked"),
            CLOSE: ("Connection", "close"),
        }
        for name, value in (framed[it.framing], *it.headers.items()):
            self.send_header(name, value)
        self.end_headers()
        for start in range(0, len(it.body), it.piece):
            if it.over.wait(it.pause):
                return
            self.send(it.body[start : start + it.piece])
            if it.breaks_off:
                self.close_connection = True
                return
        if it.framing == CHUNKS:
            self.wfile.write(b"0\r\n\r\n")

    def send(self, piece: bytes) -> None:
        if self.sender.framing == CHUNKS:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            self.wfile.write(piece)
        self.sender.sent += len(piece)

    def log_message(self, *args: object) -> None:
        """Silence."""


@contextmanager
def sending(framing, body, **how) -> Iterator[Sender]:
    """Serve this body on a free loopback port until the block ends."""
    sender = Sender(framing, body, **how)
    with serving(type("Sending", (Handler,), {"sender": sender}), sender.over) as origin:
        sender.origin = origin
        yield sender


@pytest.mark.usefixtures("google")
@pytest.mark.parametrize("reader", READERS)
class TestBodyOf:
    @however_sent
    def test_it_is_read_whole_and_asked_for_as_it_is(self, reader, framing):
        _, read, _ = READERS[reader]

        with sending(framing, json.dumps({"a": "é" * 10_000}).encode(), piece=999) as it:
            assert read(it.origin) == {"a": "é" * 10_000}

        assert it.encodings == {"identity"}

    @however_sent
    def test_one_that_drips_is_left_when_its_time_is_over(self, reader, framing, monkeypatch):
        module, read, error = READERS[reader]
        monkeypatch.setattr(module, "MAX_SECONDS", 0.2)

        with sending(framing, b" " * 60, piece=1, pause=0.05) as it, pytest.raises(error):
            read(it.origin)

        assert it.sent < 30  # of 60

    @however_sent
    def test_one_that_is_too_long_is_not_read_to_its_end(self, reader, framing, monkeypatch):
        module, read, error = READERS[reader]
        monkeypatch.setattr(module, "MAX_ANSWER", 70_000)

        with sending(framing, b" " * MUCH) as it, pytest.raises(error):
            read(it.origin)

        assert it.sent < MUCH

    def test_one_that_says_it_is_too_long_is_not_waited_for(self, reader, monkeypatch):
        module, read, error = READERS[reader]
        monkeypatch.setattr(module, "MAX_ANSWER", 70_000)

        refused = pytest.raises(error, match=r"too long|CannotLook")

        with sending(LENGTH, b" " * 70_001, pause=60) as it, refused:
            read(it.origin)

    @however_sent
    def test_one_that_is_as_long_as_may_be_is_read(self, reader, framing, monkeypatch):
        module, read, _ = READERS[reader]
        body = json.dumps({"a": "b" * 70_000}).encode()
        monkeypatch.setattr(module, "MAX_ANSWER", len(body))

        with sending(framing, body) as it:
            assert read(it.origin) == {"a": "b" * 70_000}

    @pytest.mark.parametrize("framing", [LENGTH, CHUNKS])
    def test_one_that_breaks_off_is_not_taken_for_the_whole(self, reader, framing):
        """What came of it could be understood by itself."""
        _, read, error = READERS[reader]

        body = b'{"a": "b"}' + b" " * 10

        with sending(framing, body, piece=10, breaks_off=True) as it, pytest.raises(error):
            read(it.origin)

    def test_what_is_compressed_all_the_same_is_not_unpacked(self, reader):
        _, read, error = READERS[reader]
        body, gzipped = gzip.compress(b'{"a": "b"}'), {"Content-Encoding": "gzip"}

        with sending(LENGTH, body, headers=gzipped) as it, pytest.raises(error):
            read(it.origin)


@pytest.mark.usefixtures("google")
class TestSession:
    @pytest.mark.parametrize("framing", [LENGTH, CHUNKS])
    def test_a_connection_whose_answer_was_read_is_used_again(self, framing):
        with sending(framing, b'{"a": "b"}', piece=3) as it:
            for _ in range(5):
                assert wire.get(it.origin) == {"a": "b"}

        assert len(it.connections) == 1

    def test_one_whose_answer_was_left_is_not(self, monkeypatch):
        """The rest of that answer would be taken for the beginning of the next."""
        monkeypatch.setattr(wire, "MAX_ANSWER", 20)

        with sending(LENGTH, b" " * 21) as it:
            for _ in range(2):
                with pytest.raises(CannotLook):
                    wire.get(it.origin)

        assert len(it.connections) == 2

"""What workflows see of HTTP answers, and of exchanges that do not come to one."""

import asyncio
import datetime
import gzip
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.emulator.calling import calls, get
from tests.emulator.engines import Handler, emulator, outcome, site, start


async def _ok(_: web.Request) -> web.StreamResponse:
    return web.Response()


def answered(path: Path, handler: Handler, **args: Any) -> Any:
    """What a GET gives or raises."""

    async def scenario() -> Any:
        async with site(handler) as server, emulator(path) as services:
            (given,) = await outcome(services, start(services, calls(get(server.url, **args))))
            return given

    return asyncio.run(scenario())


@asynccontextmanager
async def saying(raw: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that says these bytes to every request and closes; its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def said(path: Path, raw: bytes, function: str = "http.get") -> Any:
    """What a call gives or raises where the server says these bytes."""

    async def scenario() -> Any:
        async with saying(raw) as address, emulator(path) as services:
            source = calls(get(f"http://{address}/", function))
            (given,) = await outcome(services, start(services, source))
            return given

    return asyncio.run(scenario())


def message(status: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body


class TestBody:
    @pytest.mark.parametrize(
        ("kind", "raw", "seen"),
        [
            ("application/json", b'{"a": [1, 1.0, null]}', {"a": [1, 1.0, None]}),
            ("application/json; charset=utf-8", b'"x"', "x"),
            ("application/vnd.api+json", b"[]", []),
            ("APPLICATION/JSON", b"5", 5),
            ("application/json", b"null", None),
            ("application/json", b"", None),
            ("application/json", b"<html>", "<html>"),
            ("application/json", b'{"a": 1', '{"a": 1'),
            ("application/json", b"NaN", "NaN"),
            ("application/json", b"\xef\xbb\xbf1", 1),
            ("application/json", b"[" * 90, "[" * 90),
            ("text/plain", "ä".encode(), "ä"),
            ("text/plain; charset=ISO-8859-1", b"\xe4", "ä"),
            ("text/html; charset=none", "ä".encode(), "ä"),
            ("text/plain", b"\xff", "\N{REPLACEMENT CHARACTER}"),
            ("text/plain", b"", None),
        ],
    )
    def test_text_and_json_are_decoded(self, tmp_path, kind, raw, seen):
        async def handler(_: web.Request) -> web.StreamResponse:
            return web.Response(body=raw, headers={"Content-Type": kind})

        given = answered(tmp_path, handler)

        assert given["body"] == seen
        assert type(given["body"]) is type(seen)

    @pytest.mark.parametrize("kind", ["Content-Type: application/octet-stream", "X-None: 1"])
    def test_other_types_and_none_are_bytes(self, tmp_path, kind):
        raw = message("200 OK", kind, "Content-Length: 2", body=b"\x00\xff")

        async def scenario() -> Any:
            async with saying(raw) as address, emulator(tmp_path) as services:
                source = calls(get(f"http://{address}/")).replace(
                    '"${list.concat(all, got)}"', '"${base64.encode(got.body)}"'
                )
                return await outcome(services, start(services, source))

        assert asyncio.run(scenario()) == "AP8="

    def test_one_that_was_compressed_is_told_as_it_was(self, tmp_path):
        body = gzip.compress(b'{"a": 1}')
        head = ("Content-Type: application/json", "Content-Encoding: gzip")

        given = said(tmp_path, message("200 OK", *head, f"Content-Length: {len(body)}", body=body))

        assert given["body"] == {"a": 1}

    @pytest.mark.parametrize(
        "raw", [b"[" * 101 + b"]" * 101, b"[" * 5000 + b"]" * 5000, b"[1e400]", b"9" * 400]
    )
    @pytest.mark.parametrize("status", ["200 OK", "500 E"])
    def test_json_that_no_value_can_hold_is_a_limit(self, tmp_path, status, raw):
        head = ("Content-Type: application/json", f"Content-Length: {len(raw)}")

        error = said(tmp_path, message(status, *head, body=raw))

        assert error["tags"] == ["ResourceLimitError"]

    def test_one_that_unfolds_to_too_much_is_a_limit(self, tmp_path):
        body = gzip.compress(b"x" * 50_000_000)
        head = ("Content-Type: text/plain", "Content-Encoding: gzip")

        error = said(tmp_path, message("200 OK", *head, f"Content-Length: {len(body)}", body=body))

        assert error["tags"] == ["ResourceLimitError"]

    def test_one_in_chunks_is_whole(self, tmp_path):
        head = ("Content-Type: text/plain", "Transfer-Encoding: chunked")
        body = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"

        assert said(tmp_path, message("200 OK", *head, body=body))["body"] == "abcde"

    def test_one_that_ends_with_the_connection_is_whole(self, tmp_path):
        given = said(tmp_path, message("200 OK", "Content-Type: text/plain", body=b"abc"))

        assert given["body"] == "abc"


class TestStatus:
    @pytest.mark.parametrize(
        "status", ["200 OK", "202 Accepted", "204 No Content", "226 IM Used", "304 Not Modified"]
    )
    def test_below_400_it_is_a_result(self, tmp_path, status):
        given = said(tmp_path, message(status, "Content-Length: 0"))

        assert given == {"body": None, "code": int(status[:3]), "headers": given["headers"]}

    @pytest.mark.parametrize("status", ["400 Bad", "404 Not Found", "418 T", "500 E", "599 X"])
    def test_from_400_on_it_is_an_http_error(self, tmp_path, status):
        head = ("content-type: application/json", "x-why: so", "Content-Length: 9")

        error = said(tmp_path, message(status, *head, body=b'{"a": [1]'))

        assert error == {
            "body": '{"a": [1]',
            "code": int(status[:3]),
            "headers": {"Content-Length": "9", "Content-Type": "application/json", "X-Why": "so"},
            "message": f"HTTP server responded with error code {status[:3]}",
            "tags": ["HttpError"],
        }

    def test_one_on_the_way_is_passed_over(self, tmp_path):
        early = message("103 Early Hints", "Link: </a>") + message("100 Continue")

        given = said(tmp_path, early + message("200 OK", "Content-Length: 0"))

        assert given["code"] == 200

    def test_the_answer_to_head_has_headers_and_no_body(self, tmp_path):
        async def scenario() -> Any:
            raw = message("200 OK", "Content-Type: application/json", "Content-Length: 500")
            async with saying(raw) as address, emulator(tmp_path) as services:
                step = {"call": "http.request", "args": ["HEAD", f"http://{address}/"]}
                (given,) = await outcome(services, start(services, calls(step)))
                return given

        given = asyncio.run(scenario())

        assert (given["body"], given["headers"]["Content-Length"]) == (None, "500")


class TestHeaders:
    def test_names_are_canonical_and_values_of_one_name_joined(self, tmp_path):
        head = ("x-a: 1", "X-A: 2", "set-cookie: a=b", "Set-Cookie: c=d", "ETAG: e", "x_y-z: 3")

        given = said(tmp_path, message("200 OK", *head, "content-length: 0"))

        assert given["headers"] == {
            "Content-Length": "0",
            "Etag": "e",
            "Set-Cookie": "a=b, c=d",
            "X-A": "1, 2",
            "X_y-Z": "3",
        }

    def test_they_may_be_long_and_many(self, tmp_path):
        many = [f"X-{number}: {number}" for number in range(500)]

        given = said(
            tmp_path, message("200 OK", f"X-Long: {'x' * 100_000}", *many, "content-length: 0")
        )

        assert given["headers"]["X-Long"] == "x" * 100_000
        assert given["headers"]["X-499"] == "499"

    def test_they_count_for_the_size_of_the_answer(self, tmp_path):
        head = [f"X-{number}: {'x' * 200_000}" for number in range(10)]
        head += ["Content-Type: text/plain", "Content-Length: 200000"]

        error = said(tmp_path, message("200 OK", *head, body=b"x" * 200_000))

        assert error["tags"] == ["ResourceLimitError"]
        assert "2 MB" in error["message"]


class TestFailure:
    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"HTTP/1.1 200",
            b"SSH-2.0-OpenSSH\r\n\r\n",
            message("200 OK", "Content-Length: 10", body=b"abc"),
            message("200 OK", "Transfer-Encoding: chunked", body=b"5\r\nab"),
            message("200 OK", "Transfer-Encoding: chunked", body=b"zz\r\nab\r\n0\r\n\r\n"),
            message("200 OK", "Transfer-Encoding: chunked", body=b"2\r\nab\r\n"),
            message("200 OK", "Content-Encoding: gzip", "Content-Length: 3", body=b"abc"),
            message("200 OK", "Content-Length: -1"),
            message("200 OK", f"X-Long: {'x' * 300_000}", "Content-Length: 0"),
        ],
        ids=["nothing", "half", "other", "short", "cut", "bad", "open", "gzip", "length", "long"],
    )
    def test_an_answer_that_breaks_off_is_a_connection_error(self, tmp_path, raw):
        error = said(tmp_path, raw)

        assert error["tags"] == ["ConnectionError"]
        assert error.keys() == {"message", "tags"}
        assert "GET http://127.0.0.1:" in error["message"]

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:1/", "http://no-such-host.invalid/", "http://[::1]:1/"]
    )
    def test_no_connection_is_a_connection_failed_error(self, tmp_path, url):
        async def scenario() -> Any:
            async with emulator(tmp_path) as services:
                (error,) = await outcome(services, start(services, calls(get(url))))
                return error

        assert asyncio.run(scenario())["tags"] == ["ConnectionFailedError"]

    def test_a_certificate_that_nobody_signed_is_a_connection_failed_error(self, tmp_path):
        async def scenario() -> Any:
            raw = message("200 OK", "Content-Length: 0")
            async with saying(raw, certified(tmp_path)) as address, emulator(tmp_path) as services:
                source = calls(get(f"https://{address}/"))
                (error,) = await outcome(services, start(services, source))
                return error

        assert asyncio.run(scenario())["tags"] == ["ConnectionFailedError"]

    def test_a_server_that_speaks_no_tls_is_a_connection_failed_error(self, tmp_path):
        async def scenario() -> Any:
            async with site(_ok) as server, emulator(tmp_path) as services:
                source = calls(get(server.url.replace("http:", "https:")))
                (error,) = await outcome(services, start(services, source))
                return error

        assert asyncio.run(scenario())["tags"] == ["ConnectionFailedError"]

    @pytest.mark.parametrize("begun", [b"", message("200 OK", "Content-Length: 5", body=b"ab")])
    def test_one_that_takes_too_long_is_a_timeout(self, tmp_path, begun):
        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(begun)
            await reader.read()
            writer.close()

        async def scenario() -> Any:
            server = await asyncio.start_server(slow, "127.0.0.1", 0)
            async with server, emulator(tmp_path) as services:
                url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
                (error,) = await outcome(services, start(services, calls(get(url, timeout=0.3))))
                return error

        error = asyncio.run(scenario())

        assert error["tags"] == ["TimeoutError"]
        assert "0.3 seconds" in error["message"]


def certified(folder: Path) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context

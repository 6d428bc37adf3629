"""Replies of the world reach the file once, whatever they hold and however full the disk is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from emulator.bodies import decode
from emulator.services import Services
from tests.emulator.engines import emulator, outcome, run, site, start

GET = """
- ask: {call: http.get, args: {url: "%s"}, result: answer}
- done: {return: "${[answer.headers, answer.body]}"}
"""


@asynccontextmanager
async def raw_site(answer: bytes) -> AsyncIterator[str]:
    """A server that answers with these bytes; gives its URL."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


def fill(services: Services) -> None:
    """The data file cannot grow any more, as on a full disk."""
    (pages,) = services.database.row("PRAGMA page_count") or (0,)
    services.database.run(f"PRAGMA max_page_count = {pages}").close()


def make_room(services: Services) -> None:
    services.database.run("PRAGMA max_page_count = 1000000").close()


class TestText:
    def test_a_header_that_is_not_utf_8_arrives_with_a_sign_for_it(self, tmp_path: Path):
        async def scenario() -> Any:
            answer = b"HTTP/1.1 200 OK\r\nX-Name: caf\xe9\r\nContent-Length: 0\r\n\r\n"
            async with raw_site(answer) as url:
                return await run(tmp_path, GET % url)

        headers, _ = asyncio.run(scenario())

        assert headers["X-Name"] == "caf\N{REPLACEMENT CHARACTER}"

    def test_a_content_type_that_is_not_utf_8_is_no_obstacle(self):
        assert decode("text/plain; charset=\udce9", b"a") == "a"

    def test_a_charset_that_is_none_is_read_as_utf_8(self):
        for name in ("rot13", "idna", "utf-7", "unicode_escape", "hex", "undefined"):
            assert decode(f"text/plain; charset={name}", b"+2AA- \\ud800") == "+2AA- \\ud800"

    def test_a_charset_is_kept_to(self):
        assert (
            decode("text/plain; charset=latin-1", b"caf\xe9")
            == "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
        )

    def test_an_address_that_is_not_utf_8_is_an_error_of_the_workflow(self, tmp_path: Path):
        """The error quotes the address that a redirect names, and the file must hold the error."""

        async def scenario() -> Any:
            answer = (
                b"HTTP/1.1 302 Found\r\nLocation: http://caf\xe9:x/\r\nContent-Length: 0\r\n\r\n"
            )
            async with raw_site(answer) as url:
                return await run(tmp_path, GET % url)

        assert asyncio.run(scenario())["tags"] == ["ConnectionError"]


class TestFullDisk:
    def test_a_reply_that_cannot_be_written_is_kept_and_the_call_not_made_again(
        self, tmp_path: Path
    ):
        async def scenario() -> tuple[Any, int]:
            async with emulator(tmp_path) as services:

                async def answer(_: web.Request) -> web.Response:
                    fill(services)
                    return web.Response(text="x" * 200_000)

                async with site(answer) as there:
                    execution = start(services, GET % there.url)
                    await asyncio.wait_for(there.called.wait(), 10)
                    await asyncio.sleep(1.5)
                    make_room(services)
                    return await outcome(services, execution), len(there.received)

        (_, body), calls = asyncio.run(scenario())

        assert (len(body), calls) == (200_000, 1)

    def test_a_call_under_way_is_not_made_again_when_its_run_is_built_again(self, tmp_path: Path):
        """The turn of another branch cannot be written, so the run is ahead of the file."""
        source = """
        main:
          params: [input]
          steps:
            - both:
                parallel:
                  branches:
                    - slow: {steps: [{a: {call: http.get, args: {url: "%s"}}}]}
                    - note:
                        steps:
                          - b: {call: sys.sleep, args: {seconds: 0.3}}
                          - c: {call: sys.log, args: {text: "${input}"}}
            - done: {return: 1}
        """

        async def scenario() -> tuple[Any, int]:
            async with emulator(tmp_path) as services:
                slow = asyncio.Event()

                async def answer(_: web.Request) -> web.Response:
                    fill(services)
                    await slow.wait()
                    return web.Response()

                async with site(answer) as there:
                    execution = start(services, source % there.url, "x" * 30_000)
                    await asyncio.wait_for(there.called.wait(), 10)
                    await asyncio.sleep(0.8)
                    assert services.store.logs(execution.id) == []
                    make_room(services)
                    await asyncio.sleep(1)
                    assert len(services.store.logs(execution.id)) == 1
                    slow.set()
                    return await outcome(services, execution), len(there.received)

        assert asyncio.run(scenario()) == (1, 1)

    def test_a_turn_that_is_not_on_disk_calls_nobody(self, tmp_path: Path):
        """What it would have called is called once, when the turn has been taken again."""
        source = """
        main:
          params: [input]
          steps:
            - first: {call: sys.sleep, args: {seconds: 0.2}}
            - both:
                parallel:
                  branches:
                    - tell: {steps: [{a: {call: http.get, args: {url: "%s"}}}]}
                    - note: {steps: [{b: {call: sys.log, args: {text: "${input}"}}}]}
            - done: {return: 1}
        """

        async def scenario() -> tuple[int, Any, int]:
            async with emulator(tmp_path) as services:

                async def answer(_: web.Request) -> web.Response:
                    return web.Response()

                async with site(answer) as there:
                    execution = start(services, source % there.url, "x" * 30_000)
                    await services.engine.on_disk()
                    fill(services)
                    await asyncio.sleep(0.5)
                    early = len(there.received)
                    make_room(services)
                    result = await outcome(services, execution)
                    return early, result, len(there.received)

        assert asyncio.run(scenario()) == (0, 1, 1)
